// Survivors: which of the pending sectors and names a cut leaves.

package journaltest

import (
	"bytes"
	"math/rand/v2"
	"strings"
)

// density says how many survivors are tried where all are too many.
type density struct {
	all    int // every subset of up to so many sectors
	single int // so many sectors missing alone, or present alone
	pairs  int
	random int
	torn   int // so many sectors torn
}

func densities(long bool) density {
	if long {
		return density{all: 10, single: 40, pairs: 24, random: 24, torn: 20}
	}
	return density{all: 10, single: 12, pairs: 8, random: 10, torn: 5}
}

// survivors calls f with what may be left of a disk, until it returns false.
func survivors(d *Disk, much density, seed uint64, f func(Loss) bool) {
	names, sectors := d.Pending()
	rng := rand.New(rand.NewPCG(seed, uint64(d.calls)))
	for _, n := range nameChoices(names) {
		if !sectorChoices(sectors, much, rng, func(s []byte) bool { return f(Loss{n, string(s)}) }) {
			return
		}
	}
}

// nameChoices returns all, none, all up to each, and each alone.
func nameChoices(n int) []string {
	all := []string{strings.Repeat("1", n)}
	for i := range n {
		all = append(all, strings.Repeat("1", i))
		if i > 0 {
			all = append(all, strings.Repeat("0", i)+"1")
		}
	}
	return all
}

// sectorChoices calls f with the letters of n sectors, until it returns false.
func sectorChoices(n int, much density, rng *rand.Rand, f func([]byte) bool) bool {
	if n <= much.all {
		s := make([]byte, n)
		for set := range 1 << n {
			for i := range s {
				s[i] = '0' + byte(set>>i&1)
			}
			if !f(s) {
				return false
			}
		}
	} else if !someSectors(n, much, rng, f) {
		return false
	}
	return tornSectors(n, much, rng, f)
}

// filled returns n letters c.
func filled(n int, c byte) []byte { return bytes.Repeat([]byte{c}, n) }

// some returns up to most of the numbers below n: the first, the last, and
// others by chance.
func some(n, most int, rng *rand.Rand) []int {
	if n <= most {
		most = n
	}
	all := rng.Perm(n)[:most]
	for i, v := range []int{0, n - 1, n / 2} {
		if i < most && most < n {
			all[i] = v
		}
	}
	return all
}

// someSectors tries all prefixes, single sectors missing and present, pairs of
// them, and subsets by chance.
func someSectors(n int, much density, rng *rand.Rand, f func([]byte) bool) bool {
	for i := range n + 1 {
		if much.single < n && i%(n/much.single+1) != 0 && i < n-2 {
			continue
		}
		if !f(append(filled(i, '1'), filled(n-i, '0')...)) {
			return false
		}
	}
	for _, base := range []byte("01") {
		other := '0' + '1' - base
		for _, i := range some(n, much.single, rng) {
			s := filled(n, base)
			s[i] = other
			if !f(s) {
				return false
			}
		}
		for range much.pairs {
			s := filled(n, base)
			s[rng.IntN(n)], s[rng.IntN(n)] = other, other
			if !f(s) {
				return false
			}
		}
	}
	for range much.random {
		s := make([]byte, n)
		for i := range s {
			s[i] = '0' + byte(rng.IntN(2))
		}
		if !f(s) {
			return false
		}
	}
	return true
}

// tornSectors tears one sector, the ones before it whole and those behind it
// lost or whole.
func tornSectors(n int, much density, rng *rand.Rand, f func([]byte) bool) bool {
	for _, i := range some(n, much.torn, rng) {
		for _, behind := range []byte("01") {
			for _, how := range []byte("zfrabcdefgABCDEFG") {
				s := append(filled(i, '1'), filled(n-i, behind)...)
				s[i] = how
				if !f(s) {
					return false
				}
			}
		}
	}
	return true
}

// corners are the few survivors that are tried after a cut within a recovery.
func corners(d *Disk, rng *rand.Rand, f func(Loss) bool) {
	names, sectors := d.Pending()
	ones, zeros := strings.Repeat("1", names), strings.Repeat("0", names)
	half, mixed, broken := filled(sectors, '1'), filled(sectors, '1'), filled(sectors, '1')
	for i := range sectors {
		half[i] = '0' + byte(min(1, 2*i/max(1, sectors)))
		mixed[i] = '0' + byte(rng.IntN(2))
	}
	if sectors > 0 {
		broken[rng.IntN(sectors)] = "zfrabcdefgABCDEFG"[rng.IntN(17)]
	}
	for _, l := range []Loss{
		{zeros, strings.Repeat("0", sectors)}, {ones, strings.Repeat("1", sectors)},
		{ones, string(half)}, {ones, string(mixed)}, {zeros, string(mixed)}, {ones, string(broken)},
	} {
		if !f(l) {
			return
		}
	}
}
