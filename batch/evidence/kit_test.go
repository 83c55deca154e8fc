// Tests of the programs in a package: they come to the verdict that Verify comes to, on whole packages and on damaged ones.

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// kitOf2 are the digests of the programs of format 2. Where one must change, so must the format.
var kitOf2 = map[string]string{
	verifyPyName: "eaf9a8100de99de083a492091e23798a850b1a5a02aece6aedf03d0a4c774441",
	verifyShName: "05630445a07960a8a01522db383e8da46834bf2d115eb46513a69d5369403a98",
}

func TestTheProgramsOfAFormatNeverChange(t *testing.T) {
	require.Equal(t, 2, Format)
	for _, p := range kit() {
		sum := sha256.Sum256([]byte(p.text))
		require.Equal(t, kitOf2[p.name], hex.EncodeToString(sum[:]), "%s: packages of format %d hold another", p.name, Format)
		require.NotContains(t, p.text, "\r")
	}
}

// notChecked is what the programs say of a level that they pass over.
const notChecked = "NOT CHECKED"

// long tells whether large campaigns are wanted.
func long() bool { return os.Getenv("BATCHKIT_LONG") == "1" }

// saidOf is what a verifier says of levels V0, V1 and V2, and the record that V1 names, "" for none. Of V2 the programs say nothing where
// V1 fails.
type saidOf struct{ v0, v1, v2, at string }

var atRecord = regexp.MustCompile(`(?m)^V1 FAILS: record ([0-9]+):`)

// verdict runs a program of the repository on a package.
func (p *programs) verdict(program, dir string) (said saidOf) {
	t := p.t
	t.Helper()
	text, ok := p.run(program, dir)
	level := func(name string) string {
		_, rest, ok := strings.Cut("\n"+text, "\n"+name+" ")
		require.True(t, ok, "%s says nothing of %s:\n%s", program, name, text)
		state, _, _ := strings.Cut(rest, ":")
		return state
	}
	said.v0, said.v1, said.v2 = level("V0"), level("V1"), level("V2")
	if m := atRecord.FindStringSubmatch(text); m != nil {
		said.at = m[1]
	}
	require.Equal(t, slices.Contains([]string{said.v0, said.v1, said.v2}, LevelFails), !ok, "exit code of %s:\n%s", program, text)
	return said
}

// byVerify says the same of Verify.
func byVerify(t testing.TB, dir string) (said saidOf, whole bool) {
	t.Helper()
	rep, err := Verify(dir)
	require.NoError(t, err)
	levels := rep.Levels()
	said.v0, said.v1, said.v2 = levels[0].State, levels[1].State, levels[2].State
	if said.v1 == LevelFails {
		said.v2 = notChecked
	}
	if c := found(rep, "chain"); c.Failed && c.Seq != 0 {
		said.at = strconv.FormatUint(c.Seq, 10)
	}
	return said, rep.OK()
}

// short packs a run of at most 40 records.
func short(t testing.TB, seed uint64) string {
	t.Helper()
	b, dir := tinyBatch(t, "B-"+strconv.FormatUint(seed, 10), approved{}), t.TempDir()
	r := begin(t, dir, b)
	r.rounds(0, int(seed%6))
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	require.LessOrEqual(t, m.LastSeq, uint64(40))
	return dir
}

// shortSigned packs a run of at most 40 records of which one or two heads are signed, some with a key that takes another's place.
func shortSigned(t testing.TB, seed uint64) string {
	t.Helper()
	b, dir, k := tinyBatch(t, "B-"+strconv.FormatUint(seed, 10), approved{}), t.TempDir(), edKey(t, byte(seed))
	if seed%2 == 0 {
		k = p256Key(t)
	}
	r := begin(t, dir, b)
	words := wordsOf(k)
	r.append(r.m.AppendKey(nil, r.next, &words))
	r.rounds(0, int(seed%4))
	r.sign(dir, k)
	if seed%3 == 0 {
		k = r.rotate(k, edKey(t, byte(seed)+1))
		r.sign(dir, k)
	}
	r.end()
	m, err := Pack(dir, b)
	require.NoError(t, err)
	if seed%5 > 0 { // the last note
		note, err := journal.SignHead(k, headOf(b, bodies(t, slurp(t, dir, eventsName))))
		require.NoError(t, err)
		require.NoError(t, WriteNote(dir, m.LastSeq, note))
		_, err = Pack(dir, b)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, m.LastSeq, uint64(40))
	return dir
}

