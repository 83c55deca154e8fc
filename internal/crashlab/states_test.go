// What a flush covers, what power takes, and that a state is always the same one.

package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// filled returns a sector of one byte.
func filled(b byte) []byte { return bytes.Repeat([]byte{b}, sector) }

// recorded does to a disk what a client would, and returns the record of it.
func recorded(t *testing.T, do func(d *disk, e ear)) *recording {
	t.Helper()
	base := make([]byte, 4*sector)
	r := &recorder{view: bytes.Clone(base)}
	do(&disk{recorder: r}, ear{r})
	return &recording{Base: base, Log: r.log}
}

func write(t *testing.T, d device, p []byte, off int64) {
	t.Helper()
	if err := d.write(p, off); err != nil {
		t.Fatal(err)
	}
}

func TestFlushCoversWhatWasAnswered(t *testing.T) {
	rec := recorded(t, func(d *disk, e ear) {
		write(t, d, filled(1), 0)
		d.answered()
		write(t, d, filled(2), sector) // on its way when the flush is asked for
		d.flush()
		d.answered()
		write(t, e, []byte(note{wordLife, 1, 7}.String()), 0)
	})
	f := newFilm(rec)
	if err := f.forward(len(rec.Log)); err != nil {
		t.Fatal(err)
	}
	if f.durable[0] != 1 || f.durable[sector] != 0 || !slices.Equal(f.cache, []int{1}) {
		t.Errorf("durable are %d and %d, cached entries %v", f.durable[0], f.durable[sector], f.cache)
	}
	if f.said.acked != 7 || len(f.said.first) != 1 || f.said.first[0] != 8 {
		t.Errorf("the witness was told %+v", f.said)
	}
	if got := risky(rec.Log); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("cuts with something in the cache are %v", got)
	}
}

func TestPowerTakesOnlyTheCache(t *testing.T) {
	rec := recorded(t, func(d *disk, _ ear) {
		write(t, d, filled(1), 0)
		d.answered()
		d.flush()
		d.answered()
		write(t, d, append(filled(2), filled(3)...), 0)
		write(t, d, filled(4), 2*sector)
	})
	f := newFilm(rec)
	if err := f.forward(len(rec.Log)); err != nil {
		t.Fatal(err)
	}
	seen := map[[3]byte]bool{}
	prints := map[uint64][3]byte{}
	for i := range uint64(2000) {
		img := make([]byte, len(rec.Base))
		m := f.cutPower(rand.New(rand.NewPCG(1, i)), img, false)
		got := [3]byte{img[0], img[sector], img[2*sector]}
		seen[got] = true
		if old, ok := prints[m.print]; ok && old != got {
			t.Fatalf("disks %v and %v have one print", old, got)
		}
		prints[m.print] = got
	}
	for _, a := range []byte{1, 2} {
		for _, b := range []byte{0, 3} {
			for _, c := range []byte{0, 4} {
				if !seen[[3]byte{a, b, c}] {
					t.Errorf("never seen: %d %d %d", a, b, c)
				}
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d different disks, there are 8", len(seen))
	}
}

func TestPlansDependOnSeedAndNumber(t *testing.T) {
	rec := recorded(t, func(d *disk, e ear) {
		for i := range byte(100) {
			write(t, d, filled(i), sector)
			if i%3 == 0 {
				d.answered()
				d.flush()
			}
		}
	})
	all := plans(rec.Log, 5, counted(50))
	for _, p := range all {
		if alone := plans(rec.Log, 5, []int{p.number})[0]; alone.cut != p.cut || alone.rng.Uint64() != p.rng.Uint64() {
			t.Errorf("state %d is another one when it is built alone", p.number)
		}
	}
	if !slices.IsSortedFunc(all, func(a, b plan) int { return a.cut - b.cut }) {
		t.Error("not in the order of their cuts")
	}
}

func TestClaimRefusesWhatCannotBe(t *testing.T) {
	for _, notes := range [][]note{
		{{wordDurable, 1, 3}},
		{{wordLife, 1, 0}, {wordDurable, 1, 3}, {wordDurable, 1, 2}},
		{{wordLife, 1, 0}, {wordLife, 3, 0}},
		{{wordLife, 1, 0}, {wordDone, 1, 0}},
		{{wordLife, 1, 5}, {wordLife, 2, 4}},
	} {
		var c claim
		var err error
		for _, n := range notes {
			if err == nil {
				err = c.add(n)
			}
		}
		if err == nil {
			t.Errorf("%v: taken", notes)
		}
	}
}
