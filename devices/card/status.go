package card

import "fmt"

// Status is SW1 SW2 (ISO/IEC 7816-4:2020, 5.6).
type Status uint16

// Status words that the station decides by (ISO/IEC 7816-4:2020, tables 6 and 7).
const (
	OK                     Status = 0x9000
	EndOfFile              Status = 0x6282
	WrongLength            Status = 0x6700
	SMNotSupported         Status = 0x6882
	SecurityNotSatisfied   Status = 0x6982
	AuthenticationBlocked  Status = 0x6983
	ReferenceDataUnusable  Status = 0x6984
	ConditionsNotSatisfied Status = 0x6985
	CommandNotAllowed      Status = 0x6986
	SMObjectsMissing       Status = 0x6987
	SMObjectsIncorrect     Status = 0x6988
	IncorrectData          Status = 0x6A80
	FunctionNotSupported   Status = 0x6A81
	FileNotFound           Status = 0x6A82
	RecordNotFound         Status = 0x6A83
	NotEnoughMemory        Status = 0x6A84
	IncorrectP1P2          Status = 0x6A86
	ReferencedDataNotFound Status = 0x6A88
	FileExists             Status = 0x6A89
	WrongP1P2              Status = 0x6B00
	InsNotSupported        Status = 0x6D00
	ClaNotSupported        Status = 0x6E00
	NoPreciseDiagnosis     Status = 0x6F00
)

var meaning = map[Status]string{
	EndOfFile: "end of file reached", WrongLength: "wrong length",
	SMNotSupported: "secure messaging not supported", SecurityNotSatisfied: "security status not satisfied",
	AuthenticationBlocked: "authentication method blocked", ReferenceDataUnusable: "reference data not usable",
	ConditionsNotSatisfied: "conditions of use not satisfied", CommandNotAllowed: "command not allowed",
	SMObjectsMissing: "secure messaging objects missing", SMObjectsIncorrect: "secure messaging objects incorrect",
	IncorrectData: "incorrect data", FunctionNotSupported: "function not supported", FileNotFound: "file or application not found",
	RecordNotFound: "record not found", NotEnoughMemory: "not enough memory", IncorrectP1P2: "incorrect P1-P2",
	ReferencedDataNotFound: "referenced data not found", FileExists: "file already exists", WrongP1P2: "wrong P1-P2 or offset",
	InsNotSupported: "instruction not supported", ClaNotSupported: "class not supported", NoPreciseDiagnosis: "no precise diagnosis",
	OK: "ok",
}

// SW1 is the high byte.
func (s Status) SW1() byte { return byte(s >> 8) }

// SW2 is the low byte.
func (s Status) SW2() byte { return byte(s) }

// Retries gives the tries left of 63Cx (ISO/IEC 7816-4:2020, 5.6, table 6); ok is
// false for every other status.
func (s Status) Retries() (n int, ok bool) {
	if s&0xFFF0 != 0x63C0 {
		return 0, false
	}
	return int(s & 0xF), true
}

// String gives the word in hex and its meaning where the standard gives one.
func (s Status) String() string {
	if n, ok := s.Retries(); ok {
		return fmt.Sprintf("%04X (verification failed, %d tries left)", uint16(s), n)
	}
	if m, ok := meaning[s]; ok {
		return fmt.Sprintf("%04X (%s)", uint16(s), m)
	}
	return fmt.Sprintf("%04X", uint16(s))
}

// Error is a command that the chip refused. It holds nothing of the command but
// header and length. errors.Is(err, card.FileNotFound) tells one status from
// another.
type Error struct {
	Header [4]byte
	Lc     int
	SW     Status
}

func (e *Error) Error() string {
	return fmt.Sprintf("command %X with %d bytes: status %s", e.Header, e.Lc, e.SW.String())
}

// Error makes a Status usable as a target of errors.Is and errors.As.
func (s Status) Error() string { return "status " + s.String() }

// Unwrap gives the Status.
func (e *Error) Unwrap() error { return e.SW }
