package personalize

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/piv"
)

// cardManager is the AID of the issuer security domain (GlobalPlatform Card
// Specification 2.3.1, H.1.3).
var cardManager = []byte{0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00}

// ErrAnonymous says that nothing tells a chip from its like, so that no order can be
// bound to it.
var ErrAnonymous = errors.New("it gives neither card production data, nor a serial number, nor a lasting uid")

// Identify reads the chip's identity, the first of these that it has:
//
//   - "cplc:" and the hex of IC fabricator, IC type, IC batch identifier and IC serial
//     number of its card production life cycle data (GlobalPlatform Card Specification
//     2.1.1, tag 9F7F); a serial number of zeros or ones is none;
//   - "serial:" and the decimal number a PIV token gives to GET SERIAL;
//   - "uid:" and the hex of the number by which the contactless reader tells chips
//     apart (PC/SC part 3, 3.2.2.1.3), but for one that the chip draws anew each time
//     (ISO/IEC 14443-3:2018, 6.5.4: four bytes, the first 08).
//
// It leaves the card manager or the PIV application selected, or nothing. The error
// wraps what the transport said, or ErrAnonymous.
func Identify(c card.Card) (chip string, err error) {
	for _, ask := range []func(card.Card) (string, error){production, serial, uid} {
		chip, err := ask(c)
		var refused *card.Error
		switch {
		case err == nil && chip != "":
			return chip, nil
		case err != nil && !errors.As(err, &refused):
			return "", fmt.Errorf("identify chip: %w", err)
		}
	}
	return "", fmt.Errorf("identify chip: %w", ErrAnonymous)
}

// production picks the chip's own fields out of the 42 bytes of 9F7F: fabricator
// 0..1, type 2..3, batch 16..17, serial number 12..15.
func production(c card.Card) (string, error) {
	if _, err := card.Select(c, cardManager); err != nil {
		return "", err
	}
	data, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: card.MaxShortNe})
	if err != nil {
		return "", err
	}
	v, err := tlv.One(data, 0x9F7F)
	if err != nil {
		return "", fmt.Errorf("card production data: %w", err)
	}
	if len(v) != 42 {
		return "", fmt.Errorf("card production data of %d bytes instead of 42", len(v))
	}
	if number := v[12:16]; bytes.Equal(number, []byte{0, 0, 0, 0}) || bytes.Equal(number, []byte{0xFF, 0xFF, 0xFF, 0xFF}) {
		return "", nil
	}
	return "cplc:" + hex.EncodeToString(bytes.Join([][]byte{v[0:4], v[16:18], v[12:16]}, nil)), nil
}

func serial(c card.Card) (string, error) {
	n, err := piv.Serial(c)
	return fmt.Sprintf("serial:%d", n), err
}

// uid asks the reader, which answers in the chip's place; a contact reader hands the
// command on to the chip, which refuses its class.
func uid(c card.Card) (string, error) {
	b, err := card.Do(c, card.Command{CLA: 0xFF, INS: 0xCA, Ne: card.MaxShortNe})
	if err != nil {
		return "", err
	}
	switch {
	case len(b) == 4 && b[0] != 0x08, len(b) == 7, len(b) == 8, len(b) == 10:
		return "uid:" + hex.EncodeToString(b), nil
	}
	return "", nil
}
