package itl_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"time"

	"cardstation/biometrics/itl"
)

// A roll of the right index finger, and a right thumb that is bandaged, on their way
// to a centre and read there.
func ExampleBuild() {
	var print bytes.Buffer
	if err := png.Encode(&print, image.NewGray(image.Rect(0, 0, 800, 750))); err != nil {
		panic(err)
	}
	t, err := itl.Build(itl.Enrolment{
		Type: "ENR", Destination: "CENTRE", Origin: "STATION7", Control: "S7-1",
		At:      time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		Person:  []itl.Detail{{Field: 18, Subfields: [][]string{{"NGUYỄN VĂN AN"}}}},
		Prints:  []itl.Print{{Position: 2, Impression: 1, Image: print.Bytes(), PPI: 500}},
		Missing: []itl.Missing{{Finger: 1, Why: itl.Unprintable}},
	})
	if err != nil {
		panic(err)
	}
	file, err := t.Encode()
	if err != nil {
		panic(err)
	}
	read, err := itl.Decode(file)
	if err != nil {
		panic(err)
	}
	for _, r := range read.Records {
		fmt.Printf("Type-%d, %d fields, fingers %v, data %v\n", r.Type, len(r.Fields), r.Positions(), len(r.Data()) > 0)
	}
	fmt.Println(read.Records[1].Text(18), itl.Mnemonic(14, 18), itl.Check(read))
	// Output:
	// Type-1, 12 fields, fingers [], data false
	// Type-2, 3 fields, fingers [], data false
	// Type-14, 14 fields, fingers [2], data true
	// Type-14, 7 fields, fingers [1], data false
	// NGUYỄN VĂN AN AMP []
}

// A file whose first length lies.
func ExampleCheckFile() {
	file := []byte("1.001:24\x1d1.002:0502\x1d1.003:\x1c")
	fmt.Println(itl.CheckFile(file)[0])
	// Output:
	// 1.001: byte 0: says 24 bytes, and no file separator ends the record there
}
