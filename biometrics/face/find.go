package face

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"sync"

	pigo "github.com/esimov/pigo/core"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
)

//go:embed cascade/facefinder
var faceCascade []byte

//go:embed cascade/puploc
var pupilCascade []byte

type detectors struct {
	faces  *pigo.Pigo
	pupils *pupils
}

// load unpacks the cascades once; both are read-only afterwards.
var load = sync.OnceValues(func() (detectors, error) {
	faces, err := pigo.NewPigo().Unpack(faceCascade)
	if err != nil {
		return detectors{}, fmt.Errorf("unpack face cascade: %w", err)
	}
	pupils, err := unpackPupils(pupilCascade)
	if err != nil {
		return detectors{}, fmt.Errorf("unpack pupil cascade: %w", err)
	}
	return detectors{faces: faces, pupils: pupils}, nil
})

// Why there is not one face.
var (
	ErrNoFace = errors.New("no face is seen")
	ErrNoEyes = errors.New("the eyes are not seen")
	ErrFaces  = errors.New("more than one face is seen")
)

// Face is one face found in a picture. Coordinates are pixels of that picture.
type Face struct {
	Left, Right image.Point     // pupils: Left is the one nearer the left edge of the picture
	Box         image.Rectangle // the square the detector answered with, about brow to chin
	Score       float64         // the detector's confidence, no unit
}

// EyeDistance is the distance of the pupils in pixels.
func (f Face) EyeDistance() float64 {
	d := f.Right.Sub(f.Left)
	return math.Hypot(float64(d.X), float64(d.Y))
}

// Roll is how far the line of the eyes falls to the right of the picture, in
// degrees.
func (f Face) Roll() float64 {
	d := f.Right.Sub(f.Left)
	return math.Atan2(float64(d.Y), float64(d.X)) * 180 / math.Pi
}

// middle is the point between the eyes.
func (f Face) middle() image.Point { return f.Left.Add(f.Right).Div(2) }

// How faces are looked for. The detector adds up the scores of overlapping
// answers: real faces reach far more than leastScore, its errors seldom that.
const (
	searchSide  = 640 // longer side of the picture that is searched, in pixels
	searchShare = 0.2 // smallest face, of the shorter side
	leastScore  = 15
	otherShare  = 0.15 // of the best face's score: from here on another one counts
)

// Find finds the one face of a picture and its pupils, the same ones each time.
// Errors are ErrNoFace, ErrNoEyes and ErrFaces; anything else is a fault of the
// program.
func Find(img image.Image) (Face, error) {
	d, err := load()
	if err != nil {
		return Face{}, err
	}
	if img.Bounds().Dx() < 64 || img.Bounds().Dy() < 64 {
		return Face{}, ErrNoFace
	}
	small, scale := shrink(img)
	faces := d.search(small)
	if len(faces) == 0 {
		return Face{}, ErrNoFace
	}
	if len(faces) > 1 {
		return Face{}, ErrFaces
	}
	f, err := d.eyes(small, faces[0])
	if err != nil {
		return Face{}, err
	}
	return f.scaled(scale, img.Bounds().Min), nil
}

// shrink gives the grey picture to search in and the factor back to the original.
func shrink(img image.Image) (pigo.ImageParams, float64) {
	g := biometrics.Grey(img)
	b := g.Bounds()
	scale := 1.0
	if long := max(b.Dx(), b.Dy()); long > searchSide {
		scale = float64(long) / searchSide
		w, h := int(float64(b.Dx())/scale), int(float64(b.Dy())/scale)
		g = biometrics.Grey(imaging.Resize(g, max(1, w), max(1, h), imaging.Box))
	}
	b = g.Bounds()
	return pigo.ImageParams{Pixels: g.Pix, Rows: b.Dy(), Cols: b.Dx(), Dim: g.Stride}, scale
}

// search gives the faces that count, the best first.
func (d detectors) search(p pigo.ImageParams) []pigo.Detection {
	short := min(p.Rows, p.Cols)
	found := d.faces.RunCascade(pigo.CascadeParams{
		MinSize: max(24, int(searchShare*float64(short))), MaxSize: short,
		ShiftFactor: 0.1, ScaleFactor: 1.1, ImageParams: p,
	}, 0)
	// The clusters of one face may overlap; the best of them stands for it.
	clusters := d.faces.ClusterDetections(found, 0.1)
	slices.SortFunc(clusters, func(a, b pigo.Detection) int { return cmp.Compare(b.Q, a.Q) })
	var out []pigo.Detection
	for _, c := range clusters {
		if c.Q < leastScore || c.Q < otherShare*clusters[0].Q {
			break
		}
		if !slices.ContainsFunc(out, func(o pigo.Detection) bool { return overlap(c, o) }) {
			out = append(out, c)
		}
	}
	return out
}

// overlap says whether the middle of one lies within the square of the other.
func overlap(a, b pigo.Detection) bool {
	apart := max(a.Row-b.Row, b.Row-a.Row, a.Col-b.Col, b.Col-a.Col)
	return 2*apart < max(a.Scale, b.Scale)
}

// eyes finds the pupils of a face. Where they stand beside a face of this size
// is known; what lies elsewhere is no pupil.
func (d detectors) eyes(p pigo.ImageParams, c pigo.Detection) (Face, error) {
	look := func(side float64) image.Point {
		scale := float64(c.Scale)
		at := d.pupils.locate(p, point{
			row: float32(float64(c.Row) - 0.085*scale), col: float32(float64(c.Col) + side*0.185*scale),
			scale: float32(0.4 * scale),
		})
		return image.Pt(int(at.col), int(at.row))
	}
	half := c.Scale / 2
	f := Face{
		Left: look(-1), Right: look(1), Score: float64(c.Q),
		Box: image.Rect(c.Col-half, c.Row-half, c.Col+half, c.Row+half),
	}
	apart := f.EyeDistance() / float64(c.Scale)
	if !f.Left.In(f.Box) || !f.Right.In(f.Box) || apart < 0.25 || apart > 0.6 || f.Right.X <= f.Left.X {
		return Face{}, ErrNoEyes
	}
	return f, nil
}

func (f Face) scaled(by float64, origin image.Point) Face {
	at := func(p image.Point) image.Point {
		return image.Pt(int(math.Round(float64(p.X)*by)), int(math.Round(float64(p.Y)*by))).Add(origin)
	}
	f.Left, f.Right = at(f.Left), at(f.Right)
	f.Box = image.Rectangle{Min: at(f.Box.Min), Max: at(f.Box.Max)}
	return f
}
