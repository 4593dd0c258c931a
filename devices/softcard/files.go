package softcard

import (
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// fileID names an elementary file.
type fileID uint16

// file is a transparent elementary file; its bytes mean nothing to the chip.
type file struct {
	SFI  byte   `json:"sfi"` // 0 = none
	Data []byte `json:"data"`
}

const (
	efDIR        fileID = 0x2F00
	efATRInfo    fileID = 0x2F01
	efCardAccess fileID = 0x011C
	efDG3        fileID = 0x0103
	efDG4        fileID = 0x0104
	efDG14       fileID = 0x010E
	efSOD        fileID = 0x011D // in the application
	efSecurity   fileID = 0x011D // EF.CardSecurity, in the master file
	efCOM        fileID = 0x011E

	maxFile = 0xFFFF
	// maxFiles is all the memory the eMRTD application has, in bytes.
	maxFiles = 256 << 10
	// maxRead keeps a whole answer, protected, under the 65,535 bytes that the
	// transport carries. EF.ATR/INFO tells it.
	maxRead = 0xF800
)

// masterFiles are those of the master file that every chip has: EF.DIR lists the
// applications, EF.ATR/INFO the card capabilities, as in the historical bytes, and
// the sizes of command and answer (ISO/IEC 7816-4:2020, 12.1.1 and 12.2.1; Doc
// 9303-10, 3.11).
var masterFiles = map[fileID]*file{
	efDIR:     {0x1E, append(tlv.New(0x61, tlv.New(0x4F, aids[appEMRTD])), tlv.New(0x61, tlv.New(0x4F, aids[appPIV]))...)},
	efATRInfo: {0x01, tlv.Append(tlv.New(0x7F66, tlv.New(0x02, []byte{0x00, 0xFF, 0xFF}), tlv.New(0x02, []byte{maxRead >> 8, maxRead & 0xFF})), 0x47, atr[8:11])},
}

// find gives a file of the master file or, where the eMRTD application is
// selected, of that. EF.CVCA has the identifier of EF.CardAccess there: it is what
// stands behind it for those who may read.
func (c *Chip) find(id fileID) *file {
	if f := masterFiles[id]; f != nil {
		if q := c.state.Quirks; id == efATRInfo && q.RefuseExtended && !q.ClaimExtended {
			return nil
		}
		return f
	}
	if id == efCardAccess && c.hasAuthorities() {
		return c.state.EMRTD.authorities()
	}
	if id == efCardAccess {
		return c.state.EMRTD.Files[id]
	}
	return c.directory()[id]
}

// directory holds the files that can be created where one stands: those of the eMRTD
// application, or EF.CardSecurity.
func (c *Chip) directory() map[fileID]*file {
	if c.session.app == appEMRTD {
		return c.state.EMRTD.Files
	}
	return c.state.Master
}

// hasAuthorities tells whether EF.CVCA is there to be read.
func (c *Chip) hasAuthorities() bool {
	return c.session.app == appEMRTD && c.session.read && len(c.state.EMRTD.Trust.Points) > 0
}

// findSFI gives the file with a short identifier in the selected application.
func (c *Chip) findSFI(sfi byte) fileID {
	files := c.directory()
	if c.session.app != appEMRTD {
		if f := c.state.EMRTD.Files[efCardAccess]; f != nil && f.SFI == sfi {
			return efCardAccess
		}
		for id, f := range masterFiles {
			if f.SFI == sfi {
				return id
			}
		}
	}
	if sfi == access.CVCAShort && c.hasAuthorities() {
		return efCardAccess
	}
	for id, f := range files {
		if f.SFI == sfi && (id != efCardAccess || c.session.app != appEMRTD) {
			return id
		}
	}
	return 0
}

func (id fileID) master() bool { return id == efCardAccess || masterFiles[id] != nil }

// reachable tells whether a file may be selected: those of the master file by
// anybody, the others after BAC or PACE, or while personalising.
func (c *Chip) reachable(id fileID) bool {
	return id.master() || c.session.read || c.writable()
}

// readable is reachable, without the fingerprints and irises, which wait for
// a terminal that shows its right to them (Doc 9303-11, 7.1).
func (c *Chip) readable(id fileID) bool {
	if !c.reachable(id) || c.writable() {
		return c.reachable(id)
	}
	switch id {
	case efDG3:
		return c.session.eac.rights.Has(cvc.ReadFingers)
	case efDG4:
		return c.session.eac.rights.Has(cvc.ReadIris)
	}
	return true
}

// selectFile is SELECT of an elementary file by identifier.
func (c *Chip) selectFile(id fileID, quiet bool) ([]byte, error) {
	if !c.reachable(id) {
		if c.session.app != appEMRTD && c.find(id) == nil {
			return nil, card.FileNotFound
		}
		return nil, card.SecurityNotSatisfied
	}
	f := c.find(id)
	if f == nil {
		return nil, card.FileNotFound
	}
	c.session.ef = id
	if quiet {
		return nil, nil
	}
	return tlv.New(0x62, tlv.New(0x80, big16(len(f.Data))), tlv.New(0x82, []byte{0x01}), tlv.New(0x83, big16(int(id)))), nil
}

func big16(n int) []byte { return []byte{byte(n >> 8), byte(n)} }

// target resolves P1-P2 of READ and UPDATE BINARY with an even instruction: the
// file, made current where it is named by its short identifier, and the offset
// (ISO/IEC 7816-4:2020, 11.3.1).
func (c *Chip) target(p1, p2 byte) (fileID, int, error) {
	if p1&0x80 == 0 {
		if c.session.ef == 0 {
			return 0, 0, card.CommandNotAllowed
		}
		return c.session.ef, int(p1)<<8 | int(p2), nil
	}
	if p1&0x60 != 0 {
		return 0, 0, card.IncorrectP1P2
	}
	id, err := c.bySFI(p1 & 0x1F)
	return id, int(p2), err
}

func (c *Chip) bySFI(sfi byte) (fileID, error) {
	if c.session.app == appEMRTD && !c.session.read && !c.writable() {
		return 0, card.SecurityNotSatisfied
	}
	id := c.findSFI(sfi)
	if id == 0 {
		return 0, card.FileNotFound
	}
	return id, nil
}

// targetOdd resolves the odd instructions: P1-P2 is 0 (current file), a short
// identifier or an identifier; the data begins with an offset data object 54.
// rest is what follows that.
func (c *Chip) targetOdd(cmd card.Command) (id fileID, offset int, rest []byte, err error) {
	switch p := fileID(cmd.P1)<<8 | fileID(cmd.P2); {
	case p == 0:
		if id = c.session.ef; id == 0 {
			return 0, 0, nil, card.CommandNotAllowed
		}
	case p <= 0x1E:
		if id, err = c.bySFI(byte(p)); err != nil {
			return 0, 0, nil, err
		}
	default:
		id = p
	}
	o, rest, err := tlv.Next(cmd.Data)
	if err != nil || o.Tag != 0x54 || len(o.Value) == 0 || len(o.Value) > 3 {
		return 0, 0, nil, card.IncorrectData
	}
	for _, b := range o.Value {
		offset = offset<<8 | int(b)
	}
	return id, offset, rest, nil
}

// readBinary is READ BINARY, with the offset in P1-P2 (B0) or in a data object (B1).
func (c *Chip) readBinary(cmd card.Command) ([]byte, error) {
	if err := c.refusesRead(cmd); err != nil {
		return nil, err
	}
	if cmd.INS == 0xB0 {
		id, offset, err := c.target(cmd.P1, cmd.P2)
		if err != nil {
			return nil, err
		}
		if len(cmd.Data) != 0 {
			return nil, card.WrongLength
		}
		return c.read(id, offset, cmd.Ne)
	}
	id, offset, rest, err := c.targetOdd(cmd)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, card.IncorrectData
	}
	ne := cmd.Ne
	if ne != card.MaxShortNe && ne != card.MaxExtendedNe {
		ne = max(ne-(tlv.Size(0x53, ne)-ne), 0) // Le counts the data object 53 whole
	} else if ne == card.MaxShortNe {
		ne -= tlv.Size(0x53, ne) - ne
	}
	data, err := c.read(id, offset, ne)
	if err != nil && err != card.EndOfFile {
		return nil, err
	}
	return tlv.New(0x53, data), err
}

