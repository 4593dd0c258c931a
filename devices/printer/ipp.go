package printer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// IPP is a Printer that sends the card as PDF to an IPP printer or CUPS queue. The
// printer must take application/pdf.
type IPP struct {
	// URI of the printer, ipp:// (port 631) or ipps:// (over TLS):
	// "ipp://localhost/printers/cards".
	URI string
	// Media is the card's name for the printer (PWG 5101.1); empty leaves the choice
	// to the printer. The standard name of ID-1 is MediaID1.
	Media string
	// User is the requesting user's name; empty is "cardstation".
	User string
	// Client makes the HTTP requests; nil is http.DefaultClient. How long a card may
	// take is ctx's to say.
	Client *http.Client
	// Poll is how often the printer is asked whether the card is out; 0 is a second.
	Poll time.Duration
}

// MediaID1 is an ID-1 card as media (PWG 5101.1, table 7).
const MediaID1 = "iso_id-1_53.98x85.6mm"

// ErrPrinter means that the printer refused, cancelled or aborted the job.
var ErrPrinter = errors.New("printer did not print")

// Print is Printer's. When ctx ends while the job is at the printer, the card may
// still come out.
func (p IPP) Print(ctx context.Context, j Job) error {
	if err := j.check(); err != nil {
		return err
	}
	address, err := p.address()
	if err != nil {
		return fmt.Errorf("print %s: %w", j.Name, err)
	}
	body, err := encodePDF(j.faces())
	if err != nil {
		return fmt.Errorf("print %s: %w", j.Name, err)
	}
	id, err := p.submit(ctx, address, j, body)
	if err == nil {
		err = p.await(ctx, address, id)
	}
	if err != nil {
		return fmt.Errorf("print %s on %s: %w", j.Name, p.URI, err)
	}
	return nil
}

// submit sends Print-Job (RFC 8011, 4.2.1) and gives the job's number.
func (p IPP) submit(ctx context.Context, address string, j Job, pdf []byte) (int32, error) {
	sides := "one-sided"
	if j.Back != nil {
		sides = "two-sided-short-edge" // a card is turned over about its short, upright edge
	}
	r := newRequest(printJob, 1, p.URI, p.user())
	r = r.text(tagName, "job-name", j.Name)
	r = r.text(tagMedia, "document-format", "application/pdf")
	r = append(r, jobGroup)
	r = r.text(tagKeyword, "sides", sides)
	if p.Media != "" {
		r = r.text(tagKeyword, "media", p.Media)
	}
	r = append(append(r, endOfGroups), pdf...)
	answer, err := p.ask(ctx, address, r, 1)
	if err != nil {
		return 0, err
	}
	id, ok := answer.number("job-id")
	if !ok {
		return 0, fmt.Errorf("%w: no job-id", errAnswer)
	}
	return id, nil
}

// await asks by Get-Job-Attributes (RFC 8011, 4.3.4) until the job has ended.
func (p IPP) await(ctx context.Context, address string, job int32) error {
	poll := p.Poll
	if poll <= 0 {
		poll = time.Second
	}
	for number := uint32(2); ; number++ {
		r := newRequest(getJobAttributes, number, p.URI, p.user())
		r = append(r.integer("job-id", job), endOfGroups)
		answer, err := p.ask(ctx, address, r, number)
		if err != nil {
			return err
		}
		switch state, ok := answer.number("job-state"); {
		case !ok:
			return fmt.Errorf("%w: no job-state", errAnswer)
		case state == jobCompleted:
			return nil
		case state == jobCanceled, state == jobAborted:
			return fmt.Errorf("%w: job %d ended in state %d: %s", ErrPrinter, job, state, strings.Join(answer.words("job-state-reasons"), ", "))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %d is not out yet: %w", job, ctx.Err())
		case <-time.After(poll):
		}
	}
}

func (p IPP) user() string {
	if p.User == "" {
		return "cardstation"
	}
	return p.User
}

// maxAnswer bounds what a printer can make us hold.
const maxAnswer = 1 << 20

// ask makes one HTTP exchange (RFC 8010, 4) and refuses every status that is not
// successful.
func (p IPP) ask(ctx context.Context, address string, request ippRequest, number uint32) (ippAnswer, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(request))
	if err != nil {
		return ippAnswer{}, err
	}
	post.Header.Set("Content-Type", "application/ipp")
	client := p.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(post)
	if err != nil {
		return ippAnswer{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return ippAnswer{}, fmt.Errorf("%w: http status %s", ErrPrinter, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return ippAnswer{}, err
	}
	answer, err := parseAnswer(body)
	switch {
	case err != nil:
		return ippAnswer{}, err
	case answer.status >= statusLimit:
		return ippAnswer{}, fmt.Errorf("%w: ipp status %04x %s", ErrPrinter, answer.status, strings.Join(answer.words("status-message"), ", "))
	case answer.id != number:
		return ippAnswer{}, fmt.Errorf("%w: answer to another request", errAnswer)
	}
	return answer, nil
}

// address is the HTTP address of an IPP URI (RFC 8010, 4; RFC 7472 for ipps).
func (p IPP) address() (string, error) {
	u, err := url.Parse(p.URI)
	if err != nil {
		return "", fmt.Errorf("printer uri: %w", err)
	}
	scheme, ok := map[string]string{"ipp": "http", "ipps": "https"}[u.Scheme]
	if !ok || u.Host == "" {
		return "", fmt.Errorf("printer uri %q: want ipp:// or ipps:// and a host", u.Redacted())
	}
	u.Scheme = scheme
	if u.Port() == "" {
		u.Host += ":631"
	}
	return u.String(), nil
}
