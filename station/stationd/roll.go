package main

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"sync"
	"time"

	"github.com/disintegration/imaging"

	"cardstation/api"
	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/devices/capture"
)

// rolledScan is a finger that is rolled at a scanner.
type rolledScan struct{ scan }

// Watched implements api.Watcher.
func (x rolledScan) Watched(show func(api.Sight)) capture.Sensor { return watchedScan{x.scan, show} }

// watchedScan captures, and shows meanwhile what the scanner sees.
type watchedScan struct {
	scan
	show func(api.Sight)
}

// streamLead is how long a capture waits for the first picture of the stream: a device that
// captures already may begin none.
const streamLead = time.Second

// Capture implements capture.Sensor. What the stream does changes nothing of the capture.
func (x watchedScan) Capture(ctx context.Context) (capture.Frame, error) {
	target, err := x.target()
	if err != nil {
		return capture.Frame{}, err
	}
	device, err := x.scanners.device(ctx, target.Type)
	if err != nil {
		return capture.Frame{}, err
	}
	watching, stop := context.WithCancel(ctx)
	pictures, first := make(chan picked, 1), make(chan struct{})
	begun := sync.OnceFunc(func() { close(first) })
	var both sync.WaitGroup
	defer both.Wait()
	defer stop()
	both.Go(func() {
		defer close(pictures)
		defer begun()
		_ = device.Stream(watching, target, func(jpeg []byte) error { // a device need not have one
			begun()
			select { // the newest only, where looking takes longer than a frame
			case <-pictures:
			default:
			}
			pictures <- picked{jpeg, time.Now()}
			return nil
		})
	})
	both.Go(func() { x.look(pictures) })
	select {
	case <-first:
	case <-time.After(streamLead):
	}
	return x.scan.Capture(ctx)
}

// picked is one picture of a stream.
type picked struct {
	jpeg []byte
	at   time.Time
}

// look shows each picture, and judges the roll where the scanner says at what resolution it
// shows: 500 or 1000 ppi in the picture's JFIF segment. What a device draws into smaller
// previews for people is shown as it comes.
func (x watchedScan) look(pictures <-chan picked) {
	var roll *finger.Roll
	var begin time.Time
	done := false
	for p := range pictures {
		img, err := biometrics.Decode(p.jpeg)
		if err != nil {
			continue
		}
		if roll == nil {
			if roll, err = finger.NewRoll(biometrics.Position(x.slot.Position), 0); err != nil {
				return
			}
			begin = p.at
		}
		live, err := roll.Add(img, p.at.Sub(begin))
		switch {
		case err != nil:
			x.tell(img.Image, api.Sight{})
			continue
		case done && !live.Touching: // the whole print stays in sight until it is rolled again
			continue
		}
		x.tell(live.Preview, api.Sight{Judged: true, Touching: live.Touching, Done: live.Done, Width: live.Width, Quality: live.Quality, Advice: live.Advice})
		if done = live.Done; done {
			roll = nil
		}
	}
}

// sightWidth is how wide a picture for the desk's page is, in pixels.
const sightWidth = 400

func (x watchedScan) tell(img image.Image, one api.Sight) {
	if img.Bounds().Dx() > sightWidth {
		img = imaging.Resize(img, sightWidth, 0, imaging.Box)
	}
	var out bytes.Buffer
	if jpeg.Encode(&out, img, nil) != nil {
		return
	}
	one.JPEG = out.Bytes()
	x.show(one)
}
