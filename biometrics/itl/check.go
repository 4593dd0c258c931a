package itl

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Fault is one thing in a transaction that the standard does not allow.
type Fault struct {
	Record int    // the record, from 1 in the order of the file; 0 where the file could not be read
	Field  string // "4.006"
	Text   string // what is wrong; never a value of a person's record
}

// String is the fault as one line: "4.006: record 5: says 800, the image is 804 pixels wide".
func (f Fault) String() string {
	if f.Record == 0 {
		return f.Field + ": " + f.Text
	}
	return fmt.Sprintf("%s: record %d: %s", f.Field, f.Record, f.Text)
}

// CheckFile decodes and checks. A file that cannot be read has that one fault.
func CheckFile(b []byte) []Fault {
	t, err := Decode(b)
	var broken *FormatError
	if errors.As(err, &broken) {
		return []Fault{{Field: broken.Field, Text: fmt.Sprintf("byte %d: %s", broken.Offset, broken.Text)}}
	}
	return Check(t)
}

// MaxFaults is where Check stops looking.
const MaxFaults = 200

// Check holds a transaction against the layouts of its records (Type-1, 2, 4, 9,
// 10, 14, 17, 99; of others only IDC and character set) and against itself: 1.003
// against the records, the character set against 1.015, sizes and compression
// against the images, boxes and missing fingers against the position. Nil is a
// transaction without fault.
func Check(t Transaction) []Fault {
	c := checker{}
	if len(t.Records) == 0 || t.Records[0].Type != 1 {
		return []Fault{{Field: name(1, 1), Text: "there is no Type-1 record at the beginning"}}
	}
	c.charset = charset(t.Records[0])
	for i, r := range t.Records {
		c.index, c.record = i+1, r
		c.layout()
		switch r.Type {
		case 1:
			c.header(t)
		case 3, 4, 5, 6:
			c.fixedImage()
		case 9:
			c.minutiae()
		case 10, 14, iris, 99:
			c.image()
		}
		if i > 0 && r.Type == 1 {
			c.fault(1, "a second Type-1 record")
		}
	}
	return c.faults
}

type checker struct {
	index   int
	record  Record
	charset string // of 1.015, "" for ASCII only
	faults  []Fault
}

func (c *checker) fault(number int, format string, args ...any) {
	if len(c.faults) < MaxFaults {
		c.faults = append(c.faults, Fault{c.index, name(c.record.Type, number), fmt.Sprintf(format, args...)})
	}
}

// charset is the code of the first character set beside ASCII that 1.015 declares.
func charset(first Record) string {
	f, _ := first.Get(15)
	for _, sub := range f.Subfields() {
		if sub[0] != asciiCode {
			return sub[0]
		}
	}
	return ""
}

// Codes of character sets in 1.015 (7.7, table of character encoding).
const (
	asciiCode = "000"
	utf8Code  = "003"
)

// layout holds every field against its row.
func (c *checker) layout() {
	if !c.record.Tagged() {
		return
	}
	seen := map[int]bool{}
	for i, f := range c.record.Fields {
		if seen[f.Number] {
			c.fault(f.Number, "stands twice in the record")
			continue
		}
		seen[f.Number] = true
		if f.Number == 2 && i != 1 && c.record.Type != 1 {
			c.fault(2, "is not the second field")
		}
		if f.Number != dataField {
			c.text(f)
		}
		if r, ok := rules[c.record.Type][f.Number]; ok {
			c.field(f, r)
		} else if rules[c.record.Type] != nil && !agencys(c.record.Type, f.Number) {
			c.fault(f.Number, "there is no such field in a Type-%d record", c.record.Type)
		}
	}
	for _, number := range sorted(rules[c.record.Type]) {
		if rules[c.record.Type][number].must && !seen[number] {
			c.fault(number, "is missing (%s)", Mnemonic(c.record.Type, number))
		}
	}
}

