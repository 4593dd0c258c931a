package biometrics

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What one decoding may take. A picture at the limits of Decode takes about two seconds
// of a processor and a third of the memory.
const (
	decodeTime = time.Minute // of the clock, for a machine that has other things to do
	decodeCPU  = 10          // seconds of the processor
	baseMemory = 128 << 20   // bytes of addresses, before the picture
)

// decodeJPEG2000 has OpenJPEG's opj_decompress do it, the reference of ISO/IEC 15444-5, as
// a process of its own that is held to time and memory: it decodes what anybody's chip
// or scanner says. It reads strictly: what is cut off is an error, not half a picture.
func decodeJPEG2000(data []byte) (Image, error) {
	h, err := ReadHeader2000(data)
	if err != nil {
		return Image{}, err
	}
	out, err := h.decompress(data)
	if err != nil {
		return Image{}, fmt.Errorf("decode JPEG 2000: %w", err)
	}
	img, err := readPNM(out, h.Width, h.Height)
	if err != nil {
		return Image{}, fmt.Errorf("decode JPEG 2000: %w", err)
	}
	return Image{Image: img, Media: JPEG2000, PPI: h.PPI}, nil
}

// decompress gives the picture as the program writes it, in a form of portable any map.
func (h Header2000) decompress(data []byte) ([]byte, error) {
	limiter, program, err := decoders()
	if err != nil {
		return nil, err
	}
	in, out := "in.j2k", "out.ppm" // it tells by the name what it reads and writes
	if bytes.HasPrefix(data, []byte(HeadJP2)) {
		in = "in.jp2"
	}
	dir, err := os.MkdirTemp("", "cardstation-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	from, err := nameless(dir, in, 3)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := nameless(dir, out, 4)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if _, err := from.Write(data); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), decodeTime)
	defer cancel()
	pixels := h.Width * h.Height
	most := 6*pixels + 256 // three samples of two bytes, and the header
	if err := run(ctx, dir, []*os.File{from, to}, limiter, fmt.Sprintf("--as=%d", baseMemory+16*pixels*h.Components+len(data)), fmt.Sprintf("--fsize=%d", most),
		fmt.Sprintf("--cpu=%d", decodeCPU), "--core=0", "--nofile=32", program, "-i", in, "-o", out); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(to, int64(most)))
}

// decoders finds the two programs.
func decoders() (limiter, program string, err error) {
	if program, err = exec.LookPath("opj_decompress"); err != nil {
		return "", "", fmt.Errorf("%w: opj_decompress, of the package libopenjp2-tools", ErrNoDecoder)
	}
	if limiter, err = exec.LookPath("prlimit"); err != nil {
		return "", "", fmt.Errorf("%w: prlimit, of the package util-linux, which holds it to its limits", ErrNoDecoder)
	}
	return limiter, program, nil
}

// nameless makes a file that no folder has, and in dir a link by which a child finds it
// as its own open file fd. So no picture stays behind, whenever the station is killed.
func nameless(dir, link string, fd int) (*os.File, error) {
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(f.Name()); err == nil {
		err = os.Symlink("/proc/self/fd/"+strconv.Itoa(fd), filepath.Join(dir, link))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// run has a program do its work in dir, without a shell, an environment or anything to
// read but files, which are its open files from 3 on. That it failed or did not end
// lies with the image.
func run(ctx context.Context, dir string, files []*os.File, program string, arguments ...string) error {
	var said head
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = dir, []string{}, files
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: it takes too long", ErrDamaged)
	case cmd.ProcessState == nil || strings.HasPrefix(string(said), "prlimit:"): // which did not come to the image
		return fmt.Errorf("%w %.120q", err, string(said))
	case said.fault() == "":
		return fmt.Errorf("%w: opj_decompress ended with %w", ErrDamaged, err)
	}
	return fmt.Errorf("%w: %s", ErrDamaged, said.fault())
}

// head keeps the first of what a program says.
type head []byte

const mostSaid = 16 << 10

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), mostSaid-len(*h))]...)
	return len(p), nil
}

// fault is the first error in it, fit to be shown; empty where there is none.
func (h head) fault() string {
	_, line, _ := strings.Cut(string(h), "[ERROR] ")
	line, _, _ = strings.Cut(line, "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, line)
	return strings.TrimSpace(line[:min(len(line), 120)])
}

// anyMap is the head of a grey or coloured picture in raw samples, with a comment or none.
var anyMap = regexp.MustCompile(`^P([56])\n(?:#[^\n]{0,80}\n)?([0-9]{1,5}) ([0-9]{1,5})\n([0-9]{1,5})\n`)

// readPNM reads a portable grey or pixel map (netpbm's pgm and ppm) of one size; samples of
// any depth come to 8 bits.
func readPNM(b []byte, width, height int) (image.Image, error) {
	m := anyMap.FindSubmatch(b)
	if m == nil {
		return nil, fmt.Errorf("%w: it comes to neither grey nor three colours", ErrDamaged)
	}
	w, _ := strconv.Atoi(string(m[2]))
	h, _ := strconv.Atoi(string(m[3]))
	most, _ := strconv.Atoi(string(m[4]))
	b = b[len(m[0]):]
	channels, wide := 1, 1
	if m[1][0] == '6' {
		channels = 3
	}
	if most > 0xFF {
		wide = 2
	}
	if w != width || h != height || most < 1 || most > 0xFFFF || len(b) != w*h*channels*wide {
		return nil, fmt.Errorf("%w: it comes to %d x %d pixels of %d samples in %d bytes", ErrDamaged, w, h, channels, len(b))
	}
	if b = eightBits(b, most); channels == 1 {
		return &image.Gray{Pix: b, Stride: w, Rect: image.Rect(0, 0, w, h)}, nil
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < w*h; i++ {
		copy(img.Pix[4*i:], b[3*i:3*i+3])
		img.Pix[4*i+3] = 0xFF
	}
	return img, nil
}

// eightBits scales samples up to most, of two bytes where that is above 255.
func eightBits(b []byte, most int) []byte {
	if most == 0xFF {
		return b
	}
	wide := 1
	if most > 0xFF {
		wide = 2
	}
	out := make([]byte, len(b)/wide)
	for i := range out {
		v := int(b[i*wide])
		if wide == 2 {
			v = v<<8 | int(b[i*wide+1])
		}
		out[i] = byte((min(v, most)*0xFF + most/2) / most)
	}
	return out
}
