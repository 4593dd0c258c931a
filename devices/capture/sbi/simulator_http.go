package sbi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	simulatedDevice  = "1"
	simulatorVersion = "0.9.5"
	firmware         = "DEMO 1.0"
)

var transaction = regexp.MustCompile(`^[a-zA-Z0-9-]{4,50}$`)

// ServeHTTP answers the four methods. Anything else is 404.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", address(r))
	w.Header().Set("Connection", "close")
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	switch r.Method + " " + r.URL.Path {
	case methodDiscover + " /device":
		s.discover(w, r)
	case methodInfo + " /info":
		s.info(w, r)
	case methodCapture + " /capture":
		s.capture(w, r)
	case methodStream + " /stream":
		s.stream(w, r)
	default:
		http.NotFound(w, r)
	}
}

// address is the base URL where the request came in.
func address(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return "http://" + a.String() + "/"
	}
	return "http://" + r.Host + "/"
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

// sensors are the sub-devices it has.
func (s *Simulator) sensors() []text {
	if s.opt.Type == Face {
		return []text{"0"}
	}
	return []text{"1", "2", "3"}
}

func (s *Simulator) discover(w http.ResponseWriter, r *http.Request) {
	var req discoverRequest
	if json.NewDecoder(r.Body).Decode(&req) != nil || !slices.Contains([]Type{AnyDevice, Finger, Iris, Face}, req.Type) {
		write(w, []discovered{{Error: faultOf("502")}})
		return
	}
	trouble, _ := s.state()
	if trouble == Unplugged || req.Type != AnyDevice && req.Type != s.opt.Type {
		write(w, []discovered{{Error: faultOf("106")}})
		return
	}
	status, e := s.status()
	id, _ := json.Marshal(s.id) // plain strings
	write(w, []discovered{{
		DeviceID: simulatedDevice, DeviceStatus: status, Certification: "L0", ServiceVersion: simulatorVersion, DeviceSubID: s.sensors(),
		CallbackID: address(r), DigitalID: base64.RawURLEncoding.EncodeToString(id), DeviceCode: s.id.SerialNo, SpecVersion: []text{Version},
		Purpose: s.opt.Purpose, Error: e,
	}})
}

func (s *Simulator) info(w http.ResponseWriter, r *http.Request) {
	trouble, _ := s.state()
	if trouble == Unplugged {
		write(w, []infoEntry{{Error: faultOf("106")}})
		return
	}
	entry, err := s.describe(address(r), trouble)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	write(w, []infoEntry{entry})
}

// describe is the signed device info; unsigned while the device is not registered.
func (s *Simulator) describe(callback string, trouble Trouble) (infoEntry, error) {
	status, e := s.status()
	data := infoData{Env: s.opt.Env, Purpose: s.opt.Purpose, ServiceVersion: simulatorVersion, DeviceStatus: status, Firmware: firmware, Certification: "L0",
		SpecVersion: []text{Version}, DeviceSubID: s.sensors(), CallbackID: callback, DeviceID: simulatedDevice, DeviceCode: s.id.SerialNo}
	if status == NotRegistered {
		id, _ := json.Marshal(s.id) // plain strings
		data.Env, data.Purpose, data.DigitalID = "None", "", base64.RawURLEncoding.EncodeToString(id)
		b, err := json.Marshal(data)
		return infoEntry{DeviceInfo: base64.RawURLEncoding.EncodeToString(b), Error: e}, err
	}
	var err error
	if data.DigitalID, err = s.sign(s.id, trouble == Forged); err != nil {
		return infoEntry{}, err
	}
	token, err := s.sign(data, trouble == Forged)
	return infoEntry{DeviceInfo: token, Error: e}, err
}

// refuse answers a capture with an error.
func refuse(w http.ResponseWriter, code string) {
	write(w, captureAnswer{Biometrics: []biometric{{SpecVersion: Version, Error: faultOf(code)}}})
}

func (s *Simulator) capture(w http.ResponseWriter, r *http.Request) {
	var req captureRequest
	if json.NewDecoder(r.Body).Decode(&req) != nil {
		refuse(w, "500")
		return
	}
	trouble, _ := s.state()
	if code := s.accept(req, trouble); code != "" {
		refuse(w, code)
		return
	}
	if !s.begin() {
		refuse(w, "111")
		return
	}
	defer s.end()
	takes := max(s.opt.Delay, s.roll(s.shots(req, trouble)))
	timeout, _ := strconv.Atoi(string(req.Timeout)) // checked
	code, ok := s.wait(r.Context(), min(takes, time.Duration(timeout)*time.Millisecond))
	if code != "" {
		refuse(w, code)
	}
	if !ok {
		return
	}
	trouble, _ = s.state()
	answer, err := s.take(req, trouble)
	if err != nil {
		refuse(w, "102")
		return
	}
	if trouble == BrokenOff {
		b, _ := json.Marshal(answer) // plain strings
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		panic(http.ErrAbortHandler) // closes the connection
	}
	write(w, answer)
}

