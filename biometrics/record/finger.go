package record

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Edition is the standard that a finger or face record follows.
type Edition int

// Editions. Faces of ISO/IEC 39794 are read only.
const (
	Finger2005  Edition = 2005 // ISO/IEC 19794-4:2005, version "010"
	Finger2011  Edition = 2011 // ISO/IEC 19794-4:2011, version "020"
	Finger39794 Edition = 2019 // ISO/IEC 39794-4:2019, ASN.1
	Face39794   Edition = 2019 // ISO/IEC 39794-5:2019, ASN.1
)

// Finger is one finger image record with its views. The 2005 edition says
// resolution, depth and compression once for the whole record: there all views
// must agree in them.
type Finger struct {
	Edition Edition
	Level   uint16 // image acquisition level: see levels (2005 only; 7.1.5)
	// Certified says that the views have certification blocks (2011 only; 8.2).
	Certified bool
	// Positions is how many different positions the views show (2011 only; 8.2), as the
	// record says; 0 has Encode count them.
	Positions byte
	Views     []FingerView
}

// FingerView is one image of one position with what is said of it. Codes are the
// standards' own: positions 1 to 10, 13, 14, 15; impressions 0 live plain, 1 live
// rolled, 2 and 3 the same from paper.
type FingerView struct {
	Position     byte
	Impression   byte
	Count        byte // views of this position in the record (2005 only; 7.2.3)
	Number       byte // of this view among them, from 1 in 2005 and from 0 in 2011
	Qualities    []FingerQuality
	Certificates [][3]byte // authority (2 bytes) and scheme (2011 only)
	Captured     [9]byte   // CaptureTime; zero is not known either (2011 and 39794-4)
	Technology   byte      // of the device, 0 unspecified (2011 only)
	Vendor       uint16    // of the device, as registered (2011 only)
	Device       uint16    // its type; in 2005 12 bits that hold for the record (7.1.4)

	Units          byte   // 1 pixels per inch, 2 per centimetre; 0 not said (39794-4 only)
	ScanX, ScanY   uint16 // resolution of the scanner, in Units
	ImageX, ImageY uint16 // resolution of the image, in Units
	Depth          byte   // bits a pixel
	Compression    Compression
	Width, Height  uint16 // pixels; 0 in 39794-4, where only the image says
	Data           []byte // the coded image
	Extended       []byte // segmentation, annotation and comment blocks as they stand (2011 only; 8.5)
	Reserved       byte   // last byte of the header, 0 (2005 only)
}

// FingerQuality is one quality block. The 2005 edition has one score without its
// maker.
type FingerQuality struct {
	Score             byte // 0 to 100; 254 not reported, 255 failed to compute
	Vendor, Algorithm uint16
}

// QualityUnknown is what a 2005 record says where no quality was measured.
const QualityUnknown = 254

// Compression is how an image is coded.
type Compression int

// Compressions. A row of compressionCodes gives each its code in the editions.
const (
	Raw    Compression = iota // one byte a pixel, or two
	Packed                    // pixels without gaps between them
	WSQ
	JPEG
	JPEG2000
	JPEG2000Lossless // told apart from JPEG2000 from 2011 on
	PNG
	PGM // 39794-4 only
)

// String is the format as an operator knows it.
func (c Compression) String() string {
	names := [...]string{Raw: "raw", Packed: "packed raw", WSQ: "WSQ", JPEG: "JPEG", JPEG2000: "JPEG 2000", JPEG2000Lossless: "lossless JPEG 2000", PNG: "PNG", PGM: "PGM"}
	if c >= 0 && int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("compression %d", int(c))
}

const none = -1

// compressionCodes: 19794-4:2005 table 3, 19794-4:2011 table 9, 39794-4.
var compressionCodes = [][3]int{
	Raw: {0, 0, none}, Packed: {1, 1, none}, WSQ: {2, 2, 1}, JPEG: {3, 3, none},
	JPEG2000: {4, 4, 2}, JPEG2000Lossless: {none, 5, 3}, PNG: {5, 6, 4}, PGM: {none, none, 0},
}

func column(e Edition) int { return map[Edition]int{Finger2005: 0, Finger2011: 1, Finger39794: 2}[e] }

func (c Compression) code(e Edition) (byte, error) {
	if c >= 0 && int(c) < len(compressionCodes) {
		if code := compressionCodes[c][column(e)]; code != none {
			return byte(code), nil
		}
	}
	return 0, fmt.Errorf("%s has no code in a finger record of %d", c, e)
}

