package piv

import (
	"errors"

	"cardstation/devices/card"
)

// application is the PIV application while it is personalised: a card.Card that takes
// its reader back from piv-go before it sends, and remembers what it has proved to the
// chip. It must be closed.
type application struct {
	card     card.Card
	lender   card.Lender // nil where the reader cannot be lent, or the chip is not piv-go's
	loan     *loan       // nil where the reader is ours
	selected bool
	admin    bool // the management key was proved since the application was selected
	// algorithm is the one under which the chip was found to have its management
	// key; 0 before.
	algorithm byte
}

// open takes the application as selected and finds out whether piv-go can be used:
// where the reader can be lent and the chip answers GET VERSION, without which piv-go
// opens nothing.
func open(c card.Card, dialect string, extended bool) (*application, error) {
	a := &application{card: stretched(c, extended), selected: true}
	if dialect == Own {
		return a, nil
	}
	if lender, ok := c.(card.Lender); ok {
		resp, err := c.Transmit(card.Command{INS: 0xFD, Ne: card.MaxShortNe})
		if err != nil {
			return nil, err
		}
		if resp.SW == card.OK && len(resp.Data) == 3 {
			a.lender = lender
		}
	}
	if dialect == Library && a.lender == nil {
		return nil, errors.New("piv-go cannot be used: the reader cannot be lent to it, or the token does not answer get version")
	}
	return a, nil
}

// ready makes sure that the application is selected, unless piv-go has it.
func (a *application) ready() error {
	if a.selected {
		return nil
	}
	a.admin = false
	err := Select(a.card)
	a.selected = err == nil
	return err
}

// Close takes the reader back, with nothing selected.
func (a *application) Close() error {
	if a.loan == nil {
		return nil
	}
	l := a.loan
	a.loan, a.selected = nil, false
	return l.end()
}

// Transmit implements card.Card.
func (a *application) Transmit(cmd card.Command) (card.Response, error) {
	if err := a.Close(); err != nil {
		return card.Response{}, err
	}
	if err := a.ready(); err != nil {
		return card.Response{}, err
	}
	return a.card.Transmit(cmd)
}

// dialect is how changes are made on this card.
func (a *application) dialect() dialect {
	if a.lender != nil {
		return library{a}
	}
	return own{a}
}

// prove authenticates with the management key, once for as long as the application
// stays selected.
func (a *application) prove(key []byte) error {
	if a.admin && a.selected && a.loan == nil {
		return nil
	}
	_, err := authenticate(a, key)
	a.admin = err == nil
	return err
}
