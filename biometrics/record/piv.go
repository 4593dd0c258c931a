package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// PIVHeader is the CBEFF header of a biometric record on a PIV card (SP 800-76-2, clause
// 9): NISTIR 6529-A, patron format PIV, 88 bytes before the record and its signature.
type PIVHeader struct {
	Format   uint16 // FormatMinutiae or FormatFace, of INCITS M1
	Type     uint32 // TypeFace or TypeFinger
	Data     byte   // DataRaw, DataIntermediate or DataProcessed
	Created  time.Time
	From, To time.Time // validity
	Quality  int8      // -2 not supported, -1 not computed, 0 to 100
	Creator  string    // ASCII, up to 17 characters
	FASCN    [25]byte
}

// Formats, types and states of processing of a PIVHeader.
const (
	FormatMinutiae uint16 = 0x0201 // INCITS 378
	FormatFace     uint16 = 0x0501 // INCITS 385

	TypeFace   uint32 = 0x000002
	TypeFinger uint32 = 0x000008
	TypeIris   uint32 = 0x000010

	DataRaw          byte = 0x20
	DataIntermediate byte = 0x40
	DataProcessed    byte = 0x80
)

const (
	pivHeaderSize = 88
	pivVersion    = 0x03
	pivSecurity   = 0x0D // signed, not encrypted
	ownerM1       = 0x001B
	creatorSize   = 18
)

// Encode writes the header before a record, with the length of the signature that comes
// after them and is over both.
func (h PIVHeader) Encode(record []byte, signature int) ([]byte, error) {
	if signature < 0 || signature > 0xFFFF || len(h.Creator) >= creatorSize || len(record) == 0 {
		return nil, fmt.Errorf("piv biometric header: record of %d bytes, signature of %d, creator %q", len(record), signature, h.Creator)
	}
	be := binary.BigEndian
	b := be.AppendUint32([]byte{pivVersion, pivSecurity}, uint32(len(record)))
	b = be.AppendUint16(be.AppendUint16(be.AppendUint16(b, uint16(signature)), ownerM1), h.Format)
	for _, t := range []time.Time{h.Created, h.From, h.To} {
		b = appendPIVTime(b, t)
	}
	b = append(b, byte(h.Type>>16), byte(h.Type>>8), byte(h.Type), h.Data, byte(h.Quality))
	b = append(b, h.Creator...)
	b = append(b, make([]byte, creatorSize-len(h.Creator))...)
	b = append(append(b, h.FASCN[:]...), 0, 0, 0, 0)
	return append(b, record...), nil
}

// appendPIVTime writes century, year, month, day, hour, minute, second, each a byte, and Z.
func appendPIVTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	return append(b, byte(t.Year()/100), byte(t.Year()%100), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 'Z')
}

// DecodePIV parts a signed biometric record; signed is what the signature is over, header
// and record. All are slices of b.
func DecodePIV(b []byte) (h PIVHeader, record, signed, signature []byte, err error) {
	be := binary.BigEndian
	if len(b) < pivHeaderSize || b[0] != pivVersion || b[1] != pivSecurity || be.Uint16(b[8:]) != ownerM1 {
		return h, nil, nil, nil, fmt.Errorf("%w: no piv biometric header", ErrMalformed)
	}
	size, n := uint64(be.Uint32(b[2:])), uint64(be.Uint16(b[6:]))
	if size+n+pivHeaderSize != uint64(len(b)) {
		return h, nil, nil, nil, fmt.Errorf("%w: record of %d bytes and signature of %d in %d", ErrMalformed, size, n, len(b))
	}
	h.Format, h.Type, h.Data, h.Quality = be.Uint16(b[10:]), uint32(b[36])<<16|uint32(b[37])<<8|uint32(b[38]), b[39], int8(b[40])
	for i, t := range []*time.Time{&h.Created, &h.From, &h.To} {
		d := b[12+8*i:]
		*t = time.Date(int(d[0])*100+int(d[1]), time.Month(d[2]), int(d[3]), int(d[4]), int(d[5]), int(d[6]), 0, time.UTC)
		if !bytes.Equal(appendPIVTime(nil, *t), d[:8]) {
			return h, nil, nil, nil, fmt.Errorf("%w: no date in a piv biometric header", ErrMalformed)
		}
	}
	creator, rest, _ := bytes.Cut(b[41:41+creatorSize], []byte{0})
	if len(creator) == creatorSize || len(bytes.Trim(rest, "\x00")) > 0 || !bytes.Equal(b[84:pivHeaderSize], make([]byte, 4)) {
		return h, nil, nil, nil, fmt.Errorf("%w: creator or reserved bytes of a piv biometric header", ErrMalformed)
	}
	h.Creator, h.FASCN = string(creator), [25]byte(b[59:84])
	end := pivHeaderSize + size
	return h, b[pivHeaderSize:end], b[:end], b[end:], nil
}