// accept gives the error code for a request that cannot be served, "" for none.
func (s *Simulator) accept(req captureRequest, trouble Trouble) string {
	switch trouble {
	case Unplugged:
		return "106"
	case SaysUnregistered:
		return "100"
	case SaysNotReady:
		return "110"
	case SaysBusy:
		return "111"
	case SeesNothing:
		return "101"
	}
	timeout, err := strconv.Atoi(string(req.Timeout))
	switch {
	case !transaction.MatchString(req.TransactionID):
		return "112"
	case req.Purpose != s.opt.Purpose || req.Env != s.opt.Env || req.SpecVersion != Version || len(req.Bio) != 1 || err != nil || timeout <= 0:
		return "500"
	}
	bio := req.Bio[0]
	want := max(len(bio.BioSubType), 1)
	if bio.Type != s.opt.Type || bio.DeviceID != simulatedDevice || !slices.Contains(s.sensors(), bio.DeviceSubID) {
		return "106"
	}
	if string(bio.Count) != strconv.Itoa(want) || want > 4 {
		return "109"
	}
	return ""
}

// shots are what was asked for.
func (s *Simulator) shots(req captureRequest, trouble Trouble) (all []Shot) {
	bio := req.Bio[0]
	impression := Impression(req.CustomOpts[extension])
	if trouble == Deaf {
		impression = Plain
	}
	subTypes := bio.BioSubType
	switch {
	case s.opt.Type == Face:
		subTypes = []string{""}
	case impression == Whole:
		subTypes = []string{unknown}
	}
	for _, subType := range subTypes {
		all = append(all, Shot{Type: s.opt.Type, SubType: subType, Impression: impression, SubID: string(bio.DeviceSubID), Exceptions: bio.Exception, HalvePPI: trouble == LyingPPI})
	}
	return all
}

// take plays and signs what was asked for.
func (s *Simulator) take(req captureRequest, trouble Trouble) (captureAnswer, error) {
	bio := req.Bio[0]
	transaction := req.TransactionID
	s.mu.Lock()
	s.oldest = or(s.oldest, transaction)
	if trouble == Replayed {
		transaction = s.oldest
	}
	s.mu.Unlock()
	var answer captureAnswer
	previous := bio.PreviousHash
	for _, shot := range s.shots(req, trouble) {
		f, err := s.opt.Play(shot)
		if err != nil {
			return answer, err
		}
		record := f.Data
		if trouble == HalfImage {
			record = record[:len(record)/2]
		}
		data := bioData{DeviceCode: s.id.SerialNo, DeviceServiceVersion: simulatorVersion, BioType: s.opt.Type, BioSubType: shot.SubType, Purpose: req.Purpose,
			Env: req.Env, BioValue: base64.RawURLEncoding.EncodeToString(record), TransactionID: transaction, Timestamp: stamp(s.opt.Now()),
			RequestedScore: bio.RequestedScore, QualityScore: text(strconv.Itoa(s.opt.Quality)), CustomOpts: Target{Impression: shot.Impression}.options()}
		b, err := s.biometric(data, previous, record, trouble == Forged)
		if err != nil {
			return answer, err
		}
		answer.Biometrics = append(answer.Biometrics, b)
		previous = b.Hash
	}
	return answer, nil
}

// biometric signs one biometric and links it to the chain.
func (s *Simulator) biometric(data bioData, previous string, record []byte, forged bool) (biometric, error) {
	hash, ok := link(previous, record)
	if !ok {
		return biometric{}, fmt.Errorf("previous hash is none")
	}
	var err error
	if data.DigitalID, err = s.sign(s.id, forged); err != nil {
		return biometric{}, err
	}
	token, err := s.sign(data, forged)
	return biometric{SpecVersion: Version, Data: token, Hash: hash, Error: faultOf("0")}, err
}

// stream shows the preview's pictures until its time is over, the client goes or the
// plug is pulled. While a capture is under way it shows what Rolling gives.
func (s *Simulator) stream(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Error fault `json:"error"`
	}
	var req streamRequest
	timeout := 5 * time.Minute
	bad := json.NewDecoder(r.Body).Decode(&req) != nil || req.DeviceID != simulatedDevice || len(s.opt.Preview) == 0 && s.opt.Rolling == nil
	if ms, err := strconv.Atoi(string(req.Timeout)); err == nil && ms > 0 {
		timeout = time.Duration(ms) * time.Millisecond
	}
	trouble, _ := s.state()
	_, e := s.status()
	switch {
	case bad:
		write(w, answer{faultOf("500")})
		return
	case trouble == Unplugged:
		write(w, answer{faultOf("202")})
		return
	case e.Code != "0":
		write(w, answer{e})
		return
	case !s.watch(1):
		write(w, answer{faultOf("111")})
		return
	}
	defer s.watch(-1)
	// the boundary is announced with its two dashes, as the specification has it
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=--BoundaryString")
	end := time.Now().Add(timeout)
	for i := 0; time.Now().Before(end) || trouble == Endless; i++ {
		if picture := s.picture(i); picture != nil {
			fmt.Fprintf(w, "--BoundaryString\r\nContent-Type:image/jpeg\r\nContent-Length:%d\r\n\r\n", len(picture))
			trouble, _ = s.state()
			if trouble == BrokenOff || trouble == HalfImage {
				_, _ = w.Write(picture[:len(picture)/2])
				panic(http.ErrAbortHandler) // closes the connection
			}
			_, _ = w.Write(append(slices.Clone(picture), '\r', '\n'))
			_ = http.NewResponseController(w).Flush()
		}
		if code, ok := s.wait(r.Context(), s.opt.Interval); code != "" {
			panic(http.ErrAbortHandler)
		} else if !ok {
			return
		}
	}
}
