// Random mutations of packages: every one is found, outside the blind table. The table is in blind_test.go.

package evidence

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// How far a forger goes who has no key.
const (
	touched   = iota // a file is changed
	resummed         // and SHA256SUMS made anew
	rechained        // records are changed, and everything is hashed and made anew but journal/
	resigned         // and notes and keys are taken away, exchanged, or made anew with a key of the forger's own: resign
	strengths
)

// victim is a package that is mutated and mended again.
type victim struct {
	name   string
	dir    string
	files  map[string][]byte
	names  []string // of files, sorted
	whole  bool     // all bodies are there
	forge  *forger  // what can be done to its signatures; nil where nothing is signed
	device string   // the device journal, which keeps the last head; "" where nobody anchored it
	row    string   // of the blind table, for what resign has done; "" where everybody must find it
}

func newVictim(t testing.TB, name, dir string) *victim {
	v := &victim{name: name, dir: dir, files: map[string][]byte{}}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err == nil && !d.IsDir() && filepath.ToSlash(rel) != lockName {
			v.files[filepath.ToSlash(rel)] = slurp(t, dir, rel)
		}
		return err
	}))
	v.names = slices.Sorted(maps.Keys(v.files))
	v.whole = bytes.Contains(v.files[manifestName], []byte(`"selection":null`))
	return v
}

// mend puts every file back as it was.
func (v *victim) mend(t testing.TB) {
	for name := range newVictim(t, "", v.dir).files {
		if v.files[name] == nil {
			require.NoError(t, os.Remove(filepath.Join(v.dir, name)))
		}
	}
	for _, name := range v.names {
		if data, err := os.ReadFile(filepath.Join(v.dir, name)); err != nil || !bytes.Equal(data, v.files[name]) {
			put(t, v.dir, name, v.files[name])
		}
	}
}

// mutate changes one thing and says what; "" where nothing came of it.
func (v *victim) mutate(t testing.TB, rnd *rand.Rand, strength int, strange [][]byte) string {
	switch strength {
	case rechained:
		return v.rechain(t, rnd, strange)
	case resigned:
		return v.resign(t, rnd)
	}
	name := v.names[rnd.IntN(len(v.names))]
	if rnd.IntN(2) == 0 {
		name = eventsName
	}
	data := v.files[name]
	if rnd.IntN(40) == 0 {
		require.NoError(t, os.Remove(filepath.Join(v.dir, name)))
		if strength == resummed && name != sumsName {
			resum(t, v.dir)
		}
		return name + ": removed"
	}
	if len(data) == 0 {
		return ""
	}
	how, out := spoil(rnd, data)
	if name == eventsName && rnd.IntN(4) == 0 { // a line of another package
		lines := bytes.SplitAfter(data, []byte{'\n'})
		i := rnd.IntN(len(lines) - 1)
		lines[i] = strange[min(i, len(strange)-1)]
		how, out = "line "+strconv.Itoa(i+1)+" from another package", bytes.Join(lines, nil)
	}
	if bytes.Equal(out, data) {
		return ""
	}
	put(t, v.dir, name, out)
	if strength == resummed && name != sumsName {
		resum(t, v.dir)
	}
	return name + ": " + how
}

// rechain changes records and hashes everything anew: events.tsv, derived/, manifest and sums.
func (v *victim) rechain(t testing.TB, rnd *rand.Rand, strange [][]byte) string {
	var all [][]byte
	for _, line := range bytes.SplitAfter(v.files[eventsName], []byte{'\n'}) {
		if ln := parseLine(bytes.TrimSuffix(line, []byte{'\n'})); ln.bad == "" {
			all = append(all, bytes.Clone(ln.body))
		}
	}
	i, j := rnd.IntN(len(all)), rnd.IntN(len(all))
	how := ""
	switch rnd.IntN(7) {
	case 0:
		at := rnd.IntN(len(all[i]))
		all[i][at] ^= 1 << rnd.IntN(7)
		how = fmt.Sprintf("bit of byte %d of body %d", at, i+1)
	case 1:
		at := rnd.IntN(len(all[i]))
		all[i][at] = byte('0' + rnd.IntN(10))
		how = fmt.Sprintf("digit at byte %d of body %d", at, i+1)
	case 2:
		all, how = slices.Delete(all, i, i+1), fmt.Sprintf("record %d dropped", i+1)
	case 3:
		all, how = slices.Insert(all, i, all[j]), fmt.Sprintf("record %d again before %d", j+1, i+1)
	case 4:
		all[i], all[j], how = all[j], all[i], fmt.Sprintf("records %d and %d exchanged", i+1, j+1)
	case 5:
		all, how = all[:i+1], fmt.Sprintf("cut off behind record %d", i+1)
	case 6:
		k := min(i, len(strange)-1)
		all[i], how = parseLine(bytes.TrimSuffix(strange[k], []byte{'\n'})).body, fmt.Sprintf("record %d from another package", i+1)
	}
	if slices.ContainsFunc(all, func(b []byte) bool { return bytes.ContainsAny(b, "\t\n") }) {
		return ""
	}
	events := chained(all)
	if bytes.Equal(events, v.files[eventsName]) {
		return ""
	}
	put(t, v.dir, eventsName, events)
	v.remake(t)
	return how + ", all hashed again"
}

