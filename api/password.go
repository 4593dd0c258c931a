package api

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"cardstation/station"
)

// Argon2id parameters (RFC 9106): 19 MiB, two passes, one lane; 16 bytes of salt
// and 32 of tag. About 30 ms on a small machine.
const (
	argonMemory  = 19 * 1024 // KiB
	argonPasses  = 2
	argonLanes   = 1
	argonSalt    = 16
	argonTag     = 32
	minPassword  = 12
	maxPassword  = 128
	maxArgonCost = 1 << 18 // KiB times passes that CheckPassword is willing to spend
)

// HashPassword gives the PHC string of a password, argon2id with a fresh salt.
// A password shorter than 12 or longer than 128 bytes is station.Correct.
func HashPassword(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", &station.Error{Kind: station.Correct, What: fmt.Sprintf("a password has %d to %d bytes", minPassword, maxPassword),
			Hint: "take four random words, or what a password manager makes", Fields: map[string]string{"password": "too short or too long"}}
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	return phc(salt, argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonTag)), nil
}

// phc writes salt and tag as a PHC string with our parameters.
func phc(salt, tag []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(tag))
}

// CheckPassword tells whether the password is the one of the PHC string. A
// string that is not argon2id, or asks for absurd costs, is never right.
func CheckPassword(hash, password string) bool {
	part := strings.Split(hash, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) || len(password) > maxPassword {
		return false
	}
	var memory, passes uint32
	var lanes uint8
	if n, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); n != 3 || err != nil {
		return false
	}
	if passes == 0 || lanes == 0 || uint64(memory)*uint64(passes) > maxArgonCost {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(part[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(part[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// FirstAdministrator makes the first person who may log in, "admin" with every
// right over people, where there is nobody yet. The password is random and is
// given here only: show it once. created is false where somebody is there.
func FirstAdministrator(ctx context.Context, people People) (login, password string, created bool, err error) {
	all, err := people.People(ctx)
	if err != nil || len(all) > 0 {
		return "", "", false, err
	}
	raw := make([]byte, 15)
	rand.Read(raw)
	login, password = "admin", base64.RawURLEncoding.EncodeToString(raw)
	hash, err := HashPassword(password)
	if err != nil {
		return "", "", false, err
	}
	p := station.Person{Format: station.Format, Login: login, Name: "Administrator", Roles: []station.Role{station.RoleAdmin}, Password: hash, Changed: time.Now().UTC()}
	if err := people.PutPerson(ctx, p, personEvent(p, "station")); err != nil {
		return "", "", false, err
	}
	return login, password, true, nil
}

// unusableHash is what a login that nobody has is checked against: it costs as
// much as a real one and no password fits.
func unusableHash() string {
	salt, tag := make([]byte, argonSalt), make([]byte, argonTag)
	rand.Read(salt)
	rand.Read(tag)
	return phc(salt, tag)
}
