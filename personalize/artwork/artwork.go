// Package artwork draws the two printed faces of the citizen's card at 300 pixels
// per inch: on the front the portrait, the citizen's data and the QR code, on the
// back the marks, the day of issue and the machine readable zone of three lines in
// OCR-B (ICAO Doc 9303-3, 4.2 and Doc 9303-5).
//
// The fonts are the machine's (see Load); none is part of this program. Text that
// does not fit, or that a font cannot write, is an error and never cut or dropped.
package artwork

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/disintegration/imaging"
)

// A face in pixels, an ID-1 card (ISO/IEC 7810:2019, 5.1) at 300 pixels per inch.
const (
	Width  = 1011
	Height = 638
)

// Card is what is printed. Dates are ISO 8601 calendar dates (2006-01-02), text is
// UTF-8.
type Card struct {
	Number      string // 12 digits
	Name        string
	BirthDate   string
	Sex         string // M or F
	Nationality string // ISO 3166-1 alpha-3; VNM is written out
	Origin      string
	Residence   string
	Marks       string // may be empty
	Issue       string
	Expiry      string // 2099-12-31 for no expiry
	Portrait    image.Image
	QR          string    // payload of the QR code
	Zone        [3]string // machine readable zone, 30 characters a line
	Demo        bool      // prints SPECIMEN across both faces
}

var (
	paper = color.RGBA{0xF4, 0xF8, 0xF2, 0xFF}
	wave  = color.RGBA{0xD6, 0xE6, 0xDA, 0xFF}
	ink   = color.RGBA{0x10, 0x10, 0x10, 0xFF}
	label = color.RGBA{0x35, 0x4A, 0x5A, 0xFF}
	red   = color.RGBA{0xB0, 0x12, 0x1B, 0xFF}
	ghost = color.NRGBA{0xB0, 0x12, 0x1B, 0x38}
)

// sheet is a face in the making; the first error stays.
type sheet struct {
	*image.RGBA
	fonts *Fonts
	err   error
}

