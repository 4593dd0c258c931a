package access

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// loop is a chip in process: what its secure end lets through is answered by the
// application.
type loop struct {
	secure  Secure
	app     func(card.Command) card.Response
	damage  func(sent card.Command, got *card.Response)
	reached int // commands that came to the application
}

func (l *loop) Exchange(b []byte) ([]byte, error) {
	c, err := card.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	plain, err := l.secure.Unprotect(c)
	if err != nil {
		var sw card.Status
		if !errors.As(err, &sw) {
			return nil, fmt.Errorf("no status to answer: %w", err)
		}
		return card.Response{SW: sw}.Bytes(), nil
	}
	l.reached++
	r, err := l.secure.Protect(l.app(plain))
	if err != nil {
		return nil, err
	}
	if l.damage != nil {
		l.damage(c, &r)
	}
	return r.Bytes(), nil
}

// echo answers with what it was sent, cut or filled to the length expected.
func echo(c card.Command) card.Response {
	if c.P1 == 0xEE {
		return card.Response{SW: card.FileNotFound}
	}
	data := make([]byte, min(c.Ne, 2000))
	copy(data, c.Data)
	return card.Response{Data: data, SW: card.OK}
}

// channel is one pair of ends, made anew by each call.
type channel struct {
	name string
	open func(t testing.TB) (terminal func(card.Card) card.Card, chip Secure)
}

func channels() []channel {
	all := []channel{
		{"3des", func(t testing.TB) (func(card.Card) card.Card, Secure) {
			s, err := desSuite(desKey([]byte("seed"), 1), desKey([]byte("seed"), 2))
			if err != nil {
				t.Fatal(err)
			}
			return messagingPair(s, 8)
		}},
	}
	for _, n := range []int{16, 24, 32} {
		all = append(all, channel{fmt.Sprintf("aes-%d", n*8), func(t testing.TB) (func(card.Card) card.Card, Secure) {
			s, err := aesSuite(bytes.Repeat([]byte{7}, n), bytes.Repeat([]byte{9}, n))
			if err != nil {
				t.Fatal(err)
			}
			return messagingPair(s, 16)
		}})
	}
	for _, level := range []byte{0, 0x01, 0x03, 0x11, 0x13, 0x33} {
		for _, size := range []int{8, 16} {
			all = append(all, channel{fmt.Sprintf("scp03 %02X s%d", level, size), func(t testing.TB) (func(card.Card) card.Card, Secure) {
				ends := make([]*scp03, 2)
				for i := range ends {
					s, err := newSCP03(recordedKeys(16), make([]byte, size), make([]byte, size))
					if err != nil {
						t.Fatal(err)
					}
					s.level, ends[i] = level, s
				}
				return func(c card.Card) card.Card { return &scp03Card{ends[0], c} }, scp03Chip{ends[1]}
			}})
		}
	}
	return all
}

func messagingPair(s suite, counter int) (func(card.Card) card.Card, Secure) {
	start := bytes.Repeat([]byte{0xFF}, counter) // the first command wraps it round
	return func(c card.Card) card.Card { return terminalMessaging{messaging: newMessaging(s, start), under: c} }, &chipMessaging{messaging: newMessaging(s, start)}
}

// commands are the four cases, even and odd INS, lengths around every block and
// around the limits of short and extended.
func commands() []card.Command {
	var all []card.Command
	for _, ins := range []byte{0xB0, 0xB1, 0xD6, 0xD7} {
		for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 200, 223, 230, 231, 232, 239, 240, 255, 256, 1000, 65000} {
			for _, ne := range []int{0, 1, 16, 231, 255, 256, 257, 65536} {
				all = append(all, card.Command{INS: ins, P1: 1, P2: byte(n), Data: bytes.Repeat([]byte{0x5A}, n), Ne: ne})
			}
		}
	}
	return append(all,
		card.Command{INS: 0xA4, P1: 0xEE, Data: []byte{1}, Ne: 256},
		card.Command{INS: 0xB0, Ne: 20, Extended: true},
		card.Command{CLA: 0x80, INS: 0xE2, Data: []byte{1}, Ne: 20, Extended: true})
}

