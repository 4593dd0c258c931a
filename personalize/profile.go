package personalize

// Profiles names the embedded profiles.
func Profiles() []string { return nil }

// LoadProfile reads an embedded profile by name, or a YAML file by path. An error
// names file and line.
func LoadProfile(nameOrPath string) (Profile, error) { return Profile{}, nil }

// Profile says how one type of card is written.
type Profile struct {
	Name string
}

// Compile makes the plan for one chip: all encoding and signing, no card I/O.
func Compile(p Profile, r Record, a Authority) (Plan, error) { return Plan{}, nil }

// NewCardKeys derives card keys from a 32-byte master.
func NewCardKeys(master []byte) (CardKeys, error) { return nil, nil }