func compressionOf(code byte, e Edition) (Compression, error) {
	for c, codes := range compressionCodes {
		if codes[column(e)] == int(code) {
			return Compression(c), nil
		}
	}
	return 0, fmt.Errorf("%w: compression code %d", ErrMalformed, code)
}

const (
	fingerMagic    = "FIR\x00"
	version2005    = "010\x00"
	version2011    = "020\x00"
	header2005     = 32
	view2005       = 14
	header2011     = 16
	view2011       = 19 + 22 // without blocks, with the length of the image
	maxViews2005   = 0xFF    // what the field has room for
	maxFingerViews = 0xFFFF
)

// levels are the image acquisition levels of 19794-4:2005, table 1, by what they want in
// pixels per inch, the highest first. 31 and 41 are 30 and 40 with more of the grey levels
// used, which nothing here measures.
var levels = []struct {
	level uint16
	ppi   int
}{{40, 1000}, {35, 750}, {30, 500}, {20, 250}, {10, 125}}

// levelOf is the highest level that a resolution reaches, 2 % below it as scanners are.
func levelOf(ppi int) (uint16, error) {
	for _, l := range levels {
		if ppi*100 >= l.ppi*98 {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("%d pixels per inch, fewer than any image acquisition level of 19794-4:2005 has", ppi)
}

// NewFinger makes a record of one 8 bit image with the same resolution both ways,
// in pixels per inch.
func NewFinger(e Edition, position, impression byte, c Compression, width, height, ppi int, data []byte) (Finger, error) {
	if width < 1 || width > 0xFFFF || height < 1 || height > 0xFFFF || ppi < 1 || ppi > 0xFFFF {
		return Finger{}, fmt.Errorf("finger image of %d by %d pixels at %d per inch does not fit the record", width, height, ppi)
	}
	if _, err := c.code(e); err != nil {
		return Finger{}, err
	}
	r := uint16(ppi)
	v := FingerView{
		Position: position, Impression: impression, Units: 1, ScanX: r, ScanY: r, ImageX: r, ImageY: r, Depth: 8,
		Compression: c, Width: uint16(width), Height: uint16(height), Data: data,
	}
	f := Finger{Edition: e}
	var err error
	switch e {
	case Finger2005:
		v.Count, v.Number, v.Qualities = 1, 1, []FingerQuality{{Score: QualityUnknown}}
		f.Level, err = levelOf(ppi)
	case Finger2011:
		v.Captured = CaptureTime(time.Time{})
	}
	f.Views = []FingerView{v}
	return f, err
}

// CaptureTime codes a time as ISO/IEC 19794-1:2011 has it, in UTC; FF throughout
// for the zero time, which is not known.
func CaptureTime(t time.Time) [9]byte {
	if t.IsZero() {
		return [9]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	}
	t = t.UTC()
	ms := t.Nanosecond() / 1e6
	return [9]byte{
		byte(t.Year() >> 8), byte(t.Year()), byte(t.Month()), byte(t.Day()),
		byte(t.Hour()), byte(t.Minute()), byte(t.Second()), byte(ms >> 8), byte(ms),
	}
}

// Encode writes the record, in its Edition.
func (f Finger) Encode() ([]byte, error) {
	most := maxFingerViews
	if f.Edition == Finger2005 {
		most = maxViews2005
	}
	if len(f.Views) == 0 || len(f.Views) > most {
		return nil, fmt.Errorf("finger record with %d views, want 1 to %d", len(f.Views), most)
	}
	switch f.Edition {
	case Finger2005:
		return f.encode2005()
	case Finger2011:
		return f.encode2011()
	case Finger39794:
		return f.encode39794()
	}
	return nil, fmt.Errorf("finger records of edition %d are not written", f.Edition)
}

// DecodeFinger reads a record of 19794-4 (2005 or 2011, by the version in it) or
// of 39794-4 (by its ASN.1 tag); the views' data are slices of b.
func DecodeFinger(b []byte) (Finger, error) {
	switch {
	case len(b) > 0 && (b[0] == tagFinger39794 || b[0] == byte(tagHeader)):
		return decode39794(b)
	case len(b) < header2011 || string(b[:4]) != fingerMagic:
		return Finger{}, fmt.Errorf("%w: no finger image record", ErrMalformed)
	case string(b[4:8]) == version2005:
		return decode2005(b)
	case string(b[4:8]) == version2011:
		return decode2011(b)
	}
	return Finger{}, fmt.Errorf("%w: a version of the finger image record that is not known", ErrMalformed)
}

// encode2005 writes ISO/IEC 19794-4:2005, 7.1 and 7.2.
func (f Finger) encode2005() ([]byte, error) {
	first := f.Views[0]
	code, err := first.Compression.code(f.Edition)
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	b := append(make([]byte, 0, header2005), fingerMagic+version2005...)
	b = append(b, 0, 0, 0, 0, 0, 0) // length, set below
	b = be.AppendUint16(be.AppendUint16(b, first.Device), f.Level)
	b = append(b, byte(len(f.Views)), first.Units)
	b = be.AppendUint16(be.AppendUint16(b, first.ScanX), first.ScanY)
	b = be.AppendUint16(be.AppendUint16(b, first.ImageX), first.ImageY)
	b = append(b, first.Depth, code, 0, 0)
	for i, v := range f.Views {
		if !v.sharesHeader(first) {
			return nil, fmt.Errorf("view %d of a finger record: resolution, depth, compression or device differs from view 1, which the 2005 edition has no place for", i+1)
		}
		if len(v.Qualities) > 1 || v.Certificates != nil || v.Extended != nil {
			return nil, fmt.Errorf("view %d of a finger record: several qualities, certificates or extended data, which the 2005 edition has no place for", i+1)
		}
		score := byte(QualityUnknown)
		if len(v.Qualities) == 1 {
			score = v.Qualities[0].Score
		}
		b = be.AppendUint32(b, uint32(view2005+len(v.Data)))
		b = append(b, v.Position, v.Count, v.Number, score, v.Impression)
		b = be.AppendUint16(be.AppendUint16(b, v.Width), v.Height)
		b = append(append(b, v.Reserved), v.Data...)
	}
	be.PutUint16(b[8:], uint16(len(b)>>32))
	be.PutUint32(b[10:], uint32(len(b)))
	return b, nil
}

func (v FingerView) sharesHeader(o FingerView) bool {
	return v.Device == o.Device && v.Units == o.Units && v.ScanX == o.ScanX && v.ScanY == o.ScanY &&
		v.ImageX == o.ImageX && v.ImageY == o.ImageY && v.Depth == o.Depth && v.Compression == o.Compression
}

func decode2005(b []byte) (Finger, error) {
	be := binary.BigEndian
	if len(b) < header2005 {
		return Finger{}, fmt.Errorf("%w: finger record header cut short", ErrMalformed)
	}
	if n := uint64(be.Uint16(b[8:]))<<32 | uint64(be.Uint32(b[10:])); n != uint64(len(b)) {
		return Finger{}, fmt.Errorf("%w: says %d bytes and has %d", ErrMalformed, n, len(b))
	}
	if b[18] == 0 || be.Uint16(b[30:]) != 0 {
		return Finger{}, fmt.Errorf("%w: no views, or reserved bytes that are not zero", ErrMalformed)
	}
	compression, err := compressionOf(b[29], Finger2005)
	if err != nil {
		return Finger{}, err
	}
	f := Finger{Edition: Finger2005, Level: be.Uint16(b[16:])}
	shared := FingerView{
		Device: be.Uint16(b[14:]), Units: b[19], ScanX: be.Uint16(b[20:]), ScanY: be.Uint16(b[22:]),
		ImageX: be.Uint16(b[24:]), ImageY: be.Uint16(b[26:]), Depth: b[28], Compression: compression,
	}
	count := int(b[18])
	for b = b[header2005:]; len(f.Views) < count; {
		n, err := viewSize(b, view2005, len(f.Views))
		if err != nil {
			return Finger{}, err
		}
		v := shared
		v.Position, v.Count, v.Number, v.Impression = b[4], b[5], b[6], b[8]
		v.Qualities = []FingerQuality{{Score: b[7]}}
		v.Width, v.Height, v.Reserved, v.Data = be.Uint16(b[9:]), be.Uint16(b[11:]), b[13], b[view2005:n:n]
		f.Views, b = append(f.Views, v), b[n:]
	}
	if len(b) > 0 {
		return Finger{}, fmt.Errorf("%w: %d bytes after the last view", ErrMalformed, len(b))
	}
	return f, nil
}

// viewSize reads the length that a view begins with and holds it against what is
// there.
func viewSize(b []byte, least, index int) (int, error) {
	if len(b) < least {
		return 0, fmt.Errorf("%w: view %d cut short", ErrMalformed, index+1)
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) < uint64(least) || uint64(n) > uint64(len(b)) {
		return 0, fmt.Errorf("%w: view %d says %d bytes", ErrMalformed, index+1, n)
	}
	return int(n), nil
}