// read gives up to ne bytes of a file. Fewer come with 6282, unless ne is one of
// the two values that mean "all there is".
func (c *Chip) read(id fileID, offset, ne int) ([]byte, error) {
	if !c.readable(id) {
		return nil, card.SecurityNotSatisfied
	}
	f := c.find(id)
	if f == nil {
		return nil, card.FileNotFound
	}
	if offset >= len(f.Data) {
		return nil, card.WrongP1P2
	}
	c.session.ef = id
	all := ne == 0 || ne == card.MaxShortNe || ne == card.MaxExtendedNe
	if ne == 0 {
		ne = card.MaxShortNe
	}
	data := f.Data[offset:]
	if most := c.state.Quirks.MaxData; most > 0 && len(data) > most && ne > most {
		return data[:most], nil
	}
	if end := c.state.Quirks.EndStatus; len(data) < ne && !all && end != 0 {
		return nil, end
	}
	if len(data) < ne && !all {
		return data, card.EndOfFile
	}
	return data[:min(len(data), ne, maxRead)], nil
}

// writeFile creates or changes a file.
func (c *Chip) writeFile(cmd card.Command) error {
	switch cmd.INS {
	case 0xE0:
		return c.createFile(cmd)
	case 0xD6:
		return c.updateBinary(cmd)
	}
	return c.updateBinaryOdd(cmd)
}

