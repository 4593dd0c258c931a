package finger

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A print is found among many by its cylinders. A key of a cylinder is what the first of its set
// bits is in each of four shuffled orders: of two cylinders it is the same as often as the
// fourth power of the share of bits that they have in common (A. Broder, "On the resemblance
// and containment of documents", 1997). Prints of one finger meet under far more keys than
// others do. That cylinders make an index was shown by R. Cappelli, M. Ferrara and D.
// Maltoni, "Fingerprint indexing based on Minutia Cylinder-Code", 2011.
const (
	keyTables  = 4 // keys of a cylinder
	keyOrders  = 4 // that make one
	keyBits    = 16
	turnSteps  = 32 // of a whole turn
	mostTurned = 4  // steps by which a finger may be turned: 45 degrees

	keysVersion = 1 // of all this: other keys do not meet these
	keyBytes    = 1 + 2*keyTables
)

// Keys are what a print is found by, cylinder by cylinder.
type Keys []cylinderKeys

type cylinderKeys struct {
	turn uint8 // of the minutia, in turnSteps
	keys [keyTables]uint16
}

// keyOrder are the shuffled orders of a cylinder's bits.
var keyOrder = func() (orders [keyTables][keyOrders][discTurns * 64]uint16) {
	rng := rand.NewPCG(19794, 2)
	for t := range orders {
		for o := range orders[t] {
			one := orders[t][o][:]
			for i := range one {
				k := rng.Uint64() % uint64(i+1)
				one[i] = one[k]
				one[k] = uint16(i)
			}
		}
	}
	return orders
}()

// Keys are what the print is found by in an Index.
func (p *Print) Keys() Keys {
	out := make(Keys, len(p.cylinders))
	for i := range p.cylinders {
		c := &p.cylinders[i]
		turn := p.spots[c.of].turn / (2 * math.Pi) * turnSteps
		out[i].turn = uint8(int(math.Floor(turn)) & (turnSteps - 1))
		for t := range keyOrder {
			hash := uint32(2166136261) // FNV-1a, 32 bits, folded
			for o := range keyOrder[t] {
				hash = (hash ^ uint32(c.first(&keyOrder[t][o]))) * 16777619
			}
			out[i].keys[t] = uint16(hash>>16 ^ hash)
		}
	}
	return out
}

// first is the place in an order of the first bit that is set.
func (c *cylinder) first(order *[discTurns * 64]uint16) int {
	for i, bit := range order {
		if c.set[bit>>6]>>(bit&63)&1 == 1 {
			return i
		}
	}
	return len(order)
}

// MarshalBinary writes a version and the keys.
func (k Keys) MarshalBinary() ([]byte, error) {
	out := make([]byte, 1, 1+keyBytes*len(k))
	out[0] = keysVersion
	for _, c := range k {
		out = append(out, c.turn)
		for _, key := range c.keys {
			out = binary.BigEndian.AppendUint16(out, key)
		}
	}
	return out, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. Whatever else gives ErrMalformed, keys of
// another version too: they are to be made anew of the template.
func (k *Keys) UnmarshalBinary(b []byte) error {
	if len(b) < 1 || b[0] != keysVersion || (len(b)-1)%keyBytes != 0 || len(b) > 1+keyBytes*mostDiscs {
		return fmt.Errorf("%w: no keys of version %d", ErrMalformed, keysVersion)
	}
	out := make(Keys, 0, mostDiscs)
	for b = b[1:]; len(b) > 0; b = b[keyBytes:] {
		c := cylinderKeys{turn: b[0]}
		if c.turn >= turnSteps {
			return fmt.Errorf("%w: turned by %d of %d", ErrMalformed, c.turn, turnSteps)
		}
		for t := range c.keys {
			c.keys[t] = binary.BigEndian.Uint16(b[1+2*t:])
		}
		out = append(out, c)
	}
	*k = out
	return nil
}

// Index finds among many prints the few that a probe is to be compared with. A finger that lies
// turned by more than 45 degrees against the time before is not found. The zero value is
// empty; nobody may ask while one adds.
type Index struct {
	size  int
	under [keyTables << keyBits][]uint32 // by table and key: the print's number and, in the lowest bits, how the minutia is turned
}

// Size is how many prints there are.
func (x *Index) Size() int { return x.size }

// Add takes a print up and gives its number: 0, 1, 2 ...
func (x *Index) Add(k Keys) int {
	n := x.size
	x.size++
	for _, c := range k {
		for t, key := range c.keys {
			at := &x.under[t<<keyBits|int(key)]
			*at = append(*at, uint32(n*turnSteps)|uint32(c.turn))
		}
	}
	return n
}

// Shared counts how many keys a probe shares with each print, by number.
func (x *Index) Shared(k Keys) []uint16 {
	shared := make([]uint16, x.size)
	for _, c := range k {
		for t, key := range c.keys {
			for _, held := range x.under[t<<keyBits|int(key)] {
				if (held-uint32(c.turn)+mostTurned)%turnSteps <= 2*mostTurned {
					shared[held/turnSteps]++
				}
			}
		}
	}
	return shared
}

// Likeliest gives the numbers of what shares most, at most most of them, the likeliest first,
// and none that shares less than least.
func Likeliest(shared []uint16, most int, least uint16) []int {
	var found []int
	for n, s := range shared {
		if s < least || len(found) == most && s <= shared[found[most-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(found, s, func(held int, s uint16) int {
			if shared[held] >= s {
				return -1
			}
			return 1
		})
		found = slices.Insert(found, at, n)
		found = found[:min(len(found), most)]
	}
	return found
}
