// Package record writes and reads biometric data records: the face record of ISO/IEC
// 19794-5:2005 and the CBEFF templates (ISO/IEC 7816-11, Doc 9303-10, 4.7.2) in which
// a chip holds it.
package record

// Face is one face record with its images.
type Face struct {
	Images []Image
}

// Image is one facial image of a record.
type Image struct {
	Data          []byte // JPEG or JPEG 2000 as it stands in the record
	Media         string // image/jpeg or image/jp2
	Width, Height int    // pixels
}
