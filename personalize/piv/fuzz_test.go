package piv

import (
	"testing"

	"cardstation/devices/card"
)

// played is a chip that says what the bytes say: a length, then that many bytes.
type played struct{ script []byte }

func (p *played) Exchange([]byte) ([]byte, error) {
	if len(p.script) == 0 {
		return nil, nil
	}
	n := min(int(p.script[0]), len(p.script)-1)
	answer := p.script[1 : 1+n]
	p.script = p.script[1+n:]
	return answer, nil
}

func FuzzToken(f *testing.F) {
	i := newIssuer(f)
	p := i.content(Key{Slot: Authentication, Algorithm: P256}, Key{Slot: KeyManagement, Algorithm: RSA2048})
	f.Add([]byte{2, 0x90, 0, 6, 0x53, 2, 0x70, 0, 0x90, 0})
	f.Add([]byte{6, 0x7C, 2, 0x80, 0, 0x90, 0, 2, 0x90, 0})
	f.Add(append([]byte{22, 0x7C, 0x12, 0x80, 0x10}, append(make([]byte, 16), 0x90, 0)...))
	f.Add([]byte{11, 0x7F, 0x49, 6, 0x81, 1, 9, 0x82, 1, 3, 0x90, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, slot := range []Slot{Authentication, 0x00} {
			_, _ = Certificate(card.Over(&played{script}), slot)
		}
		_, _ = Serial(card.Over(&played{script}))
		_, _ = p.Prove(card.Over(&played{script}))
		for _, s := range p.Steps() {
			_, _ = s.Holds(card.Over(&played{script}))
			if err := s.Do(card.Over(&played{script})); err == nil && s.Name() != "piv/pin" && s.Name() != "piv/puk" {
				t.Errorf("%s went well with a chip that knows no key", s.Name())
			}
		}
		for _, a := range []Algorithm{P256, P384, RSA2048} {
			_, _ = publicKey(a, script)
		}
		_, _ = parseCertificate(Authentication, script)
	})
}
