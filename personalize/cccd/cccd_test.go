package cccd

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/personalize/mrz"
)

var today = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func TestExamplesAreManyAndPass(t *testing.T) {
	names := map[string]bool{}
	for seed := range uint64(300) {
		h := Example(seed)
		if f := h.Check(today); len(f) > 0 {
			t.Fatalf("seed %d: %+v: %v", seed, h, f)
		}
		if !strings.Contains(h.Origin, "Ví Dụ") || h.Number[6:10] != "0000" {
			t.Errorf("seed %d does not show that it is invented: %+v", seed, h)
		}
		if h != Example(seed) {
			t.Fatalf("seed %d differs from itself", seed)
		}
		names[h.Name] = true
	}
	if len(names) < 50 {
		t.Errorf("%d names", len(names))
	}
}

func TestFieldsAreHeldAgainstEachOther(t *testing.T) {
	good := Holder{Number: "001200000001", Name: "Nguyễn Văn Ví Dụ", BirthDate: "2000-01-01", Sex: "M", Nationality: "VNM",
		Ethnicity: "Kinh", Religion: "Không", Origin: "Hà Nội", Residence: "Hà Nội"}
	if f := good.Check(today); f != nil {
		t.Fatal(f)
	}
	for name, c := range map[string]struct {
		field string
		spoil func(*Holder)
	}{
		"year":               {"personalNumber", func(h *Holder) { h.Number = "001201000001" }},
		"century":            {"personalNumber", func(h *Holder) { h.Number = "001000000001" }},
		"sex":                {"personalNumber", func(h *Holder) { h.Number = "001300000001" }},
		"province":           {"personalNumber", func(h *Holder) { h.Number = "003200000001" }},
		"between both lists": {"personalNumber", func(h *Holder) { h.Number = "100200000001" }},
		"length":             {"personalNumber", func(h *Holder) { h.Number = "00120000001" }},
		"no digit":           {"personalNumber", func(h *Holder) { h.Number = "00120000000A" }},
		"future":             {"dateOfBirth", func(h *Holder) { h.BirthDate, h.Number = "2026-06-16", "001226000001" }},
		"no day":             {"dateOfBirth", func(h *Holder) { h.BirthDate = "2000-02-30" }},
		"no sex":             {"sex", func(h *Holder) { h.Sex = "X" }},
		"foreigner":          {"nationality", func(h *Holder) { h.Nationality = "UTO" }},
		"digits in a name":   {"name", func(h *Holder) { h.Name = "Nguyễn 2" }},
		"no name":            {"name", func(h *Holder) { h.Name = "" }},
		"decomposed":         {"name", func(h *Holder) { h.Name = "Nguye\u0302\u0303n An" }},
		"two lines":          {"placeOfResidence", func(h *Holder) { h.Residence = "a\nb" }},
		"long":               {"placeOfOrigin", func(h *Holder) { h.Origin = strings.Repeat("ă", 251) }},
		"not UTF-8":          {"religion", func(h *Holder) { h.Religion = "\xff" }},
		"old number":         {"formerNumber", func(h *Holder) { h.OldNumber = "12345678" }},
		"no letter":          {"name", func(h *Holder) { h.Name = "'" }},
		"mother":             {"mother", func(h *Holder) { h.Mother = "#" }},
	} {
		h := good
		c.spoil(&h)
		if f := h.Check(today); len(f) != 1 || f[0].Field != c.field || !strings.HasSuffix(f[0].Text, ".") {
			t.Errorf("%s: %v, want one for %s", name, f, c.field)
		}
	}
	abroad := good
	abroad.Number = "101200000001"
	if f := abroad.Check(today); f != nil {
		t.Errorf("born abroad: %v", f)
	}
	if len(provinces) != 63 {
		t.Errorf("%d provinces, want 63", len(provinces))
	}
}

