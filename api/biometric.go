package api

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"cardstation/biometrics"
	"cardstation/station"
)

// BiometricData is OSIA's, as far as this station has it. A portrait is
// biometricType FACE, biometricSubType PORTRAIT. A fingerprint is FINGER with the
// subtype of its slot, LIVE_SCAN_PLAIN for the two fours and the thumbs,
// LIVE_SCAN_ROLLED for single fingers. The image is base64 in image, or imageRef
// names a buffer of the same enrolment. metadata tells the capture's state. An IRIS is kept
// as it comes, a record or an image; so are the samples that OSIA has no type for, which
// are sent to /samples.
type BiometricData struct {
	BiometricType    string       `json:"biometricType" enum:"FACE,FINGER,IRIS,SIGNATURE"`
	BiometricSubType string       `json:"biometricSubType,omitempty" enum:"PORTRAIT,PLAIN_RIGHT_FOUR_FINGERS,PLAIN_LEFT_FOUR_FINGERS,PLAIN_THUMBS,RIGHT_THUMB,RIGHT_INDEX,RIGHT_MIDDLE,RIGHT_RING,RIGHT_LITTLE,LEFT_THUMB,LEFT_INDEX,LEFT_MIDDLE,LEFT_RING,LEFT_LITTLE,EYE_UNDEF,EYE_RIGHT,EYE_LEFT"`
	Image            []byte       `json:"image,omitempty" doc:"PNG, JPEG, JPEG 2000 or WSQ, of an iris also its record; base64."`
	ImageRef         string       `json:"imageRef,omitempty" format:"uri-reference" maxLength:"500" doc:"A buffer of this enrolment."`
	CaptureDate      *time.Time   `json:"captureDate,omitempty"`
	CaptureDevice    string       `json:"captureDevice,omitempty" maxLength:"200"`
	ImpressionType   string       `json:"impressionType,omitempty" enum:"LIVE_SCAN_PLAIN,LIVE_SCAN_ROLLED"`
	Width            int          `json:"width,omitempty" doc:"Pixels; what is sent is not believed but measured."`
	Height           int          `json:"height,omitempty" doc:"Pixels; as width."`
	MimeType         string       `json:"mimeType,omitempty" enum:"image/png,image/jpeg,image/jp2,image/wsq"`
	Resolution       int          `json:"resolution,omitempty" minimum:"0" maximum:"10000" doc:"Pixels per inch; 0 where only the image says it."`
	Compression      string       `json:"compression,omitempty" enum:"JPEG,JPEG2000,PNG,WSQ"`
	Missing          []MissingBio `json:"missing,omitempty" maxItems:"10" doc:"Fingers of this capture that are not there."`
	Metadata         string       `json:"metadata,omitempty" maxLength:"100" readOnly:"true" doc:"State of the capture: accepted, refused, overridden, missing."`
	Comment          string       `json:"comment,omitempty" maxLength:"500" doc:"Why the last try was refused; on a missing finger, the note."`
	Quality          *int         `json:"quality,omitempty" readOnly:"true" doc:"0 to 100."`
	QualityFormat    string       `json:"qualityFormat,omitempty" readOnly:"true" doc:"CARDSTATION: the station's own gate."`
}

// MissingBio is OSIA's MissingType.
type MissingBio struct {
	BiometricSubType string `json:"biometricSubType" enum:"RIGHT_THUMB,RIGHT_INDEX,RIGHT_MIDDLE,RIGHT_RING,RIGHT_LITTLE,LEFT_THUMB,LEFT_INDEX,LEFT_MIDDLE,LEFT_RING,LEFT_LITTLE"`
	Presence         string `json:"presence" enum:"BANDAGED,AMPUTATED,DAMAGED"`
}

// compressions are OSIA's names of the kinds of image that the station takes.
var compressions = map[string]string{biometrics.PNG: "PNG", biometrics.JPEG: "JPEG", biometrics.JPEG2000: "JPEG2000", biometrics.WSQ: "WSQ"}

// qualityFormat is OSIA's open value for a quality of our own.
const qualityFormat = "CARDSTATION"

const (
	plain  = "LIVE_SCAN_PLAIN"
	rolled = "LIVE_SCAN_ROLLED"
)

