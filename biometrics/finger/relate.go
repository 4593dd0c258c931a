package finger

import (
	"fmt"
	"slices"
	"strings"

	"cardstation/biometrics"
)

// judge says what the scores mean, first what explains most.
func (s *sequence) judge() {
	s.numbers()
	s.slaps()
	s.hands()
	s.flats()
	s.repeats()
	s.swaps()
	s.doubts()
	s.loops()
}

// numbers reports pictures with another number of fingers, and by the rolls which are absent.
func (s *sequence) numbers() {
	for i, n := range s.counts {
		switch {
		case n.want > n.seen:
			s.report(TooFew, []int{i}, "In %s %d of %d fingers are seen%s: take it again with all of them, or enter which are missing.",
				s.name(i), n.seen, n.want, s.absent(i, n.want-n.seen))
		case n.want < n.seen:
			s.report(TooMany, []int{i}, "In %s %d fingers are seen where %d should be: take it again, and check which fingers are missing.", s.name(i), n.seen, n.want)
		}
	}
}

// absent names the n fingers whose rolls match nothing in a picture, where it is just those.
func (s *sequence) absent(capture, n int) string {
	var names []string
	for _, p := range s.expected(capture) {
		for i, roll := range s.pieces {
			if roll.rolled && roll.position == p && s.best(i, capture) < SameFinger {
				names = append(names, fmt.Sprintf("the %v", p))
			}
		}
	}
	if len(names) != n {
		return ""
	}
	return ", not " + strings.Join(names, ", ")
}

// best is the highest score of a piece in a picture.
func (s *sequence) best(i, capture int) (best float64) {
	for j, other := range s.pieces {
		if other.capture == capture {
			best = max(best, s.scores[i][j])
		}
	}
	return best
}

// votes are what the rolls say of a slap.
type votes struct {
	own      int // the finger is where it should be
	mirrored int // of the other hand, where that hand's order has it
	shifted  int // of the own hand, in another finger's place
}

func (s *sequence) vote(capture int) (v votes) {
	for j, flat := range s.pieces {
		if flat.capture != capture || flat.position == biometrics.UnknownFinger {
			continue
		}
		for i, roll := range s.pieces {
			switch score := s.scores[i][j]; {
			case !roll.rolled || score < SameFinger:
			case roll.position == flat.position:
				v.own++
			case roll.position == opposite(flat.position):
			case left(roll.position) == left(flat.position):
				v.shifted++
			default:
				v.mirrored++
			}
		}
	}
	return v
}

// slaps finds those of the other hand, by two rolls or more that agree in it: its fingers stand in them in the mirrored order,
// while those of a hand that was rolled in the other's slots stand in the right one.
func (s *sequence) slaps() {
	var wrong []int
	for i, c := range s.captures {
		v := s.vote(i)
		switch {
		case len(c.Position.Fingers()) < 4 || s.blamed[i] || v.own > 0:
		case v.mirrored >= 2:
			wrong = append(wrong, i)
		case v.shifted >= 2 && len(c.Missing) > 0:
			s.report("wrong-finger", []int{i}, "%s shows other fingers than entered: check which are missing, and take it again.", capital(s.name(i)))
		}
	}
	if len(wrong) == 1 {
		// Of the other slap its rolls may be to come; that those which tell find nothing of theirs in it tells too.
		other := slices.IndexFunc(s.captures, func(c SequenceCapture) bool {
			return c.Position != s.captures[wrong[0]].Position && len(c.Position.Fingers()) == 4
		})
		if other >= 0 && !s.blamed[other] && s.vote(other).own == 0 {
			wrong = append(wrong, other)
			slices.Sort(wrong)
		}
	}
	switch len(wrong) {
	case 2:
		s.report("hands-swapped", wrong, "%s and %s are swapped: take each again with its own hand.", capital(s.name(wrong[0])), s.name(wrong[1]))
	case 1:
		hand := map[bool]string{false: "right", true: "left"}
		isLeft := s.captures[wrong[0]].Position == biometrics.LeftFour
		s.report("other-hand", wrong, "%s shows the %s hand: take it again with the %s hand.", capital(s.name(wrong[0])), hand[!isLeft], hand[isLeft])
	}
}

