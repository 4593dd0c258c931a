package finger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"cardstation/biometrics"
)

// Finger minutiae records of ISO/IEC 19794-2: the mark, and the versions of the editions of
// 2005 and 2011.
const (
	isoMark = "FMR\x00"
	iso2005 = " 20\x00"
	iso2011 = "030\x00"
)

const (
	perCentimetre = 197 // pixels at 500 ppi, as the records say it
	mostViews     = 176 // 16 views of 11 positions
	mostRecorded  = 255 // minutiae of a view
	notReported   = 254 // a quality of the 2011 edition
)

// EncodeISO2005 writes a finger minutiae record of ISO/IEC 19794-2:2005, clause 8, with one
// view for each template. Of more than 255 minutiae the best are kept. The place
// of a ridge ending is the end of the ridge's skeleton, as in Template.
func EncodeISO2005(templates ...Template) ([]byte, error) {
	if err := checkViews(templates); err != nil {
		return nil, fmt.Errorf("write minutiae record: %w", err)
	}
	be := binary.BigEndian
	b := append([]byte(isoMark+iso2005), 0, 0, 0, 0, 0, 0)
	w, h := 0, 0
	for i, t := range templates {
		if t.Impression > 15 {
			return nil, fmt.Errorf("write minutiae record: template %d: impression %d", i+1, t.Impression)
		}
		w, h = max(w, t.Width), max(h, t.Height)
	}
	for _, v := range []int{w, h, perCentimetre, perCentimetre} {
		b = be.AppendUint16(b, uint16(v))
	}
	b = append(b, byte(len(templates)), 0)
	seen := map[biometrics.Position]byte{}
	for _, t := range templates {
		all := best(t.Minutiae, mostRecorded)
		b = append(b, byte(t.Position), seen[t.Position]<<4|byte(t.Impression), byte(t.Quality), byte(len(all)))
		seen[t.Position]++
		for _, m := range all {
			b = m.append(b, m.Quality)
		}
		b = append(b, 0, 0)
	}
	be.PutUint32(b[8:], uint32(len(b)))
	return b, nil
}

// EncodeISO2011 writes a finger minutiae record of ISO/IEC 19794-2:2011, clause 8, with one
// representation for each template, captured at a time; the zero time is not said.
func EncodeISO2011(at time.Time, templates ...Template) ([]byte, error) {
	if err := checkViews(templates); err != nil {
		return nil, fmt.Errorf("write minutiae record: %w", err)
	}
	be := binary.BigEndian
	b := append([]byte(isoMark+iso2011), 0, 0, 0, 0)
	b = append(be.AppendUint16(b, uint16(len(templates))), 0)
	seen := map[biometrics.Position]byte{}
	for _, t := range templates {
		from := len(b)
		b = appendMoment(append(b, 0, 0, 0, 0), at)
		b = append(b, 0, 0, 0, 0, 0)                      // device technology, vendor and type: unknown
		b = append(b, 1, byte(t.Quality), 0, 0, 0, 0)     // one quality block
		b = append(b, byte(t.Position), seen[t.Position]) // and which view of it
		seen[t.Position]++
		b = be.AppendUint16(be.AppendUint16(b, perCentimetre), perCentimetre)
		b = append(b, byte(t.Impression))
		b = be.AppendUint16(be.AppendUint16(b, uint16(t.Width)), uint16(t.Height))
		all := best(t.Minutiae, mostRecorded)
		b = append(b, 6<<4|1, byte(len(all))) // six bytes each; endings by the ridges' skeleton
		for _, m := range all {
			quality := m.Quality
			if quality == 0 {
				quality = notReported
			}
			b = m.append(b, quality)
		}
		b = append(b, 0, 0)
		be.PutUint32(b[from:], uint32(len(b)-from))
	}
	be.PutUint32(b[8:], uint32(len(b)))
	return b, nil
}

// appendMoment writes a capture time: UTC, year to millisecond, or all ones.
func appendMoment(b []byte, at time.Time) []byte {
	be := binary.BigEndian
	if at = at.UTC(); at.IsZero() || at.Year() < 1 || at.Year() > 9999 {
		return append(b, 255, 255, 255, 255, 255, 255, 255, 255, 255)
	}
	b = append(be.AppendUint16(b, uint16(at.Year())), byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Second()))
	return be.AppendUint16(b, uint16(at.Nanosecond()/1e6))
}

func (m Minutia) append(b []byte, quality uint8) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(m.Kind)<<14|uint16(m.X))
	return append(binary.BigEndian.AppendUint16(b, uint16(m.Y)), m.Angle, quality)
}

// best is at most n minutiae, the worst left out, in the order given.
func best(all []Minutia, n int) []Minutia {
	if len(all) <= n {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].Quality, all[a].Quality) })
	order = order[:n]
	slices.Sort(order)
	out := make([]Minutia, len(order))
	for i, k := range order {
		out[i] = all[k]
	}
	return out
}

func checkViews(templates []Template) error {
	if len(templates) == 0 || len(templates) > mostViews {
		return fmt.Errorf("%d templates, want 1 to %d", len(templates), mostViews)
	}
	views := map[biometrics.Position]int{}
	for i, t := range templates {
		if err := t.check(math.MaxInt); err != nil {
			return fmt.Errorf("template %d: %w", i+1, err)
		}
		if views[t.Position]++; t.Position > biometrics.LeftLittle || views[t.Position] > 16 {
			return fmt.Errorf("template %d: view %d of position %d", i+1, views[t.Position], t.Position)
		}
	}
	return nil
}

