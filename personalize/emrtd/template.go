package emrtd

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Template is a command APDU written as data: hex bytes, names of values and
// groups, separated by blanks. The first four bytes are CLA INS P1 P2, what
// follows is the command data; Lc is not written.
//
//	00DA0062 62 { 5F1F { $document } 5F18 { $birth } 5F19 { $expiry } }
//
// A group { ... } stands for its contents with their length before them, encoded
// as BER-TLV does. A $name stands for the value it has in Fill.
type Template struct{ parts []part }

// part is literal bytes, a name, or a group.
type part struct {
	bytes []byte
	name  string
	group []part
}

// ParseTemplate reads a template. Every $name must be one of names.
func ParseTemplate(s string, names ...string) (Template, error) {
	p := templateParser{words: strings.Fields(s), names: names}
	parts, err := p.parts(0)
	if err != nil {
		return Template{}, err
	}
	if len(parts) == 0 {
		return Template{}, fmt.Errorf("command template is empty")
	}
	return Template{parts}, nil
}

type templateParser struct {
	words []string
	names []string
}

// maxDepth bounds groups within groups.
const maxDepth = 8

func (p *templateParser) parts(depth int) ([]part, error) {
	var out []part
	for len(p.words) > 0 {
		w := p.words[0]
		p.words = p.words[1:]
		switch {
		case w == "}":
			if depth == 0 {
				return nil, fmt.Errorf("command template closes a group that is not open")
			}
			return out, nil
		case w == "{":
			if depth == maxDepth {
				return nil, fmt.Errorf("command template has more than %d groups within each other", maxDepth)
			}
			group, err := p.parts(depth + 1)
			if err != nil {
				return nil, err
			}
			out = append(out, part{group: append([]part{}, group...)})
		case strings.HasPrefix(w, "$"):
			if !slices.Contains(p.names, w[1:]) {
				return nil, fmt.Errorf("command template names %s, known here: $%s", w, strings.Join(p.names, ", $"))
			}
			out = append(out, part{name: w[1:]})
		default:
			b, err := hex.DecodeString(w)
			if err != nil {
				return nil, fmt.Errorf("command template: %q is not whole bytes in hex", w)
			}
			out = append(out, part{bytes: b})
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("command template leaves a group open")
	}
	return out, nil
}

// Given tells whether there is anything in the template.
func (t Template) Given() bool { return len(t.parts) > 0 }

// Fill gives the command with the values in place of their names.
func (t Template) Fill(values map[string][]byte) (card.Command, error) {
	b, err := fill(t.parts, values)
	if err != nil {
		return card.Command{}, err
	}
	if len(b) < 4 {
		return card.Command{}, fmt.Errorf("command template gives %d bytes, a header has 4", len(b))
	}
	if len(b)-4 > card.MaxExtendedData {
		return card.Command{}, fmt.Errorf("command template gives %d bytes of data", len(b)-4)
	}
	return card.Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3], Data: b[4:]}, nil
}

func fill(parts []part, values map[string][]byte) ([]byte, error) {
	var out []byte
	for _, p := range parts {
		switch {
		case p.name != "":
			v, ok := values[p.name]
			if !ok {
				return nil, fmt.Errorf("command template: no value for $%s", p.name)
			}
			out = append(out, v...)
		case p.group != nil:
			inner, err := fill(p.group, values)
			if err != nil {
				return nil, err
			}
			out = append(out, berLength(inner)...)
			out = append(out, inner...)
		default:
			out = append(out, p.bytes...)
		}
	}
	return out, nil
}

// berLength is the length field that goes before v.
func berLength(v []byte) []byte {
	object := tlv.New(0x04, v)
	return object[1 : len(object)-len(v)]
}