// lean makes a package of no more than the programs need to judge its chain.
func lean(t testing.TB, of string) string {
	dir := t.TempDir()
	for _, name := range []string{eventsName, manifestName} {
		put(t, dir, name, slurp(t, of, name))
	}
	resum(t, dir)
	return dir
}

func TestBashPythonAndVerifyAgreeOnShortPackages(t *testing.T) {
	kit := newPrograms(t)
	n := 12
	if long() {
		n = 1000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	count, records := map[saidOf]int{}, 0
	for i := range n {
		dir, v2 := short(t, rnd.Uint64()), LevelNone
		if i%2 == 1 {
			dir, v2 = shortSigned(t, rnd.Uint64()), LevelHolds
		}
		if i%4 == 3 { // an extract
			to := filepath.Join(t.TempDir(), "x")
			q, err := ParseQuery([]string{"seq=2.." + strconv.Itoa(3+i%20)})
			require.NoError(t, err)
			m, err := Export(dir, to, q)
			require.NoError(t, err)
			records += int(m.LastSeq)
			dir = to
		}
		want, whole := byVerify(t, dir)
		require.True(t, whole)
		require.Equal(t, saidOf{LevelHolds, LevelHolds, v2, ""}, want)
		require.Equal(t, want, kit.verdict(verifyShName, dir))
		require.Equal(t, want, kit.verdict(verifyPyName, dir))

		what := damage(t, rnd, dir)
		want, whole = byVerify(t, dir)
		require.False(t, whole, what)
		require.Equal(t, want, kit.verdict(verifyShName, dir), "%s, seed %d", what, seed)
		require.Equal(t, want, kit.verdict(verifyPyName, dir), "%s, seed %d", what, seed)
		want.at = ""
		count[want]++
		require.NoError(t, os.RemoveAll(dir))
	}
	t.Logf("%d whole packages and %d damaged ones; of the damaged ones %v", n, n, count)
}

// damage damages a package at random: a byte, a line or the end of a file of text, with or without the sums made anew. It says how.
func damage(t testing.TB, rnd *rand.Rand, dir string) string {
	names := []string{eventsName, eventsName, eventsName, manifestName, sumsName, csvName, verifyShName}
	for _, pattern := range []string{"notes/*", "keys/*"} {
		found, err := fs.Glob(os.DirFS(dir), pattern)
		require.NoError(t, err)
		names = append(names, found...)
	}
	for {
		name := names[rnd.IntN(len(names))]
		data := slurp(t, dir, name)
		how, touched := spoil(rnd, data)
		if bytes.Equal(touched, data) {
			continue
		}
		put(t, dir, name, touched)
		if name != sumsName && rnd.IntN(3) > 0 {
			resum(t, dir)
			how += ", sums made anew"
		}
		if _, err := Verify(dir); err != nil { // a name that cannot stand in sums
			put(t, dir, name, data)
			continue
		}
		return name + ": " + how
	}
}

// spoil edits, drops, doubles, moves, cuts off or splices parts of a text.
func spoil(rnd *rand.Rand, data []byte) (how string, out []byte) {
	out = bytes.Clone(data)
	lines := bytes.SplitAfter(data, []byte{'\n'})
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	i, j, at := rnd.IntN(len(lines)), rnd.IntN(len(lines)), rnd.IntN(len(data))
	switch rnd.IntN(8) {
	case 0:
		out[at] ^= 1 << rnd.IntN(8)
		return "bit flipped at " + strconv.Itoa(at), out
	case 1:
		n := min(1+rnd.IntN(20), len(data)-at)
		return "bytes dropped at " + strconv.Itoa(at), append(out[:at], data[at+n:]...)
	case 2:
		some := []string{"\x00", "\t", "\n", " ", "\r", "\\", "0", "\xff"}[rnd.IntN(8)]
		return "byte " + strconv.Quote(some) + " put in at " + strconv.Itoa(at), append(append(out[:at], some...), data[at:]...)
	case 3:
		return "cut off at " + strconv.Itoa(at), out[:at]
	case 4:
		lines[i], lines[j] = lines[j], lines[i]
		return "two lines exchanged", bytes.Join(lines, nil)
	case 5:
		return "a line dropped", bytes.Join(append(lines[:i:i], lines[i+1:]...), nil)
	case 6:
		return "a line doubled", bytes.Join(append(lines[:i+1:i+1], lines[i:]...), nil)
	}
	k := rnd.IntN(len(data))
	return "a part put over another", append(out[:at], data[k:]...)
}

func TestTheProgramsNameTheRecordThatWasTouched(t *testing.T) {
	kit := newPrograms(t)
	dir := lean(t, short(t, 4))
	lines := bytes.SplitAfter(slurp(t, dir, eventsName), []byte{'\n'})
	whole := bytes.Join(lines, nil)
	last := bytes.TrimSuffix(lines[len(lines)-2], []byte{'\n'})
	odd := append(bytes.Clone(parseLine(last).body), 1) // hashed with one byte and written with another, which a shell might take for it
	prev := parseLine(bytes.TrimSuffix(lines[len(lines)-3], []byte{'\n'}))
	forged := appendLine(nil, prev.seq+1, journal.Leaf(odd), journal.Link(prev.seq+1, prev.link, journal.Leaf(odd)), odd)
	forged[len(forged)-2] = 0
	for _, program := range kit.each() {
		put(t, dir, eventsName, append(bytes.Join(lines[:len(lines)-2], nil), forged...))
		require.Equal(t, strconv.Itoa(len(lines)-1), kit.verdict(program, dir).at)
		for i, n := range []int{1, 2, 7, len(lines) - 1} {
			start := len(bytes.Join(lines[:n-1], nil))
			for j, off := range []int{0, 3, 80, 150, len(lines[n-1]) / 2} {
				if program == verifyShName && (i+j)%2 > 0 && !long() { // each place and each record in turn: a run of the shell is 60 processes
					continue
				}
				touched := bytes.Clone(whole)
				touched[start+off] ^= 1
				put(t, dir, eventsName, touched)
				said := kit.verdict(program, dir)
				require.Equal(t, saidOf{LevelFails, LevelFails, notChecked, strconv.Itoa(n)}, said)
			}
		}
		for _, text := range []string{"\x00", " ", "\t"} { // what a shell would pass over
			put(t, dir, eventsName, append(bytes.TrimSuffix(bytes.Clone(whole), []byte{'\n'}), text+"\n"...))
			require.Equal(t, strconv.Itoa(len(lines)-1), kit.verdict(program, dir).at, "%q", text)
		}
		put(t, dir, eventsName, whole)
	}
}

func TestALongPackageIsVerifiedByTheShellInParts(t *testing.T) {
	kit, dir := newPrograms(t), t.TempDir()
	var c journal.Chain
	var events []byte
	for n := range 700 {
		body := []byte(`{"a":"` + strings.Repeat("x", n) + `"}`)
		c.Add(body)
		events = appendLine(events, c.N, journal.Leaf(body), c.Link, body)
	}
	put(t, dir, eventsName, events)
	put(t, dir, manifestName, []byte(`{"bodies":"700","last_link":"`+c.Link.String()+`","last_seq":"700","selection":null}`))
	resum(t, dir)
	require.Equal(t, saidOf{LevelHolds, LevelHolds, LevelNone, ""}, kit.verdict(verifyShName, dir))
	at := bytes.Index(events, []byte("\n600\t"))
	events[at+200] ^= 1
	put(t, dir, eventsName, events)
	require.Equal(t, saidOf{LevelFails, LevelFails, notChecked, "600"}, kit.verdict(verifyShName, dir))
}
