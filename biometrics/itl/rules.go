package itl

// kind is a character type of the layout tables.
type kind int

const (
	anything kind = iota // user-defined, or not looked into
	numeric              // N: digits
	signed               // NS: digits with a sign
	alpha                // A
	alnum                // AN
	special              // ANS: printable ASCII
	anyText              // U: what 1.015 declares
	hexa                 // H
	date                 // YYYYMMDD
	moment               // YYYYMMDDHHMMSSZ
)

// item is one information item: its characters, how many of them (most 0: no
// limit), and what values it may have.
type item struct {
	kind        kind
	least, most int
	low, high   int      // of a number, where high > 0
	oneOf       []string // where not nil
}

// rule is one row of a record layout table.
type rule struct {
	mnemonic string
	must     bool
	most     int // subfields; 0 stands for 1
	free     int // how many of the last items repeat as often as they like
	optional int // how many of the last items may be left out
	items    []item
}

func num(least, most, low, high int) item { return item{numeric, least, most, low, high, nil} }
func sgn(least, most, low, high int) item { return item{signed, least, most, low, high, nil} }
func one(values ...string) item           { return item{oneOf: values} }
func chars(k kind, least, most int) item  { return item{kind: k, least: least, most: most} }

// req, opt and list make rules: mandatory, optional (or conditional: then Check has
// code for the condition), and optional with up to most subfields.
func req(mnemonic string, items ...item) rule {
	return rule{mnemonic: mnemonic, must: true, items: items}
}
func opt(mnemonic string, items ...item) rule { return rule{mnemonic: mnemonic, items: items} }
func list(mnemonic string, most int, items ...item) rule {
	return rule{mnemonic: mnemonic, most: most, items: items}
}

func (r rule) with(free, optional int) rule { r.free, r.optional = free, optional; return r }
func (r rule) times(most int) rule          { r.most = most; return r }

// Values that several fields share.
var (
	someText   = chars(anyText, 1, 0)
	shortText  = chars(anyText, 1, 126)
	someANS    = chars(special, 1, 0)
	idc        = num(1, 2, 0, 99)
	length5    = num(2, 5, 10, 99999)
	pixelScale = num(1, 5, 0, 99999)
	coordinate = num(1, 5, 0, 99999)
	compressed = one("NONE", "WSQ20", "JPEGB", "JPEGL", "JP2", "JP2L", "PNG")
	quality    = []item{num(1, 3, 0, 255), chars(hexa, 4, 4), num(1, 5, 0, 65535)} // QVU, QAV, QAP
	finger     = num(1, 2, 0, 19)
	monitoring = one("CONTROLLED", "ASSISTED", "OBSERVED", "UNATTENDED", "UNKNOWN")
)

