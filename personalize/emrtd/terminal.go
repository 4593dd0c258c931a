package emrtd

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/lds"
)

// Terminal is what opens fingerprints and irises: the certificates that lead from an authority
// over terminals to this one's own, in any order, and its key, in memory or in a
// security module.
type Terminal struct {
	Chain []cvc.Certificate
	Key   crypto.Signer
}

// cvcaSize is how much of EF.CVCA is asked for: all of it.
const cvcaSize = 36

// terminalAuthentication shows the chip, inside the channel of chip authentication,
// what the terminal may read (Doc 9303-11, 7.1), and reads that of DG3 and DG4 which
// EF.SOD lists. The row failed only
// where the chip takes the terminal's certificate and then not its signature: that is
// over both ends' keys, and somebody stands between them. A chip that does not take the
// certificates says nothing against itself.
func (i *inspection) terminalAuthentication(c card.Card, files lds.Files) (opened lds.Files, row lds.Check) {
	row = lds.Check{Name: CheckTerminal, Result: lds.NotDone}
	switch offered, err := offersTerminal(files); {
	case err != nil:
		row.Why = err.Error()
	case !offered:
		row.Why = "the chip asks for none"
	case i.Terminal == nil:
		row.Why = "there is no terminal's key here: the chip's fingerprints stay closed"
	case c == nil:
		row.Why = "chip authentication has to come before it"
	default:
		return i.showTerminal(c, files)
	}
	return nil, row
}

// offersTerminal tells whether DG14 says that the chip asks for it.
func offersTerminal(files lds.Files) (bool, error) {
	raw, ok := files[lds.DG14]
	if !ok {
		return false, errors.New("DG14 was not read, or the chip has none")
	}
	set, err := tlv.One(raw, lds.DG14.Tag())
	if err != nil {
		return false, err
	}
	return access.OffersTerminalAuthentication(set)
}

// guarded are the groups that open to terminal authentication only.
var guarded = []lds.FileID{lds.DG3, lds.DG4}

func (i *inspection) showTerminal(c card.Card, files lds.Files) (opened lds.Files, row lds.Check) {
	trusted, err := i.authorities(c)
	if err != nil {
		return nil, undone(CheckTerminal, fmt.Errorf("EF.CVCA, which names whom the chip trusts: %w", err))
	}
	_, err = access.TerminalAuthentication{Chain: i.Terminal.Chain, Key: i.Terminal.Key, Trusted: trusted}.Open(c)
	var refused *card.Error
	switch {
	case errors.Is(err, cvc.ErrAuthority):
		return nil, undone(CheckTerminal, fmt.Errorf("the chip trusts %s: no certificate here leads on from it", strings.Join(trusted, " and ")))
	case errors.As(err, &refused) && refused.Header[1] == 0x82 && refused.SW == access.AuthenticationFailed:
		return nil, lds.Check{Name: CheckTerminal, Result: lds.Failed, Why: "the chip took the terminal's certificate and not its signature: another terminal's keys are in the channel"}
	case errors.As(err, &refused) && refused.Header[1] == 0x2A:
		return nil, undone(CheckTerminal, fmt.Errorf("the chip, which trusts %s, refuses a certificate, as one of another authority or as over by its own date: %w%s",
			strings.Join(trusted, " and "), errors.Unwrap(err), i.overdue()))
	case err != nil:
		return nil, undone(CheckTerminal, fmt.Errorf("%w%s", err, i.overdue()))
	}
	row = lds.Check{Name: CheckTerminal, Result: lds.Passed, Evidence: "the chip trusts " + strings.Join(trusted, " and ") + i.Terminal.name()}
	sod, err := lds.DecodeSOD(files[lds.SOD])
	if err != nil {
		row.Why = err.Error()
		return nil, row
	}
	var closed []string
	opened = lds.Files{}
	for _, id := range guarded {
		if _, signed := sod.Object.Groups[id]; !signed {
			continue
		}
		got, _, err := i.reader.Read(c, id)
		switch {
		case err != nil:
			row.Why = err.Error()
			return opened, row
		case got[id] == nil:
			closed = append(closed, id.String())
		default:
			opened[id] = got[id]
		}
	}
	if len(closed) > 0 {
		row.Why = strings.Join(closed, " and ") + " does not open to the rights of this terminal"
	}
	return opened, row
}

// May tells whether the rights hold through the whole chain.
func (t *Terminal) May(rights byte) bool {
	for _, c := range t.Chain {
		if !c.Authorization.Has(rights) {
			return false
		}
	}
	return len(t.Chain) > 0
}

// authorities reads EF.CVCA, which has no tag around it.
func (i *inspection) authorities(c card.Card) ([]string, error) {
	if err := i.reader.selectFile(c, lds.CardAccess); err != nil { // the same identifier, inside the application
		return nil, err
	}
	raw, _, err := i.reader.at(c, lds.CardAccess, 0, cvcaSize)
	if err != nil {
		return nil, err
	}
	return access.ParseCVCA(raw)
}

// name is the terminal's own certificate, for the end of a sentence.
func (t *Terminal) name() string {
	for _, c := range t.Chain {
		if c.Authorization.Role() == cvc.Terminal {
			return fmt.Sprintf(", shown %s, valid until %s", c.Holder, c.Until.Format(time.DateOnly))
		}
	}
	return ""
}

// overdue says, for the end of a sentence, what is over of the terminal's certificates.
func (i *inspection) overdue() string {
	if err := i.Terminal.Expired(i.Now); err != nil {
		return ": " + err.Error()
	}
	return ""
}

// Expired names the certificates of terminal and verifier that are over by our date;
// a chip's own may be ahead of it.
func (t *Terminal) Expired(now time.Time) error {
	var over []string
	for _, c := range t.Chain {
		if c.Authorization.Role() != cvc.CVCA && cvc.Day(now).After(c.Until) {
			over = append(over, fmt.Sprintf("%s was valid until %s", c.Holder, c.Until.Format(time.DateOnly)))
		}
	}
	if len(over) == 0 {
		return nil
	}
	return fmt.Errorf("the terminal's certificates have to be renewed: %s", strings.Join(over, ", "))
}
