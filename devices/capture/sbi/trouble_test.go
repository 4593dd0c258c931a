package sbi_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cardstation/devices/capture/sbi"
)

func TestTroubleIsAnErrorOfItsKindWithAHint(t *testing.T) {
	for trouble, want := range map[sbi.Trouble]error{
		sbi.Unplugged: sbi.ErrGone, sbi.Stalled: sbi.ErrTimeout, sbi.HalfImage: sbi.ErrMalformed, sbi.BrokenOff: sbi.ErrGone, sbi.SaysBusy: sbi.ErrBusy,
		sbi.SaysNotReady: sbi.ErrNotReady, sbi.SaysUnregistered: sbi.ErrNotRegistered, sbi.SeesNothing: sbi.ErrNoObject, sbi.Forged: sbi.ErrUntrusted,
		sbi.Replayed: sbi.ErrMismatch, sbi.LyingPPI: nil,
	} {
		b := start(t, sbi.SimulatorOptions{})
		b.options.Timeout = 100 * time.Millisecond
		b.Client, _ = sbi.New(b.options)
		d := b.device(t)
		var chain sbi.Chain
		first, err := d.Capture(t.Context(), position(t, 7), &chain)
		if err != nil || chain.Last() != first[0].Hash {
			t.Fatal(err)
		}
		b.Make(trouble)
		samples, err := d.Capture(t.Context(), position(t, 7), &chain)
		if want == nil {
			if err != nil || !strings.HasSuffix(string(samples[0].Frame.Data), "|250") {
				t.Errorf("trouble %d: %v", trouble, err)
			}
			continue
		}
		var e *sbi.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Hint == "" || !strings.Contains(e.Error(), "capture on DEMO Simulator DEMO-0001 (127.0.0.1:") {
			t.Errorf("trouble %d: %v, want %v", trouble, err, want)
		}
		if samples != nil || chain.Last() != first[0].Hash {
			t.Errorf("trouble %d moved the chain", trouble)
		}
		b.Make(sbi.Well)
		eventually(t, func() bool { return b.device(t).Status == sbi.Ready }) // a stalled one has yet to see that nobody waits
		if _, err := d.Capture(t.Context(), position(t, 7), &chain); err != nil {
			t.Errorf("after trouble %d: %v", trouble, err)
		}
	}
}

func TestTroublesGoByTheirNames(t *testing.T) {
	for i, name := range sbi.Troubles() {
		if got, err := sbi.ParseTrouble(name); err != nil || got != sbi.Trouble(i) || got.String() != name {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if got, err := sbi.ParseTrouble("on fire"); err == nil {
		t.Errorf("on fire is %v", got)
	}
	if sbi.Deaf.String() != "deaf" || sbi.LyingPPI.String() != "lying-ppi" {
		t.Errorf("%v, %v", sbi.Deaf, sbi.LyingPPI)
	}
}

func TestOneCaptureAtATimeAndACancelledOneFreesTheDevice(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Delay: time.Hour})
	d := b.device(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := d.Capture(ctx, position(t, 1), nil)
		done <- err
	}()
	eventually(t, func() bool { return b.device(t).Status == sbi.Busy })
	if _, err := d.Capture(t.Context(), position(t, 2), nil); !errors.Is(err, sbi.ErrBusy) {
		t.Error(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	eventually(t, func() bool { return b.device(t).Status == sbi.Ready })
}

func TestPullingThePlugEndsACaptureAtOnce(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Delay: time.Hour})
	d := b.device(t)
	done := make(chan error)
	go func() {
		_, err := d.Capture(t.Context(), position(t, 1), nil)
		done <- err
	}()
	eventually(t, func() bool { return b.device(t).Status == sbi.Busy })
	began := time.Now()
	b.Make(sbi.Unplugged)
	if err := <-done; !errors.Is(err, sbi.ErrGone) || time.Since(began) > time.Second {
		t.Error(err, time.Since(began))
	}
}

func TestTheStreamShowsPicturesAndPausesForACapture(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 5 * time.Millisecond, Delay: 1300 * time.Millisecond})
	d := b.device(t)
	enough, shown, captured := errors.New("enough"), 0, make(chan error, 1)
	err := d.Stream(t.Context(), position(t, 13), func(picture []byte) error {
		if !bytes.Equal(picture, jpeg) {
			t.Errorf("% X", picture)
		}
		if shown++; shown == 3 {
			go func() {
				_, err := d.Capture(t.Context(), position(t, 13), nil)
				captured <- err
			}()
		}
		if shown > 3 && len(captured) > 0 {
			return enough
		}
		return nil
	})
	if err != enough {
		t.Errorf("%v", err)
	}
	if err := <-captured; err != nil {
		t.Error(err)
	}
}

