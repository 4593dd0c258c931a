package lds

import (
	"errors"
	"fmt"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
)

// Picture gives the portrait of data group 2, the JPEG of its first face, for a
// screen: its header keeps within the limits of biometrics.Decode. JPEG 2000 is an
// error, as most screens do not show it.
func Picture(dg2 []byte) ([]byte, error) {
	faces, err := DecodeDG2(dg2)
	if err != nil {
		return nil, err
	}
	if len(faces) == 0 || len(faces[0].Images) == 0 {
		return nil, errors.New("DG2 has no picture")
	}
	im := faces[0].Images[0]
	if im.Media != record.MediaJPEG {
		return nil, fmt.Errorf("the picture of DG2 is in %s, which is not shown here", im.Media)
	}
	media, err := biometrics.Peek(im.Data)
	if err == nil && media != biometrics.JPEG {
		err = fmt.Errorf("it is in %s", media)
	}
	if err != nil {
		return nil, fmt.Errorf("the picture of DG2: %w", err)
	}
	return im.Data, nil
}
