package finger_test

import (
	"image"
	"image/color"
	"image/draw"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// enrolment is the thirteen captures of a synthetic person.
func enrolment(t testing.TB, captures []synth.Capture) (out []finger.SequenceCapture) {
	t.Helper()
	for _, c := range captures {
		img, err := biometrics.Decode(c.PNG)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, finger.SequenceCapture{Position: c.Position, Rolled: c.Impression.Rolled(), Image: img})
	}
	return out
}

// realEnrolment is the real card as thirteen captures, the thumbs laid side by side.
func realEnrolment(t testing.TB) []finger.SequenceCapture {
	t.Helper()
	l, r := realPrint(t, 12), realPrint(t, 13)
	w := l.Bounds().Dx()
	both := onSheet(l, w+r.Bounds().Dx()+40, max(l.Bounds().Dy(), r.Bounds().Dy())+40)
	draw.Draw(both, r.Bounds().Add(image.Pt(w+20, 20)), r, r.Bounds().Min, draw.Src)
	out := []finger.SequenceCapture{
		{Position: biometrics.RightFour, Image: realPrint(t, 14), PPI: 500},
		{Position: biometrics.LeftFour, Image: realPrint(t, 11), PPI: 500},
		{Position: biometrics.BothThumbs, Image: both, PPI: 500},
	}
	for n := 1; n <= 10; n++ {
		out = append(out, finger.SequenceCapture{Position: biometrics.Position(n), Rolled: true, Image: realPrint(t, n), PPI: 500})
	}
	return out
}