func (f *Fonts) sheet() *sheet {
	s := &sheet{RGBA: image.NewRGBA(image.Rect(0, 0, Width, Height)), fonts: f}
	draw.Draw(s, s.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	for row := -40; row < Height+40; row += 14 {
		for x := range Width {
			y := float64(row) + 12*math.Sin(float64(x)/38+float64(row)/90)
			s.Set(x, int(y), wave)
		}
	}
	return s
}

// finish marks a demo's face and gives it.
func (s *sheet) finish(demo bool) (image.Image, error) {
	if demo {
		s.centred("specimen", "MẪU - SPECIMEN", style{s.fonts.bold, 92, ghost}, Width/2, Height/2+30)
	}
	if s.err != nil {
		return nil, fmt.Errorf("artwork: %w", s.err)
	}
	return s.RGBA, nil
}

// Front draws the front.
func (f *Fonts) Front(c Card) (image.Image, error) {
	s := f.sheet()
	s.header()
	s.code(c.QR, image.Pt(Width-24, 24))
	s.portrait(c.Portrait, image.Rect(28, 218, 28+270, 218+360))
	small, value := style{f.regular, 19, label}, style{f.bold, 27, ink}
	s.line("expiry", "Có giá trị đến / Date of expiry: "+s.date("expiry", c.Expiry), style{f.regular, 18, ink}, 28, 604, 420)

	const x, w = 330, Width - 330 - 28
	s.line("number", "Số / No.:", small, x, 262, 110)
	s.line("number", c.Number, style{f.bold, 44, red}, x+110, 264, w-110)
	s.line("name", "Họ và tên / Full name:", small, x, 302, w)
	s.line("name", upper(c.Name), style{f.bold, 34, ink}, x, 340, w)
	s.line("birth date", "Ngày sinh / Date of birth:", small, x, 376, 250)
	s.line("birth date", s.date("birth date", c.BirthDate), value, x+250, 376, w-250)
	s.line("sex", "Giới tính / Sex:", small, x, 410, 150)
	s.line("sex", s.sex(c.Sex), value, x+150, 410, 90)
	s.line("nationality", "Quốc tịch / Nationality:", small, x+246, 410, 220)
	s.line("nationality", country(c.Nationality), value, x+466, 410, w-466)
	s.line("place of origin", "Quê quán / Place of origin:", small, x, 444, w)
	s.block("place of origin", c.Origin, value, x, 474, w, 1)
	s.line("place of residence", "Nơi thường trú / Place of residence:", small, x, 508, w)
	s.block("place of residence", c.Residence, value, x, 538, w, 2)
	return s.finish(c.Demo)
}

// header writes the names of state and card beside the QR code.
func (s *sheet) header() {
	const middle = 410
	for _, l := range []struct {
		text string
		style
		y int
	}{
		{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", style{s.fonts.bold, 28, ink}, 48},
		{"Độc lập - Tự do - Hạnh phúc", style{s.fonts.bold, 24, ink}, 78},
		{"SOCIALIST REPUBLIC OF VIET NAM", style{s.fonts.regular, 18, ink}, 102},
		{"CĂN CƯỚC CÔNG DÂN", style{s.fonts.bold, 48, red}, 158},
		{"Citizen Identity Card", style{s.fonts.regular, 24, red}, 190},
	} {
		s.centred("header", l.text, l.style, middle, l.y)
	}
}

// Back draws the back.
func (f *Fonts) Back(c Card) (image.Image, error) {
	s := f.sheet()
	small, value := style{f.regular, 19, label}, style{f.bold, 25, ink}
	s.line("marks", "Đặc điểm nhận dạng / Personal identification:", small, 40, 58, Width-80)
	s.block("marks", c.Marks, value, 40, 92, Width-80, 2)
	s.line("issue", "Ngày, tháng, năm cấp / Date of issue:", small, 40, 176, 360)
	s.line("issue", s.date("issue", c.Issue), value, 400, 176, 300)
	s.line("number", "Số / No.:", small, 40, 220, 110)
	s.line("number", c.Number, value, 150, 220, 400)
	s.zone(c.Zone)
	return s.finish(c.Demo)
}

// The machine readable zone fills the lowest 23.2 mm of the card; OCR-B size 1 has
// ten characters an inch; the lines' middles stand 6.35 mm apart.
const (
	zoneHeight  = 274 // 23.2 mm
	pitch       = 30  // 2.54 mm
	linePitch   = 75  // 6.35 mm
	zoneColumns = 30
)

// zone writes the three lines in black on white, each character in its cell.
func (s *sheet) zone(lines [3]string) {
	top := Height - zoneHeight
	draw.Draw(s, image.Rect(0, top, Width, Height), image.White, image.Point{}, draw.Src)
	left := (Width - zoneColumns*pitch) / 2
	for i, text := range lines {
		if len(text) != zoneColumns && s.err == nil {
			s.err = fmt.Errorf("line %d of the machine readable zone has %d characters, not %d", i+1, len(text), zoneColumns)
		}
		middle := top + zoneHeight/2 + (i-1)*linePitch
		for column, character := range text {
			s.cell(character, left+column*pitch, middle)
		}
	}
}

// cell writes one character of the zone at OCR-B's own width.
func (s *sheet) cell(character rune, left, middle int) {
	size := s.fonts.sizeFor(pitch)
	run, err := s.fonts.ocr.shape(string(character), size)
	if err != nil {
		s.fail("machine readable zone", err)
		return
	}
	run.draw(s.RGBA, color.Black, float32(left), float32(middle)+s.fonts.capHeight(size)/2)
}

// code draws the QR code with its quiet zone of four modules, right and top
// aligned to corner, three pixels a module (ISO/IEC 18004:2015, 6.3.8 and 7.3.4).
func (s *sheet) code(payload string, corner image.Point) {
	const module, quiet = 3, 4
	symbol, err := qr.Encode(payload, qr.M, qr.Unicode)
	if err != nil {
		s.fail("qr code", err)
		return
	}
	modules := symbol.Bounds().Dx()
	side := module * (modules + 2*quiet)
	if side > 240 {
		s.fail("qr code", fmt.Errorf("%d modules do not fit on the card", modules))
		return
	}
	area := image.Rect(corner.X-side, corner.Y, corner.X, corner.Y+side)
	draw.Draw(s, area, image.White, image.Point{}, draw.Src)
	for y := range modules {
		for x := range modules {
			dot := image.Rect(0, 0, module, module).Add(area.Min).Add(image.Pt(x+quiet, y+quiet).Mul(module))
			draw.Draw(s, dot, image.NewUniform(symbol.At(x, y)), image.Point{}, draw.Src)
		}
	}
}

func (s *sheet) portrait(img image.Image, area image.Rectangle) {
	if img == nil || img.Bounds().Empty() {
		s.fail("portrait", errors.New("there is none"))
		return
	}
	fitted := imaging.Fill(img, area.Dx(), area.Dy(), imaging.Center, imaging.Lanczos)
	draw.Draw(s, area, fitted, image.Point{}, draw.Over)
}

// fail keeps the first error, with the field it is about.
func (s *sheet) fail(field string, err error) {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w", field, err)
	}
}

// noExpiry stands for a card without expiry.
const noExpiry = "2099-12-31"

// date writes a calendar date as Vietnamese do.
func (s *sheet) date(field, iso string) string {
	if field == "expiry" && iso == noExpiry {
		return "Không thời hạn"
	}
	day, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		s.fail(field, errors.New("not a calendar date"))
	}
	return day.Format("02/01/2006")
}

func (s *sheet) sex(code string) string {
	switch code {
	case "M":
		return "Nam"
	case "F":
		return "Nữ"
	}
	s.fail("sex", errors.New("neither M nor F"))
	return ""
}

func country(code string) string {
	if code == "VNM" {
		return "Việt Nam"
	}
	return code
}
