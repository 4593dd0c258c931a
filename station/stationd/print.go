package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // DG2's picture
	"io"
	"strings"

	"cardstation/devices/printer"
	"cardstation/personalize/artwork"
	"cardstation/personalize/cccd"
	"cardstation/station"
)

type cardPrintCmd struct {
	Record string `required:"" type:"existingfile" help:"The citizen: fields and paths of images."`
	Keys   string `required:"" type:"existingdir" help:"Keys of the issuer; with DEMO keys SPECIMEN stands across both faces."`
	unlock
	To string `required:"" placeholder:"DIR|ipp://..." help:"Folder for PNG and PDF, or an IPP printer."`
}

func (c *cardPrintCmd) Run(s *session) error {
	keys, err := loadKeys(keyFolder{dir: c.Keys, unlock: c.passphrase})
	if err != nil {
		return err
	}
	r, err := loadRecord(c.Record)
	if err != nil {
		return err
	}
	order, err := r.order("", clock())
	if err != nil {
		return err
	}
	front, back, err := faces(order, keys.authority.Demo)
	if err != nil {
		return err
	}
	var p printer.Printer = printer.Files{Dir: c.To}
	if strings.HasPrefix(c.To, "ipp://") || strings.HasPrefix(c.To, "ipps://") {
		p = printer.IPP{URI: c.To, Media: printer.MediaID1}
	}
	name := "card-" + order.Citizen.Number[len(order.Citizen.Number)-6:]
	if err := p.Print(s.ctx, printer.Job{Name: name, Front: front, Back: back}); err != nil {
		return &station.Error{Kind: station.Retry, What: "print the card", Err: err, Hint: "look after the printer, then print again"}
	}
	return s.show(map[string]string{"printed": name, "to": c.To}, func(w io.Writer) { fmt.Fprintf(w, "printed %s to %s\n", name, c.To) })
}

// faces draws both faces of the order's card.
func faces(o station.Order, demo bool) (front, back image.Image, err error) {
	fonts, err := artwork.Load()
	if err != nil {
		return nil, nil, &station.Error{Kind: station.CallSupervisor, What: "draw the card", Err: err, Hint: "install the package that is named"}
	}
	holder := cccd.Holder(o.Citizen)
	zone, err := cccd.MRZ(holder, o.Expiry)
	if err != nil {
		return nil, nil, station.Errorf(station.Correct, "machine readable zone: %w", err)
	}
	lines, err := zone.Lines()
	if err != nil {
		return nil, nil, station.Errorf(station.Correct, "machine readable zone: %w", err)
	}
	qr, err := cccd.QR(holder, o.Issue)
	if err != nil {
		return nil, nil, station.Errorf(station.Correct, "qr code: %w", err)
	}
	var portrait image.Image = image.NewUniform(color.White) // of a child under 6 there is none
	if len(o.Portrait) > 0 {
		if portrait, _, err = image.Decode(bytes.NewReader(o.Portrait)); err != nil {
			return nil, nil, station.Errorf(station.Correct, "portrait: %w", err)
		}
	}
	card := artwork.Card{Number: holder.Number, Name: holder.Name, BirthDate: holder.BirthDate, Sex: holder.Sex, Nationality: holder.Nationality,
		Origin: holder.Origin, Residence: holder.Residence, Marks: holder.Marks, Issue: o.Issue, Expiry: o.Expiry,
		Portrait: portrait, QR: qr, Zone: [3]string(lines), Demo: demo}
	if front, err = fonts.Front(card); err == nil {
		back, err = fonts.Back(card)
	}
	if err != nil {
		return nil, nil, station.Errorf(station.Correct, "draw the card: %w", err)
	}
	return front, back, nil
}
