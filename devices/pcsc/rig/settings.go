package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// settings are what the inner process must know.
type settings struct {
	Readers int
	Name    string
	Daemon  string // path of pcscd
	Driver  string // path of libifdvpcd.so
}

// firstPort is vpcd's customary port; any would do in a network of our own.
const firstPort = 35963

// driverPlaces is where distributions put vpcd's reader driver.
var driverPlaces = []string{
	"/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
	"/usr/lib/*/pcsc/drivers/serial/libifdvpcd.so",
	"/usr/lib64/pcsc/drivers/serial/libifdvpcd.so",
	"/usr/local/lib/pcsc/drivers/serial/libifdvpcd.so",
}

var readerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

func (o Options) settings() (settings, error) {
	s := settings{Readers: o.Readers, Name: o.Name}
	if s.Readers == 0 {
		s.Readers = 2
	}
	if s.Readers < 1 || s.Readers > MaxReaders {
		return s, fmt.Errorf("%d readers asked for, one pcscd has 1 to %d", s.Readers, MaxReaders)
	}
	if s.Name == "" {
		s.Name = DefaultName
	}
	if !readerName.MatchString(s.Name) {
		return s, fmt.Errorf("reader name %q: letters, digits, spaces, '-', '_' and '.' only", s.Name)
	}
	var missing []string
	if s.Daemon = findDaemon(); s.Daemon == "" {
		missing = append(missing, "pcscd")
	}
	if s.Driver = findDriver(); s.Driver == "" {
		missing = append(missing, "vsmartcard-vpcd")
	}
	if missing != nil {
		return s, ErrMissing{missing}
	}
	return s, nil
}

// findDaemon looks in PATH and in sbin, which users often lack in theirs.
func findDaemon() string {
	for _, name := range []string{"pcscd", "/usr/sbin/pcscd", "/usr/local/sbin/pcscd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func findDriver() string {
	for _, pattern := range driverPlaces {
		paths, _ := filepath.Glob(pattern) // the patterns are well formed
		for _, path := range paths {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}

// entryName is the friendly name of pair i; pcscd does not tell apart two entries
// of one name.
func (s settings) entryName(i int) string {
	if i == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s %d", s.Name, i+1)
}

func (s settings) pairs() int { return (s.Readers + 1) / 2 }

func (s settings) names() []string {
	names := make([]string, s.Readers)
	for i := range names {
		names[i] = fmt.Sprintf("%s 00 %02d", s.entryName(i/2), i%2)
	}
	return names
}

func (s settings) ports() []int {
	ports := make([]int, s.Readers)
	for i := range ports {
		ports[i] = firstPort + i
	}
	return ports
}
