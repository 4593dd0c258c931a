package wsq

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Field is one line of a NIST comment (NISTCOM): a name, a space and a value.
type Field struct{ Name, Value string }

// nistcom is the name of the first line, whose value is the number of lines.
const nistcom = "NIST_COM"

// maxComment is what fits into one segment.
const maxComment = 65535 - 2

// describe takes in a file's comments: the first NIST comment as fields.
func (im *Image) describe(comments []string) {
	for _, text := range comments {
		if im.Fields == nil && strings.HasPrefix(text, nistcom+" ") {
			im.Fields = parseFields(text)
			im.PPI = resolution(im.Fields)
			continue
		}
		im.Comments = append(im.Comments, text)
	}
}

// parseFields reads lines, up to the first NUL.
func parseFields(text string) []Field {
	text, _, _ = strings.Cut(text, "\x00")
	var list []Field
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(strings.TrimRight(line, " \t\r"), " ")
		if name != "" {
			list = append(list, Field{name, strings.TrimLeft(value, " \t")})
		}
	}
	return list
}

// resolution is the last PPI line's number, 0 where it is none above zero.
func resolution(list []Field) int {
	ppi := 0
	for _, f := range list {
		if f.Name == "PPI" {
			ppi, _ = strconv.Atoi(f.Value)
		}
	}
	return max(ppi, 0)
}

// formatFields writes the NIST comment: the lines of every WSQ file in a fixed
// order, then the caller's in theirs.
func formatFields(w, h int, o *Options) (string, error) {
	ppi := -1 // NIST's way to say unknown
	if o.PPI > 0 {
		ppi = o.PPI
	}
	list := []Field{
		{nistcom, ""},
		{"PIX_WIDTH", strconv.Itoa(w)},
		{"PIX_HEIGHT", strconv.Itoa(h)},
		{"PIX_DEPTH", "8"},
		{"PPI", strconv.Itoa(ppi)},
		{"LOSSY", "1"},
		{"COLORSPACE", "GRAY"},
		{"COMPRESSION", "WSQ"},
		{"WSQ_BITRATE", fmt.Sprintf("%.6f", o.Rate)},
	}
	own := map[string]bool{}
	for _, f := range list {
		own[f.Name] = true
	}
	for _, f := range o.Fields {
		if own[f.Name] {
			continue
		}
		if f.Name == "" || strings.ContainsAny(f.Name, " \t\r\n\x00") || strings.ContainsAny(f.Value, "\r\n\x00") {
			return "", fmt.Errorf("wsq: comment line %q does not fit on one line", f.Name)
		}
		list = append(list, f)
	}
	list[0].Value = strconv.Itoa(len(list))
	var b bytes.Buffer
	for _, f := range list {
		b.WriteString(f.Name + " " + f.Value + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

var errComment = errors.New("wsq: comment of more than 65533 bytes")