func TestBothEndsAgree(t *testing.T) {
	for _, ch := range channels() {
		t.Run(ch.name, func(t *testing.T) {
			var arrived card.Command
			terminal, chip := ch.open(t)
			l := &loop{secure: chip, app: func(c card.Command) card.Response { arrived = c; return echo(c) }}
			c := terminal(card.Over(l))
			for _, cmd := range commands() {
				want := echo(cmd)
				r, err := c.Transmit(cmd)
				if err != nil {
					t.Fatalf("%v: %v", cmd, err)
				}
				if r.SW != want.SW || !bytes.Equal(r.Data, want.Data) {
					t.Fatalf("%v: %d bytes, %v; want %d bytes, %v", cmd, len(r.Data), r.SW, len(want.Data), want.SW)
				}
				if arrived.Header() != cmd.Header() || !bytes.Equal(arrived.Data, cmd.Data) {
					t.Fatalf("%v arrived as %v", cmd, arrived)
				}
			}
		})
	}
}

func TestNoDamagedAnswerIsBelieved(t *testing.T) {
	for _, ch := range channels() {
		for _, cmd := range []card.Command{{INS: 0xB0, Ne: 20}, {INS: 0xD6, Data: []byte{1, 2, 3}}} {
			for bit := 0; ; bit++ {
				terminal, chip := ch.open(t)
				done := false
				l := &loop{secure: chip, app: echo, damage: func(_ card.Command, r *card.Response) {
					if done = bit/8 >= len(r.Data); !done {
						r.Data = bytes.Clone(r.Data)
						r.Data[bit/8] ^= 1 << (bit % 8)
					}
				}}
				c := terminal(card.Over(l))
				r, err := c.Transmit(cmd)
				if done {
					break
				}
				if s, ok := c.(*scp03Card); ok && s.level&LevelRMAC == 0 {
					break // answers are not protected at this level
				}
				if !errors.Is(err, ErrIntegrity) {
					t.Fatalf("%s: bit %d of the answer: %v, %v", ch.name, bit, r, err)
				}
				if _, err := c.Transmit(cmd); !errors.Is(err, ErrClosed) {
					t.Fatalf("%s: channel still open: %v", ch.name, err)
				}
			}
		}
	}
}

func TestNoDamagedCommandReachesTheApplication(t *testing.T) {
	for _, ch := range channels() {
		if ch.name == "scp03 00 s8" || ch.name == "scp03 00 s16" {
			continue // authenticated only
		}
		cmd := card.Command{INS: 0xD6, P1: 3, Data: []byte{1, 2, 3}, Ne: 4}
		for bit := 0; bit < 8*60; bit++ {
			terminal, chip := ch.open(t)
			l := &loop{secure: chip, app: echo}
			damaged := false
			c := terminal(card.Over(exchange(func(b []byte) ([]byte, error) {
				// Not the logical channel, the lengths, nor Le, which no checksum covers.
				if at := bit / 8; at < len(b)-1 && at != 4 && (at != 0 || bit%8 > 1) {
					damaged = true
					b[at] ^= 1 << (bit % 8)
				}
				return l.Exchange(b)
			})))
			if r, err := c.Transmit(cmd); damaged && (l.reached > 0 || err == nil && r.SW == card.OK) {
				t.Fatalf("%s: bit %d: %v, %v, application reached %d times", ch.name, bit, r, err, l.reached)
			}
		}
	}
}

type exchange func([]byte) ([]byte, error)

func (e exchange) Exchange(b []byte) ([]byte, error) { return e(b) }

func TestChipEndsTheChannelOnAPlainOrReplayedCommand(t *testing.T) {
	for _, ch := range channels() {
		for _, attack := range []string{"plain", "replay"} {
			terminal, chip := ch.open(t)
			if s, ok := chip.(scp03Chip); ok && s.level == 0 {
				continue
			}
			var last []byte
			l := &loop{secure: chip, app: echo}
			c := terminal(card.Over(exchange(func(b []byte) ([]byte, error) { last = bytes.Clone(b); return l.Exchange(b) })))
			if _, err := card.Do(c, card.Command{INS: 0xB0, Ne: 4}); err != nil {
				t.Fatal(err)
			}
			if attack == "plain" {
				last = []byte{0, 0xB0, 0, 0, 4}
			}
			for range 2 {
				r, err := l.Exchange(last)
				if err != nil || len(r) != 2 || r[0] == 0x90 {
					t.Fatalf("%s, %s: %X, %v", ch.name, attack, r, err)
				}
			}
			if r, err := c.Transmit(card.Command{INS: 0xB0, Ne: 4}); err == nil && r.SW == card.OK || l.reached != 1 {
				t.Errorf("%s: the channel outlived a %s command: %v, %v", ch.name, attack, r, err)
			}
		}
	}
}

