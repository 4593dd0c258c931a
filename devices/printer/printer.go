// Package printer prints the two faces of a card. The driver Files writes them
// as PNG (W3C PNG, third edition) and PDF (ISO 32000-1) into a directory; the
// driver IPP sends the PDF to a printer or a CUPS queue by the Internet Printing
// Protocol (RFC 8010, RFC 8011) and waits until it says that the card is out.
package printer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"regexp"
)

// A face of an ID-1 card (ISO/IEC 7810:2019, 5.1: 85.60 mm x 53.98 mm) in pixels
// at PPI pixels per inch.
const (
	PPI    = 300
	Width  = 1011
	Height = 638
)

// Job is one card to print. Back may be nil for a card printed on one side.
type Job struct {
	// Name names the job at the printer and the files: 1 to 100 letters, digits,
	// '-', '_' and '.', not a '.' first. Use the order's ID, nothing of the citizen.
	Name        string
	Front, Back image.Image // Width x Height each
}

// Printer prints cards.
type Printer interface {
	// Print returns when the card is printed, or with an error that names the job.
	Print(context.Context, Job) error
}

var jobName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`)

// check refuses what cannot be printed.
func (j Job) check() error {
	if !jobName.MatchString(j.Name) {
		return fmt.Errorf("print job name %q: letters, digits, '-', '_' and '.' only", j.Name)
	}
	if j.Front == nil {
		return fmt.Errorf("print %s: %w", j.Name, errors.New("no front"))
	}
	for _, face := range j.faces() {
		if size := face.Bounds().Size(); size.X != Width || size.Y != Height {
			return fmt.Errorf("print %s: a face has %d x %d pixels, an ID-1 card %d x %d", j.Name, size.X, size.Y, Width, Height)
		}
	}
	return nil
}

// faces lists what is printed, the front first.
func (j Job) faces() []image.Image {
	if j.Back == nil {
		return []image.Image{j.Front}
	}
	return []image.Image{j.Front, j.Back}
}
