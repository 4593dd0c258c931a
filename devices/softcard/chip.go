// Package softcard is an identity chip in software: a GlobalPlatform card manager
// (GPC 2.3.1 with SCP03, amendment D), an eMRTD application (ICAO Doc 9303-10 and
// 9303-11: BAC, PACE, active, chip and terminal authentication; 7816-9 commands to personalise it) and a PIV application (NIST SP
// 800-73-4 part 2, and the commands a YubiKey 5 adds to it). It runs in memory, in
// a Slot, or behind a real pcscd through vpcd (Serve).
//
// What it is for: development, tests and demonstrations. Its files are opaque to
// it, it can lose power at any command (TearAt), and its state can be kept between
// runs (State, Restore, OnChange). It is no safe place for keys: they lie in this
// process's memory and in the bytes that State gives.
package softcard

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
)

// Options says what chip New makes. The zero value is a blank chip with a random
// serial number and the well-known transport keys.
type Options struct {
	// Serial is the serial number in the card production data and of the PIV
	// application; 0 is a random one.
	Serial uint32
	// Transport are the first card manager keys (AES, all of one length), of version FF;
	// the zero value is access.DefaultKeys.
	Transport access.StaticKeys
	// SCP03 is i of the card manager's secure channel, the sum of the access.Option bits;
	// 0 is 70.
	SCP03 byte
	// PlainPIV leaves out what YubiKeys add to SP 800-73-4: INS F7 to FF answer 6D00.
	PlainPIV bool
	// Applet is another eMRTD application in place of this package's own; empty is
	// none. The chip then has no PIV application and no master file.
	Applet Applet
	// Quirks make the chip behave as others do.
	Quirks Quirks
	// Rand is where challenges come from; nil is crypto/rand. Keys are always
	// generated from crypto/rand.
	Rand io.Reader
	// Wait holds up those who guess the MRZ or the CAN; nil is time.Sleep.
	Wait func(time.Duration)
}

// ErrTorn means that the chip lost power in the middle of a command. It stays dead until
// Reset. errors.Is(ErrTorn, card.ErrGone) holds.
var ErrTorn = fmt.Errorf("softcard: power lost in the middle of a command: %w", card.ErrGone)

// Chip is one chip. It is a card.Channel; its methods may be called from several
// goroutines, commands run one after another.
//
// A command takes effect wholly or not at all.
type Chip struct {
	mu       sync.Mutex
	rand     io.Reader
	wait     func(time.Duration)
	state    state
	dirty    bool // state changed since it was last reported
	onChange func([]byte)
	tear     tear
	torn     bool
	session  session
}

// session is what a chip forgets when it loses power.
type session struct {
	app     application
	ef      fileID // current elementary file, 0 = none
	chain   chain
	pending *card.Response // rest of an answer, for GET RESPONSE
	channel access.Secure
	next    access.Secure     // takes channel's place, for reading, once the answer has left
	scp     *access.SCP03Chip // after INITIALIZE UPDATE, or the open channel's
	bac     *access.BACChip   // after GET CHALLENGE
	pace    *access.PACEChip  // after the first MSE:SET AT
	read    bool              // channel is one for reading: of BAC or PACE
	// protected tells that the command at hand came through channel.
	protected bool
	eac       eacSession
	// stepping takes the next GENERAL AUTHENTICATE; nil where none is expected.
	stepping func(data []byte) ([]byte, error)
	piv      pivSession
}

// tear counts down to the command that loses power.
type tear struct {
	in    int // 0 = never
	after bool
}

// chain is a command whose data comes in several pieces (ISO/IEC 7816-4:2020, 5.3.3).
type chain struct {
	open   bool
	header [3]byte // INS P1 P2
	data   []byte
}

// atr offers T=1 with blocks of 254 bytes; the historical bytes tell selection by
// full and partial DF name, command chaining and extended length, and a name
// (ISO/IEC 7816-3:2006, 8.2; 7816-4:2020, 12.1.1).
var atr = withTCK([]byte{0x3B, 0x8E, 0x81, 0x31, 0xFE, 0x15,
	0x80, 0x73, 0xC0, 0x21, 0xC0, 0x58, 's', 'o', 'f', 't', 'c', 'a', 'r', 'd'})

// withTCK appends the check byte: everything after TS adds up to 0 by exclusive or.
func withTCK(atr []byte) []byte {
	var x byte
	for _, b := range atr[1:] {
		x ^= b
	}
	return append(atr, x)
}