func TestTheStreamShowsARollWhileItIsCaptured(t *testing.T) {
	frame := func(n byte) []byte { return append(bytes.Clone(jpeg), n) }
	var asked []sbi.Shot
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 50 * time.Millisecond,
		Rolling: func(s sbi.Shot) [][]byte { asked = append(asked, s); return [][]byte{frame(1), frame(2)} }})
	d := b.device(t)
	over, began, seen, captured := errors.New("over"), false, []byte{}, make(chan error, 1)
	err := d.Stream(t.Context(), position(t, 2), func(picture []byte) error {
		switch {
		case !bytes.Equal(picture, jpeg):
			seen = append(seen, picture[len(picture)-1])
		case len(seen) > 0:
			return over
		case !began:
			began = true
			go func() {
				_, err := d.Capture(t.Context(), position(t, 2).As(sbi.Rolled), nil)
				captured <- err
			}()
		}
		return nil
	})
	if err != over || !bytes.Equal(seen, []byte{1, 2}) {
		t.Errorf("%v, % X", err, seen)
	}
	if err := <-captured; err != nil || len(asked) != 1 || asked[0].Impression != sbi.Rolled {
		t.Errorf("%v, %+v", err, asked)
	}
}

func TestAStreamEndsByItselfOrSaysWhy(t *testing.T) {
	show := func([]byte) error { return nil }
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 5 * time.Millisecond})
	b.options.Timeout = 50 * time.Millisecond
	b.Client, _ = sbi.New(b.options)
	d := b.device(t)
	if err := d.Stream(t.Context(), position(t, 13), show); err != nil {
		t.Error(err)
	}
	for trouble, want := range map[sbi.Trouble]error{sbi.Unplugged: sbi.ErrGone, sbi.SaysBusy: sbi.ErrBusy, sbi.SaysNotReady: sbi.ErrNotReady,
		sbi.Stalled: sbi.ErrTimeout, sbi.BrokenOff: sbi.ErrGone} {
		b.Make(trouble)
		if err := d.Stream(t.Context(), position(t, 13), show); !errors.Is(err, want) {
			t.Errorf("trouble %d: %v, want %v", trouble, err, want)
		}
	}
	b.Make(sbi.Well)
	b.options.Timeout = time.Minute
	b.Client, _ = sbi.New(b.options)
	err := b.device(t).Stream(t.Context(), position(t, 13), func([]byte) error { b.Make(sbi.Unplugged); return nil })
	if !errors.Is(err, sbi.ErrGone) {
		t.Errorf("unplugged while it shows: %v", err)
	}
}

// A device that pays no heed to the time that a stream was given is left by us soon after.
func TestAStreamThatDoesNotEndIsEnded(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 5 * time.Millisecond})
	b.options.Timeout, b.options.Grace = 50*time.Millisecond, 2*time.Second
	b.Client, _ = sbi.New(b.options)
	d := b.device(t)
	b.Make(sbi.Endless)
	if err := d.Stream(t.Context(), position(t, 13), func([]byte) error { return nil }); err != nil {
		t.Error(err)
	}
	b.Make(sbi.Well)
	eventually(t, func() bool { // the device has seen that nobody looks on
		return d.Stream(t.Context(), position(t, 13), func([]byte) error { return nil }) == nil
	})
}

func TestAServiceThatIsNotThereIsADeviceGone(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	d.Address = "http://127.0.0.1:1/"
	if _, err := d.Capture(t.Context(), position(t, 1), nil); !errors.Is(err, sbi.ErrGone) {
		t.Error(err)
	}
	b.options.Ports = []int{1, 2, 3}
	c, err := sbi.New(b.options)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.Discover(t.Context(), sbi.AnyDevice); err != nil || len(found) != 0 {
		t.Error(found, err)
	}
}

// Other programs listen on these ports too, and may say anything without end.
func TestAnEndlessAnswerToADiscoveryIsNoDevice(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	heard := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n, line := 0, bytes.Repeat([]byte(" "), 1<<16)
		for {
			some, err := w.Write(line)
			if n += some; err != nil {
				heard <- n
				return
			}
		}
	}))
	defer server.Close()
	b.options.Ports = append(b.options.Ports, server.Listener.Addr().(*net.TCPAddr).Port)
	b.Client, _ = sbi.New(b.options)
	b.device(t) // the one that is a device
	if n := <-heard; n > 16<<20 {
		t.Errorf("%d bytes were taken before it was given up", n)
	}
}

func TestInfoSaysWhatTheDeviceSays(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	for trouble, want := range map[sbi.Trouble]sbi.Status{sbi.Well: sbi.Ready, sbi.SaysBusy: sbi.Busy, sbi.SaysNotReady: sbi.NotReady} {
		b.Make(trouble)
		if info, err := d.Info(t.Context()); err != nil || info.Status != want {
			t.Errorf("%v, %v", info, err)
		}
		if d := b.device(t); d.Status != want {
			t.Errorf("found as %s, want %s", d.Status, want)
		}
	}
	for trouble, want := range map[sbi.Trouble]error{sbi.Unplugged: sbi.ErrGone, sbi.SaysUnregistered: sbi.ErrNotRegistered, sbi.Forged: sbi.ErrUntrusted} {
		b.Make(trouble)
		if _, err := d.Info(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
