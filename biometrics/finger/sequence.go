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
	// Name is the picture's own, as its digest is: Hands reads a picture once under it. Where
	// it is empty, the picture is read at every check.
	Name string
	// Load gives the picture where Image is nil. It is called only for one that is not known.
	Load func() (image.Image, error)
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

// Codes of findings that are more than words to others.
const (
	// CannotTell is no alarm: two prints that should be of one finger have too little in
	// common to say so, and nothing shows that they are of two.
	CannotTell = "cannot-tell"
	// TooFew and TooMany count the fingers of one picture, as Assessor does.
	TooFew  = "too-few"
	TooMany = "too-many"
)

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
func Sequence(captures []SequenceCapture) (Findings, error) { return new(Hands).Check(captures) }

// Hands makes the check of Sequence again and again while an enrolment grows. It remembers what
// it read in the pictures of the last check and how alike their fingers were, so that a
// check with one new picture costs the reading of that one and its comparisons. The zero
// value is ready; it is not for several goroutines at once.
type Hands struct {
	read   map[string]reading
	scores map[[2]*Print]float64
	rolls  map[biometrics.Position]Rolled
}

// Rolled is what was read in the roll of one finger.
type Rolled struct {
	Template Template
	Print    *Print
}

// Rolled gives what the last check read in the roll of a position; not where there was none or
// no ridges were seen in it.
func (h *Hands) Rolled(p biometrics.Position) (Rolled, bool) {
	r, ok := h.rolls[p]
	return r, ok
}

// Check says what the captures say about each other; see Sequence. While the enrolment is not
// complete it says what is certain already: a finding may name a capture that was taken long
// before the one that gave it away.
func (h *Hands) Check(captures []SequenceCapture) (Findings, error) {
	s := sequence{captures: captures, blamed: map[int]bool{}}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("check sequence: %w", err)
	}
	readings, err := s.read(h.read)
	if err != nil {
		return nil, fmt.Errorf("check sequence: %w", err)
	}
	h.read, h.rolls = map[string]reading{}, map[biometrics.Position]Rolled{}
	for i, r := range readings {
		h.read[s.key(i)] = r
		for _, p := range r.pieces {
			p.capture = i
			s.pieces = append(s.pieces, p)
			if p.rolled && p.print != nil {
				h.rolls[p.position] = Rolled{p.template, p.print}
			}
		}
		s.counts, s.right = append(s.counts, r.count), append(s.right, r.right)
	}
	h.scores = s.compare(h.scores)
	s.judge()
	return s.found, nil
}

// reading is what one picture holds.
type reading struct {
	pieces []piece
	count  countError // all 0 where the number of fingers is right
	right  float64    // see RightHand
}

// piece is one finger of one picture.
type piece struct {
	capture  int
	position biometrics.Position // as the slot has it; unknown where the slap lacks fingers
	rolled   bool
	grey     *image.Gray // 500 ppi, until it is read
	template Template
	print    *Print // nil where no ridges are seen
}

// sequence is one check while it is made.
type sequence struct {
	captures []SequenceCapture
	pieces   []piece
	counts   []countError // by capture
	right    []float64    // by capture: see RightHand
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

// key names what a picture and its slot are; empty where the picture has no name.
func (s *sequence) key(i int) string {
	c := s.captures[i]
	if c.Name == "" {
		return ""
	}
	return fmt.Sprint(c.Name, c.PPI, int(c.Position), c.Rolled, c.Missing)
}

// read reads the pictures that are not known, on all processors: it cuts each into its
// fingers, then extracts these.
func (s *sequence) read(known map[string]reading) ([]reading, error) {
	out, errs := make([]reading, len(s.captures)), make([]error, len(s.captures))
	var fresh []int
	for i := range s.captures {
		var ok bool
		if out[i], ok = known[s.key(i)]; !ok || s.key(i) == "" {
			fresh = append(fresh, i)
		}
	}
	bands(len(fresh), func(k int) {
		i := fresh[k]
		out[i], errs[i] = s.fingers(i)
		if errors.As(errs[i], &out[i].count) {
			errs[i] = nil
		}
	})
	var pieces []*piece
	for _, i := range fresh {
		if errs[i] != nil {
			return nil, fmt.Errorf("%s: %w", s.name(i), errs[i])
		}
		for k := range out[i].pieces {
			pieces = append(pieces, &out[i].pieces[k])
		}
	}
	bands(len(pieces), func(i int) { pieces[i].extract() })
	return out, nil
}

// fingers cuts one picture. With another number of fingers than expected, those that are
// seen come without a position, beside the error.
func (s *sequence) fingers(i int) (r reading, err error) {
	c := s.captures[i]
	img := c.Image
	if img == nil && c.Load != nil {
		if img, err = c.Load(); err != nil {
			return r, err
		}
	}
	g, err := grey500(img, c.PPI)
	if err != nil {
		return r, err
	}
	if len(c.Position.Fingers()) == 1 {
		r.pieces = []piece{{position: c.Position, rolled: c.Rolled, grey: g}}
		return r, nil
	}
	segments, err := Find(g, 500, s.expected(i))
	var count countError
	if errors.As(err, &count) && count.seen > 0 {
		segments, _ = Find(g, 500, make([]biometrics.Position, count.seen))
	}
	for _, one := range segments {
		r.pieces = append(r.pieces, piece{position: one.Position, grey: one.Cut(g)})
	}
	r.right = RightHand(segments)
	return r, err
}

// extract reads the finger.
func (p *piece) extract() {
	if t, err := extract(p.grey); err == nil {
		p.template, p.print = t, NewPrint(t)
		p.template.Position = p.position
		if p.rolled {
			p.template.Impression = biometrics.LiveRolled
		}
	}
	p.grey = nil
}

// compare fills in the scores, those that are not known on all processors, and gives them for
// the next time; pieces of one picture are never held against each other.
func (s *sequence) compare(known map[[2]*Print]float64) map[[2]*Print]float64 {
	n := len(s.pieces)
	var fresh [][2]int
	s.scores = make([][]float64, n)
	for i, a := range s.pieces {
		s.scores[i] = make([]float64, n)
		for j, b := range s.pieces {
			probe := a.rolled && !b.rolled || a.rolled == b.rolled && i < j
			if !probe || a.capture == b.capture || a.print == nil || b.print == nil {
				continue
			}
			var ok bool
			if s.scores[i][j], ok = known[[2]*Print{a.print, b.print}]; !ok {
				fresh = append(fresh, [2]int{i, j})
			}
		}
	}
	bands(len(fresh), func(k int) {
		i, j := fresh[k][0], fresh[k][1]
		s.scores[i][j] = s.pieces[i].print.Compare(s.pieces[j].print).Score
	})
	all := map[[2]*Print]float64{}
	for i := range n {
		for j := range i {
			a, b := s.pieces[i].print, s.pieces[j].print
			both := max(s.scores[i][j], s.scores[j][i])
			s.scores[i][j], s.scores[j][i] = both, both
			all[[2]*Print{a, b}], all[[2]*Print{b, a}] = both, both
		}
	}
	return all
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
