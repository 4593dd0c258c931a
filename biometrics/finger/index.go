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
// and containment of documents", 1997). Prints of one finger meet under more keys than others
// do, and these agree on how one print lies upon the other. That cylinders make an index was shown by R. Cappelli, M. Ferrara and D.
// Maltoni, "Fingerprint indexing based on Minutia Cylinder-Code", 2011.
const (
	keyTables  = 4 // keys of a cylinder
	keyOrders  = 4 // that make one
	keyBits    = 16
	turnSteps  = 32 // of a whole turn
	mostTurned = 4  // steps by which a finger may be turned: 45 degrees
	placeStep  = 32 // pixels
	places     = 32 // steps each way
	about      = 2  // steps of place and of turn by which keys may differ that agree

	keysVersion = 2 // of all this: other keys do not meet these
	keyBytes    = 3 + 2*keyTables
)

// Keys are what a print is found by, cylinder by cylinder.
type Keys []cylinderKeys

type cylinderKeys struct {
	turn, x, y uint8 // of the minutia, in turnSteps and steps of place
	keys       [keyTables]uint16
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
		m := p.spots[c.of]
		out[i].turn = uint8(int(math.Floor(m.turn/(2*math.Pi)*turnSteps)) & (turnSteps - 1))
		out[i].x, out[i].y = uint8(min(m.x/placeStep, places-1)), uint8(min(m.y/placeStep, places-1))
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
		out = append(out, c.turn, c.x, c.y)
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
		c := cylinderKeys{turn: b[0], x: b[1], y: b[2]}
		if c.turn >= turnSteps || c.x >= places || c.y >= places {
			return fmt.Errorf("%w: a minutia at %d, %d, turned by %d", ErrMalformed, c.x, c.y, c.turn)
		}
		for t := range c.keys {
			c.keys[t] = binary.BigEndian.Uint16(b[3+2*t:])
		}
		out = append(out, c)
	}
	*k = out
	return nil
}

// Index finds among many prints the few that a probe is to be compared with. A finger that lies
// turned by more than 45 degrees against the time before is not found. The zero value is
// empty; nobody may ask while one adds.
//
// Measured on second rolls of package synth among 100,000 prints, most of them mixed of the keys
// of others: 100 of 100 were the likeliest. With a third of their minutiae taken away, all
// shifted and one in six invented, 65 were among the five likeliest; with half taken away, 18.
// Real second rolls were not at hand.
type Index struct {
	size  int
	parts []*part
}

// part holds up to partSize prints by table and key: the print's number, and how and where
// the minutia lies, in 32 bits.
type part [keyTables << keyBits][]uint32

const (
	partSize = 1 << 17
	lieBits  = 15 // turn, x and y
)

// Size is how many prints there are.
func (x *Index) Size() int { return x.size }

// Add takes a print up and gives its number: 0, 1, 2 ...
func (x *Index) Add(k Keys) int {
	n := x.size
	if n%partSize == 0 {
		x.parts = append(x.parts, new(part))
	}
	x.size++
	in := x.parts[len(x.parts)-1]
	for _, c := range k {
		lie := uint32(c.turn)<<10 | uint32(c.x)<<5 | uint32(c.y)
		for t, key := range c.keys {
			at := &in[t<<keyBits|int(key)]
			*at = append(*at, uint32(n%partSize)<<lieBits|lie)
		}
	}
	return n
}

// Agreeing counts for each print, by number, how many keys it shares with a probe that agree
// on how the one lies upon the other.
func (x *Index) Agreeing(k Keys) []uint16 {
	out := make([]uint16, 0, x.size)
	for _, p := range x.parts {
		out = append(out, p.agreeing(k, min(partSize, x.size-len(out)))...)
	}
	return out
}

// lie is how a print would lie upon another: shifted by x and y after it was turned about the
// middle of the picture.
type lie struct {
	x, y float32
	turn int8
}

func (p *part) agreeing(k Keys, size int) []uint16 {
	ends := make([]uint32, size+1) // of each print's lies, one print later
	p.meet(k, func(n uint32, _ *cylinderKeys, _, _ uint32) { ends[n+1]++ })
	for n := range size {
		ends[n+1] += ends[n]
	}
	lies := make([]lie, ends[size])
	next := slices.Clone(ends[:size])
	p.meet(k, func(n uint32, c *cylinderKeys, held, turn uint32) {
		lies[next[n]] = lieOf(c, held, turn)
		next[n]++
	})
	out := make([]uint16, size)
	for n := range out {
		out[n] = cluster(lies[ends[n]:ends[n+1]])
	}
	return out
}

// meet visits what shares a key with the probe and is not turned too far: the print, the
// probe's cylinder, the entry, and the turn between them, mostTurned for none.
func (p *part) meet(k Keys, visit func(n uint32, c *cylinderKeys, held, turn uint32)) {
	for i := range k {
		c := &k[i]
		for t, key := range c.keys {
			for _, held := range p[t<<keyBits|int(key)] {
				if turn := (held>>10 - uint32(c.turn) + mostTurned) % turnSteps; turn <= 2*mostTurned {
					visit(held>>lieBits, c, held, turn)
				}
			}
		}
	}
}

// turnings are sine and cosine of the turns that meet gives.
var turnings = func() (all [2*mostTurned + 1][2]float32) {
	for i := range all {
		sin, cos := math.Sincos(float64(i-mostTurned) * 2 * math.Pi / turnSteps)
		all[i] = [2]float32{float32(sin), float32(cos)}
	}
	return all
}()

func lieOf(c *cylinderKeys, held, turn uint32) lie {
	const middle = 12 // of a picture of 800 pixels
	sin, cos := turnings[turn][0], turnings[turn][1]
	x, y := float32(c.x)-middle, float32(c.y)-middle
	return lie{float32(held>>5&31) - middle - (x*cos - y*sin), float32(held&31) - middle - (x*sin + y*cos), int8(turn)}
}

// cluster is how many lies agree with the one with which most do.
func cluster(lies []lie) (most uint16) {
	lies = lies[:min(len(lies), 128)]
	for _, a := range lies {
		n := uint16(0)
		for _, b := range lies {
			if dx, dy, dt := a.x-b.x, a.y-b.y, a.turn-b.turn; dx <= about && dx >= -about && dy <= about && dy >= -about && dt <= about && dt >= -about {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// Likeliest gives the numbers of what Agreeing counts most for, at most most of them, the
// likeliest first, and none with less than least.
func Likeliest(counts []uint16, most int, least uint16) []int {
	var found []int
	for n, s := range counts {
		if s < least || len(found) == most && s <= counts[found[most-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(found, s, func(held int, s uint16) int {
			if counts[held] >= s {
				return -1
			}
			return 1
		})
		found = slices.Insert(found, at, n)
		found = found[:min(len(found), most)]
	}
	return found
}
