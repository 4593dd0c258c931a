// Package wsq reads and writes fingerprint images in the FBI's Wavelet Scalar
// Quantization format: IAFIS-IC-0110, WSQ Gray-Scale Fingerprint Image
// Compression Specification, version 3.1. The clauses named in this package are
// that document's: part 1 (requirements and guidelines: annex A the coding,
// annex B the syntax) and part 3 (the FBI's parameters for an encoder).
//
// An image goes through five levels of a two-channel filter bank into 64
// subbands (A.1), each subband is quantized with its own bin width (A.2, A.3),
// and the bins are run-length and Huffman coded in three blocks (A.4). The
// subbands 60 to 63, the finest diagonal detail, are never sent by an encoder.
//
// The decoder takes any conforming stream: filters of odd and even length, any
// number of blocks, restart markers. It computes in 32 bit floats and agrees
// with NIST's decoder to one grey level (annex AA.3). Both directions use all
// the processors there are for one image.
package wsq

import (
	"errors"
	"fmt"
	"image"
)

// MaxPixels is the largest image that is read or written, width times height:
// a four-finger slap at 1000 pixels per inch has a quarter of it. Decoding
// takes about ten bytes a pixel beside the file, encoding up to twenty; a file
// too short to hold the image that it claims is refused before that.
const MaxPixels = 40_000_000

// ErrTooLarge is the error for an image of more than MaxPixels, known before
// anything is allocated for it.
var ErrTooLarge = errors.New("wsq: image of more than 40 million pixels")

// FormatError says what in a file is not as the specification has it.
type FormatError struct {
	Offset int    // byte in the file, from 0, at or just before the fault
	Text   string // what is wrong
}

// Error is the fault with its place.
func (e *FormatError) Error() string { return fmt.Sprintf("wsq: byte %d: %s", e.Offset, e.Text) }

// Image is a decoded fingerprint image.
type Image struct {
	Pix      *image.Gray // 0 black to 255 white, origin top left
	PPI      int         // pixels per inch by the NIST comment, 0 where it does not say
	Fields   []Field     // the NIST comment's lines in their order, the first one NIST_COM with their number; nil without one
	Comments []string    // every other comment, in the order of the file
	Encoder  int         // encoder number Ev of the frame header (B.2.3)
	Software int         // software number Sf of the frame header
}

// Config is what a file says of its image before the pixels.
type Config struct {
	Width, Height int // pixels
	PPI           int // pixels per inch, 0 where the file does not say
}

// Options of Encode.
type Options struct {
	// Rate is the target r of the bin width formula (part 3), in bits a pixel:
	// 0.75 is the FBI's, about 15 to 1 in practice, and 2.25 about 5 to 1. It
	// steers the bins, the size of the file follows from the image. 0 stands
	// for 0.75; at most 10.
	Rate float64
	// PPI goes into the NIST comment, pixels per inch; 0 is unknown.
	PPI int
	// Fields are further lines for the NIST comment. A line that Encode writes
	// by itself (size, PPI, compression) is left out, so that the Fields of a
	// decoded Image can be handed on.
	Fields []Field
	// Comments are further comments, one segment each.
	Comments []string
}

func malformed(offset int, format string, args ...any) error {
	return &FormatError{Offset: offset, Text: fmt.Sprintf(format, args...)}
}