// fingers are OSIA's names by finger position (ISO/IEC 19794-4:2005, table 5).
var fingers = [...]string{1: "RIGHT_THUMB", "RIGHT_INDEX", "RIGHT_MIDDLE", "RIGHT_RING", "RIGHT_LITTLE",
	"LEFT_THUMB", "LEFT_INDEX", "LEFT_MIDDLE", "LEFT_RING", "LEFT_LITTLE", 11: "", "", "PLAIN_RIGHT_FOUR_FINGERS", "PLAIN_LEFT_FOUR_FINGERS", "PLAIN_THUMBS"}

// slotType is how OSIA names one slot.
type slotType struct{ typ, sub, impression string }

// slotTypes is the one table between our slots and OSIA's names.
var slotTypes = func() map[station.Slot]slotType {
	all := map[station.Slot]slotType{station.Portrait: {"FACE", "PORTRAIT", ""}}
	for _, f := range station.FingerSlots {
		t := slotType{"FINGER", fingers[f.Position], plain}
		if f.Rolled {
			t.impression = rolled
		}
		all[f.Slot] = t
	}
	return all
}()

// slots lists every slot in the order of capture, the portrait first.
var slots = func() []station.Slot {
	all := []station.Slot{station.Portrait}
	for _, f := range station.FingerSlots {
		all = append(all, f.Slot)
	}
	return all
}()

// slot finds the slot that b is of.
func (b BiometricData) slot() (station.Slot, error) {
	for s, t := range slotTypes {
		if t.typ == b.BiometricType && t.sub == b.BiometricSubType && (b.ImpressionType == "" || b.ImpressionType == t.impression) {
			return s, nil
		}
	}
	return "", station.Errorf(station.Correct, "this station captures no %s", strings.Join(strings.Fields(b.BiometricType+" "+b.BiometricSubType+" "+b.ImpressionType), " "))
}

// missing translates the fingers that are not there.
func (b BiometricData) missing() []station.Missing {
	var all []station.Missing
	for _, m := range b.Missing {
		for position, name := range fingers {
			if name == m.BiometricSubType && name != "" {
				all = append(all, station.Missing{Position: position, Presence: m.Presence, Note: b.Comment})
			}
		}
	}
	return all
}

// biometric is what OSIA sees of a capture; base is the URL of the enrolment.
func biometric(c station.Capture, base string) BiometricData {
	t := slotTypes[c.Slot]
	b := BiometricData{BiometricType: t.typ, BiometricSubType: t.sub, ImpressionType: t.impression, MimeType: c.Media, Width: c.Width, Height: c.Height,
		Resolution: c.PPI, CaptureDevice: c.Device, Metadata: c.State, Comment: strings.Join(c.Reasons, "; ")}
	if c.Digest != "" {
		b.ImageRef = base + "/buffer/" + c.Digest
		b.Compression = compressions[c.Media]
		quality := c.Quality
		b.Quality, b.QualityFormat = &quality, qualityFormat
	}
	if !c.At.IsZero() {
		at := c.At
		b.CaptureDate = &at
	}
	for _, m := range c.Missing {
		if m.Position >= 1 && m.Position <= 10 {
			b.Missing = append(b.Missing, MissingBio{BiometricSubType: fingers[m.Position], Presence: m.Presence})
		}
	}
	return b
}

// bufferID takes the buffer out of a reference. Only buffers of this enrolment
// count; nothing is fetched from anywhere.
func bufferID(ref, enrollment string) (string, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return "", station.Errorf(station.Correct, "imageRef is no URI")
	}
	id, ok := strings.CutPrefix(u.Path, "/v1/enrollments/"+enrollment+"/buffer/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", &station.Error{Kind: station.Correct, What: "imageRef names no buffer of this enrolment", Hint: "send the image with POST /v1/enrollments/{enrollmentId}/buffer first"}
	}
	return id, nil
}

// media names the kind of an image that the station takes.
func media(data []byte) (string, error) {
	if m := biometrics.Sniff(data); m != "" {
		return m, nil
	}
	return "", errors.New("not " + biometrics.Formats)
}
