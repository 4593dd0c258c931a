package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"cardstation/station"
)

// printFormat begins each stored print.
const printFormat = 1

// putPrints writes the prints of an enrolment: format, length of the template (16 bits),
// template, keys.
func (t *tx) putPrints(id string, prints []station.Print) error {
	for _, p := range prints {
		if len(p.Template) > 1<<16-1 {
			return fmt.Errorf("print %d of enrolment %s has a template of %d bytes", p.Position, id, len(p.Template))
		}
		raw := binary.BigEndian.AppendUint16([]byte{printFormat}, uint16(len(p.Template)))
		if err := t.Bucket(bucketPrints).Put(printKey(id, p.Position), slices.Concat(raw, p.Template, p.Keys)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) removePrints(id string) error {
	prefix := printKey(id, 0)[:len(id)+1]
	var keys [][]byte
	cur := t.Bucket(bucketPrints).Cursor()
	for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := t.Bucket(bucketPrints).Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// Print gives what is kept of one finger of an enrolment, station.Unknown where nothing is.
func (s *Store) Print(ctx context.Context, enrolment string, position int) (p station.Print, err error) {
	err = s.view(ctx, func(t *tx) error {
		raw := t.Bucket(bucketPrints).Get(printKey(enrolment, position))
		if raw == nil {
			return &station.Error{Kind: station.Unknown, What: fmt.Sprintf("no print %d is kept of enrolment %.64q", position, enrolment)}
		}
		p, err = decodePrint(printKey(enrolment, position), bytes.Clone(raw))
		return err
	})
	return p, err
}

// EachPrint visits all prints, those of one enrolment together. What it gives to visit is
// not to be kept.
func (s *Store) EachPrint(ctx context.Context, visit func(enrolment string, p station.Print) error) error {
	return s.view(ctx, func(t *tx) error {
		return t.Bucket(bucketPrints).ForEach(func(k, raw []byte) error {
			p, err := decodePrint(k, raw)
			if err != nil {
				return err
			}
			return visit(string(k[:len(k)-2]), p)
		})
	})
}

func printKey(enrolment string, position int) []byte {
	return append([]byte(enrolment), 0, byte(position))
}

func decodePrint(key, raw []byte) (station.Print, error) {
	if len(key) < 3 || len(raw) < 3 || raw[0] != printFormat || len(raw) < 3+int(binary.BigEndian.Uint16(raw[1:])) {
		return station.Print{}, fmt.Errorf("print %q is damaged in the store", key)
	}
	n := 3 + int(binary.BigEndian.Uint16(raw[1:]))
	return station.Print{Position: int(key[len(key)-1]), Template: raw[3:n], Keys: raw[n:]}, nil
}
