package emrtd

import (
	"slices"

	"cardstation/devices/card"
)

// Locked tells whether the application is final already, by the life cycle status
// that it shows when selected or by what it answers to Commands.Ask: questions that
// need no channel. A chip that shows a status always has one of the two.
func (ch Chip) Locked(c card.Card) (bool, error) { return ch.says(c, ch.Answers.Final) }

// Sealed tells whether personalisation has ended, be the application locked or not.
func (ch Chip) Sealed(c card.Card) (bool, error) {
	return ch.says(c, ch.Answers.Final, ch.Answers.Sealed)
}

func (ch Chip) says(c card.Card, any ...card.Status) (bool, error) {
	if ch.Activated != 0 {
		status, ok, err := lifeCycle(c, ch.AID)
		return ok && status == ch.Activated, err
	}
	if err := new(Reader).selectAID(c, ch.AID); err != nil {
		return false, err
	}
	ask, err := ch.Commands.Ask.Fill(nil)
	if err != nil {
		return false, err
	}
	resp, err := c.Transmit(ask)
	if err != nil {
		return false, err
	}
	return slices.Contains(any, resp.SW), nil
}

// LockSteps are what is left to do on a chip that Steps only sealed; none where Steps
// end in the activation.
func (ch Chip) LockSteps() ([]Step, error) {
	if !ch.Commands.Seal.Given() {
		return nil, nil
	}
	return ch.plus(nil, "activate", ch.Commands.Activate, nil)
}