// open tells whether one roll more of its hand would tell if it is the roll that is wrong or
// the slap in which it is seen in another finger's place.
func (s *sequence) open(roll, flat piece) bool {
	own, rolls := 0, 0 // of its hand: flat fingers, each of which is rolled in the end, and rolls so far
	for _, one := range s.pieces {
		switch {
		case one.position == biometrics.UnknownFinger || left(one.position) != left(roll.position) || thumb(one.position):
		case one.rolled:
			rolls++
		default:
			own++
		}
	}
	if thumb(roll.position) || thumb(flat.position) || rolls > 1 || own < 2 || s.vote(flat.capture).own > 0 {
		return false
	}
	if left(flat.position) == left(roll.position) { // or the slap lacks another finger than entered
		return len(s.captures[flat.capture].Missing) > 0
	}
	return flat.position != opposite(roll.position)
}

func thumb(p biometrics.Position) bool {
	return p == biometrics.RightThumb || p == biometrics.LeftThumb
}

// hands finds the rolls of the hands swapped: of each hand two or more that show the same
// finger of the other. That these agree makes up for a lower score of each.
func (s *sequence) hands() {
	var crossed []int
	var rights, lefts int
	for i, roll := range s.pieces {
		if !roll.rolled || s.own(i) >= SameFinger {
			continue
		}
		crossed = append(crossed, roll.capture)
		if shown, ok := s.shown(i, SameFinger); !ok || s.pieces[shown].position != opposite(roll.position) {
			continue
		}
		if left(roll.position) {
			lefts++
		} else {
			rights++
		}
	}
	if min(rights, lefts) >= 2 {
		s.report("hands-swapped", crossed, "The rolled fingers of the right and of the left hand are swapped, from the rolled %v on: roll them again, each in its own slot.", s.captures[crossed[0]].Position)
	}
}

// flats finds flat fingers that are another one than their slot says: a roll that has its
// own flat shows up there too, or two slaps are of one hand.
func (s *sequence) flats() {
	for j, flat := range s.pieces {
		for i, roll := range s.pieces {
			if flat.rolled || !roll.rolled || roll.position == flat.position || flat.position == biometrics.UnknownFinger ||
				s.blamed[flat.capture] || s.scores[i][j] < OtherSlot || s.own(i) < SameFinger {
				continue
			}
			s.report("wrong-finger", []int{flat.capture}, "%s shows the %v where the %v should be: take it again.", capital(s.name(flat.capture)), roll.position, flat.position)
		}
	}
	same := map[[2]int]int{}
	for j, a := range s.pieces {
		for i, b := range s.pieces[:j] {
			if !a.rolled && !b.rolled && s.scores[i][j] >= OtherSlot && !s.blamed[a.capture] && !s.blamed[b.capture] {
				same[[2]int{b.capture, a.capture}]++
			}
		}
	}
	for i := range s.captures {
		for j := range i {
			if same[[2]int{j, i}] > 0 {
				s.report("repeated", []int{j, i}, "%s and %s show the same fingers: take both again, each with its own hand.", capital(s.name(j)), s.name(i))
			}
		}
	}
}

// repeats finds a finger that was rolled in two slots; the one that does not match its slap
// is to be rolled again, or both.
func (s *sequence) repeats() {
	for j, b := range s.pieces {
		for i, a := range s.pieces[:j] {
			if !a.rolled || !b.rolled || s.scores[i][j] < OtherSlot {
				continue
			}
			first, second := s.own(i) >= SameFinger, s.own(j) >= SameFinger
			switch {
			case first && !second:
				s.again(b.capture, a.capture)
			case second && !first:
				s.again(a.capture, b.capture)
			default:
				s.report("repeated", []int{a.capture, b.capture}, "%s and %s are one finger: roll both again.", capital(s.name(a.capture)), s.name(b.capture))
			}
		}
	}
}

func (s *sequence) again(wrong, right int) {
	if !s.blamed[wrong] {
		s.report("repeated", []int{wrong}, "%s is the %v once more: roll the %v again.", capital(s.name(wrong)), s.captures[right].Position, s.captures[wrong].Position)
	}
}