// rules has the record layouts that Check knows, by type and field number.
var rules = map[int]map[int]rule{
	1: { // 8.1
		1:  req("LEN", num(1, 10, 0, 0)),
		2:  req("VER", num(4, 4, 0, 0)),
		3:  req("CNT", num(1, 2, 1, 99), num(1, 3, 0, 999)).times(MaxRecords),
		4:  req("TOT", chars(alnum, 1, 16)),
		5:  req("DAT", chars(date, 8, 8)),
		6:  opt("PRY", num(1, 1, 1, 9)),
		7:  req("DAI", someANS),
		8:  req("ORI", someANS),
		9:  req("TCN", someANS),
		10: opt("TCR", someANS),
		11: req("NSR", chars(special, 5, 5)),
		12: req("NTR", chars(special, 5, 5)),
		13: opt("DOM", chars(special, 1, 0), chars(special, 0, 0)).with(0, 1),
		14: opt("GMT", chars(moment, 15, 15)),
		15: list("DCS", 873, num(3, 3, 0, 999), chars(special, 1, 16), chars(special, 0, 16)).with(0, 1),
		16: list("APS", 99, chars(special, 1, 0), chars(special, 1, 0), chars(special, 1, 0)),
		17: opt("ANM", chars(anyText, 0, 0), chars(anyText, 0, 0)).with(0, 1),
		18: opt("GNS", one("ISO", "GENC")),
	},
	2: { // 8.2; what stands behind IDC is the receiving agency's
		1: req("LEN", num(1, 10, 0, 0)),
		2: req("IDC", idc),
	},
	9: { // 8.9
		1: req("LEN", num(1, 10, 0, 0)),
		2: req("IDC", idc),
		3: req("IMP", num(1, 2, 0, 43)),
		4: req("FMT", one("S", "U")),
		5: opt("OFR"), 6: opt("FGP"), 7: opt("FPC"), 8: opt("CRP"),
		9: opt("DLT"), 10: opt("MIN", num(1, 3, 0, 0)), 11: opt("RDG", one("0", "1")), 12: opt("MRC"),
		126: opt("CBI", num(1, 5, 0, 65535), num(1, 5, 0, 65535), num(1, 5, 0, 65535)),
		127: opt("CEI", someText, someText),
		128: opt("HLL", length5),
		129: opt("VLL", length5),
		130: opt("SLC", num(1, 1, 0, 2)),
		131: opt("THPS", pixelScale),
		132: opt("TVPS", pixelScale),
		133: opt("FVW", num(1, 2, 0, 15)),
		134: opt("FGP", finger),
		135: list("FQD", 9, quality...).with(0, 2),
		136: opt("NOM", num(1, 3, 0, 255)),
		137: list("FMD", 255, num(1, 3, 1, 255), coordinate, coordinate, num(1, 3, 0, 179),
			num(1, 1, 0, 2), num(1, 3, 0, 100)),
		138: opt("RCI"), 139: opt("CIN"), 140: opt("DIN"), 141: opt("ADA"),
		901: opt("ULA"), 902: opt("ANN"),
		903: opt("DUI", chars(special, 13, 16)),
		904: opt("MMS", chars(anyText, 1, 50), chars(anyText, 1, 50), chars(anyText, 1, 50)),
	},
	10: imageRules(map[int]rule{ // 8.10
		3:  req("IMT", chars(alpha, 4, 11)),
		5:  req("PHD", chars(date, 8, 8)),
		6:  opt("HLL", length5),
		7:  opt("VLL", length5),
		8:  opt("SLC", num(1, 1, 0, 2)),
		9:  opt("THPS", pixelScale),
		10: opt("TVPS", pixelScale),
		11: opt("CGA", compressed),
		12: opt("CSP", one("UNK", "GRAY", "RGB", "YCC", "SRGB", "SYCC")),
		13: opt("SAP", one("0", "1", "10", "11", "12", "13", "14", "15", "20", "30", "32", "40", "42", "50", "51", "52")),
		14: opt("FIP", coordinate, coordinate, coordinate, coordinate, chars(alpha, 1, 1)).with(0, 1),
		15: opt("FPFI"), 18: opt("DIST"), 19: list("LAF", 3, one("F", "H", "R")),
		20: opt("POS", one("F", "R", "L", "A", "D")),
		21: opt("POA", sgn(1, 4, 0, 0)),
		23: opt("PAS"), 24: list("SQS", 9, quality...),
		25: opt("SPA"), 26: list("SXS", 50, chars(anyText, 3, 20)),
		27: list("SEC", 2, chars(alpha, 3, 5)), 28: list("SHC", 2, chars(alpha, 3, 5)),
		29: opt("FFP"), 31: opt("TMC"), 32: opt("3DF"), 33: opt("FEC"), 34: opt("ICDR"),
		38: opt("COM", shortText), 39: opt("T10", num(1, 3, 1, 255)), 40: list("SMT", 3, chars(alnum, 3, 10)),
		41: opt("SMS"), 42: opt("SMD"), 43: opt("COL"), 44: opt("ITX"), 45: opt("OCC"), 48: opt("PID"),
		49: opt("CID"), 50: opt("VID"), 51: opt("RSP"), 992: opt("T2C", idc),
	}),
	14: imageRules(map[int]rule{ // 8.14
		3:  req("IMP", num(1, 2, 0, 43)),
		5:  req("FCD", chars(date, 8, 8)),
		6:  opt("HLL", length5),
		7:  opt("VLL", length5),
		8:  opt("SLC", num(1, 1, 0, 2)),
		9:  opt("THPS", pixelScale),
		10: opt("TVPS", pixelScale),
		11: opt("CGA", compressed),
		12: opt("BPX", num(1, 2, 8, 99)),
		13: req("FGP", num(1, 2, 0, 60)).times(6),
		14: opt("PPD", num(1, 2, 0, 17), one("EJI", "TIP", "FV1", "FV2", "FV3", "FV4", "PRX", "DST", "MED")),
		15: list("PPC", 12, chars(alnum, 2, 3), chars(alpha, 2, 3), coordinate, coordinate, coordinate, coordinate),
		18: list("AMP", 4, finger, one("XX", "UP")),
		20: opt("COM", shortText),
		21: list("SEG", 5, finger, coordinate, coordinate, coordinate, coordinate),
		22: list("NQM", 4, finger, one("1", "2", "3", "4", "5", "254", "255")),
		23: list("SQM", 45, append([]item{finger}, quality...)...),
		24: list("FQM", 45, append([]item{finger}, quality...)...),
		25: list("ASEG", 5, finger, num(1, 2, 3, 99), coordinate, coordinate).with(2, 0),
		26: opt("SCF", num(1, 3, 1, 255)),
		27: opt("SIF", one("Y")),
		31: opt("FAP", one("10", "20", "30", "40", "45", "50", "60")),
	}),
	iris: imageRules(map[int]rule{ // 8.17, what tells of the image
		3:  req("ELR", one("0", "1", "2")),
		5:  req("ICD", chars(date, 8, 8)),
		6:  opt("HLL", length5),
		7:  opt("VLL", length5),
		8:  opt("SLC", num(1, 1, 0, 2)),
		9:  opt("THPS", pixelScale),
		10: opt("TVPS", pixelScale),
		11: opt("CGA", one("NONE", "PNG", "JP2", "JP2L")),
		12: opt("BPX", num(1, 2, 8, 99)),
		13: opt("CSP", one("UNK", "GRAY", "RGB", "YCC", "SRGB", "SYCC")),
	}),
	99: imageRules(map[int]rule{ // 8.24
		5:   req("BCD", chars(date, 8, 8)),
		100: req("HDV", chars(hexa, 4, 4)),
		101: req("BTY", chars(hexa, 1, 8)),
		102: list("BDQ", 9, quality...),
		103: req("BFO", chars(hexa, 4, 4)),
		104: req("BFT", chars(hexa, 4, 4)),
		999: req("DATA"),
	}),
}

