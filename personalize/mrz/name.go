package mrz

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// recommended is what Doc 9303-3, 6 A writes for the national characters whose
// transliteration is not the letter under their diacritics.
var recommended = map[rune]string{
	'Ä': "AE", 'Å': "AA", 'Æ': "AE", 'Ð': "D", 'Ö': "OE", 'Ø': "OE", 'Ü': "UE", 'Þ': "TH", 'ß': "SS", 'ẞ': "SS",
	'Đ': "D", 'Ħ': "H", 'ı': "I", 'Ĳ': "IJ", 'Ŀ': "L", 'Ł': "L", 'ĸ': "Q", 'Ŋ': "N", 'ŉ': "N", 'Œ': "OE", 'Ŧ': "T",
	'ſ': "S",
}

// Transliterate writes Latin text with diacritics in A-Z: national characters by
// the table of Doc 9303-3, 6 A, others (the Vietnamese vowels) by the letter under
// their diacritics. Blanks and hyphens become one '<', apostrophes and full stops
// go. A character that is none of these makes an error.
func Transliterate(s string) (string, error) {
	var b strings.Builder
	for _, r := range norm.NFC.String(strings.TrimSpace(s)) {
		switch t, ok := letter(r); {
		case ok:
			b.WriteString(t)
		case unicode.IsSpace(r) || r == '-' || r == '‐' || r == ',':
			if !strings.HasSuffix(b.String(), "<") {
				b.WriteByte(Fill)
			}
		case strings.ContainsRune("'’ʼ.", r):
		default:
			return "", fmt.Errorf("character %q has no place in the machine readable zone", r)
		}
	}
	return strings.Trim(b.String(), "<"), nil
}

func letter(r rune) (string, bool) {
	up := unicode.ToUpper(r)
	for _, c := range [2]rune{r, up} {
		if t, ok := recommended[c]; ok {
			return t, true
		}
	}
	for i, c := range norm.NFD.String(string(up)) {
		if i == 0 && (c < 'A' || c > 'Z') || i > 0 && !unicode.Is(unicode.Mn, c) {
			return "", false
		}
	}
	base := norm.NFD.String(string(up))[:1]
	return base, true
}

// Name writes the lower line's content: primary identifier, "<<", secondary
// identifier, both transliterated, and shortened by Doc 9303-5, 4.2 where they
// take more than 30 characters: every word of the name keeps at least its first
// letter where that suffices, the primary identifier being the last to give.
func Name(primary, secondary string) (string, error) {
	p, err := Transliterate(primary)
	if err != nil {
		return "", err
	}
	s, err := Transliterate(secondary)
	if err != nil {
		return "", err
	}
	if p == "" {
		return "", fmt.Errorf("no primary identifier for the machine readable zone")
	}
	if s == "" {
		return trim(p[:min(len(p), LineLength)]), nil
	}
	words := strings.Split(s, "<")
	for i := len(words) - 1; i >= 0 && len(p)+2+len(strings.Join(words, "<")) > LineLength; i-- {
		over := len(p) + 2 + len(strings.Join(words, "<")) - LineLength
		words[i] = words[i][:max(1, len(words[i])-over)]
	}
	s = strings.Join(words, "<")
	if len(p)+2+len(s) > LineLength {
		s = trim(s[:max(1, min(len(s), LineLength-2-len(p)))])
		p = trim(p[:min(len(p), LineLength-2-len(s))])
	}
	return p + "<<" + s, nil
}
