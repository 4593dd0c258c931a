package wsq

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// codeTable is a Huffman table to write with.
type codeTable struct {
	counts [longestCode]uint8 // codes of each length
	values []byte             // symbols by rising code
	code   [256]uint32        // length<<16 | code
}

// coin is a symbol, or two coins of the row before, in the package-merge
// algorithm (Larmore and Hirschberg 1990).
type coin struct {
	weight int
	symbol int // -1 for two coins
	pair   [2]*coin
}

// none stands for the code of all ones, which is not given out (A.4.2): it
// weighs nothing, so that it takes the last of the longest codes.
const none = 256

// newCodeTable finds the shortest codes of at most 16 bits for the counts.
func newCodeTable(count *histogram) *codeTable {
	leaves := []*coin{{symbol: none}}
	for s, n := range count {
		if n > 0 {
			leaves = append(leaves, &coin{weight: n, symbol: s})
		}
	}
	if len(leaves) == 1 { // an empty block has a table all the same
		leaves = append(leaves, &coin{weight: 1, symbol: 1})
	}
	slices.SortStableFunc(leaves, func(a, b *coin) int { return cmp.Compare(a.weight, b.weight) })
	row := leaves
	for range longestCode - 1 {
		row = mergeCoins(leaves, row)
	}
	var length [none + 1]int
	for _, c := range row[:2*len(leaves)-2] {
		c.spend(&length)
	}
	return canonical(leaves, &length)
}

// mergeCoins pairs the coins of a row up and sorts them in among the leaves.
func mergeCoins(leaves, row []*coin) []*coin {
	merged := make([]*coin, 0, len(leaves)+len(row)/2)
	pairs := make([]coin, len(row)/2)
	for i := 0; i+1 < len(row); i += 2 {
		c := &pairs[i/2]
		*c = coin{weight: row[i].weight + row[i+1].weight, symbol: -1, pair: [2]*coin{row[i], row[i+1]}}
		for len(leaves) > 0 && leaves[0].weight <= c.weight {
			merged, leaves = append(merged, leaves[0]), leaves[1:]
		}
		merged = append(merged, c)
	}
	return append(merged, leaves...)
}

// spend makes the codes of all symbols in a coin one bit longer.
func (c *coin) spend(length *[none + 1]int) {
	if c.symbol >= 0 {
		length[c.symbol]++
		return
	}
	c.pair[0].spend(length)
	c.pair[1].spend(length)
}

// canonical gives the codes out, short ones first, frequent symbols first.
func canonical(leaves []*coin, length *[none + 1]int) *codeTable {
	t := &codeTable{}
	code, last := 0, 0
	for _, c := range slices.Backward(leaves) {
		n := length[c.symbol]
		code <<= n - last
		last = n
		if c.symbol == none {
			continue
		}
		t.counts[n-1]++
		t.values = append(t.values, byte(c.symbol))
		t.code[c.symbol] = uint32(n)<<16 | uint32(code)
		code++
	}
	return t
}

// size is how many bytes a table takes in the file.
func (t *codeTable) size() int { return 2 + 2 + 1 + longestCode + len(t.values) }

// bits is how many bits the counted symbols take, without what follows them.
func (t *codeTable) bits(count *histogram) int {
	n := 0
	for s, c := range count {
		n += c * int(t.code[s]>>16)
	}
	return n
}

// write codes the tokens into bytes (A.4): padded with ones to a whole byte, a
// zero stuffed in after every byte of ones (B.1.1.5).
func (t *codeTable) write(out []byte, tokens []token) []byte {
	var acc uint64 // bits to write, at the bottom
	have := 0
	for _, k := range tokens {
		symbol := byte(k)
		c := t.code[symbol]
		n := int(c >> 16)
		acc = acc<<n | uint64(c&0xffff)
		more := int(follow[symbol])
		acc = acc<<more | uint64(k>>8)&(1<<more-1)
		if have += n + more; have >= 32 {
			have -= 32
			out = stuff(out, uint32(acc>>have))
		}
	}
	for have > 0 {
		gap := max(0, 8-have)
		b := byte(acc<<gap>>max(0, have-8)) | byte(1<<gap-1)
		have -= 8
		if out = append(out, b); b == 0xff {
			out = append(out, 0)
		}
	}
	return out
}

// stuff appends four bytes, and a zero after each byte of ones.
func stuff(out []byte, four uint32) []byte {
	at := len(out)
	out = binary.BigEndian.AppendUint32(out, four)
	if bytes.IndexByte(out[at:], 0xff) < 0 {
		return out
	}
	out = out[:at]
	for shift := 24; shift >= 0; shift -= 8 {
		b := byte(four >> shift)
		if out = append(out, b); b == 0xff {
			out = append(out, 0)
		}
	}
	return out
}