// New makes a blank chip: card manager OP_READY with the transport keys, an empty
// eMRTD application waiting to be personalised, and a PIV application with the
// well-known PIN 123456, PUK 12345678 and management key.
func New(o Options) (*Chip, error) {
	c := &Chip{rand: o.Rand, wait: o.Wait}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	if c.wait == nil {
		c.wait = time.Sleep
	}
	s, err := blank(o, c.rand)
	if err != nil {
		return nil, fmt.Errorf("softcard: make a blank chip: %w", err)
	}
	c.state = s
	return c, nil
}

// ATR is the answer to reset.
func (c *Chip) ATR() []byte { return slices.Clone(atr) }

// Reset takes power away and gives it back: what was selected, opened and verified
// is forgotten, and a torn chip lives again.
func (c *Chip) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.torn = c.fresh(), false
}

// fresh is the session after reset.
func (c *Chip) fresh() session {
	if c.state.Quirks.Preselected && c.state.EMRTD.Active {
		return session{app: appEMRTD}
	}
	return session{}
}

// TearAt lets the n-th command from now (1 = the next) lose power: before it took
// effect, or after it did but before its answer left. 0 takes that back. GET
// RESPONSE and the pieces of a chained command count as commands.
func (c *Chip) TearAt(n int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tear = tear{max(n, 0), after}
}