// createFile is CREATE FILE (ISO/IEC 7816-9:2017, 9.1) of a transparent file:
// 62 { 80 size, 82 01, 83 identifier, 88 short identifier << 3 }. Its bytes are 00.
func (c *Chip) createFile(cmd card.Command) error {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return card.IncorrectP1P2
	}
	parameters, err := tlv.One(cmd.Data, 0x62)
	if err != nil {
		return card.IncorrectData
	}
	number := func(tag tlv.Tag, size int) (n int) {
		value, err := tlv.Find(parameters, tag)
		if err != nil || len(value) != size {
			return -1
		}
		for _, b := range value {
			n = n<<8 | int(b)
		}
		return n
	}
	size, descriptor, id := number(0x80, 2), number(0x82, 1), fileID(number(0x83, 2))
	sfi, sfiErr := tlv.Find(parameters, 0x88)
	if size < 1 || descriptor != 0x01 || id>>8 != 0x01 || sfiErr == nil && (len(sfi) > 1 || len(sfi) == 1 && sfi[0]&0x07 != 0) {
		return card.IncorrectData
	}
	if c.session.app != appEMRTD && id != efSecurity {
		return card.IncorrectData
	}
	files := c.directory()
	if files[id] != nil {
		return card.FileExists
	}
	f := &file{Data: make([]byte, size)}
	switch {
	case sfiErr != nil: // not said: the identifier's low bits (ISO/IEC 7816-4:2020, 7.4.3)
		f.SFI = byte(id) & 0x1F
	case len(sfi) == 1:
		f.SFI = sfi[0] >> 3
	}
	used := 0
	for _, other := range files {
		if used += len(other.Data); f.SFI != 0 && other.SFI == f.SFI {
			return card.IncorrectData
		}
	}
	if used+size > maxFiles {
		return card.NotEnoughMemory
	}
	files[id] = f
	c.session.ef, c.dirty = id, true
	return nil
}

// updateBinary is UPDATE BINARY with a 15-bit offset or a short identifier.
func (c *Chip) updateBinary(cmd card.Command) error {
	id, offset, err := c.target(cmd.P1, cmd.P2)
	if err != nil {
		return err
	}
	return c.write(id, offset, cmd.Data)
}

// updateBinaryOdd is UPDATE BINARY with an offset data object, then data object 53.
func (c *Chip) updateBinaryOdd(cmd card.Command) error {
	id, offset, rest, err := c.targetOdd(cmd)
	if err != nil {
		return err
	}
	data, err := tlv.One(rest, 0x53)
	if err != nil {
		return card.IncorrectData
	}
	return c.write(id, offset, data)
}

func (c *Chip) write(id fileID, offset int, data []byte) error {
	f := c.directory()[id]
	if f == nil {
		return card.FileNotFound
	}
	if len(data) == 0 {
		return card.WrongLength
	}
	if offset+len(data) > len(f.Data) {
		return card.WrongP1P2
	}
	copy(f.Data[offset:], data)
	c.session.ef, c.dirty = id, true
	return nil
}
