package finger

import (
	"errors"
	"fmt"
	"image"
	"slices"

	"cardstation/biometrics"
)

// SequenceCapture is one picture of an enrolment, in the slot where the operator has it.
type SequenceCapture struct {
	Position biometrics.Position
	Rolled   bool
	Image    image.Image
	PPI      int                   // as for Extract
	Missing  []biometrics.Position // fingers of Position that are not there
}

// Finding is one thing that the pictures of an enrolment say about each other.
type Finding struct {
	// Code is one of hands-swapped, other-hand, fingers-swapped, repeated, wrong-finger,
	// too-few, too-many and cannot-tell.
	Code     string
	Captures []int  // indices of the pictures it speaks of, the ones to take again
	Text     string // one sentence that tells the operator what to do
}

// Findings are all that was found, the worst first.
type Findings []Finding

// Clear says that nothing is known to be wrong; what cannot be told is not known.
func (f Findings) Clear() bool {
	return !slices.ContainsFunc(f, func(one Finding) bool { return one.Code != CannotTell })
}

// CannotTell is the code of a finding that is no alarm: two prints that should be of one
// finger have too little in common to say so, and nothing shows that they are of two.
const CannotTell = "cannot-tell"

// OtherSlot is the score from which on a print in another slot raises an alarm. It is above
// SameFinger as an enrolment has 180 pairs of different fingers: by the line of SameFinger
// one enrolment in some 1700 has one that reaches it. Where two or more rolls must agree,
// SameFinger does for each.
const OtherSlot = SameFinger + 15

// SameSlot is the score from which on a roll passes for the flat finger of its position, where
// it shows up nowhere else: one in a thousand other fingers reach it.
const SameSlot = SameFinger - 10

// Sequence holds the pictures of one enrolment against each other: each roll against each
// finger of the slaps and of the thumbs, and the rolls and the flat ones among themselves. It
// finds hands and fingers that were swapped, a finger that was taken twice, and a slap with
// more or fewer fingers than it should have. Captures may come in any order, and any may be
// absent; a slot that comes twice, a position that is none, or a picture that is not of 500 or
// 1000 ppi, is an error. That a stranger's finger was rolled cannot be told from a print that
// is too poor to be matched: both are cannot-tell.
func Sequence(captures []SequenceCapture) (Findings, error) {
	s := sequence{captures: captures}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("check sequence: %w", err)
	}
	if err := s.cut(); err != nil {
		return nil, fmt.Errorf("check sequence: %w", err)
	}
	s.extract()
	s.compare()
	s.judge()
	return s.found, nil
}

// piece is one finger of one picture.
type piece struct {
	capture  int
	position biometrics.Position // as the slot has it; unknown where the slap lacks fingers
	rolled   bool
	grey     *image.Gray // 500 ppi
	print    *Print      // nil where no ridges are seen
}

// sequence is one check while it is made.
type sequence struct {
	captures []SequenceCapture
	pieces   []piece
	counts   []countError // by capture; all 0 where the number of fingers is right
	scores   [][]float64  // of pieces, both ways the same
	found    Findings
	blamed   map[int]bool // captures that a finding explains
}

func (s *sequence) check() error {
	type slot struct {
		position biometrics.Position
		rolled   bool
	}
	seen := map[slot]bool{}
	for i, c := range s.captures {
		n := len(c.Position.Fingers())
		switch {
		case n == 0 || c.Position == biometrics.UnknownFinger || n > 1 && c.Rolled:
			return fmt.Errorf("picture %d: no such slot: %v, rolled %v", i, c.Position, c.Rolled)
		case seen[slot{c.Position, c.Rolled}]:
			return fmt.Errorf("picture %d: %s comes twice", i, s.name(i))
		case len(s.expected(i)) == 0:
			return fmt.Errorf("picture %d: %s has no finger that is not missing", i, s.name(i))
		}
		seen[slot{c.Position, c.Rolled}] = true
	}
	return nil
}

// expected are the fingers that a picture should show, from its left edge to its right.
func (s *sequence) expected(i int) []biometrics.Position {
	c := s.captures[i]
	return slices.DeleteFunc(c.Position.Fingers(), func(p biometrics.Position) bool { return slices.Contains(c.Missing, p) })
}

// cut makes the pieces, the pictures on all processors.
func (s *sequence) cut() error {
	pieces, errs := make([][]piece, len(s.captures)), make([]error, len(s.captures))
	s.counts, s.blamed = make([]countError, len(s.captures)), map[int]bool{}
	bands(len(s.captures), func(i int) {
		pieces[i], errs[i] = s.fingers(i)
		errors.As(errs[i], &s.counts[i])
	})
	for i, err := range errs {
		if err != nil && s.counts[i].want == 0 {
			return fmt.Errorf("%s: %w", s.name(i), err)
		}
		s.pieces = append(s.pieces, pieces[i]...)
	}
	return nil
}

// fingers cuts one picture. With another number of fingers than expected, those that are
// seen come without a position, beside the error.
func (s *sequence) fingers(i int) ([]piece, error) {
	c := s.captures[i]
	g, err := grey500(c.Image, c.PPI)
	if err != nil {
		return nil, err
	}
	if len(c.Position.Fingers()) == 1 {
		return []piece{{capture: i, position: c.Position, rolled: c.Rolled, grey: g}}, nil
	}
	segments, err := Find(g, 500, s.expected(i))
	var count countError
	if errors.As(err, &count) && count.seen > 0 {
		segments, _ = Find(g, 500, make([]biometrics.Position, count.seen))
	}
	var out []piece
	for _, one := range segments {
		out = append(out, piece{capture: i, position: one.Position, grey: one.Cut(g)})
	}
	return out, err
}

// extract reads all pieces, on all processors.
func (s *sequence) extract() {
	bands(len(s.pieces), func(i int) {
		p := &s.pieces[i]
		if t, err := extract(p.grey); err == nil {
			p.print = NewPrint(t)
		}
		p.grey = nil
	})
}

// compare fills in the scores; pieces of one picture are never held against each other.
func (s *sequence) compare() {
	n := len(s.pieces)
	s.scores = make([][]float64, n)
	for i := range s.scores {
		s.scores[i] = make([]float64, n)
	}
	bands(n, func(i int) {
		a := s.pieces[i]
		for j, b := range s.pieces {
			probe := a.rolled && !b.rolled || a.rolled == b.rolled && i < j
			if probe && a.capture != b.capture && a.print != nil && b.print != nil {
				s.scores[i][j] = a.print.Compare(b.print).Score
			}
		}
	})
	for i := range n {
		for j := range i {
			both := max(s.scores[i][j], s.scores[j][i])
			s.scores[i][j], s.scores[j][i] = both, both
		}
	}
}

// report adds a finding; the pictures it names need no second explanation.
func (s *sequence) report(code string, captures []int, format string, args ...any) {
	s.found = append(s.found, Finding{Code: code, Captures: captures, Text: fmt.Sprintf(format, args...)})
	for _, i := range captures {
		s.blamed[i] = true
	}
}

// name says a slot as the operator knows it.
func (s *sequence) name(i int) string {
	c := s.captures[i]
	switch {
	case len(c.Position.Fingers()) > 1:
		return fmt.Sprintf("the picture of the %v", c.Position)
	case c.Rolled:
		return fmt.Sprintf("the rolled %v", c.Position)
	}
	return fmt.Sprintf("the flat %v", c.Position)
}