// Law 26/2023, article 21.
func TestExpiryIsTheNextAgeOfRenewal(t *testing.T) {
	for _, c := range [][3]string{
		{"2015-03-01", "2026-06-15", "2029-03-01"}, // 11: at 14
		{"2013-03-01", "2026-06-15", "2038-03-01"}, // 13: within two years of 14, at 25
		{"2000-06-15", "2023-06-14", "2025-06-15"}, // two years and a day before 25
		{"2000-06-15", "2023-06-15", "2040-06-15"}, // two years before 25: at 40
		{"1987-01-01", "2026-06-15", "2047-01-01"}, // 39: within two years of 40, at 60
		{"1980-01-01", "2026-06-15", "2040-01-01"},
		{"1968-06-16", "2026-06-15", "2028-06-16"},
		{"1968-06-15", "2026-06-15", NoExpiry},
		{"1950-01-01", "2026-06-15", NoExpiry},
		{"2000-02-29", "2020-01-01", "2025-03-01"},
	} {
		issue, _ := time.Parse(time.DateOnly, c[1])
		if got, err := Expiry(c[0], issue); err != nil || got != c[2] {
			t.Errorf("born %s, issued %s: %s, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
	if _, err := Expiry("2030-01-01", today); err == nil {
		t.Error("a card for somebody not born yet")
	}
}

// The invented example of the layout: position 30 and the composite digit.
func TestZoneHasTheVietnameseTwist(t *testing.T) {
	h := Holder{Number: "001200000001", Name: "Nguyễn Văn Ví Dụ", BirthDate: "2000-01-01", Sex: "M", Nationality: "VNM"}
	m, err := MRZ(h, "2025-01-01")
	if err != nil {
		t.Fatal(err)
	}
	want := "IDVNM2000000015001200000001<<6" + "0001018M2501017VNM<<<<<<<<<<<4" + "NGUYEN<<VAN<VI<DU<<<<<<<<<<<<<"
	if m.String() != want {
		t.Errorf("\n got %s\nwant %s", m.String(), want)
	}
	back, err := mrz.Parse(want)
	if number, ok := ZoneNumber(back); err != nil || !ok || number != h.Number {
		t.Errorf("number %s, %v, %v", number, ok, err)
	}
	back.Optional1 = "001200000001<<5"
	if _, ok := ZoneNumber(back); ok {
		t.Error("a wrong digit at position 30 was believed")
	}
	if m, err := MRZ(h, NoExpiry); err != nil || m.Expiry != "991231" {
		t.Errorf("no expiry: %s, %v", m.Expiry, err)
	}
}

func TestQRPayload(t *testing.T) {
	h := Example(1)
	h.Number, h.OldNumber, h.Name, h.BirthDate, h.Sex, h.Residence = "001200000001", "", "Đỗ Thị Ví Dụ", "2000-01-31", "F", "Số 1, Làng Ví Dụ"
	got, err := QR(h, "2026-06-15")
	if err != nil || got != "001200000001||Đỗ Thị Ví Dụ|31012000|Nữ|Số 1, Làng Ví Dụ|15062026" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = QR(h, "2026-06-15", "name", "", "sex"); err != nil || got != "Đỗ Thị Ví Dụ||Nữ" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err = QR(h, "2026-06-15", "colour"); err == nil {
		t.Error("an unknown field was taken")
	}
}

func national(seed uint64) National {
	return National{Holder: Example(seed), Issue: "2026-06-15", Expiry: "2040-01-31", Chip: "00112233445566FF"}
}

func TestDG13ReadsBackInBothForms(t *testing.T) {
	for seed := range uint64(40) {
		for _, form := range []Form{Siblings, Nested} {
			n := national(seed)
			if seed%3 == 0 {
				n.Expiry, n.Chip = NoExpiry, ""
			}
			b, err := n.Encode(form)
			if err != nil {
				t.Fatal(err)
			}
			got, gotForm, err := DecodeDG13(b)
			if err != nil || got != n || gotForm != form {
				t.Fatalf("seed %d: form %d, %v\n got %+v\nwant %+v", seed, gotForm, err, got, n)
			}
			if again, _ := got.Encode(form); !bytes.Equal(again, b) {
				t.Fatalf("seed %d: another encoding", seed)
			}
		}
	}
}

func TestDG13StandsAsReadersExpectIt(t *testing.T) {
	n := national(3)
	n.Holder.Father, n.Holder.Mother = "A", "B"
	for form, want := range map[Form]string{
		Siblings: "300d02010d" + "30030c0141" + "30030c0142",
		Nested:   "300b02010d" + "30060c01410c0142",
	} {
		b, err := n.Encode(form)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(hex.EncodeToString(b), want) || !bytes.Contains(b, []byte{0x02, 1, 1, 0x06, 6, 0x28, 0xD3, 0x16, 1, 0, 8, 0x31}) {
			t.Errorf("form %d: %x", form, b)
		}
		if path, err := exec.LookPath("openssl"); err == nil {
			file := filepath.Join(t.TempDir(), "dg13")
			_ = os.WriteFile(file, b, 0o600)
			out, err := exec.Command(path, "asn1parse", "-inform", "DER", "-in", file, "-i").CombinedOutput()
			if err != nil || !strings.Contains(string(out), ":1.0.10646.1.0.8") || !strings.Contains(string(out), "UTF8STRING        :A") {
				t.Errorf("openssl reads %v\n%s", err, out)
			}
		}
	}
}

func FuzzDG13(f *testing.F) {
	for form := range Form(2) {
		b, _ := national(uint64(form)).Encode(form)
		f.Add(b)
	}
	f.Add([]byte{0x6D, 0x84, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, form, err := DecodeDG13(b)
		if err != nil {
			return
		}
		again, err := n.Encode(form)
		if err != nil { // a date that is none
			return
		}
		if back, _, err := DecodeDG13(again); err != nil || back != n {
			t.Fatalf("%x:\n%+v becomes\n%+v, %v", b, n, back, err)
		}
	})
}

// What Check lets through, every layout can carry.
func FuzzCheck(f *testing.F) {
	for seed := range uint64(3) {
		h := Example(seed)
		f.Add(h.Number, h.Name, h.BirthDate, h.Sex, h.Residence)
	}
	f.Add("001200000001", "- ' An", "2000-01-01", "M", "x")
	f.Fuzz(func(t *testing.T, number, name, birth, sex, residence string) {
		h := Example(0)
		h.Number, h.Name, h.BirthDate, h.Sex, h.Residence = number, name, birth, sex, residence
		if h.Check(today) != nil {
			return
		}
		expiry, err := Expiry(h.BirthDate, today)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := MRZ(h, expiry); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if _, err := QR(h, "2026-06-15"); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		n := National{Holder: h, Issue: "2026-06-15", Expiry: expiry}
		b, err := n.Encode(Siblings)
		if err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if got, _, err := DecodeDG13(b); err != nil || got != n {
			t.Fatalf("%+v becomes %+v: %v", n, got, err)
		}
	})
}