// swaps finds rolls that show another finger of the slaps than their own, in pairs where
// they changed places.
func (s *sequence) swaps() {
	for i, roll := range s.pieces {
		flat, ok := s.shown(i, OtherSlot)
		if !ok || s.blamed[roll.capture] || s.blamed[s.pieces[flat].capture] {
			continue
		}
		is := s.pieces[flat].position
		partner, there := s.roll(is)
		back, crossed := 0, false
		if there {
			back, crossed = s.shown(partner, SameFinger)
		}
		there = there && crossed && s.pieces[back].position == roll.position
		switch thumbs := thumb(is) && thumb(roll.position); {
		case there && thumbs:
			s.report("fingers-swapped", []int{s.pieces[flat].capture, roll.capture, s.pieces[partner].capture},
				"The thumbs are swapped, in %s or in their rolls: take it again with the left thumb on the left, and where this is said once more roll the right thumb and the left thumb again.", s.name(s.pieces[flat].capture))
		case there:
			s.report("fingers-swapped", []int{roll.capture, s.pieces[partner].capture}, "%s and %s are swapped: roll both again, each in its own slot.",
				capital(s.name(roll.capture)), s.name(s.pieces[partner].capture))
		case thumbs:
			s.report("wrong-finger", []int{roll.capture}, "%s is the %v in %s: roll the %v again, and where this is said once more take that picture again with the left thumb on the left.",
				capital(s.name(roll.capture)), is, s.name(s.pieces[flat].capture), roll.position)
		case s.open(roll, s.pieces[flat]):
			s.report(CannotTell, []int{roll.capture}, "%s is seen in %s where the %v should be: go on, the next roll tells which of the two is to be taken again.",
				capital(s.name(roll.capture)), s.name(s.pieces[flat].capture), is)
		default:
			s.report("wrong-finger", []int{roll.capture}, "%s is the %v: roll the %v again.", capital(s.name(roll.capture)), is, roll.position)
		}
	}
}

// doubts are rolls that match neither their own flat finger nor anything else.
func (s *sequence) doubts() {
	for i, roll := range s.pieces {
		for j, flat := range s.pieces {
			if roll.rolled && !flat.rolled && roll.position == flat.position && s.scores[i][j] < SameSlot && !s.blamed[roll.capture] && !s.blamed[flat.capture] {
				s.report(CannotTell, []int{roll.capture}, "It cannot be told whether %s is the finger in %s: look at both, and roll the %v again where in doubt.",
					s.name(roll.capture), s.name(flat.capture), roll.position)
			}
		}
	}
}

// loops notes a slap whose loops open as the other hand's do, while no roll has said whose it is.
func (s *sequence) loops() {
	for i, c := range s.captures {
		own, other, odds := "left", "right", s.right[i]
		if c.Position == biometrics.RightFour {
			own, other, odds = other, own, -odds
		}
		if odds >= sureHand && len(c.Position.Fingers()) == 4 && !s.blamed[i] && s.vote(i) == (votes{}) {
			s.report(CannotTell, []int{i}, "%s looks like the %s hand, by its loops: take it again unless it was the %s hand.", capital(s.name(i)), other, own)
		}
	}
}

// own is the score of a roll with its flat finger; 0 where there is none.
func (s *sequence) own(i int) (score float64) {
	for j, flat := range s.pieces {
		if !flat.rolled && flat.position == s.pieces[i].position {
			score = max(score, s.scores[i][j])
		}
	}
	return score
}

// roll finds the roll of a position.
func (s *sequence) roll(p biometrics.Position) (i int, ok bool) {
	i = slices.IndexFunc(s.pieces, func(one piece) bool { return one.rolled && one.position == p })
	return i, i >= 0
}

// shown is the flat piece of another position that a roll matches best, with least or more,
// while it does not match its own.
func (s *sequence) shown(i int, least float64) (flat int, ok bool) {
	if !s.pieces[i].rolled || s.own(i) >= SameFinger {
		return 0, false
	}
	best := least
	for j, one := range s.pieces {
		if !one.rolled && one.position != biometrics.UnknownFinger && s.scores[i][j] >= best {
			best, flat, ok = s.scores[i][j], j, true
		}
	}
	return flat, ok
}

func left(p biometrics.Position) bool { return p > biometrics.RightLittle }

// opposite is the same finger of the other hand.
func opposite(p biometrics.Position) biometrics.Position {
	if left(p) {
		return p - 5
	}
	return p + 5
}

// capital begins a sentence.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