// Answers out of turn: an old one again, one of the channel before, none at all.
func TestTerminalEndsTheChannelWhenTheCounterIsLost(t *testing.T) {
	broken := errors.New("reader unplugged")
	for _, ch := range channels() {
		for _, attack := range []string{"replayed answer", "command lost", "transport failed"} {
			terminal, chip := ch.open(t)
			if s, ok := chip.(scp03Chip); ok && s.level&LevelRMAC == 0 && attack != "transport failed" {
				continue
			}
			var first []byte
			l := &loop{secure: chip, app: echo}
			attacked := false
			c := terminal(card.Over(exchange(func(b []byte) ([]byte, error) {
				switch {
				case !attacked:
				case attack == "replayed answer":
					return bytes.Clone(first), nil
				case attack == "transport failed":
					return nil, broken
				default: // the chip never sees this one, and answers the next
					attacked = false
					return bytes.Clone(first), nil
				}
				got, err := l.Exchange(b)
				first = bytes.Clone(got)
				return got, err
			})))
			cmd := card.Command{INS: 0xB0, Ne: 4}
			if _, err := card.Do(c, cmd); err != nil {
				t.Fatal(err)
			}
			attacked = true
			want := ErrIntegrity
			if attack == "transport failed" {
				want = broken
			}
			if _, err := c.Transmit(cmd); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v", ch.name, attack, err)
			}
			attacked = false
			if _, err := c.Transmit(cmd); !errors.Is(err, ErrClosed) || l.reached != 1 {
				t.Errorf("%s, %s: then %v, application reached %d times", ch.name, attack, err, l.reached)
			}
		}
	}
}

