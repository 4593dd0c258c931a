package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image/png"
	"net/http"
	"os"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/wsq"
)

// wsqPicture is picture(width, n) as WSQ.
func wsqPicture(t testing.TB, width, n int) []byte {
	t.Helper()
	img, err := biometrics.Decode(picture(width, n))
	if err != nil {
		t.Fatal(err)
	}
	data, err := wsq.Encode(biometrics.Grey(img), wsq.Options{PPI: 500})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A WSQ or JPEG 2000 image is kept as it was sent. A browser, which shows none, gets its
// pixels as PNG; who names image/wsq or image/jp2 gets the bytes.
func TestWSQAndJPEG2000AreKeptAsTheyAreAndShownAsPNG(t *testing.T) {
	c := &talk{t: t, h: newHouse(t), tokens: map[string]string{}, kept: map[string]string{}}
	citizen, err := json.Marshal(map[string]any{"biographicData": biographic(someone())})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string, want int, header http.Header, body []byte) (http.Header, []byte) {
		t.Helper()
		status, answer, got := c.do(path, "desk", method, path, header, body)
		if status != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, got)
		}
		return answer, got
	}
	const e = "/v1/enrollments/e1"
	ask("POST", e+"?transactionId=t", 204, http.Header{"Content-Type": {"application/json"}}, citizen)
	coded, err := os.ReadFile("../biometrics/testdata/tiny.jp2")
	if err != nil {
		t.Fatal(err)
	}
	sent := [...][]byte{wsqPicture(t, 50, 1), wsqPicture(t, 60, 2), coded}
	_, body := ask("POST", e+"/captures/plain-right-four", 200, http.Header{"Content-Type": {"image/wsq"}}, sent[0])
	if !bytes.Contains(body, []byte(`"state":"accepted"`)) || !bytes.Contains(body, []byte(`"ppi":500`)) {
		t.Errorf("upload: %s", body)
	}
	ask("POST", e+"/buffer?transactionId=t", 201, http.Header{"Content-Type": {"image/wsq"}}, sent[1])
	_, body = ask("POST", e+"/captures/portrait", 200, http.Header{"Content-Type": {"image/jp2"}}, sent[2])
	if !bytes.Contains(body, []byte(`"width":24`)) {
		t.Errorf("upload: %s", body)
	}
	for i, data := range sent {
		media := "image/wsq"
		if i == 2 {
			media = "image/jp2"
		}
		sum := sha256.Sum256(data)
		path := e + "/buffer/" + hex.EncodeToString(sum[:])
		answer, got := ask("GET", path, 200, http.Header{"Accept": {"image/avif,image/webp,image/*,*/*;q=0.8"}}, nil)
		want, err := biometrics.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := png.Decode(bytes.NewReader(got))
		if err != nil || answer.Get("Content-Type") != "image/png" || answer.Get("Digest") != digest(got) ||
			!bytes.Equal(biometrics.Grey(shown).Pix, biometrics.Grey(want).Pix) {
			t.Errorf("image %d for a browser: %v %v", i, answer, err)
		}
		answer, got = ask("GET", path, 200, http.Header{"Accept": {media}}, nil)
		if !bytes.Equal(got, data) || answer.Get("Content-Type") != media || answer.Get("Digest") != digest(data) {
			t.Errorf("image %d for who asks for %s: %v", i, media, answer)
		}
	}
	_, body = ask("GET", e+"?transactionId=t&attributes=biometricData", 200, http.Header{}, nil)
	if s := string(body); !strings.Contains(s, `"mimeType":"image/wsq"`) || !strings.Contains(s, `"compression":"WSQ"`) || !strings.Contains(s, `"mimeType":"image/jp2"`) || !strings.Contains(s, `"compression":"JPEG2000"`) {
		t.Errorf("as OSIA has it: %s", body)
	}
	// One that begins like WSQ and is none is refused at the capture, and given back as it came.
	broken := []byte("\xff\xa0\xff\xa2\x00\x00")
	ask("POST", e+"/buffer?transactionId=t", 201, http.Header{"Content-Type": {"image/wsq"}}, broken)
	sum := sha256.Sum256(broken)
	if answer, got := ask("GET", e+"/buffer/"+hex.EncodeToString(sum[:]), 200, http.Header{}, nil); !bytes.Equal(got, broken) || answer.Get("Content-Type") != "image/wsq" {
		t.Errorf("broken: %v", answer)
	}
	ask("POST", e+"/captures/plain-left-four", 400, http.Header{"Content-Type": {"image/wsq"}}, broken)
}
