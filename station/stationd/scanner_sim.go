package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	records "cardstation/biometrics/record"
	"cardstation/biometrics/synth"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// synthScannerCmd is a device in software behind MOSIP's Secure Biometric Interface.
type synthScannerCmd struct {
	Trust  string `arg:"" help:"Folder that gets the device maker's certificate: the station's scanners.trust."`
	Seed   uint64 `default:"1" help:"Another number is another person's fingers."`
	Record string `type:"existingfile" help:"The prints of this record instead (see card record)."`
	Iris   string `type:"existingfile" help:"Be an iris camera that gives this record of ISO/IEC 19794-6."`
	Slow   int    `default:"500" help:"How long a capture takes, in milliseconds."`
	Do     string `default:"well" help:"What it does wrong from the start; later what is typed, a word a line: well, unplugged, stalled, half-image, broken-off, lying-ppi, busy, not-ready, unregistered, sees-nothing, forged, replayed, deaf, endless."`
}

func (c *synthScannerCmd) Run(s *session) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	trouble, err := sbi.ParseTrouble(c.Do)
	if err != nil {
		return station.Errorf(station.Correct, "%w", err)
	}
	device, err := sbi.NewSimulator(o)
	if err != nil {
		return err
	}
	device.Make(trouble)
	if err := os.MkdirAll(c.Trust, 0o700); err != nil {
		return err
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: device.Root().Raw})
	if err := os.WriteFile(filepath.Join(c.Trust, "demo-device-provider.pem"), root, 0o600); err != nil {
		return err
	}
	l, err := sbi.Listen()
	if err != nil {
		return &station.Error{Kind: station.Retry, What: "be a scanner", Err: err}
	}
	server := &http.Server{Handler: device, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-s.ctx.Done()
		server.Close()
	}()
	fmt.Fprintf(s.out, "a simulated device on %s, of no person; its maker's certificate is in %s\n", l.Addr(), c.Trust)
	go obey(s.ctx, os.Stdin, s.out, device)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// obey has the device do wrong what is typed.
func obey(ctx context.Context, typed io.Reader, out io.Writer, device *sbi.Simulator) {
	lines := bufio.NewScanner(typed)
	for lines.Scan() && ctx.Err() == nil {
		word := strings.TrimSpace(lines.Text())
		if word == "" {
			continue
		}
		trouble, err := sbi.ParseTrouble(word)
		if err != nil {
			fmt.Fprintln(out, err)
			continue
		}
		device.Make(trouble)
		fmt.Fprintln(out, "now", trouble)
	}
}

// options of the device: what it plays.
func (c *synthScannerCmd) options() (sbi.SimulatorOptions, error) {
	o := sbi.SimulatorOptions{Delay: time.Duration(c.Slow) * time.Millisecond}
	if c.Iris != "" {
		data, err := os.ReadFile(c.Iris)
		o.Type, o.Play = sbi.Iris, func(sbi.Shot) (capture.Frame, error) { return capture.Frame{Data: data}, nil }
		return o, err
	}
	var prints map[station.Slot]capture.Frame
	if c.Record == "" {
		prints = example(c.Seed).frames
	} else {
		r, err := loadRecord(c.Record)
		if err != nil {
			return o, err
		}
		prints = r.frames
	}
	img, err := biometrics.Decode(prints[station.FingerSlots[0].Slot].Data)
	if err != nil {
		return o, station.Errorf(station.Correct, "%s: %w", station.FingerSlots[0].Slot, err)
	}
	if o.Preview, err = frames(img.PPI, img); err != nil {
		return o, err
	}
	if c.Record == "" {
		err = c.rolling(&o)
	}
	o.Play = func(shot sbi.Shot) (capture.Frame, error) { return played(prints, shot) }
	return o, err
}