func TestClosedMessagingHoldsNoCipher(t *testing.T) {
	s, err := sessionSuite(128, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	m := s.fresh()
	c := terminalMessaging{messaging: m, under: card.Over(exchange(func([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }))}
	if _, err := c.Transmit(card.Command{INS: 0xB0, Ne: 4}); !errors.Is(err, ErrIntegrity) {
		t.Fatal(err)
	}
	if m.block != nil || m.mac != nil || m.sign != nil || m.iv != nil || m.counter != nil {
		t.Error("a cipher outlived its channel")
	}
	secret := []byte("secret")
	if _, err := sessionSuite(DESKeyBits, secret); err != nil || !bytes.Equal(secret, make([]byte, 6)) {
		t.Errorf("secret of the key agreement left in memory: %q, %v", secret, err)
	}
}

// READ BINARY B1 past 32,767, with its offset data object inside a cryptogram
// without padding indicator, and the discretionary data of its answer likewise
// (ISO/IEC 7816-4:2020, 11.3.3; Doc 9303-11, 9.8.4).
func TestOddReadPastTheFifteenBitOffset(t *testing.T) {
	file := make([]byte, 70000)
	for i := range file {
		file[i] = byte(i * 7 >> 3)
	}
	for _, ch := range channels()[:4] {
		terminal, chip := ch.open(t)
		var sent card.Command
		l := &loop{secure: chip, app: func(c card.Command) card.Response {
			if c.INS != 0xB1 || len(c.Data) < 3 || c.Data[0] != 0x54 {
				return card.Response{SW: card.IncorrectData}
			}
			at := 0
			for _, b := range c.Data[2:] {
				at = at<<8 | int(b)
			}
			if at >= len(file) {
				return card.Response{SW: card.WrongP1P2}
			}
			return card.Response{Data: tlv.New(0x53, file[at:min(len(file), at+200)]), SW: card.OK}
		}}
		c := terminal(card.Over(exchange(func(b []byte) ([]byte, error) {
			var err error
			if sent, err = card.ParseCommand(b); err != nil {
				return nil, err
			}
			return l.Exchange(b)
		})))
		for _, at := range []int{0, 32767, 32768, 65535, 65536, 69999, 70000} {
			offset := []byte{byte(at >> 16), byte(at >> 8), byte(at)}
			r, err := c.Transmit(card.Command{INS: 0xB1, Data: tlv.New(0x54, offset), Ne: 256})
			if err != nil || sent.Data[0] != 0x85 {
				t.Fatalf("%s: offset %d: %v, data object %02X", ch.name, at, err, sent.Data[0])
			}
			if at == len(file) { // refused, under protection, and the channel lives on
				if r.SW != card.WrongP1P2 {
					t.Errorf("%s: %v", ch.name, r.SW)
				}
				continue
			}
			got, err := tlv.One(r.Data, 0x53)
			if err != nil || !bytes.Equal(got, file[at:min(len(file), at+200)]) {
				t.Errorf("%s: offset %d: %d bytes, %v", ch.name, at, len(got), err)
			}
		}
		if r, err := c.Transmit(card.Command{INS: 0xB1, Data: []byte{0x54, 1, 0}, Ne: 256}); err != nil || r.SW != card.OK {
			t.Errorf("%s: after a protected error: %v, %v", ch.name, r.SW, err)
		}
	}
}

// Unprotected status words: an error goes up, one that speaks of secure messaging
// ends the channel, and no success or warning is believed.
func TestUnprotectedStatus(t *testing.T) {
	for _, v := range []struct {
		sw     card.Status
		passes bool
		closes bool
	}{{card.SecurityNotSatisfied, true, false}, {card.SMObjectsIncorrect, true, true}, {card.OK, false, true}, {card.EndOfFile, false, true}, {0x63C2, false, true}} {
		s, err := desSuite(make([]byte, 16), make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		terminal, _ := messagingPair(s, 8)
		c := terminal(card.Over(exchange(func([]byte) ([]byte, error) { return card.Response{SW: v.sw}.Bytes(), nil })))
		r, err := c.Transmit(card.Command{INS: 0xB0, Ne: 4})
		if v.passes != (err == nil && r.SW == v.sw) {
			t.Errorf("%v: %v, %v", v.sw, r, err)
		}
		if _, err := c.Transmit(card.Command{INS: 0xB0, Ne: 4}); v.closes != errors.Is(err, ErrClosed) {
			t.Errorf("%v: afterwards %v", v.sw, err)
		}
	}
}

// Conversations with real documents after PACE (AES-128, AES-256), from their
// counters on.
func TestMessagingWithAESOfRealDocuments(t *testing.T) {
	open := func(enc, mac, counter string) *messaging {
		s, err := aesSuite(unhex(t, enc), unhex(t, mac))
		if err != nil {
			t.Fatal(err)
		}
		return newMessaging(s, unhex(t, counter))
	}
	m := open("cc86415f2ed7e8fd663b754265695ae1", "581e84b8ee06c4d3eee30461498d7fb3", "000000000000000000000000000000ba")
	c, err := card.ParseCommand(unhex(t, "002241a40f800a04007f000702020302028401c3"))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := (terminalMessaging{messaging: m}).protect(c).Bytes(); !bytes.Equal(b, unhex(t, "0c2241a41d871101980953d37f67558690045d78a853b18a8e08929767a2cef172e200")) {
		t.Errorf("command %x", b)
	}
	m = open("74b94f408bbb2cd92571fd5b6370a94cce7a2fa42ae3eb4da47b97ce6eaa24c6", "9e28d5d9ff1d979be752e8926bf0e1d35a440fc0aefc4aa3bc5610055ac8b113", "00000000000000000000000000000026")
	if got := m.seal(false, unhex(t, "04303130385f36063034303030305c06617563766d6e")); !bytes.Equal(got, unhex(t, "87210142e919c115faf69350b01813d77a9e8d91912a7f717afd073f199070e61b79c6")) {
		t.Errorf("cryptogram %x", got)
	}
}

func FuzzTerminalTakesAnyAnswer(f *testing.F) {
	f.Add([]byte{0x99, 2, 0x90, 0, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0})
	f.Add([]byte{0x87, 0x81, 0xFF, 1, 0x90, 0})
	f.Add([]byte{0x6A, 0x82})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, ch := range channels() {
			terminal, _ := ch.open(t)
			c := terminal(card.Over(exchange(func([]byte) ([]byte, error) {
				if len(answer) > 0 && answer[0] == 0x61 {
					return []byte{0x90, 0}, nil
				}
				return bytes.Clone(answer), nil
			})))
			r, err := c.Transmit(card.Command{INS: 0xB0, Ne: 256})
			if s, ok := c.(*scp03Card); ok && s.level&LevelRMAC == 0 {
				continue
			}
			if err == nil && (protected(r.SW) || len(r.Data) > 0) && r.SW.SW1() != 0x6C {
				t.Errorf("%s believed %X", ch.name, answer)
			}
		}
	})
}

func FuzzChipTakesAnyCommand(f *testing.F) {
	f.Add([]byte{0x0C, 0xB0, 0, 0, 0x0D, 0x97, 1, 4, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0})
	f.Add([]byte{0x84, 0xE2, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x0C, 0xB1, 0, 0, 4, 0x85, 0x84, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := card.ParseCommand(b)
		if err != nil {
			return
		}
		for _, ch := range channels() {
			_, chip := ch.open(t)
			if s, ok := chip.(scp03Chip); ok && s.level == 0 {
				continue
			}
			var sw card.Status
			if _, err := chip.Unprotect(c); !errors.As(err, &sw) {
				t.Errorf("%s: %X: %v", ch.name, b, err)
			}
		}
	})
}
