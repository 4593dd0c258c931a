package sbi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

const maxPicture = 8 << 20 // bytes of one picture of a stream

// Stream shows what the device sees: show gets each JPEG in turn, which it may keep,
// and ends the stream with an error. Stream returns nil when the device has ended it, after
// Options.Timeout as it is asked to, or when it has not and Options.Grace has gone by since;
// show's error; or an *Error, ErrTimeout where no picture came for Options.Grace. A capture
// may run beside it; the device then shows no pictures, and that is no time-out.
func (d *Device) Stream(ctx context.Context, t Target, show func(jpeg []byte) error) error {
	sensor, err := t.sensor(d.subIDs)
	if err != nil {
		return fail(ctx, "stream", d.String(), err)
	}
	o := d.client.opt
	mine, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var idle *time.Timer
	idle = time.AfterFunc(time.Hour, func() {
		if d.captures.Load() > 0 {
			idle.Reset(o.Grace)
			return
		}
		stop(ErrTimeout)
	})
	idle.Reset(o.Grace)
	defer idle.Stop()
	defer time.AfterFunc(o.Timeout+o.Grace, func() { stop(errOver) }).Stop()
	res, err := d.client.send(mine, methodStream, d.Address+"stream",
		streamRequest{DeviceID: d.ID, DeviceSubID: sensor, Timeout: text(strconv.FormatInt(o.Timeout.Milliseconds(), 10))})
	if err == nil {
		defer res.Body.Close()
		err = readStream(res.Header.Get("Content-Type"), res.Body, func(jpeg []byte) error {
			idle.Reset(o.Grace)
			if err := show(jpeg); err != nil {
				return &shown{err}
			}
			return nil
		})
	}
	var own *shown
	switch cause := context.Cause(mine); {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.error
	case errors.Is(cause, errOver):
		return nil
	case errors.Is(cause, ErrTimeout):
		err = ErrTimeout
	}
	return fail(ctx, "stream", d.String(), err)
}

// errOver ends a stream whose device does not.
var errOver = errors.New("the stream's time is over")

// shown is an error of the caller's show.
type shown struct{ error }

// readStream reads multipart JPEG as SBI's devices write it: the Content-Type's boundary
// begins with the two dashes that stand before it in the body, so that it helps nobody; each
// part has a Content-Length; some devices write a JSON object at the end.
func readStream(contentType string, body io.Reader, show func([]byte) error) error {
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "multipart/") {
		return readStreamFault(body)
	}
	r := bufio.NewReader(body)
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "--") {
			continue // what stands between two parts
		}
		if strings.HasSuffix(line, "--") {
			return nil
		}
		picture, err := readPart(r)
		if err != nil {
			return err
		}
		if err := show(picture); err != nil {
			return err
		}
	}
}

// readPart reads headers and picture after a boundary.
func readPart(r *bufio.Reader) ([]byte, error) {
	length := -1
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, unexpected(err)
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)) == "Content-Length" {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				length = -1
			}
		}
	}
	if length < 4 || length > maxPicture {
		return nil, malformed("a picture of the stream without a length, or out of bounds")
	}
	var b bytes.Buffer // grows with what comes, not with what is announced
	if _, err := io.CopyN(&b, r, int64(length)); err != nil {
		return nil, unexpected(err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte{0xFF, 0xD8, 0xFF}) {
		return nil, malformed("a picture of the stream that is no JPEG")
	}
	return b.Bytes(), nil
}

// readLine reads a line without its end. io.EOF means that nothing more came.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", malformed("a line of the stream that does not end")
	case err != nil && !errors.Is(err, io.EOF):
		return "", err
	case err != nil && len(line) == 0:
		return "", io.EOF
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readStreamFault reads the JSON that stands in place of a stream.
func readStreamFault(body io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return err
	}
	var answer struct {
		fault
		Error fault `json:"error"`
	}
	if json.Unmarshal(b, &answer) != nil {
		return malformed("neither a stream nor an error")
	}
	for _, f := range []fault{answer.Error, answer.fault} {
		if err := f.err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: it gives no stream", ErrUnsupported)
}