// OnChange has f called with the chip's new state whenever what outlasts a reset
// has changed, before the answer leaves (also where the answer is then lost to a
// tear). f must not call the chip.
func (c *Chip) OnChange(f func(state []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onChange = f
}

// Exchange runs one command APDU. Whatever the bytes are the answer ends in a
// status word; the only error is ErrTorn.
func (c *Chip) Exchange(capdu []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torn {
		return nil, ErrTorn
	}
	now := c.tear.in == 1
	c.tear.in = max(c.tear.in-1, 0)
	if now && !c.tear.after {
		c.torn = true
		return nil, ErrTorn
	}
	r := c.answer(capdu)
	c.report()
	if now {
		c.torn = true
		return nil, ErrTorn
	}
	return r.Bytes(), nil
}

func (c *Chip) report() {
	if !c.dirty {
		return
	}
	c.dirty = false
	if c.onChange != nil {
		c.onChange(c.state.encode())
	}
}

// answer runs a command at the transport's level: malformed bytes, GET RESPONSE,
// and the length the terminal can take.
func (c *Chip) answer(capdu []byte) card.Response {
	cmd, err := card.ParseCommand(capdu)
	if err != nil || cmd.Extended && (c.state.Quirks.RefuseExtended || c.state.Applet != nil) {
		return card.Response{SW: card.WrongLength}
	}
	if cmd.INS == 0xC0 && cmd.CLA == 0 {
		if c.session.pending == nil {
			return card.Response{SW: card.ConditionsNotSatisfied}
		}
		return c.fit(*c.session.pending, cmd.Ne)
	}
	c.session.pending = nil
	return c.fit(c.process(cmd), cmd.Ne)
}

// fit gives as much of r as ne allows and keeps the rest for GET RESPONSE. A
// command that asks for nothing still gets up to 256 bytes: under T=1 many
// terminals leave Le out and expect an answer.
func (c *Chip) fit(r card.Response, ne int) card.Response {
	if ne == 0 {
		ne = card.MaxShortNe
	}
	c.session.pending = nil
	if len(r.Data) <= ne {
		return r
	}
	rest := card.Response{Data: r.Data[ne:], SW: r.SW}
	c.session.pending = &rest
	more := min(len(rest.Data), 256) & 0xFF // 256 is written 00
	return card.Response{Data: r.Data[:ne], SW: 0x6100 | card.Status(more)}
}

// Status words that only this package needs (ISO/IEC 7816-4:2020, table 6).
const (
	channelNotSupported  card.Status = 0x6881
	chainingNotSupported card.Status = 0x6884
	notVerified          card.Status = 0x6300
	lcInconsistent       card.Status = 0x6A87
)

// Bits of the class byte (ISO/IEC 7816-4:2020, 5.4.1; GPC 11.1.4).
const (
	classProprietary = 0x80
	classChain       = 0x10
	classISO         = 0x0C // secure messaging with authenticated header
	classGP          = 0x04 // GlobalPlatform secure messaging
	classChannel     = 0x03
)

// process takes the class byte apart: logical channels, chaining, secure messaging.
func (c *Chip) process(cmd card.Command) card.Response {
	secure := cmd.CLA & classISO
	switch {
	case cmd.CLA&^(classProprietary|classChain|classISO|classChannel) != 0:
		return card.Response{SW: card.ClaNotSupported}
	case cmd.CLA&classChannel != 0:
		return card.Response{SW: channelNotSupported}
	case cmd.CLA&classChain != 0 && (secure == classGP || cmd.CLA&classProprietary != 0):
		return card.Response{SW: chainingNotSupported}
	case secure == 0:
		c.session.protected = false
		if c.state.Applet == nil || !c.session.read {
			c.closeChannel() // a plain command gives the channel's rights up
		}
		r := c.assembled(cmd)
		c.changeChannel()
		return r
	}
	if c.session.channel == nil && cmd.INS == 0x82 && cmd.CLA == classProprietary|classGP {
		c.session.chain = chain{}
		return reply(c.externalAuthenticate(cmd))
	}
	return c.secured(cmd)
}

// assembled runs a command without secure messaging once all its pieces are there.
func (c *Chip) assembled(cmd card.Command) card.Response {
	if done, whole := c.session.chain.add(&cmd); !whole {
		return card.Response{SW: done}
	}
	return reply(c.dispatch(cmd))
}

// maxChained is how much data a chained command may bring.
const maxChained = card.MaxExtendedData

// add takes a command in. whole tells that cmd is complete (its data now all of
// the chain's); else status is the answer to a piece. In GENERAL AUTHENTICATE with
// an even instruction the class bit says that another step follows (Doc 9303-11,
// 4.4.4.2): each is answered for itself.
func (ch *chain) add(cmd *card.Command) (status card.Status, whole bool) {
	if cmd.INS == 0x86 {
		*ch, cmd.CLA = chain{}, cmd.CLA&^classChain
		return 0, true
	}
	header := [3]byte{cmd.INS, cmd.P1, cmd.P2}
	if ch.open && ch.header != header {
		*ch = chain{} // the terminal has given its chain up
	}
	last := cmd.CLA&classChain == 0
	if last && !ch.open {
		return 0, true
	}
	if len(ch.data)+len(cmd.Data) > maxChained {
		*ch = chain{}
		return card.NotEnoughMemory, false
	}
	ch.open, ch.header, ch.data = true, header, append(ch.data, cmd.Data...)
	if !last {
		return card.OK, false
	}
	cmd.Data = ch.data
	*ch = chain{}
	return 0, true
}

// secured runs a command inside the open channel.
func (c *Chip) secured(cmd card.Command) card.Response {
	channel := c.session.channel
	if channel == nil {
		return card.Response{SW: card.SecurityNotSatisfied}
	}
	plain, err := channel.Unprotect(cmd)
	if err != nil {
		c.closeChannel()
		return reply(nil, err)
	}
	plain.CLA &^= classISO
	c.session.protected = true
	r := c.assembled(plain)
	if c.session.channel != channel {
		return r // the command ended the channel: it answers outside
	}
	if sw1 := r.SW.SW1(); c.state.Quirks.RefusalEnds && c.session.read && sw1 >= 0x64 && sw1 <= 0x6F {
		c.closeChannel()
		return r
	}
	protected, err := channel.Protect(r)
	if err != nil {
		c.closeChannel()
		return reply(nil, err)
	}
	c.changeChannel()
	return protected
}

// changeChannel puts the channel that the last command agreed on into force.
func (c *Chip) changeChannel() {
	if c.session.next == nil {
		return
	}
	c.session.channel, c.session.next, c.session.read = c.session.next, nil, true
	c.session.chain = chain{}
}

// closeChannel gives up the secure channel and its rights.
func (c *Chip) closeChannel() {
	if c.session.channel == nil {
		return
	}
	c.session.channel, c.session.next, c.session.scp, c.session.bac, c.session.read = nil, nil, nil, nil, false
	c.session.pace, c.session.eac, c.session.stepping, c.session.chain = nil, eacSession{}, nil, chain{}
}

// reply turns a handler's result into an answer: nil is 9000, an error answers the
// status word it wraps.
func reply(data []byte, err error) card.Response {
	if err == nil {
		return card.Response{Data: data, SW: card.OK}
	}
	sw := card.NoPreciseDiagnosis
	errors.As(err, &sw)
	return card.Response{Data: data, SW: sw}
}

// dispatch runs a plain command in the selected application.
func (c *Chip) dispatch(cmd card.Command) ([]byte, error) {
	if cmd.INS == 0xA4 && cmd.CLA == 0 {
		return c.selectCommand(cmd)
	}
	switch c.session.app {
	case appEMRTD:
		if c.state.Applet != nil {
			return c.passport(cmd)
		}
		return c.emrtd(cmd)
	case appPIV:
		return c.piv(cmd)
	}
	return c.manager(cmd)
}

func (c *Chip) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(c.rand, b); err != nil {
		return nil, fmt.Errorf("%d random bytes: %w", n, err)
	}
	return b, nil
}