// imageRules adds the rows that the layouts of image records have in common.
func imageRules(own map[int]rule) map[int]rule {
	common := map[int]rule{
		1:   req("LEN", num(1, 10, 0, 0)),
		2:   req("IDC", idc),
		4:   req("SRC", someText),
		16:  opt("SHPS", pixelScale),
		17:  opt("SVPS", pixelScale),
		30:  opt("DMM", monitoring),
		46:  opt("SUB"),
		47:  opt("CON", chars(anyText, 1, 1000)),
		902: opt("ANN"),
		903: opt("DUI", chars(special, 13, 16)),
		904: opt("MMS", chars(anyText, 1, 50), chars(anyText, 1, 50), chars(anyText, 1, 50)),
		993: opt("SAN", chars(anyText, 1, 125)),
		994: opt("EFR", chars(anyText, 1, 200)),
		995: opt("ASC"),
		996: opt("HAS", chars(hexa, 64, 64)),
		997: opt("SOR"),
		998: opt("GEO"),
		999: opt("DATA"),
	}
	for number, r := range own {
		common[number] = r
	}
	return common
}

// fixed has the mnemonics of the binary layouts (8.4, 8.7, 8.8).
var fixed = map[int][]string{
	4: {"LEN", "IDC", "IMP", "FGP", "ISR", "HLL", "VLL", "CGA", "DATA"},
	7: {"LEN", "IDC", "DATA"},
	8: {"LEN", "IDC", "SIG", "SRT", "ISR", "HLL", "VLL", "DATA"},
}

// Mnemonic is the standard's short name of a field, "FGP" for 14.013; empty for
// user-defined fields and for records whose layout Check does not know.
func Mnemonic(recordType, number int) string {
	if names := fixed[recordType]; number >= 1 && number <= len(names) {
		return names[number-1]
	}
	return rules[recordType][number].mnemonic
}

// agencys says whether a field's number is left to the agencies, vendors or the
// extended feature set, so that the tables do not say what it holds.
func agencys(recordType, number int) bool {
	switch recordType {
	case 2:
		return number > 2
	case 9:
		return number > 12 && number < 126 || number > 150 && number < 900
	case iris:
		return number > 13 && number <= 900 // which are not looked into
	case 10, 14, 99:
		return number >= 200 && number <= 900
	}
	return false
}