func sorted(m map[int]rule) []int {
	var numbers []int
	for n := range m {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// text holds a value against the character set: Type-1 is ASCII always, the others
// what 1.015 declares (annex B).
func (c *checker) text(f Field) {
	ascii := !slices.ContainsFunc(f.Value, func(b byte) bool { return b >= 0x80 })
	switch {
	case ascii:
	case c.record.Type == 1:
		c.fault(f.Number, "holds bytes outside ASCII, which no Type-1 field may")
	case c.charset == "":
		c.fault(f.Number, "holds bytes outside ASCII, and 1.015 declares no other character set")
	case c.charset == utf8Code && !utf8.Valid(f.Value):
		c.fault(f.Number, "is no valid UTF-8, which 1.015 declares")
	}
}

func (c *checker) field(f Field, r rule) {
	if r.items == nil || f.Number == 1 {
		return
	}
	subs := f.Subfields()
	if most := max(r.most, 1); len(subs) > most {
		c.fault(f.Number, "has %d subfields, at most %d are allowed", len(subs), most)
		return
	}
	for i, items := range subs {
		where := ""
		if len(subs) > 1 {
			where = fmt.Sprintf("subfield %d ", i+1)
		}
		least := len(r.items) - r.optional
		if len(items) < least || r.free == 0 && len(items) > len(r.items) {
			c.fault(f.Number, "%shas %d information items, %d are wanted", where, len(items), least)
			continue
		}
		for j, value := range items {
			it := r.items[min(j, len(r.items)-1)]
			if why := it.wrong(value); why != "" {
				c.fault(f.Number, "%s%s", where, why)
			}
		}
	}
}

// wrong says what is wrong with an item's value, nothing where it is right. Values
// of coded items are shown, cut short; text is not.
func (it item) wrong(value string) string {
	if it.oneOf != nil {
		if !slices.Contains(it.oneOf, value) {
			return fmt.Sprintf("says %s, which is none of %s", show(value), strings.Join(it.oneOf, ", "))
		}
		return ""
	}
	n := utf8.RuneCountInString(value)
	if n < it.least || it.most > 0 && n > it.most {
		return fmt.Sprintf("has %d characters, %s are allowed", n, it.span())
	}
	if n == 0 {
		return ""
	}
	if strings.TrimSpace(value) == "" {
		return "holds nothing but spaces"
	}
	if why := it.kind.wrong(value); why != "" {
		return why
	}
	if v, ok := digits([]byte(value), 9); ok && it.kind == numeric && it.high > 0 && (v < it.low || v > it.high) {
		return fmt.Sprintf("says %d, %d to %d are allowed", v, it.low, it.high)
	}
	return ""
}

func (it item) span() string {
	switch {
	case it.least == it.most:
		return strconv.Itoa(it.least)
	case it.most == 0:
		return fmt.Sprintf("%d or more", it.least)
	}
	return fmt.Sprintf("%d to %d", it.least, it.most)
}

func (k kind) wrong(value string) string {
	switch k {
	case numeric:
		if !every(value, "", '0', '9') {
			return fmt.Sprintf("says %s where a number should stand", show(value))
		}
	case signed:
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Sprintf("says %s where a number should stand", show(value))
		}
	case hexa:
		if !every(strings.ToUpper(value), "ABCDEF", '0', '9') {
			return fmt.Sprintf("says %s where hexadecimal digits should stand", show(value))
		}
	case alpha:
		if !every(strings.ToUpper(value), "-_", 'A', 'Z') {
			return fmt.Sprintf("says %s where letters should stand", show(value))
		}
	case alnum:
		if !every(strings.ToUpper(value), "0123456789-_", 'A', 'Z') {
			return fmt.Sprintf("says %s where letters and digits should stand", show(value))
		}
	case anyText:
		if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }) {
			return "holds control characters"
		}
	case special:
		if !every(value, "", ' ', '~') {
			return "holds characters that are not printable ASCII"
		}
	case date:
		if _, err := time.Parse("20060102", value); err != nil {
			return fmt.Sprintf("says %s, which is no day of the calendar as YYYYMMDD", show(value))
		}
	case moment:
		if _, err := time.Parse("20060102150405Z", value); err != nil {
			return fmt.Sprintf("says %s, which is no time as YYYYMMDDHHMMSSZ", show(value))
		}
	}
	return ""
}

func every(value, extra string, low, high byte) bool {
	for i := range len(value) {
		if b := value[i]; (b < low || b > high) && strings.IndexByte(extra, b) < 0 {
			return false
		}
	}
	return true
}

func show(value string) string {
	if len(value) > 20 {
		value = value[:20]
	}
	return strconv.Quote(value)
}
