package enrol

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
	"cardstation/station"
	"cardstation/station/store"
)

// rollsOf reads the rolls of a synthetic person at one time.
func rollsOf(t testing.TB, h *synth.Hands, attempt uint64) Rolls {
	t.Helper()
	all := Rolls{}
	for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
		img, err := biometrics.Decode(h.Capture(p, true, attempt).PNG)
		if err != nil {
			t.Fatal(err)
		}
		template, err := finger.Extract(img.Image, synth.PPI)
		if err != nil {
			t.Fatal(err)
		}
		all[p] = finger.Rolled{Template: template, Print: finger.NewPrint(template)}
	}
	return all
}

// strewn is a print of minutiae strewn at random, as dense as a roll's.
func strewn(rng *rand.Rand) finger.Template {
	t := finger.Template{Width: 800, Height: 750}
	for range 135 {
		r, a := 300*math.Sqrt(rng.Float64()), 2*math.Pi*rng.Float64()
		t.Minutiae = append(t.Minutiae, finger.Minutia{X: 400 + int(r*math.Cos(a)), Y: 375 + int(r*math.Sin(a)), Angle: uint8(rng.Uint32()), Kind: finger.Ending, Quality: 60})
	}
	return t
}

// strangers fills a store with persons, ten prints each. Their templates are of minutiae strewn
// at random; each has keys of its own, mixed of two and half of them changed, for to make
// keys of 100,000 templates takes longer than all that is measured.
func strangers(t testing.TB, db *store.Store, persons int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var made []station.Print
	for range 200 {
		template := strewn(rng)
		all, err := kept(Rolls{1: {Template: template, Print: finger.NewPrint(template)}})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, all[0])
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64) // that many share one sync
	for n := range persons {
		var prints []station.Print
		for p := range 10 {
			one, other := made[rng.IntN(len(made))], made[rng.IntN(len(made))]
			keys := bytes.Clone(one.Keys)
			for i := 1; i+11 <= min(len(keys), len(other.Keys)); i += 11 {
				if rng.IntN(2) == 0 {
					copy(keys[i:i+11], other.Keys[i:i+11])
				}
				for k := i + 3; k < i+11; k += 2 {
					if rng.IntN(2) == 0 {
						keys[k], keys[k+1] = byte(rng.Uint32()), byte(rng.Uint32())
					}
				}
			}
			prints = append(prints, station.Print{Position: p + 1, Template: one.Template, Keys: keys})
		}
		slots <- struct{}{}
		wg.Go(func() {
			keep(t, db, fmt.Sprintf("s-%d", n), prints)
			<-slots
		})
	}
	wg.Wait()
}

func keep(t testing.TB, db *store.Store, id string, prints []station.Print) {
	t.Helper()
	if _, err := db.PutEnrolment(bg, station.Enrolment{ID: id, State: station.EnrolmentOpen}, station.Event{Type: station.EnrolmentOpened, Subject: id}); err != nil {
		t.Error(err)
	}
	if _, err := db.FinalizeEnrolment(bg, id, prints, func(e *station.Enrolment) ([]station.Event, error) {
		e.State = station.EnrolmentFinal
		return nil, nil
	}); err != nil {
		t.Error(err)
	}
}

// BenchmarkGallery looks for the ten fingers of a synthetic person, who is in it, and of one who
// is not, among CARDSTATION_PRINTS prints of nobody, 1,000 where it is not set: how long the
// station takes to read them when it starts, what they take of memory, and one search.
func BenchmarkGallery(b *testing.B) {
	n := 1000
	if s := os.Getenv("CARDSTATION_PRINTS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	db, err := store.Open(filepath.Join(b.TempDir(), "station.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	strangers(b, db, n/10)
	known := synth.Grow(61)
	prints, err := kept(rollsOf(b, known, 0))
	if err != nil {
		b.Fatal(err)
	}
	keep(b, db, "known", prints)
	mates, others := rollsOf(b, known, 1), rollsOf(b, synth.Grow(62), 0)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		g, err := OpenGallery(bg, db)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ms(time.Since(start)), "ms-to-open")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		for name, rolls := range map[string]Rolls{"known": mates, "unknown": others} {
			found := 0
			start = time.Now()
			for p, r := range rolls {
				all, err := g.Finger(bg, p, r)
				if err != nil {
					b.Fatal(err)
				}
				for _, m := range all {
					if m.Sure && (m.Enrolment != "known" || m.Position != p || name != "known") {
						b.Errorf("%s: %+v", name, m)
					}
					if m.Sure {
						found++
					}
				}
			}
			b.ReportMetric(ms(time.Since(start))/10, "ms/finger-"+name)
			b.ReportMetric(float64(found), "of-10-"+name)
			start = time.Now()
			person, err := g.Person(bg, rolls)
			if err != nil || (len(person) > 1) != (name == "known") {
				b.Errorf("%s: %+v %v", name, person, err)
			}
			b.ReportMetric(ms(time.Since(start)), "ms/person-"+name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Keys of a version that this program does not know are made anew of the template.
func TestAPrintWithForeignKeysIsFoundAllTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	rolls := Rolls{}
	for p := biometrics.RightThumb; p <= biometrics.RightMiddle; p++ {
		template := strewn(rng)
		rolls[p] = finger.Rolled{Template: template, Print: finger.NewPrint(template)}
	}
	prints, err := kept(rolls)
	if err != nil {
		t.Fatal(err)
	}
	for i := range prints {
		prints[i].Keys = append([]byte{99}, prints[i].Keys[1:]...)
	}
	db, err := store.Open(filepath.Join(t.TempDir(), "station.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	keep(t, db, "e", prints)
	g, err := OpenGallery(bg, db)
	if err != nil {
		t.Fatal(err)
	}
	for p, r := range rolls {
		if all, err := g.Finger(bg, p, r); err != nil || len(all) != 1 || !all[0].Sure || all[0].Position != p || all[0].Enrolment != "e" {
			t.Errorf("%v: %+v %v", p, all, err)
		}
	}
	if all, err := g.Person(bg, rolls); err != nil || len(all) != 2 {
		t.Errorf("the person: %+v %v", all, err)
	}
}
