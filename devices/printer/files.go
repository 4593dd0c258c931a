package printer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"path/filepath"
)

// Files is a Printer that writes NAME-front.png, NAME-back.png and NAME.pdf. The
// files are readable by their owner only.
type Files struct {
	Dir string // made where it does not exist
}

// Print is Printer's. A file is there whole or not at all; the PDF comes last.
func (f Files) Print(ctx context.Context, j Job) error {
	if err := j.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("print %s: %w", j.Name, err)
	}
	suffixes := []string{"-front.png", "-back.png"}
	for i, face := range j.faces() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("print %s: %w", j.Name, err)
		}
		body, err := encodePNG(face)
		if err == nil {
			err = f.write(j.Name+suffixes[i], body)
		}
		if err != nil {
			return fmt.Errorf("print %s: %w", j.Name, err)
		}
	}
	body, err := encodePDF(j.faces())
	if err == nil {
		err = f.write(j.Name+".pdf", body)
	}
	if err != nil {
		return fmt.Errorf("print %s: %w", j.Name, err)
	}
	return nil
}

// write puts a whole file in place.
func (f Files) write(name string, body []byte) error {
	temporary, err := os.CreateTemp(f.Dir, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(body)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), filepath.Join(f.Dir, name))
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// encodePNG encodes a face with its resolution, which the standard library leaves
// out: a pHYs chunk in pixels per metre after IHDR (PNG, 11.3.4.3).
func encodePNG(face image.Image) ([]byte, error) {
	var out bytes.Buffer
	if err := png.Encode(&out, face); err != nil {
		return nil, err
	}
	const afterIHDR = 8 + 4 + 4 + 13 + 4     // signature; length, type, body, CRC
	const perMetre = (PPI*10000 + 127) / 254 // 25.4 mm an inch
	body := append([]byte("pHYs"), make([]byte, 9)...)
	binary.BigEndian.PutUint32(body[4:], perMetre)
	binary.BigEndian.PutUint32(body[8:], perMetre)
	body[12] = 1 // the unit is the metre
	chunk := binary.BigEndian.AppendUint32(nil, 9)
	chunk = append(chunk, body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
	b := out.Bytes()
	return bytes.Join([][]byte{b[:afterIHDR], chunk, b[afterIHDR:]}, nil), nil
}
