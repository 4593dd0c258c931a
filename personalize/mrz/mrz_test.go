package mrz

import (
	"errors"
	"strings"
	"testing"
)

// published zones: the TD1 specimen of Doc 9303-5, appendix B; the two TD1 zones of
// Doc 9303-11, appendix D.2 (a long and a short document number), and the two TD2
// zones there; the TD2 specimen of Doc 9303-6 and the TD3 specimen of Doc 9303-4,
// appendix B, the latter also without its optional data.
var published = map[string]Zone{
	"I<UTOD231458907<<<<<<<<<<<<<<<" + "7408122F1204159UTO<<<<<<<<<<<6" + "ERIKSSON<<ANNA<MARIA<<<<<<<<<<": {
		Type: "I", Issuer: "UTO", Document: "D23145890", Birth: "740812", Sex: "F", Expiry: "120415", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
	"I<UTOD23145890<7349<<<<<<<<<<<" + "3407127M9507122UTO<<<<<<<<<<<2" + "STEVENSON<<PETER<JOHN<<<<<<<<<": {
		Type: "I", Issuer: "UTO", Document: "D23145890734", Birth: "340712", Sex: "M", Expiry: "950712", Nationality: "UTO", Name: "STEVENSON<<PETER<JOHN"},
	"I<UTOL898902C<3<<<<<<<<<<<<<<<" + "6908061F9406236UTO<<<<<<<<<<<2" + "ERIKSSON<<ANNA<MARIA<<<<<<<<<<": {
		Type: "I", Issuer: "UTO", Document: "L898902C", Birth: "690806", Sex: "F", Expiry: "940623", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
	"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<" + "D231458907UTO7408122F1204159<<<<<<<6": {Size: TD2,
		Type: "I", Issuer: "UTO", Document: "D23145890", Birth: "740812", Sex: "F", Expiry: "120415", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
	"I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<" + "D23145890<UTO3407127M95071227349<<<8": {Size: TD2,
		Type: "I", Issuer: "UTO", Document: "D23145890734", Birth: "340712", Sex: "M", Expiry: "950712", Nationality: "UTO", Name: "STEVENSON<<PETER<JOHN"},
	"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<" + "L898902C<3UTO6908061F9406236<<<<<<<2": {Size: TD2,
		Type: "I", Issuer: "UTO", Document: "L898902C", Birth: "690806", Sex: "F", Expiry: "940623", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
	"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + "L898902C36UTO7408122F1204159ZE184226B<<<<<10": {Size: TD3,
		Type: "P", Issuer: "UTO", Document: "L898902C3", Optional1: "ZE184226B", Birth: "740812", Sex: "F", Expiry: "120415", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
	"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + "L898902C36UTO7408122F1204159<<<<<<<<<<<<<<08": {Size: TD3, zero: true,
		Type: "P", Issuer: "UTO", Document: "L898902C3", Birth: "740812", Sex: "F", Expiry: "120415", Nationality: "UTO", Name: "ERIKSSON<<ANNA<MARIA"},
}

func TestPublishedZonesReadAndWriteThemselves(t *testing.T) {
	for zone, want := range published {
		got, err := Parse(zone)
		if err != nil || got != want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", zone, got, err, want)
		}
		if again := got.String(); again != zone {
			t.Errorf("written again\n got %s\nwant %s", again, zone)
		}
	}
}

// Doc 9303-3, 4.9: the worked examples.
func TestCheckDigitsOfDoc9303(t *testing.T) {
	for data, want := range map[string]byte{"520727": '3', "AB2134<<<": '5', "HA672242<": '6', "D23145890": '7', "": '0'} {
		if got := CheckDigit(data); got != want {
			t.Errorf("%s: %c, want %c", data, got, want)
		}
	}
}

// Doc 9303-3, 6 A, in the order of the table; of two choices the first.
const table = `ÀA ÁA ÂA ÃA ÄAE ÅAA ÆAE ÇC ÈE ÉE ÊE ËE ÌI ÍI ÎI ÏI ÐD ÑN ÒO ÓO ÔO ÕO ÖOE ØOE ÙU ÚU ÛU ÜUE ÝY ÞTH
ĀA ĂA ĄA ĆC ĈC ĊC ČC ĎD ĐD ĒE ĔE ĖE ĘE ĚE ĜG ĞG ĠG ĢG ĤH ĦH ĨI ĪI ĬI ĮI İI ıI ĲIJ ĴJ ĶK ĹL ĻL ĽL ĿL ŁL
ŃN ŅN ŇN ŊN ŌO ŎO ŐO ŒOE ŔR ŖR ŘR ŚS ŜS ŞS ŠS ŢT ŤT ŦT ŨU ŪU ŬU ŮU ŰU ŲU ŴW ŶY ŸY ŹZ ŻZ ŽZ ẞSS`

func TestTransliterationTable(t *testing.T) {
	for _, row := range strings.Fields(table) {
		r := []rune(row)
		if got, err := Transliterate(string(r[0])); err != nil || got != string(r[1:]) {
			t.Errorf("%c: %q, %v, want %s", r[0], got, err, string(r[1:]))
		}
		if got, _ := Transliterate(strings.ToLower(string(r[0]))); got != string(r[1:]) && r[0] != 'ı' && r[0] != 'İ' {
			t.Errorf("small %c: %q, want %s", r[0], got, string(r[1:]))
		}
	}
}

func TestVietnameseNamesLoseTheirDiacritics(t *testing.T) {
	for name, want := range map[string]string{
		"Nguyễn Thị Ánh Tuyết": "NGUYEN<THI<ANH<TUYET", "Đặng Ðình Trường": "DANG<DINH<TRUONG",
		"ưƯơƠĂăÂâÊêÔô ẾếỰự Ỡ": "UUOOAAAAEEOO<EEUU<O", "Y-Bih  Niê": "Y<BIH<NIE", "H'Hen Niê": "HHEN<NIE",
		"Nguye\u0302\u0303n": "NGUYEN",
	} {
		if got, err := Transliterate(name); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"Trần 2", "Иван", "阮", "A\x00B", "a/b"} {
		if got, err := Transliterate(name); err == nil {
			t.Errorf("%q became %q without an error", name, got)
		}
	}
}

func TestLongNamesKeepTheirWords(t *testing.T) {
	for _, c := range [][3]string{
		{"Nguyễn", "Văn An", "NGUYEN<<VAN<AN"},
		{"Nguyễn", "Hoàng Phương Thảo Nguyên Trang", "NGUYEN<<HOANG<PHUONG<THAO<NG<T"},
		{"Công Tằng Tôn Nữ Hoàng Phương Thảo", "Linh", "CONG<TANG<TON<NU<HOANG<PHUO<<L"},
		{"Nguyễn", "", "NGUYEN"},
	} {
		got, err := Name(c[0], c[1])
		if err != nil || got != c[2] || len(got) > LineLength {
			t.Errorf("%s %s: %q (%d), %v, want %s", c[0], c[1], got, len(got), err, c[2])
		}
	}
}

func TestWrongDigitsAreNamed(t *testing.T) {
	zone := "I<UTOD231458907<<<<<<<<<<<<<<<" + "7408122F1204159UTO<<<<<<<<<<<6" + "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
	for at, field := range map[int]string{14: "document number", 36: "date of birth", 44: "date of expiry", 59: "composite"} {
		bad := []byte(zone)
		bad[at] = '0' + (bad[at]-'0'+1)%10
		var check *CheckError
		if _, err := Parse(string(bad)); !errors.As(err, &check) || check.Field != field {
			t.Errorf("digit at %d: %v, want the one of the %s", at, err, field)
		}
	}
	passport := "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
	for at, field := range map[int]string{53: "document number", 63: "date of birth", 71: "date of expiry", 86: "optional data", 87: "composite"} {
		bad := []byte(passport)
		bad[at] = '0' + (bad[at]-'0'+1)%10
		var check *CheckError
		if _, err := Parse(string(bad)); !errors.As(err, &check) || check.Field != field {
			t.Errorf("digit at %d of a passport: %v, want the one of the %s", at, err, field)
		}
	}
}

func FuzzParse(f *testing.F) {
	for zone := range published {
		f.Add(zone)
	}
	f.Add("IDVNM2000000015001200000001<<6" + "0001018M2501017VNM<<<<<<<<<<<4" + "NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<")
	f.Add(strings.Repeat("<", 90))
	f.Add(strings.Repeat("<", 72))
	f.Add(strings.Repeat("<", 88))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		if err != nil || again != m {
			t.Fatalf("%q does not survive: %+v, %v", s, again, err)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("Nguyễn", "Hoàng Phương Thảo Nguyên Trang Anh")
	f.Add("Đ", "")
	f.Fuzz(func(t *testing.T, p, s string) {
		name, err := Name(p, s)
		if err != nil {
			return
		}
		m := Zone{Type: "I", Issuer: "UTO", Document: "1", Birth: "000101", Sex: "F", Expiry: "300101", Nationality: "UTO", Name: name}
		if got, err := Parse(m.String()); err != nil || got != m {
			t.Fatalf("%q %q: %q: %v", p, s, name, err)
		}
	})
}
