package personalize

import (
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

// Identify reads the chip's identity: "cplc:" and the hex of IC fabricator, IC
// type, IC batch identifier and IC serial number of its card production life
// cycle data (GlobalPlatform Card Specification 2.1.1, tag 9F7F), or "serial:"
// and the decimal number a PIV token gives to GET SERIAL. It leaves the card
// manager or the PIV application selected. The error wraps what the transport
// said, or says that the chip has neither.
func Identify(c card.Card) (chip string, err error) {
	data, err := productionData(c)
	if err == nil {
		return cplcID(data)
	}
	var refused *card.Error
	if !errors.As(err, &refused) {
		return "", fmt.Errorf("identify chip: %w", err)
	}
	if serial, err := piv.Serial(c); err == nil {
		return fmt.Sprintf("serial:%d", serial), nil
	} else if !errors.As(err, &refused) {
		return "", fmt.Errorf("identify chip: %w", err)
	}
	return "", errors.New("identify chip: it gives neither card production data nor a serial number")
}

func productionData(c card.Card) ([]byte, error) {
	if _, err := card.Do(c, card.Command{INS: 0xA4, P1: 0x04, Data: cardManager, Ne: card.MaxShortNe}); err != nil {
		return nil, err
	}
	return card.Do(c, card.Command{CLA: 0x80, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: card.MaxShortNe})
}

// cplcID picks the chip's own fields out of the 42 bytes of 9F7F: fabricator 0..1,
// type 2..3, batch 16..17, serial number 12..15.
func cplcID(data []byte) (string, error) {
	v, err := tlv.One(data, 0x9F7F)
	if err != nil {
		return "", fmt.Errorf("identify chip: card production data: %w", err)
	}
	if len(v) != 42 {
		return "", fmt.Errorf("identify chip: card production data of %d bytes instead of 42", len(v))
	}
	id := make([]byte, 0, 10)
	id = append(id, v[0:4]...)
	id = append(id, v[16:18]...)
	id = append(id, v[12:16]...)
	return "cplc:" + hex.EncodeToString(id), nil
}
