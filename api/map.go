package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/biometrics"
	"cardstation/station"
)

// mapRoute: where a print is good and where not, for whoever may see the print.
func (s *server) mapRoute(path, tag string) {
	read := operation(http.MethodGet, path+"/{slot}/quality.png", "readQualityMap", tag, "The quality of a captured print from place to place, drawn over it", bufRead)
	read.Description = "Red is poor, green is good; rings are cores, triangles are deltas. It is drawn when it is asked for and kept nowhere. A portrait has none."
	binary := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	read.Responses = map[string]*huma.Response{"200": {Description: "The picture", Content: map[string]*huma.MediaType{biometrics.PNG: binary}}}
	handle(s, read, s.readQualityMap)
}

type mapOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *server) readQualityMap(ctx context.Context, in *SlotPath) (*mapOutput, error) {
	slot, err := in.slot()
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	c, _ := e.Capture(slot)
	if c.Digest == "" || slot == station.Portrait || s.cfg.QualityMap == nil {
		return nil, station.Errorf(station.Unknown, "there is no quality to draw of %s", slot)
	}
	data, _, err := s.cfg.Desk.Image(ctx, c.Digest)
	if err != nil {
		return nil, err
	}
	done, err := s.looks.wait(ctx, who(ctx).Login) // so that captures do not wait for those who look
	if err != nil {
		return nil, err
	}
	defer done()
	drawn, err := s.cfg.QualityMap(c, data)
	return &mapOutput{ContentType: biometrics.PNG, Body: drawn}, err
}
