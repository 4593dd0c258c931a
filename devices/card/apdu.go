package card

import (
	"errors"
	"fmt"
)

// Command is a command APDU. Data is 0 to 65,535 bytes; Ne is the longest answer
// expected, 0 (none) to 65,536 (ISO/IEC 7816-4:2020, 5.2).
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Ne               int
	// Extended asks for extended length fields even where short ones would do.
	Extended bool
}

// Limits of the length fields.
const (
	MaxShortData    = 255
	MaxShortNe      = 256
	MaxExtendedData = 65535
	MaxExtendedNe   = 65536
)

// Header is CLA INS P1 P2: all of a command that may stand in a log.
func (c Command) Header() [4]byte { return [4]byte{c.CLA, c.INS, c.P1, c.P2} }

// String names the command by header and lengths, never by its data.
func (c Command) String() string {
	return fmt.Sprintf("%X Lc=%d Le=%d", c.Header(), len(c.Data), c.Ne)
}

// IsExtended tells whether Bytes uses extended length fields.
func (c Command) IsExtended() bool {
	return (c.Extended && (len(c.Data) > 0 || c.Ne > 0)) || len(c.Data) > MaxShortData || c.Ne > MaxShortNe
}

// Bytes encodes the four cases of ISO/IEC 7816-4:2020, 5.2, table 1; short
// unless Data or Ne is too large or Extended is set.
func (c Command) Bytes() ([]byte, error) {
	nc := len(c.Data)
	if nc > MaxExtendedData {
		return nil, fmt.Errorf("%s: more than %d bytes of data", c, MaxExtendedData)
	}
	if c.Ne < 0 || c.Ne > MaxExtendedNe {
		return nil, fmt.Errorf("%s: expected length outside 0..%d", c, MaxExtendedNe)
	}
	b := make([]byte, 4, 4+3+nc+3)
	b[0], b[1], b[2], b[3] = c.CLA, c.INS, c.P1, c.P2
	if !c.IsExtended() {
		if nc > 0 {
			b = append(append(b, byte(nc)), c.Data...)
		}
		if c.Ne > 0 {
			b = append(b, byte(c.Ne)) // 256 is 00
		}
		return b, nil
	}
	b = append(b, 0)
	if nc > 0 {
		b = append(append(b, byte(nc>>8), byte(nc)), c.Data...)
	}
	if c.Ne > 0 {
		b = append(b, byte(c.Ne>>8), byte(c.Ne)) // 65,536 is 0000
	}
	return b, nil
}

// ErrCommand means that the bytes are not a command APDU of any of the four cases.
var ErrCommand = errors.New("card: malformed command apdu")

// ParseCommand is the inverse of Bytes. Data is a slice of b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, ErrCommand
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0: // case 1
		return c, nil
	case len(body) == 1: // case 2 short
		c.Ne = shortNe(body[0])
		return c, nil
	case body[0] != 0:
		return parseShort(c, body)
	}
	return parseExtended(c, body)
}

func parseShort(c Command, body []byte) (Command, error) {
	nc := int(body[0])
	switch len(body) {
	case 1 + nc:
		c.Data = body[1:]
	case 1 + nc + 1:
		c.Data, c.Ne = body[1:1+nc], shortNe(body[1+nc])
	default:
		return Command{}, ErrCommand
	}
	return c, nil
}

func parseExtended(c Command, body []byte) (Command, error) {
	if len(body) < 3 {
		return Command{}, ErrCommand
	}
	c.Extended = true
	n := int(body[1])<<8 | int(body[2])
	if len(body) == 3 { // case 2 extended
		c.Ne = extendedNe(n)
		return c, nil
	}
	if n == 0 {
		return Command{}, ErrCommand
	}
	switch len(body) {
	case 3 + n:
		c.Data = body[3:]
	case 3 + n + 2:
		c.Data, c.Ne = body[3:3+n], extendedNe(int(body[3+n])<<8|int(body[4+n]))
	default:
		return Command{}, ErrCommand
	}
	return c, nil
}

func shortNe(b byte) int {
	if b == 0 {
		return MaxShortNe
	}
	return int(b)
}

func extendedNe(n int) int {
	if n == 0 {
		return MaxExtendedNe
	}
	return n
}

// Response is a response APDU: data of 0 to 65,536 bytes and the status word.
type Response struct {
	Data []byte
	SW   Status
}

// Bytes encodes the response.
func (r Response) Bytes() []byte {
	b := make([]byte, 0, len(r.Data)+2)
	return append(append(b, r.Data...), r.SW.SW1(), r.SW.SW2())
}

// ParseResponse is the inverse of Bytes; under two bytes it is ErrNoAnswer. Data
// is a slice of b.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 2 {
		return Response{}, ErrNoAnswer
	}
	n := len(b) - 2
	return Response{Data: b[:n:n], SW: Status(b[n])<<8 | Status(b[n+1])}, nil
}
