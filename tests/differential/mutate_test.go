// SPDX-License-Identifier: Apache-2.0

package differential

import (
	"encoding/binary"
	"fmt"
	"math/rand"
)

// spot is a field whose values matter to a reader: a version, a type, a length.
type spot struct {
	offset int
	width  int // 1, 2, 4 or 8
}

// seed makes each run the same run.
const seed = 20261124

// mutants returns the sample itself, cut copies, copies with some bytes changed,
// and copies in which one or two of the spots hold a value from the edge.
func mutants(name string, kind byte, raw []byte, spots []spot, each int) []record {
	random := rand.New(rand.NewSource(seed + int64(len(name)) + int64(raw[len(raw)/2])))
	records := []record{{name, kind, raw}}
	add := func(how string, changed []byte) {
		records = append(records, record{name + ": " + how, kind, changed})
	}
	for range each {
		cut := random.Intn(len(raw) + 1)
		add(fmt.Sprintf("cut after %d", cut), raw[:cut:cut])
		how, changed := flip(random, raw)
		add(how, changed)
		how, changed = poke(random, raw, spots)
		add(how, changed)
	}
	add("one byte more", append(append([]byte{}, raw...), 0x5A))
	return records
}

// Byte flips, up to four of them, anywhere.
func flip(random *rand.Rand, raw []byte) (string, []byte) {
	changed := append([]byte{}, raw...)
	how := "flipped"
	for range 1 + random.Intn(4) {
		at := random.Intn(len(raw))
		changed[at] ^= byte(1 + random.Intn(255))
		how += fmt.Sprintf(" %#x", at)
	}
	return how, changed
}

func poke(random *rand.Rand, raw []byte, spots []spot) (string, []byte) {
	changed := append([]byte{}, raw...)
	how := "poked"
	for range 1 + random.Intn(2) {
		s := spots[random.Intn(len(spots))]
		if s.offset+s.width > len(changed) {
			continue
		}
		value := edge(random, read(changed, s))
		write(changed, s, value)
		how += fmt.Sprintf(" %#x=%#x", s.offset, value)
	}
	return how, changed
}

// edge returns values near the old one, small ones, single bits, and huge ones.
func edge(random *rand.Rand, old uint64) uint64 {
	switch random.Intn(6) {
	case 0:
		return old + uint64(random.Intn(5)) - 2
	case 1:
		return uint64(random.Intn(9))
	case 2:
		return old ^ 1<<random.Intn(64)
	case 3:
		return ^uint64(random.Intn(64))
	case 4:
		return 1 << random.Intn(64)
	default:
		return random.Uint64()
	}
}

func read(raw []byte, s spot) uint64 {
	var wide [8]byte
	copy(wide[:], raw[s.offset:s.offset+s.width])
	return binary.LittleEndian.Uint64(wide[:])
}

func write(raw []byte, s spot, value uint64) {
	var wide [8]byte
	binary.LittleEndian.PutUint64(wide[:], value)
	copy(raw[s.offset:s.offset+s.width], wide[:s.width])
}