// remake makes derived/, manifest and sums of what lies there, as Pack would.
func (v *victim) remake(t testing.TB) {
	rederive(t, v.dir)
	p, err := openPackage(v.dir)
	require.NoError(t, err)
	defer p.root.Close()
	require.NoError(t, p.checkRecords())
	for name := range p.tree.files { // samples of windows that are no longer closed
		if strings.HasPrefix(name, samplesDir+"/") && !slices.ContainsFunc(p.recs.windows.closed(), func(w *window) bool {
			return samplesDir+"/"+w.id+sampleSuffix == name
		}) {
			require.NoError(t, os.Remove(filepath.Join(v.dir, name)))
		}
	}
	m, err := p.recs.manifest(p.head, journal.Clean.String()).encode()
	require.NoError(t, err)
	put(t, v.dir, manifestName, m)
	resum(t, v.dir)
}

// victims are packages of each sort: whole, of a batch that was cut, without journal/, and an extract.
func victims(t testing.TB) []*victim {
	full := packed(t, "B-0001", approved{})
	bare := clone(t, full)
	require.NoError(t, os.RemoveAll(filepath.Join(bare, journalDir)))
	resum(t, bare)
	part := filepath.Join(t.TempDir(), "x")
	q, err := ParseQuery([]string{"kind=window_stop", "kind=command", "kind=object_bound"})
	require.NoError(t, err)
	_, err = Export(full, part, q)
	require.NoError(t, err)
	all := []*victim{newVictim(t, "whole", full), newVictim(t, "on a bus", busy(t, true)), newVictim(t, "cut", short(t, 4)), newVictim(t, "without journal", bare), signedVictim(t)}
	for _, v := range all {
		v.device = newDeviceLog(t).anchor(v.dir, uint64(len(bodies(t, v.files[eventsName])))).done()
	}
	return append(all, newVictim(t, "extract", part))
}

func TestEveryMutationIsFoundOutsideTheBlindTable(t *testing.T) {
	n := 400
	if long() {
		n = 100_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	strange := bytes.SplitAfter(slurp(t, packed(t, "B-0002", approved{}), eventsName), []byte{'\n'})
	strange = strange[:len(strange)-1]
	all := victims(t)
	found, blind, closed := map[string]int{}, map[string]int{}, map[string]int{}
	for made := 0; made < n; {
		v, strength := all[rnd.IntN(len(all))], rnd.IntN(strengths)
		if strength == rechained && !v.whole || strength == resigned && v.forge == nil {
			continue // bodies that are not there cannot be hashed again
		}
		how := v.mutate(t, rnd, strength, strange)
		if how == "" {
			continue
		}
		made++
		rep, err := Verify(v.dir)
		if err != nil || !rep.OK() {
			found[v.name]++
		} else {
			row := blindRow(t, v, strength)
			require.NotEmpty(t, row, "not found, and in no row of the blind table: %s, %s (strength %d)", v.name, how, strength)
			blind[row]++
			v.byOthers(t, row, how, closed)
		}
		v.mend(t)
	}
	t.Logf("%d mutations; found: %v; in the blind table: %v", n, found, blind)
	t.Logf("of these by who knows the key, and by who has the device journal: %v", closed)
}
