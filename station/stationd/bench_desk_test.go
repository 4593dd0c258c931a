package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"cardstation/biometrics/synth"
	"cardstation/station"
)

// BenchmarkEnrolment is what a station computes for one citizen, as a client sees it over
// HTTP, stored images and all: thirteen captures, each judged, cut, held against those
// before and looked for among those that the station had; the whole held once more; and
// the transaction with WSQ of each print. ms-to-verdict is the slowest capture, ms-cpu what all
// processors together spent, client and all.
func BenchmarkEnrolment(b *testing.B) {
	sets := []struct {
		name  string
		shots func() shots
	}{{"synthetic", func() shots { return shotsOf(synth.Captures(2021)) }}, {"real", func() shots { return realShots(b) }},
		{"JPEG 2000", func() shots {
			all := shotsOf(synth.Captures(2021))
			for slot, data := range all {
				all[slot] = jpeg2000(b, data, "-I", "-r", "10")
			}
			return all
		}}}
	for _, set := range sets {
		if _, err := os.Stat(sharedData); err != nil && set.name == "real" {
			continue
		}
		b.Run(set.name, func(b *testing.B) { benchEnrolment(b, set.shots()) })
	}
}

func benchEnrolment(b *testing.B, all shots) {
	d := newDeskTest(b)
	photo := synth.Portrait(1)
	var captures, whole, final, transaction, slowest, dearest, spent time.Duration
	n := 0
	for b.Loop() {
		id := fmt.Sprintf("bench-%d", n)
		n++
		d.open(id, 1)
		d.take(id, station.Portrait, photo)
		d.slowest, d.dearest = 0, 0
		start, before := time.Now(), processorTime(b)
		for _, f := range station.FingerSlots {
			if c := d.take(id, f.Slot, all[f.Slot]); c.State != station.CaptureAccepted {
				b.Fatalf("%s: %v", f.Slot, c.Reasons)
			}
		}
		taken := time.Now()
		if code, fields := d.finalize(id); code >= 300 {
			b.Fatalf("finalize: %d %v", code, fields)
		}
		done := time.Now()
		if code, body := d.call(station.RoleSupervisor, "GET", "/v1/enrollments/"+id+"/transaction", nil, nil); code != 200 {
			b.Fatalf("transaction: %d %.200s", code, body)
		}
		end, after := time.Now(), processorTime(b)
		captures, final, transaction = best(captures, taken.Sub(start)), best(final, done.Sub(taken)), best(transaction, end.Sub(done))
		whole, slowest = best(whole, end.Sub(start)), best(slowest, d.slowest)
		dearest = best(dearest, d.dearest)
		spent = best(spent, after-before)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(captures), "ms-13-captures")
	b.ReportMetric(ms(final), "ms-finalize")
	b.ReportMetric(ms(transaction), "ms-transaction")
	b.ReportMetric(ms(whole), "ms-wall")
	b.ReportMetric(ms(slowest), "ms-to-verdict")
	b.ReportMetric(ms(dearest), "ms-cpu-to-verdict")
	b.ReportMetric(ms(spent), "ms-cpu")
}

// processorTime is what this process and its ended children took of all processors so far, which does not grow
// with what else the machine does.
func processorTime(b testing.TB) time.Duration {
	var spent time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		spent += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return spent
}
