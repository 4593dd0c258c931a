package record

import (
	"encoding/binary"
	"fmt"
)

// encode2011 writes ISO/IEC 19794-4:2011, 8.2 to 8.5.
func (f Finger) encode2011() ([]byte, error) {
	be := binary.BigEndian
	b := append(make([]byte, 0, header2011), fingerMagic+version2011...)
	b = be.AppendUint16(be.AppendUint32(b, 0), uint16(len(f.Views)))
	positions := f.Positions
	if positions == 0 {
		shown := map[byte]bool{}
		for _, v := range f.Views {
			shown[v.Position] = true
		}
		positions = byte(min(len(shown), 0xFF))
	}
	b = append(b, 0, positions)
	if f.Certified {
		b[14] = 1
	}
	for i, v := range f.Views {
		view, err := v.encode2011(f.Certified)
		if err != nil {
			return nil, fmt.Errorf("view %d of a finger record: %w", i+1, err)
		}
		b = append(b, view...)
	}
	be.PutUint32(b[8:], uint32(len(b)))
	return b, nil
}

func (v FingerView) encode2011(certified bool) ([]byte, error) {
	code, err := v.Compression.code(Finger2011)
	if err != nil {
		return nil, err
	}
	if len(v.Qualities) > 255 || len(v.Certificates) > 255 || len(v.Certificates) > 0 && !certified {
		return nil, fmt.Errorf("%d qualities and %d certificates do not fit, or the record is not certified", len(v.Qualities), len(v.Certificates))
	}
	be := binary.BigEndian
	b := append(make([]byte, 4), v.Captured[:]...)
	b = be.AppendUint16(be.AppendUint16(append(b, v.Technology), v.Vendor), v.Device)
	b = append(b, byte(len(v.Qualities)))
	for _, q := range v.Qualities {
		b = be.AppendUint16(be.AppendUint16(append(b, q.Score), q.Vendor), q.Algorithm)
	}
	if certified {
		b = append(b, byte(len(v.Certificates)))
		for _, c := range v.Certificates {
			b = append(b, c[:]...)
		}
	}
	b = append(b, v.Position, v.Number, v.Units)
	b = be.AppendUint16(be.AppendUint16(b, v.ScanX), v.ScanY)
	b = be.AppendUint16(be.AppendUint16(b, v.ImageX), v.ImageY)
	b = append(b, v.Depth, code, v.Impression)
	b = be.AppendUint16(be.AppendUint16(b, v.Width), v.Height)
	b = append(be.AppendUint32(b, uint32(len(v.Data))), v.Data...)
	b = append(b, v.Extended...)
	be.PutUint32(b, uint32(len(b)))
	return b, nil
}

func decode2011(b []byte) (Finger, error) {
	be := binary.BigEndian
	if n := be.Uint32(b[8:]); uint64(n) != uint64(len(b)) {
		return Finger{}, fmt.Errorf("%w: says %d bytes and has %d", ErrMalformed, n, len(b))
	}
	count := int(be.Uint16(b[12:]))
	if count == 0 || b[14] > 1 || b[15] == 0 {
		return Finger{}, fmt.Errorf("%w: %d views of %d positions, certification flag %d", ErrMalformed, count, b[15], b[14])
	}
	f := Finger{Edition: Finger2011, Certified: b[14] == 1, Positions: b[15]}
	for b = b[header2011:]; len(f.Views) < count; {
		n, err := viewSize(b, view2011, len(f.Views))
		if err != nil {
			return Finger{}, err
		}
		v, err := decodeView2011(b[:n:n], f.Certified)
		if err != nil {
			return Finger{}, fmt.Errorf("view %d: %w", len(f.Views)+1, err)
		}
		f.Views, b = append(f.Views, v), b[n:]
	}
	if len(b) > 0 {
		return Finger{}, fmt.Errorf("%w: %d bytes after the last view", ErrMalformed, len(b))
	}
	return f, nil
}

// decodeView2011 reads one view, of view2011 bytes at least.
func decodeView2011(b []byte, certified bool) (FingerView, error) {
	be := binary.BigEndian
	short := fmt.Errorf("%w: blocks or image do not fit the view", ErrMalformed)
	v := FingerView{Captured: [9]byte(b[4:13]), Technology: b[13], Vendor: be.Uint16(b[14:]), Device: be.Uint16(b[16:])}
	count := int(b[18])
	if b = b[19:]; len(b) < 5*count {
		return v, short
	}
	for range count {
		v.Qualities = append(v.Qualities, FingerQuality{b[0], be.Uint16(b[1:]), be.Uint16(b[3:])})
		b = b[5:]
	}
	if certified {
		if len(b) < 1 || len(b) < 1+3*int(b[0]) {
			return v, short
		}
		count, b = int(b[0]), b[1:]
		for range count {
			v.Certificates = append(v.Certificates, [3]byte(b))
			b = b[3:]
		}
	}
	const tail = 22 // position to the image's length
	if len(b) < tail {
		return v, short
	}
	v.Position, v.Number, v.Units = b[0], b[1], b[2]
	v.ScanX, v.ScanY, v.ImageX, v.ImageY = be.Uint16(b[3:]), be.Uint16(b[5:]), be.Uint16(b[7:]), be.Uint16(b[9:])
	v.Depth, v.Impression, v.Width, v.Height = b[11], b[13], be.Uint16(b[14:]), be.Uint16(b[16:])
	var err error
	if v.Compression, err = compressionOf(b[12], Finger2011); err != nil {
		return v, err
	}
	n := be.Uint32(b[18:])
	if b = b[tail:]; uint64(n) > uint64(len(b)) {
		return v, short
	}
	if v.Data = b[:n:n]; int(n) < len(b) {
		v.Extended = b[n:]
	}
	return v, checkExtended(v.Extended)
}

// checkExtended walks the extended data blocks, each of a type and a length, two bytes
// each, which the length counts too (8.5).
func checkExtended(b []byte) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return fmt.Errorf("%w: %d bytes behind the image are no extended data", ErrMalformed, len(b))
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return fmt.Errorf("%w: extended data of type %d says %d bytes, %d are left", ErrMalformed, binary.BigEndian.Uint16(b), n, len(b))
		}
		b = b[n:]
	}
	return nil
}
