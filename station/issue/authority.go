package issue

import (
	"fmt"
	"time"

	"cardstation/personalize/cccd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// ownChecks are the checks of a card that say something of the station's keys and
// trust, nothing of the chip: no chip may be spoilt over them.
var ownChecks = map[string]bool{lds.CheckSOD: true, lds.CheckSigner: true, lds.CheckCountry: true, lds.CheckValidity: true, lds.CheckRevoked: true}

// fitFor is how long the authority is taken to be in order once it was tried.
const fitFor = time.Minute

// authorised signs a document of nobody and checks it as a verifier would, before
// an order is claimed: an expired signer, an unknown country signer or an old
// revocation list stops the line instead of spoiling its blanks. A line that writes
// no eMRTD has no document signer, and nothing to try. A trial counts for fitFor; what
// still counts for longer than left is not made again.
func (l *Line) authorised(left time.Duration) error {
	signer, now := l.cfg.Authority.Document, l.cfg.Now()
	l.mu.Lock()
	fit := now.Add(left).Before(l.fit)
	l.mu.Unlock()
	if fit || signer.Signer == nil {
		return nil
	}
	if err := l.trySigner(now); err != nil {
		return err
	}
	l.mu.Lock()
	l.fit = now.Add(fitFor)
	l.mu.Unlock()
	return nil
}

func (l *Line) trySigner(now time.Time) error {
	stop := func(err error) error {
		return &station.Error{Kind: station.StopLine, What: "try the document signer", Err: err, Hint: "no card is touched; give the document signer its successor (stationd keys roll DIR --which ds) and start the station again"}
	}
	zone, err := cccd.MRZ(cccd.Example(0), cccd.NoExpiry)
	if err != nil {
		return stop(err)
	}
	dg1, err := lds.EncodeDG1(zone)
	if err != nil {
		return stop(err)
	}
	files, err := lds.Build(lds.Files{lds.DG1: dg1}, l.cfg.Authority.Document, now)
	if err != nil {
		return stop(err)
	}
	for _, row := range lds.Verify(files, l.cfg.Trust(), now) {
		if ownChecks[row.Name] && row.Result != lds.Passed {
			return unfit(row)
		}
	}
	return nil
}

// unfit is a check of the station's own keys and trust that did not pass.
func unfit(row lds.Check) error {
	return &station.Error{Kind: station.StopLine, What: "the station's own keys and trust", Err: fmt.Errorf("%s: %s: %s", row.Name, row.Result, row.Why),
		Hint: "no chip is at fault; after the trusted country signers or revocation lists are renewed (stationd keys crl) the line goes on by itself, after a new document signer (stationd keys roll) start the station again"}
}