// DecodeISO reads a finger minutiae record of either edition. Coordinates are brought to
// 500 ppi; extended data are passed over. What lies about its lengths gives ErrMalformed.
func DecodeISO(b []byte) ([]Template, error) {
	r := reader{b: b}
	if string(r.take(4)) != isoMark {
		return nil, fmt.Errorf("%w: no minutiae record", ErrMalformed)
	}
	version := string(r.take(4))
	if size := r.number(4); r.failed || size != len(b) {
		return nil, fmt.Errorf("%w: record of %d bytes says %d", ErrMalformed, len(b), size)
	}
	var out []Template
	var err error
	switch version {
	case iso2005:
		out, err = r.views2005()
	case iso2011:
		out, err = r.views2011()
	default:
		return nil, fmt.Errorf("%w: version %q", ErrMalformed, version)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case r.failed:
		return nil, fmt.Errorf("%w: cut short", ErrMalformed)
	case len(r.b) > 0:
		return nil, fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(r.b))
	}
	for i, t := range out {
		if err := t.check(mostRecorded); err != nil {
			return nil, fmt.Errorf("%w: view %d: %w", ErrMalformed, i+1, err)
		}
	}
	return out, nil
}

// reader takes numbers off the front; what is not there makes it fail for good.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.failed = true
		r.b = nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number(bytes int) (n int) {
	for _, v := range r.take(bytes) {
		n = n<<8 | int(v)
	}
	return n
}

var errResolution = errors.New("resolution not within 98 to 1000 pixels a centimetre")

// scale brings pixels of a resolution to 500 ppi; the resolutions of 490 to 510 ppi are that.
// The least is 250 ppi, which some round down.
func scale(x, y int) (func(x, y int) (int, int), error) {
	if min(x, y) < 98 || max(x, y) > 1000 {
		return nil, errResolution
	}
	if x >= 193 && x <= 201 && y >= 193 && y <= 201 {
		return func(x, y int) (int, int) { return x, y }, nil
	}
	return func(px, py int) (int, int) {
		return (px*perCentimetre + x/2) / x, (py*perCentimetre + y/2) / y
	}, nil
}

func (r *reader) views2005() ([]Template, error) {
	r.take(2) // equipment
	w, h := r.number(2), r.number(2)
	to500, err := scale(r.number(2), r.number(2))
	if err != nil {
		return nil, err
	}
	w, h = to500(w, h)
	n := r.number(1)
	r.take(1)
	var out []Template
	for range n {
		t := Template{Width: w, Height: h, Position: biometrics.Position(r.number(1))}
		t.Impression = biometrics.Impression(r.number(1) & 15)
		t.Quality = min(r.number(1), 100)
		t.Minutiae = r.minutiae(r.number(1), 6, to500)
		r.take(r.number(2))
		if r.failed {
			return nil, nil
		}
		out = append(out, t)
	}
	return out, nil
}

func (r *reader) views2011() ([]Template, error) {
	n, certified := r.number(2), r.number(1)
	if certified > 1 || n < 1 || n > mostViews {
		return nil, fmt.Errorf("%d representations, certification %d", n, certified)
	}
	var out []Template
	for range n {
		size := r.number(4)
		if size < 4 || size-4 > len(r.b) {
			return nil, fmt.Errorf("representation of %d bytes", size)
		}
		one := reader{b: r.take(size - 4)}
		t, err := one.view2011(certified == 1)
		if err != nil || one.failed || len(one.b) > 0 {
			return nil, cmp.Or(err, fmt.Errorf("representation of %d bytes does not fill them", size))
		}
		out = append(out, t)
	}
	return out, nil
}

func (r *reader) view2011(certified bool) (t Template, err error) {
	r.take(9 + 1 + 2 + 2) // time and device
	for i := range r.number(1) {
		if q := r.take(5); i == 0 && q[0] <= 100 {
			t.Quality = int(q[0])
		}
	}
	if certified {
		r.take(3 * r.number(1))
	}
	t.Position = biometrics.Position(r.number(1))
	r.take(1) // view
	to500, err := scale(r.number(2), r.number(2))
	if err != nil {
		return t, err
	}
	t.Impression = biometrics.Impression(r.number(1))
	t.Width, t.Height = to500(r.number(2), r.number(2))
	size := r.number(1) >> 4
	if size != 5 && size != 6 {
		return t, fmt.Errorf("minutiae of %d bytes", size)
	}
	t.Minutiae = r.minutiae(r.number(1), size, to500)
	r.take(r.number(2))
	return t, nil
}

// minutiae reads n of them, of five bytes or, with their quality, six. A quality beyond 100
// says that there is none; kind 3, which neither edition has, is another's other.
func (r *reader) minutiae(n, size int, to500 func(x, y int) (int, int)) (out []Minutia) {
	for range n {
		x, y := r.number(2), r.number(2)
		m := Minutia{Kind: Kind(x >> 14), Angle: uint8(r.number(1))}
		if m.Kind > Bifurcation {
			m.Kind = OtherKind
		}
		m.X, m.Y = to500(x&(mostSide-1), y&(mostSide-1))
		if size == 6 {
			if m.Quality = uint8(r.number(1)); m.Quality > 100 {
				m.Quality = 0
			}
		}
		out = append(out, m)
	}
	return out
}