// rolling has the device stream each roll, 15 frames a second; before one nothing touches.
func (c *synthScannerCmd) rolling(o *sbi.SimulatorOptions) (err error) {
	hand := synth.Grow(c.Seed)
	o.Interval = time.Second / 15
	o.Rolling = func(s sbi.Shot) [][]byte {
		for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
			target, err := sbi.Position(int(p))
			if err != nil || target.SubTypes[0] != s.SubType || s.Impression != sbi.Rolled {
				continue
			}
			var all []image.Image
			for _, g := range hand.Roll(p, 0, synth.Motion{}).Frames {
				all = append(all, g)
			}
			for range 6 { // it rests before the capture ends
				all = append(all, all[0])
			}
			shown, _ := frames(synth.PPI, all...) // greys of one size
			return shown
		}
		return nil
	}
	empty := image.NewGray(image.Rect(0, 0, 800, 750))
	draw.Draw(empty, empty.Rect, image.White, image.Point{}, draw.Src)
	o.Preview, err = frames(synth.PPI, empty)
	return err
}

// frames are pictures of a stream, as JPEG with a JFIF segment that says their resolution in
// pixels per inch (ITU-T T.871, 10.1).
func frames(ppi int, all ...image.Image) (out [][]byte, err error) {
	for _, img := range all {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
			return nil, err
		}
		density := binary.BigEndian.AppendUint16(nil, uint16(ppi))
		app0 := slices.Concat([]byte("\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x02\x01"), density, density, []byte{0, 0})
		out = append(out, append(app0, b.Bytes()[2:]...))
	}
	return out, nil
}

// played gives the record of what a device is asked for: a rolled finger or a slap in one
// piece, as the extension has them, or one flat finger, cut out of the slap that shows it.
func played(prints map[station.Slot]capture.Frame, s sbi.Shot) (capture.Frame, error) {
	for _, f := range station.FingerSlots {
		target, err := sbi.Position(f.Position)
		if err != nil {
			return capture.Frame{}, err
		}
		asked := target.SubID == s.SubID && !f.Rolled && s.Impression == sbi.Whole
		if s.Impression != sbi.Whole {
			asked = slices.Contains(target.SubTypes, s.SubType) && f.Rolled == (s.Impression == sbi.Rolled)
		}
		p, ok := prints[f.Slot]
		if !asked || !ok {
			continue
		}
		img, err := biometrics.Decode(p.Data)
		if err != nil {
			return p, err
		}
		img.PPI = p.PPI
		position := biometrics.Position(f.Position)
		if s.Impression == sbi.Plain {
			if position, img, err = cutFlat(img, position, s.SubType); err == nil {
				p.Data, err = biometrics.EncodePNG(img, img.PPI)
			}
		}
		if err == nil {
			p.Data, err = recorded(img, p.Data, position, s)
		}
		return p, err
	}
	return capture.Frame{}, fmt.Errorf("there is no print for %q", s.SubType)
}

// cutFlat cuts the finger of SBI's name out of a slap.
func cutFlat(img biometrics.Image, p biometrics.Position, name string) (biometrics.Position, biometrics.Image, error) {
	found, err := finger.Find(img.Image, img.PPI, p.Fingers())
	if err != nil {
		return p, img, err
	}
	for _, s := range found {
		one, err := sbi.Position(int(s.Position))
		if err == nil && one.SubTypes[0] == name {
			return s.Position, biometrics.Image{Image: s.Cut(img.Image), Media: biometrics.PNG, PPI: img.PPI}, nil
		}
	}
	return p, img, fmt.Errorf("the %s is not among the fingers shown", name)
}

// recorded wraps an image as ISO/IEC 19794-4:2005 does.
func recorded(img biometrics.Image, data []byte, p biometrics.Position, s sbi.Shot) ([]byte, error) {
	ppi := img.PPI
	if s.HalvePPI {
		ppi /= 2
	}
	coded := map[string]records.Compression{biometrics.PNG: records.PNG, biometrics.JPEG: records.JPEG, biometrics.JPEG2000: records.JPEG2000, biometrics.WSQ: records.WSQ}[img.Media]
	impression := biometrics.LivePlain
	if s.Impression == sbi.Rolled {
		impression = biometrics.LiveRolled
	}
	r, err := records.NewFinger(records.Finger2005, byte(p), byte(impression), coded, img.Bounds().Dx(), img.Bounds().Dy(), ppi, data)
	if err != nil {
		return nil, err
	}
	return r.Encode()
}
