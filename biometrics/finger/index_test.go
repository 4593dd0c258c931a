package finger_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

func rolledTemplate(t testing.TB, h *synth.Hands, p biometrics.Position, attempt uint64) finger.Template {
	t.Helper()
	img, err := biometrics.Decode(h.Capture(p, true, attempt).PNG)
	if err != nil {
		t.Fatal(err)
	}
	out, err := finger.Extract(img.Image, synth.PPI)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFingersAreFoundAgain rolls some synthetic people twice: each second roll must find its
// first one in the index as the likeliest, and no stranger may reach the line of a search.
// CARDSTATION_HANDS says how many people; two fingers of one where it is not set.
func TestFingersAreFoundAgain(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	fingers := 10
	if people == 0 {
		people, fingers = 1, 3
	}
	var x finger.Index
	var gallery []*finger.Print
	var again []finger.Template
	for n := range people {
		h := synth.Grow(uint64(50_000 + n))
		for p := 1; p <= fingers; p++ {
			first := finger.NewPrint(rolledTemplate(t, h, biometrics.Position(p), 0))
			x.Add(first.Keys())
			gallery = append(gallery, first)
			again = append(again, rolledTemplate(t, h, biometrics.Position(p), 1))
		}
	}
	line := finger.SameFinger + 10*math.Log10(float64(max(len(gallery), 1)))
	first, found, strangers, weakest, strongest := 0, 0, 0, math.Inf(1), 0.0
	for i, probe := range again {
		p := finger.NewPrint(probe)
		for rank, n := range finger.Likeliest(x.Agreeing(p.Keys()), 5, 3) {
			score := p.Compare(gallery[n]).Score
			switch {
			case n != i:
				strongest = max(strongest, score)
				if score >= line {
					strangers++
				}
				continue
			case rank == 0:
				first++
			}
			if weakest = min(weakest, score); score >= line {
				found++
			}
		}
	}
	t.Logf("%d fingers: %d first of the index, %d over the line of %.0f, weakest mate %.0f; of others %d over the line, strongest %.0f",
		len(again), first, found, line, weakest, strangers, strongest)
	if first < len(again) || found < len(again) || strangers > 0 {
		t.Errorf("of %d fingers %d were first, %d were found and %d others were taken for one", len(again), first, found, strangers)
	}
}

// Flat fingers cropped from an ink card are the hardest there is to find rolls by: alone most
// are not, among 10, but the ten of a person together are.
func TestTheRealCardIsFoundByItsFlats(t *testing.T) {
	c := realCard(t)
	rolled, flat := prints(c.rolled), prints(c.flat)
	var x finger.Index
	persons := 20 // the first is the real one, the others have its fingers in other places
	for person := range persons {
		for i := range 10 {
			x.Add(rolled[1+(i+person)%10].Keys())
		}
	}
	sum := make([]uint16, persons)
	for i := range 10 {
		for n, s := range x.Agreeing(flat[1+i].Keys()) {
			if n%10 == i {
				sum[n/10] += s
			}
		}
		self := finger.Likeliest(x.Agreeing(rolled[1+i].Keys()), 1, 100)
		if len(self) != 1 || (self[0]/10+self[0])%10 != i {
			t.Errorf("roll %d does not find itself: %v", i+1, self)
		}
	}
	t.Logf("keys that agree, by person: %v", sum)
	if got := finger.Likeliest(sum, 2, 1); !slices.Equal(got, []int{0, 10}) {
		t.Errorf("the likeliest are %v of %v", got, sum)
	}
}

// stranger is a template of minutiae strewn at random, as dense as a roll's: it fills an index
// to see what it costs, and says nothing about how well fingers are told apart.
func stranger(rng *rand.Rand) finger.Template {
	t := finger.Template{Width: 800, Height: 750}
	for range 135 {
		r, a := 300*math.Sqrt(rng.Float64()), 2*math.Pi*rng.Float64()
		t.Minutiae = append(t.Minutiae, finger.Minutia{X: 400 + int(r*math.Cos(a)), Y: 375 + int(r*math.Sin(a)), Angle: uint8(rng.Uint32()), Kind: finger.Ending, Quality: 60})
	}
	return t
}

// BenchmarkIndex measures an index of CARDSTATION_PRINTS prints, 2,000 where it is not set, most
// of them filled in without the cost of making keys.
func BenchmarkIndex(b *testing.B) {
	n := 2000
	if s := os.Getenv("CARDSTATION_PRINTS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var made []finger.Keys
	var keys, ready time.Duration
	for range 500 {
		t := stranger(rng)
		start := time.Now()
		p := finger.NewPrint(t)
		ready += time.Since(start)
		start = time.Now()
		made = append(made, p.Keys())
		keys += time.Since(start)
	}
	for b.Loop() {
		var x finger.Index
		var fill time.Duration
		for i := range n {
			k := mixed(b, made[i%len(made)], made[rng.IntN(len(made))], rng)
			start := time.Now()
			x.Add(k)
			fill += time.Since(start)
		}
		b.ReportMetric(float64(fill.Milliseconds()), "ms-to-fill")
		start := time.Now()
		found := 0
		for i := range 100 {
			found += len(finger.Likeliest(x.Agreeing(made[i]), 5, 3))
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/100/1000, "ms/search")
		b.ReportMetric(float64(found)/100, "candidates/search")
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(&x)
	}
	b.ReportMetric(float64(keys.Microseconds())/500/1000, "ms/keys")
	b.ReportMetric(float64(ready.Microseconds())/500/1000, "ms/print")
	b.ReportMetric(0, "ns/op")
}

// mixed are the keys of a print that is no other's: cylinders of two, half of them with another key.
func mixed(t testing.TB, a, b finger.Keys, rng *rand.Rand) (out finger.Keys) {
	raw, _ := a.MarshalBinary()
	other, _ := b.MarshalBinary()
	for i := 1; i+11 <= min(len(raw), len(other)); i += 11 {
		if rng.IntN(2) == 0 {
			copy(raw[i:i+11], other[i:i+11])
		}
		for k := i + 3; k < i+11; k += 2 {
			if rng.IntN(2) == 0 {
				raw[k], raw[k+1] = byte(rng.Uint32()), byte(rng.Uint32())
			}
		}
	}
	if err := out.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	return out
}

// The keys in a store outlive the program that made them: where these change, the version must.
func TestKeysStayWhatTheyAre(t *testing.T) {
	raw, err := finger.NewPrint(stranger(rand.New(rand.NewPCG(7, 7)))).Keys().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%d %x", len(raw), raw[:28]); got != keysOfAStranger {
		t.Errorf("keys %s, want %s", got, keysOfAStranger)
	}
}

const keysOfAStranger = "1486 02090f08fb1a8fadcd328aa51e1509edee1033db1312101e0e11c83c"

func FuzzKeys(f *testing.F) {
	raw, _ := finger.NewPrint(stranger(rand.New(rand.NewPCG(7, 7)))).Keys().MarshalBinary()
	f.Add(raw)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var k finger.Keys
		if err := k.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, finger.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if back, err := k.MarshalBinary(); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%x comes back as %x, %v", b, back, err)
		}
		var x finger.Index
		x.Add(k)
		finger.Likeliest(x.Agreeing(k), 3, 0)
	})
}
