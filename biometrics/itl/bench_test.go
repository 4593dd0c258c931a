package itl

import "testing"

func BenchmarkDecodeAndCheck(b *testing.B) {
	file := reference(b, references[0])
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if faults := CheckFile(file); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkBuildAndEncode(b *testing.B) {
	card, err := Decode(reference(b, references[0]))
	if err != nil {
		b.Fatal(err)
	}
	e := enrolment(b)
	e.Prints, e.Missing = nil, nil
	for _, r := range card.Records[2:] {
		if p, ok := r.Print(); ok {
			e.Prints = append(e.Prints, p)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		built(b, e)
	}
}
