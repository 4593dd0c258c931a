package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
	"cardstation/station"
)

// synthReportCmd compares synthetic fingers, each roll with each plain print, good ones and
// hard ones.
type synthReportCmd struct {
	Out     string `arg:"" help:"PNG file for the picture of the error rates."`
	Fingers int    `default:"100" help:"How many, 2 to 1000: the comparisons grow with their square."`
	Seed    uint64 `default:"1" help:"Of the first person; ten fingers are a person's."`
}

func (c *synthReportCmd) Run(s *session) error {
	if c.Fingers < 2 || c.Fingers > 1000 {
		return &station.Error{Kind: station.Correct, What: fmt.Sprintf("compare %d fingers", c.Fingers), Hint: "give --fingers from 2 to 1000"}
	}
	start := time.Now()
	prints, err := c.prints()
	if err != nil {
		return err
	}
	trials := []trial{compare("good prints", prints[0]), compare("hard prints", prints[1])}
	heading := fmt.Sprintf("SIMULATED prints of %d fingers", c.Fingers)
	if err := savePNG(c.Out, drawDET(trials, heading), 0); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	all := []errorRates{trials[0].rates(), trials[1].rates()}
	return s.show(map[string]any{"file": c.Out, "fingers": c.Fingers, "sameFinger": finger.SameFinger, "trials": all, "seconds": took, "simulated": true}, func(w io.Writer) {
		for _, f := range all {
			fmt.Fprintf(w, "%s: EER %s, from score %g on FMR %s and FNMR %s; %d mates from %.0f, half of them over %.0f; %d others up to %.0f\n",
				f.Name, share(f.EER), finger.SameFinger, share(f.FMR), share(f.FNMR), f.Mates, f.LeastMate, f.MedianMate, f.Others, f.LargestRest)
		}
		fmt.Fprintf(w, "%s: %s, of no person, each roll with each plain print; %.0f s\n", c.Out, heading, took)
	})
}

// pair is a finger rolled and laid flat. A print without ridges is of no minutiae.
type pair [2]*finger.Print

// prints makes all fingers' pairs, good ones and hard ones.
func (c *synthReportCmd) prints() (out [2][]pair, err error) {
	hands := make([]*synth.Hands, (c.Fingers+9)/10)
	for i := range hands {
		hands[i] = synth.Grow(c.Seed + uint64(i))
	}
	out[0], out[1] = make([]pair, c.Fingers), make([]pair, c.Fingers)
	fails := make([]error, 4*c.Fingers)
	spread(4*c.Fingers, func(i int) {
		n, hard, plain := i/4, i>>1&1, i&1
		var wear synth.Wear
		if hard == 1 {
			wear = synth.Hard((c.Seed*1000+uint64(n))<<1 | uint64(plain))
		}
		out[hard][n][plain], fails[i] = readPrint(hands[n/10].Worn(biometrics.Position(n%10+1), plain == 0, 0, wear))
	})
	return out, errors.Join(fails...)
}

// readPrint makes a capture ready to be compared.
func readPrint(c synth.Capture) (*finger.Print, error) {
	img, err := biometrics.Decode(c.PNG)
	if err != nil {
		return nil, err
	}
	t, err := finger.Extract(img.Image, img.PPI)
	if err != nil && !errors.Is(err, finger.ErrNoRidges) {
		return nil, err
	}
	return finger.NewPrint(t), nil
}

// compare compares each roll with each plain print.
func compare(name string, prints []pair) trial {
	n := len(prints)
	scores := make([]float64, n*n)
	spread(n*n, func(i int) { scores[i] = prints[i/n][0].Compare(prints[i%n][1]).Score })
	t := trial{name: name}
	for i, score := range scores {
		if i/n == i%n {
			t.mates = append(t.mates, score)
		} else {
			t.others = append(t.others, score)
		}
	}
	slices.Sort(t.mates)
	slices.Sort(t.others)
	return t
}

// spread calls do for 0 to n-1 on all processors and waits.
func spread(n int, do func(i int)) {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for first := range workers {
		wg.Go(func() {
			for i := first; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}
