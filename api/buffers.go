package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/biometrics"
	"cardstation/station"
)

// Buffers wait here until an enrolment refers to them; then the desk captures
// them and the store keeps them. One that is not used within bufferLife, or
// before the station stops, is sent again by the client, who is told so.
const bufferLife = time.Hour

type waiting struct {
	by, media string // by is the login of who sent it
	data      []byte
	since     time.Time
}

type buffers struct {
	mu   sync.Mutex
	all  map[string]waiting // enrolment, "/", SHA-256 of the data in hex
	room *shares
	now  func() time.Time
}

func newBuffers(now func() time.Time) *buffers {
	return &buffers{all: map[string]waiting{}, room: newShares(bufferRoom, bufferShare), now: now}
}

// put keeps data and gives its id, the SHA-256 in hex: the same data again is
// the same buffer.
func (b *buffers) put(by, enrollment, media string, data []byte) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, w := range b.all {
		if b.now().Sub(w.since) > bufferLife {
			b.drop(k)
		}
	}
	sum := sha256.Sum256(data)
	id := hex.EncodeToString(sum[:])
	key := enrollment + "/" + id
	if old, ok := b.all[key]; ok {
		old.since = b.now()
		b.all[key] = old
		return id, nil
	}
	if ok, own := b.room.take(by, len(data)); !ok {
		return "", full(own, "too many buffers wait for their enrollments", "refer to those that were sent, or wait an hour")
	}
	b.all[key] = waiting{by, media, bytes.Clone(data), b.now()}
	return id, nil
}

// drop frees the room of a buffer.
func (b *buffers) drop(key string) {
	if w, ok := b.all[key]; ok {
		b.room.give(w.by, len(w.data))
		delete(b.all, key)
	}
}

// used forgets a buffer that the enrolment has captured.
func (b *buffers) used(enrollment, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(enrollment + "/" + id)
}

func (b *buffers) get(enrollment, id string) (waiting, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, ok := b.all[enrollment+"/"+id]
	return w, ok
}

func (s *server) bufferRoutes() {
	const path, tag = "/v1/enrollments/{enrollmentId}/buffer", "Buffer"
	create := operation(http.MethodPost, path, "createBuffer", tag, "Create a buffer", bufWrite)
	create.DefaultStatus, create.MaxBodyBytes = http.StatusCreated, s.cfg.Limits.Image
	create.Description = "Sends an image apart. It waits for an hour for the enrollment that refers to it; the same image again is the same buffer. A person's waiting buffers have 32 MiB at most; more is refused with 429, until they are referred to."
	handle(s, create, s.createBuffer)
	read := operation(http.MethodGet, path+"/{bufferId}", "readBuffer", tag, "Read a buffer", bufRead)
	binary := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	read.Responses = map[string]*huma.Response{"200": {Description: "The image", Content: map[string]*huma.MediaType{"image/png": binary, "image/jpeg": binary, "image/jp2": binary, "image/wsq": binary, "application/octet-stream": binary}}}
	handle(s, read, s.readBuffer)
}

type createBufferInput struct {
	Transaction
	EnrollmentPath
	Digest  string `header:"Digest" maxLength:"200" doc:"RFC 3230; SHA-256 is checked, other algorithms are refused."`
	RawBody []byte `contentType:"image/png"`
}

type createBufferOutput struct {
	Body struct {
		BufferID string `json:"bufferId"`
	}
}

func (s *server) createBuffer(ctx context.Context, in *createBufferInput) (*createBufferOutput, error) {
	if _, err := s.cfg.Desk.Get(ctx, in.ID); err != nil {
		return nil, err
	}
	kind, err := media(in.RawBody)
	if err != nil {
		return nil, newProblem(http.StatusUnsupportedMediaType, station.Correct, "the buffer is not "+biometrics.Formats, "")
	}
	if in.Digest != "" {
		if err := checkDigest(in.Digest, in.RawBody); err != nil {
			return nil, err
		}
	}
	out := &createBufferOutput{}
	out.Body.BufferID, err = s.buffers.put(who(ctx).Login, in.ID, kind, in.RawBody)
	return out, err
}

// digest is the Digest header of RFC 3230 with the algorithm of RFC 5843.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

func checkDigest(header string, data []byte) error {
	algorithm, value, _ := strings.Cut(header, "=")
	if !strings.EqualFold(algorithm, "SHA-256") {
		return &station.Error{Kind: station.Correct, What: "the Digest header is not SHA-256", Hint: "send Digest: SHA-256=... or none"}
	}
	if "SHA-256="+value != digest(data) {
		return &station.Error{Kind: station.Correct, What: "the buffer is not what its Digest header says", Hint: "send it again"}
	}
	return nil
}

type readBufferInput struct {
	EnrollmentPath
	TransactionID string `query:"transactionId" maxLength:"100" doc:"The caller's id of the transaction; not needed here, so that an image can be shown by its address."`
	BufferID      string `path:"bufferId" pattern:"^[0-9a-f]{64}$"`
	Accept        string `header:"Accept" doc:"A WSQ or JPEG 2000 image comes as image/png to whoever does not name image/wsq or image/jp2 here."`
}

type readBufferOutput struct {
	ContentType string `header:"Content-Type"`
	Vary        string `header:"Vary"`
	Digest      string `header:"Digest" doc:"RFC 3230, of the body as it is sent."`
	Body        []byte
}

func (s *server) readBuffer(ctx context.Context, in *readBufferInput) (*readBufferOutput, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	data, kind, err := s.buffer(ctx, e, in.BufferID)
	if err != nil {
		return nil, err
	}
	if (kind == biometrics.WSQ || kind == biometrics.JPEG2000) && !strings.Contains(in.Accept, kind) {
		done, err := s.looks.wait(ctx, who(ctx).Login)
		if err != nil {
			return nil, err
		}
		defer done()
		data, kind = shown(data, kind)
	}
	return &readBufferOutput{ContentType: kind, Vary: "Accept", Digest: digest(data), Body: data}, nil
}

// shown makes a PNG of a WSQ or JPEG 2000 image, as few browsers show one. What cannot be
// decoded stays as it is.
func shown(data []byte, kind string) ([]byte, string) {
	img, err := biometrics.Decode(data)
	if err != nil {
		return data, kind
	}
	out, err := biometrics.EncodePNG(img, img.PPI)
	if err != nil {
		return data, kind
	}
	return out, biometrics.PNG
}

// buffer finds an image of the enrolment: captured, or waiting.
func (s *server) buffer(ctx context.Context, e station.Enrolment, id string) (data []byte, media string, err error) {
	for _, c := range e.Captures {
		if c.Digest == id {
			return s.cfg.Desk.Image(ctx, id)
		}
	}
	for _, one := range e.Samples {
		if one.Digest == id {
			return s.cfg.Desk.Image(ctx, id)
		}
	}
	if w, ok := s.buffers.get(e.ID, id); ok {
		return w.data, w.media, nil
	}
	return nil, "", station.Errorf(station.Unknown, "this enrollment has no such buffer")
}
