package access

import (
	"fmt"
	"time"

	"cardstation/devices/card"
)

// Tries that the holder has of a PIN, and of the PUK that unblocks it.
const (
	PINTries = 3
	PUKTries = 10
)

// PACEFailures are the wrong tries of each password since the last right one. A chip
// stores them: a try must be on record before its answer leaves.
type PACEFailures struct{ MRZ, CAN, PIN, PUK int }

// Failures are the chip's wrong tries by now.
func (c *PACEChip) Failures() PACEFailures { return c.offer.Failures }

// UnblockPIN answers RESET RETRY COUNTER for the PIN (TR-03110-3, B.7), inside the
// channel that the PUK opened; an error wraps 6982 elsewhere.
func (c *PACEChip) UnblockPIN() error {
	if !c.unblock {
		return fmt.Errorf("pace: pin unblocked without the puk: %w", card.SecurityNotSatisfied)
	}
	c.offer.Failures.PIN = 0
	return nil
}

func (f *PACEFailures) of(reference byte) *int {
	switch reference {
	case referenceMRZ:
		return &f.MRZ
	case referenceCAN:
		return &f.CAN
	case referencePIN:
		return &f.PIN
	}
	return &f.PUK
}

// left are the tries left of a PIN or PUK; ok is false for the passwords that are
// printed on the card, which are never blocked.
func (f *PACEFailures) left(reference byte) (n int, ok bool) {
	switch reference {
	case referencePIN:
		return max(0, PINTries-f.PIN), true
	case referencePUK:
		return max(0, PUKTries-f.PUK), true
	}
	return 0, false
}

// warn is the answer to naming a password that has failed before.
func (f *PACEFailures) warn(reference byte) error {
	n, limited := f.left(reference)
	if !limited || *f.of(reference) == 0 {
		return nil
	}
	return fmt.Errorf("pace: password %d failed before: %w", reference, retries(n))
}

func retries(n int) card.Status { return 0x63C0 | card.Status(min(n, 15)) }

// allow refuses a blocked password, and a PIN's last try unless the CAN was shown
// before, so that nobody at a distance can block it (TR-03110-2, PIN management).
func (f *PACEFailures) allow(reference byte, resumed bool) error {
	n, limited := f.left(reference)
	switch {
	case limited && n == 0:
		return fmt.Errorf("pace: password %d is blocked: %w", reference, card.AuthenticationBlocked)
	case reference == referencePIN && n == 1 && !resumed:
		return fmt.Errorf("pace: pin is suspended until the can was shown: %w", card.ConditionsNotSatisfied)
	}
	return nil
}

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 10 * time.Second
)

// delay is how long a nonce for MRZ or CAN is held back: nothing, then twice as long
// after each wrong try up to ten seconds.
func (f *PACEFailures) delay(reference byte) time.Duration {
	n := *f.of(reference)
	if _, limited := f.left(reference); limited || n <= 0 {
		return 0
	}
	return min(firstDelay<<min(n-1, 10), lastDelay)
}

// count records a wrong try and gives the status for it.
func (f *PACEFailures) count(reference byte) card.Status {
	*f.of(reference)++
	if n, limited := f.left(reference); limited {
		return retries(n)
	}
	return AuthenticationFailed
}

func (f *PACEFailures) clear(reference byte) { *f.of(reference) = 0 }
