package cccd

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

var (
	exampleFamilies = []string{"Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Đặng", "Vũ", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý"}
	exampleMen      = []string{"Văn Ví Dụ", "Minh Thử", "Đức Mẫu", "Quốc Khải", "Hữu Phước", "Thành Đạt", "Công Vượng", "Trường Giang"}
	exampleWomen    = []string{"Thị Ví Dụ", "Thị Thử", "Ngọc Mẫu", "Thu Thủy", "Thị Ánh Tuyết", "Khánh Huyền", "Bích Phượng", "Mỹ Duyên"}
	exampleGroups   = []string{"Kinh", "Kinh", "Kinh", "Tày", "Thái", "Mường", "Khmer", "Nùng", "Ê Đê"}
	exampleFaiths   = []string{"Không", "Không", "Phật giáo", "Công giáo"}
	exampleMarks    = []string{"Nốt ruồi cách 1cm dưới sau đuôi mắt trái", "Sẹo chấm cách 2cm trên đầu mày phải", ""}
)

// Example is one of many invented citizens who pass Check, the same for the same
// seed, born from 1956 to 2006. They come from a Làng Ví Dụ (Example Village), and
// the last six digits of their numbers begin with 0000.
func Example(seed uint64) Holder {
	r := rand.New(rand.NewPCG(seed, 0x43434344)) //nolint:gosec // examples, not secrets
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	sex, given := "M", exampleMen
	if r.IntN(2) == 1 {
		sex, given = "F", exampleWomen
	}
	family := pick(exampleFamilies)
	codes := slices.Sorted(maps.Keys(provinces))
	code := pick(codes)
	birth := time.Date(1956, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(51*365))
	g := 2 * ((birth.Year() - 1900) / 100)
	if sex == "F" {
		g++
	}
	h := Holder{
		Number:    fmt.Sprintf("%s%d%02d0000%02d", code, g, birth.Year()%100, r.IntN(100)),
		Name:      family + " " + pick(given),
		BirthDate: birth.Format(time.DateOnly), Sex: sex, Nationality: "VNM",
		Ethnicity: pick(exampleGroups), Religion: pick(exampleFaiths),
		Origin:    "Làng Ví Dụ, " + provinces[code],
		Residence: fmt.Sprintf("Số %d, Làng Ví Dụ, %s", 1+r.IntN(99), provinces[pick(codes)]),
		Marks:     pick(exampleMarks),
		Father:    family + " " + pick(exampleMen), Mother: pick(exampleFamilies) + " " + pick(exampleWomen),
	}
	if r.IntN(2) == 1 {
		spouses := exampleWomen
		if sex == "F" {
			spouses = exampleMen
		}
		h.Spouse = pick(exampleFamilies) + " " + pick(spouses)
	}
	if birth.Year() < 2000 {
		h.OldNumber = fmt.Sprintf("0000%05d", r.IntN(100000))
	}
	return h
}
