package itl

import "cardstation/biometrics"

// picture is what an image's own header says: its format by the names of table 15
// (JPEGB for any JPEG but a lossless one, JP2 for any JPEG 2000), and its size where it is told.
type picture struct {
	format          string
	width, height   int
	channels, depth int   // samples a pixel and bits a sample
	err             error // where its head cannot be read
}

// inspect reads the head of an image, no pixel of it.
func inspect(b []byte) picture {
	h, err := biometrics.ReadHeader(b)
	if h.Media == "" {
		return picture{}
	}
	format := map[string]string{biometrics.WSQ: "WSQ20", biometrics.JPEG: "JPEGB", biometrics.JPEG2000: "JP2", biometrics.PNG: "PNG"}[h.Media]
	if h.Lossless {
		format = "JPEGL"
	}
	return picture{format: format, width: h.Width, height: h.Height, channels: h.Components, depth: h.Depth, err: err}
}
