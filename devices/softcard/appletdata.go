package softcard

import (
	"crypto/ecdsa"
	"crypto/x509"
	"math/big"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// appletPut is the applet's PUT DATA: its secrets, keys and certificate, and its way
// through life.
func (c *Chip) appletPut(cmd card.Command) error {
	a, p := c.state.Applet, uint16(cmd.P1)<<8|uint16(cmd.P2)
	if !c.hasPACE() && a.Life == appletLocked {
		return card.ConditionsNotSatisfied
	}
	if cmd.P1 == 0xDE {
		return c.appletLife(p, cmd.Data)
	}
	if p == 0x0067 && c.hasPACE() {
		return c.appletDate(cmd.Data)
	}
	if err := c.appletWritable(); err != nil {
		return err
	}
	switch {
	case p == 0x0060:
		return c.appletNumber(&a.Modulus, cmd.Data)
	case p == 0x0061:
		return c.appletNumber(&a.Exponent, cmd.Data)
	case p == 0x0062:
		return c.putAccess(cmd.Data)
	case p == 0x0063:
		return c.appletChipKey(cmd.Data)
	case cmd.P2 == 0x64:
		return c.appletRoot(cmd.Data)
	case p == 0x0065 && c.hasPACE():
		return c.appletPasswords(cmd.Data)
	}
	return card.IncorrectP1P2
}

// appletLife is DEAF, which seals, and DEAD, which locks. The applet without PACE
// locks at once.
func (c *Chip) appletLife(p uint16, data []byte) error {
	a := c.state.Applet
	to := map[uint16]int{0xDEAF: appletSealed, 0xDEAD: appletLocked}[p]
	switch {
	case !c.hasPACE() && p == 0xDEAD:
	case !c.hasPACE(), to == 0:
		return card.IncorrectP1P2
	case len(data) != 0:
		return card.WrongLength
	case to == a.Life:
		return nil
	case to != a.Life+1:
		return card.ConditionsNotSatisfied
	}
	a.Life, c.dirty = to, true
	// Whether it can ever be read again the applet does not ask.
	c.state.EMRTD.Active = c.state.EMRTD.openable() && to == appletLocked
	return nil
}

// appletDate takes the day by which certificates are judged, YYMMDD, one digit a
// byte.
func (c *Chip) appletDate(data []byte) error {
	if len(data) != 6 {
		return card.WrongLength
	}
	var n [6]int
	for i, b := range data {
		n[i] = int(b & 0x0F)
	}
	day := time.Date(2000+10*n[0]+n[1], time.Month(10*n[2]+n[3]), 10*n[4]+n[5], 0, 0, 0, 0, time.UTC)
	if t := &c.state.EMRTD.Trust; day.After(t.Date) {
		t.Date, c.dirty = day, true
	}
	return nil
}

// appletNumber takes modulus or exponent: an empty object whose tag is P2's, then 04
// with the number, which may have a leading zero.
func (c *Chip) appletNumber(to *[]byte, data []byte) error {
	_, rest, err := tlv.Next(data)
	if err != nil {
		return card.IncorrectData
	}
	o, _, err := tlv.Next(rest)
	if err != nil {
		return card.IncorrectData
	}
	number := o.Value
	if len(number) > 0 && number[0] == 0 {
		number = number[1:]
	}
	if len(number) == 0 || len(number) > appletKey {
		return card.IncorrectData
	}
	*to, c.dirty = append([]byte(nil), number...), true
	return nil
}

// appletChipKey takes the chip authentication key: 81 prime, 82 and 83 the
// coefficients, 84 base point, 85 order, 86 private key, 87 cofactor. Binary fields,
// which the applet knows too, are not known here.
func (c *Chip) appletChipKey(data []byte) error {
	v := map[tlv.Tag]*big.Int{}
	objects, err := tlv.Parse(data)
	if err != nil {
		return card.IncorrectData
	}
	var base []byte
	for _, o := range objects {
		if v[o.Tag] = new(big.Int).SetBytes(o.Value); o.Tag == 0x84 {
			base = o.Value
		}
	}
	if len(base)%2 != 1 || base[0] != 4 || v[0x86] == nil {
		return card.IncorrectData
	}
	half := len(base) / 2
	x, y := new(big.Int).SetBytes(base[1:1+half]), new(big.Int).SetBytes(base[1+half:])
	group, err := curve.Explicit(curve.Parameters{P: v[0x81], A: v[0x82], B: v[0x83], Gx: x, Gy: y, N: v[0x85]})
	if err != nil || v[0x86].Cmp(v[0x85]) >= 0 {
		return card.IncorrectData
	}
	key, err := ecdsa.ParseRawPrivateKey(group, v[0x86].FillBytes(make([]byte, (v[0x85].BitLen()+7)/8)))
	if err != nil {
		return card.IncorrectData
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return card.IncorrectData
	}
	return c.putChipKey(der)
}

// appletRoot takes the authority's certificate, once: whole, without its outermost
// tag, or its body alone, which is all of an RSA certificate that fits one command.
func (c *Chip) appletRoot(data []byte) error {
	e := &c.state.EMRTD
	if len(e.Trust.Points) > 0 {
		return card.ConditionsNotSatisfied
	}
	const body, signature = 0x7F4E, 0x5F37
	root, err := cvc.Parse(data)
	if err != nil {
		root, err = cvc.ParseContent(data)
	}
	if err != nil {
		if _, isBody := tlv.One(data, body); isBody == nil {
			root, err = cvc.ParseContent(tlv.Append(data[:len(data):len(data)], signature, []byte{0}))
		}
	}
	if err != nil {
		return card.IncorrectData
	}
	trust, err := cvc.NewTrust(root.From, root)
	if err != nil {
		return card.IncorrectData
	}
	if trust.Date.Before(e.Trust.Date) {
		trust.Date = e.Trust.Date
	}
	e.Trust, c.dirty = trust, true
	return nil
}

// appletPasswords takes passwords of PACE: objects 66 { reference, secret }, one after
// another or within a 65. The MRZ's is taken and never used: what 0062 gave is.
func (c *Chip) appletPasswords(data []byte) error {
	if inner, err := tlv.One(data, 0x65); err == nil {
		data = inner
	}
	entries, err := tlv.Parse(data)
	if err != nil {
		return card.IncorrectData
	}
	secrets := map[byte][]byte{}
	for _, o := range entries {
		switch {
		case o.Tag != 0x66:
			return card.IncorrectData
		case len(o.Value) < 2:
			return card.WrongLength
		case o.Value[0] == passwordMRZ:
			continue
		}
		if _, err := access.NewPassword(o.Value[0], o.Value[1:]); err != nil {
			return card.IncorrectData
		}
		secrets[o.Value[0]] = append([]byte(nil), o.Value[1:]...)
	}
	p := &c.state.EMRTD.PACE
	if p.Secrets == nil {
		p.Secrets = map[byte][]byte{}
	}
	for reference, secret := range secrets {
		p.Secrets[reference] = secret
	}
	c.dirty = true
	return nil
}
