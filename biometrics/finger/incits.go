package finger

import (
	"encoding/binary"
	"fmt"

	"cardstation/biometrics"
)

// Bounds of a record on a PIV card (SP 800-76-2, table 6).
const (
	mostOnPIV = 128
)

// EncodeINCITS378 writes the minutiae record of INCITS 378-2004 as a PIV card holds it (SP
// 800-76-2, 4.4 and table 6): one view for each template, at most 128 minutiae each, the
// best, angles in units of two degrees, qualities of a finger in steps of 20. product is the
// registered CBEFF product identifier of what made the templates, owner and type, which
// SP 800-76-2 wants; 0 says none. The place of a ridge ending is the end of the ridge's
// skeleton, as in Template, and not the fork of the valley before it.
func EncodeINCITS378(product uint32, templates ...Template) ([]byte, error) {
	if err := checkViews(templates); err != nil {
		return nil, fmt.Errorf("write minutiae record: %w", err)
	}
	be := binary.BigEndian
	b := be.AppendUint32(append([]byte(isoMark+iso2005), 0, 0), product)
	w, h := 0, 0
	for i, t := range templates {
		if t.Impression > 15 {
			return nil, fmt.Errorf("write minutiae record: template %d: impression %d", i+1, t.Impression)
		}
		w, h = max(w, t.Width), max(h, t.Height)
	}
	for _, v := range []int{0, w, h, perCentimetre, perCentimetre} { // capture equipment first
		b = be.AppendUint16(b, uint16(v))
	}
	b = append(b, byte(len(templates)), 0)
	seen := map[biometrics.Position]byte{}
	for _, t := range templates {
		all := best(t.Minutiae, mostOnPIV)
		b = append(b, byte(t.Position), seen[t.Position]<<4|byte(t.Impression), stepped(t.Quality), byte(len(all)))
		seen[t.Position]++
		for _, m := range all {
			m.Angle = uint8((int(m.Angle)*180 + 128) / 256 % 180)
			b = m.append(b, m.Quality)
		}
		b = append(b, 0, 0)
	}
	if len(b) > 0xFFFF {
		return nil, fmt.Errorf("write minutiae record: %d bytes", len(b))
	}
	be.PutUint16(b[8:], uint16(len(b)))
	return b, nil
}

// stepped is a quality on the scale of five that PIV has: 20, 40, 60, 80 or 100.
func stepped(quality int) byte { return byte(min(max(quality+19, 20)/20*20, 100)) }

// DecodeINCITS378 reads a minutiae record of INCITS 378-2004, which begins as one of
// ISO/IEC 19794-2:2005 does and has another header. Coordinates are brought to 500 ppi;
// extended data are passed over. What lies about its lengths gives ErrMalformed.
func DecodeINCITS378(b []byte) (product uint32, templates []Template, err error) {
	r := reader{b: b}
	if string(r.take(8)) != isoMark+iso2005 {
		return 0, nil, fmt.Errorf("%w: no minutiae record of INCITS 378-2004", ErrMalformed)
	}
	size := r.number(2)
	if size == 0 { // a longer record has four more
		size = r.number(4)
	}
	product = uint32(r.number(4))
	if r.failed || size != len(b) {
		return 0, nil, fmt.Errorf("%w: record of %d bytes says %d", ErrMalformed, len(b), size)
	}
	templates, err = r.views2005()
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case r.failed || len(r.b) > 0:
		return 0, nil, fmt.Errorf("%w: cut short, or %d bytes too many", ErrMalformed, len(r.b))
	}
	for i := range templates {
		for k, m := range templates[i].Minutiae {
			if m.Angle >= 180 {
				return 0, nil, fmt.Errorf("%w: view %d: an angle of %d", ErrMalformed, i+1, m.Angle)
			}
			templates[i].Minutiae[k].Angle = uint8((int(m.Angle)*256 + 90) / 180 % 256)
		}
		if err := templates[i].check(mostRecorded); err != nil {
			return 0, nil, fmt.Errorf("%w: view %d: %w", ErrMalformed, i+1, err)
		}
	}
	return product, templates, nil
}
