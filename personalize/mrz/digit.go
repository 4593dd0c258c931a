package mrz

// CheckDigit is the check digit of Doc 9303-3, 4.9: weights 7, 3, 1 from the left,
// modulo 10, over 0-9 (0 to 9), A-Z (10 to 35) and '<' (0). Other characters count
// as 0.
func CheckDigit(s string) byte {
	sum := 0
	for i := range len(s) {
		if v := value(s[i]); v > 0 {
			sum += v * [3]int{7, 3, 1}[i%3]
		}
	}
	return '0' + byte(sum%10)
}

func digit(s string) string { return string(rune(CheckDigit(s))) }

// value of a character in a check digit; -1 where the zone cannot hold it.
func value(c byte) int {
	switch {
	case c == Fill:
		return 0
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return -1
}