func sequence(t testing.TB, captures []finger.SequenceCapture) finger.Findings {
	t.Helper()
	got, err := finger.Sequence(captures)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheRealCardIsInOrder(t *testing.T) {
	captures := realEnrolment(t)
	start := time.Now()
	got := sequence(t, captures)
	t.Logf("%v for %d captures", time.Since(start), len(captures))
	if len(got) > 0 {
		t.Error(got)
	}
}

// TestSyntheticHandsAreInOrder checks some synthetic people: CARDSTATION_HANDS says how
// many, 1 where it is not set.
func TestSyntheticHandsAreInOrder(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	var longest time.Duration
	unsure := 0
	for n := range max(people, 1) {
		captures := person()
		if n > 0 {
			captures = synth.Captures(uint64(7000 + n))
		}
		all := enrolment(t, captures)
		start := time.Now()
		got := sequence(t, all)
		longest = max(longest, time.Since(start))
		unsure += len(got)
		if !got.Clear() {
			t.Errorf("person %d: %v", n, got)
		}
	}
	t.Logf("%d people, %d rolls of which nothing can be told, longest %v", max(people, 1), unsure, longest)
}

// The slots of enrolment and realEnrolment: the slaps, the thumbs, and from rolls on the rolls
// by position in the two orders, which are the same.
const (
	rightSlap, leftSlap, thumbs, rolls = 0, 1, 2, 2
)

// rolled is the index of a position's roll.
func rolled(p biometrics.Position) int { return rolls + int(p) }

func swapped(all []finger.SequenceCapture, pairs ...[2]int) []finger.SequenceCapture {
	all = slices.Clone(all)
	for _, p := range pairs {
		a, b := &all[p[0]], &all[p[1]]
		a.Image, b.Image = b.Image, a.Image
	}
	return all
}

func repeated(all []finger.SequenceCapture, to int, img image.Image) []finger.SequenceCapture {
	all = slices.Clone(all)
	all[to].Image, all[to].PPI = img, 500
	return all
}

// part keeps some slots.
func part(all []finger.SequenceCapture, keep ...int) (out []finger.SequenceCapture) {
	for _, i := range keep {
		out = append(out, all[i])
	}
	return out
}

func TestPlantedFaultsOfTheSequenceAreFound(t *testing.T) {
	hands := synth.Grow(2021)
	once := enrolment(t, person())
	again := enrolment(t, []synth.Capture{
		hands.Capture(biometrics.RightFour, false, 5), hands.Capture(biometrics.RightMiddle, true, 5),
	})
	thumbsTurned := func(all []finger.SequenceCapture) image.Image {
		g := biometrics.Grey(all[thumbs].Image)
		w, h := g.Rect.Dx(), g.Rect.Dy()
		out := image.NewGray(g.Rect)
		draw.Draw(out, image.Rect(0, 0, w-w/2, h), g, image.Pt(w/2, 0), draw.Src)
		draw.Draw(out, image.Rect(w-w/2, 0, w, h), g, image.Pt(0, 0), draw.Src)
		return out
	}
	lifted := imaging.Clone(biometrics.Grey(once[rightSlap].Image))
	draw.Draw(lifted, image.Rect(0, 0, 400, 1500), image.NewUniform(color.Gray{Y: 246}), image.Point{}, draw.Src)
	sets := map[string][]finger.SequenceCapture{"synthetic": once}
	if _, err := os.Stat(realData); err == nil {
		sets["real"] = realEnrolment(t)
	}
	whole := os.Getenv("CARDSTATION_HANDS") != ""
	for set, all := range sets {
		for _, c := range []struct {
			name     string
			captures []finger.SequenceCapture
			keep     []int // slots that say enough; all with CARDSTATION_HANDS
			want     string
			slots    []int
			says     string
		}{
			{"the slaps of the hands swapped", swapped(all, [2]int{rightSlap, leftSlap}), []int{0, 1, 4, 5, 6, 9, 10, 11}, "hands-swapped", []int{0, 1}, "right four fingers"},
			{"the rolls of the hands swapped", swapped(all, [2]int{3, 8}, [2]int{4, 9}, [2]int{5, 10}, [2]int{6, 11}, [2]int{7, 12}), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "hands-swapped", []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "from the rolled right thumb on"},
			{"index and middle swapped", swapped(all, [2]int{4, 5}), []int{0, 4, 5, 6}, "fingers-swapped", []int{4, 5}, "rolled right index finger"},
			{"ring of one and middle of the other hand", swapped(all, [2]int{6, 10}), []int{0, 1, 6, 10}, "fingers-swapped", []int{6, 10}, "rolled left middle finger"},
			{"thumbs swapped", swapped(all, [2]int{3, 8}), []int{2, 3, 8}, "fingers-swapped", []int{2, 3, 8}, "two thumbs"},
			{"thumbs crossed", repeated(all, thumbs, thumbsTurned(all)), []int{2, 3, 8}, "fingers-swapped", []int{2, 3, 8}, "left thumb on the left"},
			{"the same roll in two slots", repeated(all, 6, all[5].Image), []int{0, 5, 6}, "repeated", []int{6}, "right middle finger once more"},
			{"the right slap in both slots", repeated(all, leftSlap, all[rightSlap].Image), []int{0, 1, 4, 5, 6, 10, 11}, "other-hand", []int{1}, "with the left hand"},
		} {
			switch {
			case set == "real" && len(c.keep) > 8 && !whole:
				continue
			case whole:
				c.keep = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
			}
			got := sequence(t, part(c.captures, c.keep...))
			for _, one := range got {
				for i := range one.Captures {
					one.Captures[i] = c.keep[one.Captures[i]]
				}
			}
			check(t, set+": "+c.name, got, c.want, c.slots, c.says)
		}
	}
	check(t, "rolled twice", sequence(t, part(repeated(once, 6, again[1].Image), 0, 5, 6)), "repeated", []int{2}, "right middle finger once more")
	check(t, "right hand laid twice", sequence(t, part(repeated(once, leftSlap, again[0].Image), 0, 1, 4, 5)), "other-hand", []int{1}, "with the left hand")
	check(t, "only the two slaps", sequence(t, part(repeated(once, leftSlap, again[0].Image), 0, 1)), "repeated", []int{0, 1}, "same fingers")
	check(t, "three as four", sequence(t, part(repeated(once, rightSlap, lifted), 0, 4, 5, 6, 7)), "too-few", []int{0}, "not the right index finger")
}

func check(t *testing.T, name string, got finger.Findings, code string, slots []int, says string) {
	t.Helper()
	if len(got) != 1 || got.Clear() {
		t.Errorf("%s: %d findings: %v", name, len(got), got)
		return
	}
	found := slices.Sorted(slices.Values(got[0].Captures))
	if got[0].Code != code || !slices.Equal(found, slots) || !strings.Contains(got[0].Text, says) {
		t.Errorf("%s: %v", name, got[0])
	}
}

func TestAnotherPersonsFingerCannotBeTold(t *testing.T) {
	all := part(enrolment(t, person()), rightSlap, rolled(biometrics.RightIndex), rolled(biometrics.RightMiddle))
	stranger := enrolment(t, []synth.Capture{synth.Grow(4711).Capture(biometrics.RightIndex, true, 0)})
	got := sequence(t, repeated(all, 1, stranger[0].Image))
	if len(got) != 1 || got[0].Code != finger.CannotTell || !slices.Equal(got[0].Captures, []int{1}) || !got.Clear() {
		t.Error(got)
	}
}

func TestMissingFingersAreNoFault(t *testing.T) {
	all := enrolment(t, person())
	lifted := clone(biometrics.Grey(all[rightSlap].Image))
	filled(lifted, image.Rect(0, 0, 400, 1500), 246)
	gone := part(repeated(all, rightSlap, lifted), rightSlap, rolled(biometrics.RightMiddle), rolled(biometrics.RightRing), rolled(biometrics.RightLittle))
	gone[0].Missing = []biometrics.Position{biometrics.RightIndex}
	if got := sequence(t, gone); len(got) > 0 {
		t.Error(got)
	}
	gone[0].Missing = []biometrics.Position{biometrics.RightLittle}
	check(t, "another finger entered as missing", sequence(t, gone), "wrong-finger", []int{0}, "check which are missing")
}

func TestSenselessSequencesAreErrors(t *testing.T) {
	img := imaging.New(800, 750, color.White)
	index := finger.SequenceCapture{Position: biometrics.RightIndex, Rolled: true, Image: img, PPI: 500}
	for name, c := range map[string][]finger.SequenceCapture{
		"a slot twice":        {index, index},
		"a rolled slap":       {{Position: biometrics.RightFour, Rolled: true, Image: img, PPI: 500}},
		"no position":         {{Image: img, PPI: 500}},
		"no picture":          {{Position: biometrics.RightIndex, PPI: 500}},
		"300 ppi":             {{Position: biometrics.RightIndex, Image: img, PPI: 300}},
		"nothing that is not": {{Position: biometrics.RightIndex, Image: img, PPI: 500, Missing: []biometrics.Position{biometrics.RightIndex}}},
	} {
		if got, err := finger.Sequence(c); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got, err := finger.Sequence(nil); err != nil || len(got) > 0 {
		t.Error(got, err)
	}
	blank := sequence(t, []finger.SequenceCapture{index, {Position: biometrics.RightFour, Image: img, PPI: 500}})
	if len(blank) != 1 || blank[0].Code != "too-few" {
		t.Error(blank)
	}
}
