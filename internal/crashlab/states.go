// Crash states: where in the recording power goes, and what of the unflushed writes is on the medium then.

package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// plan is a crash state that is to be built: its number, and where power goes.
type plan struct {
	number int
	cut    int // entries of the log that happened
	rng    *rand.Rand
}

// plans draws the given numbers of states, in the order of their cuts. A state depends on the recording, the seed and its
// number alone. Half of the cuts fall where something is in the disk's cache, a quarter near the beginning of a life, and a
// quarter anywhere.
func plans(log []entry, seed uint64, numbers []int) []plan {
	risky, borders := risky(log), borders(log)
	all := make([]plan, len(numbers))
	for i, n := range numbers {
		p := plan{number: n, rng: rand.New(rand.NewPCG(seed, uint64(n)))}
		p.cut = p.rng.IntN(len(log) + 1)
		from := [][]int{risky, risky, borders, nil}[p.rng.IntN(4)]
		if len(from) > 0 {
			p.cut = from[p.rng.IntN(len(from))]
		}
		all[i] = p
	}
	slices.SortStableFunc(all, func(a, b plan) int { return a.cut - b.cut })
	return all
}

// risky returns the cuts at which the cache is not empty.
func risky(log []entry) []int {
	var all []int
	last := -1 // the last write
	covers := 0
	for i, e := range log {
		switch {
		case e.Flush:
			covers = max(covers, e.Covers)
		case e.Note == "":
			last = i
		}
		if last >= covers {
			all = append(all, i+1)
		}
	}
	return all
}

// borders returns the cuts around the notes that a life has begun: while the journal is closed, opened, or made.
func borders(log []entry) []int {
	const before, behind = 60, 20
	var all []int
	for i, e := range log {
		if n, err := parseNote(e.Note); err == nil && n.word != wordDurable {
			for cut := max(0, i-before); cut <= min(len(log), i+behind); cut++ {
				all = append(all, cut)
			}
		}
	}
	return all
}

// film runs a recording forward.
type film struct {
	log     []entry
	at      int
	settled int    // writes that are in durable
	durable []byte // what is on the medium for certain
	cache   []int  // writes that may be there, by number of entry
	said    claim
}

func newFilm(r *recording) *film { return &film{log: r.Log, durable: bytes.Clone(r.Base)} }

// forward runs it up to a cut.
func (f *film) forward(cut int) error {
	for ; f.at < cut; f.at++ {
		switch e := &f.log[f.at]; {
		case e.Note != "":
			n, err := parseNote(e.Note)
			if err == nil {
				err = f.said.add(n)
			}
			if err != nil {
				return err
			}
		case e.Flush:
			n := 0 // the writes it covers stand before the others
			for ; n < len(f.cache) && f.cache[n] < e.Covers; n++ {
				w := &f.log[f.cache[n]]
				copy(f.durable[w.Off:], w.Data)
			}
			f.settled += n
			f.cache = slices.Delete(f.cache, 0, n)
		default:
			f.cache = append(f.cache, f.at)
		}
	}
	return nil
}

// made tells how a state came out.
type made struct {
	print         uint64 // the same for two states only if their disks hold the same
	cached        int    // writes that might be missing
	writes, bytes int    // what is missing of them
}

// cutPower puts into img the disk as power may leave it here. Of the cache each write survives or not, by one chance for
// all; some are torn, their sectors surviving each for itself; and sometimes one write has another fate than that. Where ruin
// is set, one sector of the cache is garbage at last.
func (f *film) cutPower(rng *rand.Rand, img []byte, ruin bool) made {
	copy(img, f.durable)
	m := made{cached: len(f.cache)}
	sum := fnv.New64a()
	fmt.Fprint(sum, f.settled)
	survives := [...]int{0, 10, 50, 90, 100}[rng.IntN(5)]
	torn := [...]int{0, 20, 100}[rng.IntN(3)]
	odd := -1
	if len(f.cache) > 0 && rng.IntN(2) == 0 {
		odd = rng.IntN(len(f.cache))
	}
	for i, at := range f.cache {
		w := &f.log[at]
		whole := rng.IntN(100) < survives != (i == odd)
		tears := rng.IntN(100) < torn
		missing := 0
		for o := 0; o < len(w.Data); o += sector {
			now, then := w.Data[o:o+sector], img[w.Off+int64(o):][:sector]
			switch {
			case tears && rng.IntN(2) == 0, !tears && !whole:
				missing += sector
			case !bytes.Equal(now, then):
				copy(then, now)
				fmt.Fprint(sum, ",", at, ":", o)
			}
		}
		if m.bytes += missing; missing > 0 {
			m.writes++
		}
	}
	if ruin && len(f.cache) > 0 {
		w := &f.log[f.cache[rng.IntN(len(f.cache))]]
		at := w.Off + int64(rng.IntN(len(w.Data)/sector))*sector
		for i := range img[at:][:sector] {
			img[at+int64(i)] = byte(rng.Uint32())
		}
		fmt.Fprintf(sum, ",ruin%d:%x", at, img[at:][:sector])
	}
	m.print = sum.Sum64()
	return m
}
