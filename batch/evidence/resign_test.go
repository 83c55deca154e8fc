// What a forger can do to a signed package, and who finds it: one who knows the right key, and one who has the device journal.

package evidence

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
)

// forger is what somebody has who would forge the signatures of a package.
type forger struct {
	key      *journal.PublicKey // the right one
	unsigned map[string][]byte  // files of the same batch, made anew without signatures
	own      map[string][]byte  // the same, signed with the forger's key
	notes    [][]byte           // of another batch, signed with the right key
	heads    []SignedHead
}

// signedVictim is a package without journal/ that is signed to its end.
func signedVictim(t testing.TB) *victim {
	k := edKey(t, 1)
	bare := func(dir string) string {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, journalDir)))
		resum(t, dir)
		return dir
	}
	v := newVictim(t, "signed", bare(signedRun(t, k, true)))
	rep, err := Verify(v.dir)
	require.NoError(t, err)
	v.device = newDeviceLog(t).anchor(v.dir, rep.Records).done()
	v.forge = &forger{key: k.Public(), heads: rep.Signed.Heads,
		unsigned: newVictim(t, "", bare(packed(t, "B-0001", approved{}))).files,
		own:      newVictim(t, "", bare(signedRun(t, edKey(t, 2), true))).files}
	other := shortSigned(t, 2*3*5+1)
	for name, data := range newVictim(t, "", other).files {
		if isNoteName(name) {
			v.forge.notes = append(v.forge.notes, data)
		}
	}
	return v
}

// resign does what one can do to signatures who has not the key, and says what; v.row is where it stands in the blind table.
func (v *victim) resign(t testing.TB, rnd *rand.Rand) string {
	v.row = ""
	all := bodies(t, v.files[eventsName])
	first := v.forge.heads[0]
	cut := int(first.Seq) + rnd.IntN(len(all)-int(first.Seq))
	switch rnd.IntN(6) {
	case 0:
		v.row = ownKey
		v.become(t, v.forge.own)
		return "all made anew and signed with another key"
	case 1:
		v.row = ownKey
		v.become(t, v.forge.unsigned)
		return "all made anew without signatures"
	case 2:
		h := v.forge.heads[rnd.IntN(len(v.forge.heads))]
		put(t, v.dir, h.File, v.forge.notes[rnd.IntN(len(v.forge.notes))])
		resum(t, v.dir)
		return h.File + ": from another package"
	case 3:
		at := slices.IndexFunc(all, func(b []byte) bool { return bytes.Contains(b, []byte(`"event_type":"key_event"`)) })
		v.shorten(t, renumbered(slices.Delete(all, at, at+1)), len(all))
		return "key event dropped"
	case 4:
		v.row = tailCut
		v.shorten(t, all[:cut], cut)
		return fmt.Sprintf("cut off behind record %d, with the notes behind it", cut)
	}
	v.row = behindHead
	cut = len(all)
	for i := range v.forge.heads { // up to the record before the next head
		if h := v.forge.heads[i]; h.Seq > first.Seq {
			cut = min(cut, int(h.Seq)-1)
		}
	}
	if second := v.forge.heads[1]; rnd.IntN(2) == 0 {
		first, cut = second, len(all)
	}
	at := int(first.Size) + rnd.IntN(cut-int(first.Size))
	if at+1 == int(first.Seq) {
		return "" // the record of the head itself
	}
	body := all[at]
	edited := bytes.Replace(body, []byte(`"o.shift"`), []byte(`"o.day"`), 1)
	if bytes.Equal(body, edited) {
		edited[rnd.IntN(len(body))] = byte('0' + rnd.IntN(10))
	}
	if bytes.Equal(body, edited) || bytes.ContainsAny(edited, "\t\n") {
		return ""
	}
	all[at] = edited
	v.shorten(t, all[:cut], int(first.Size))
	return fmt.Sprintf("record %d behind the head of %d changed", at+1, first.Size)
}

// shorten makes a package of records, with the notes of at most so many.
func (v *victim) shorten(t testing.TB, all [][]byte, most int) {
	put(t, v.dir, eventsName, chained(all))
	for _, h := range v.forge.heads {
		if int(h.Size) > most {
			require.NoError(t, os.Remove(filepath.Join(v.dir, h.File)))
		}
	}
	v.remake(t)
}

// become makes a package another one.
func (v *victim) become(t testing.TB, files map[string][]byte) {
	for _, name := range v.names {
		if files[name] == nil {
			require.NoError(t, os.Remove(filepath.Join(v.dir, name)))
		}
	}
	for name, data := range files {
		put(t, v.dir, name, data)
	}
}

// renumbered gives bodies their numbers anew.
func renumbered(all [][]byte) [][]byte {
	for i := range all {
		before, rest, ok := bytes.Cut(all[i], []byte(`"event_seq":"`))
		_, after, _ := bytes.Cut(rest, []byte(`"`))
		if ok {
			all[i] = slices.Concat(before, []byte(`"event_seq":"`+strconv.Itoa(i+1)+`"`), after)
		}
	}
	return all
}

// byOthers tells that what stands in a row of the blind table is found by those to whom the row is not blind.
func (v *victim) byOthers(t testing.TB, row, how string, closed map[string]int) {
	if row == ownKey {
		rep, err := VerifyWith(v.dir, &Options{Trusted: []*journal.PublicKey{v.forge.key}})
		require.NoError(t, err)
		require.False(t, rep.OK(), "%s: not found by who knows the key", how)
		closed["key: "+row]++
	}
	if slices.Contains([]string{ownKey, behindHead, tailCut, rewritten}, row) {
		rep, err := VerifyWith(v.dir, &Options{Device: v.device})
		require.NoError(t, err)
		require.True(t, found(rep, "anchors").Failed, "%s: not found by who has the device journal", how)
		closed["anchor: "+row]++
	}
}

func TestRowsOfSignedPackagesAreBlindAndWhoSeesThem(t *testing.T) {
	v := signedVictim(t)
	closed := map[string]int{}
	t.Run(ownKey, func(t *testing.T) {
		for what, files := range map[string]map[string][]byte{"only the package says so": v.forge.own,
			"there is no signature": v.forge.unsigned} {
			v.become(t, files)
			require.Contains(t, unfound(t, v.dir), what)
			v.byOthers(t, ownKey, what, closed)
			v.mend(t)
		}
	})
	t.Run(behindHead, func(t *testing.T) {
		defer v.mend(t)
		all, h := bodies(t, v.files[eventsName]), v.forge.heads[1]
		at := slices.IndexFunc(all[h.Seq:], func(b []byte) bool { return bytes.Contains(b, []byte(`"event_type":"command"`)) })
		require.GreaterOrEqual(t, at, 0)
		at += int(h.Seq)
		all[at] = bytes.Replace(all[at], []byte(`"o.shift"`), []byte(`"o.day"`), 1)
		v.shorten(t, all, int(h.Size))
		words := unfound(t, v.dir)
		require.Contains(t, words, fmt.Sprintf("who made records %d to %d: the last signed head covers records 1 to %d", h.Size+1,
			len(all), h.Size))
		rep, err := VerifyWith(v.dir, &Options{Trusted: []*journal.PublicKey{v.forge.key}})
		require.NoError(t, err)
		require.True(t, rep.OK(), "a key does not help here")
		v.byOthers(t, behindHead, "edited", closed)
	})
	t.Run(lastNote, func(t *testing.T) {
		defer v.mend(t)
		n := len(v.forge.heads)
		last, before := v.forge.heads[n-1], v.forge.heads[n-2]
		require.NoError(t, os.Remove(filepath.Join(v.dir, last.File)))
		resum(t, v.dir)
		require.Equal(t, lastNote, blindRow(t, v, resummed))
		require.Contains(t, unfound(t, v.dir), fmt.Sprintf("who made records %d to %d: the last signed head covers records 1 to %d",
			before.Size+1, last.Size, before.Size), "no record is another one, and the report says what is not signed")
	})
	t.Run(tailCut, func(t *testing.T) {
		defer v.mend(t)
		h := v.forge.heads[1]
		v.shorten(t, bodies(t, v.files[eventsName])[:h.Seq], int(h.Seq))
		require.Contains(t, unfound(t, v.dir), "the run has not ended")
		v.byOthers(t, tailCut, "cut", closed)
	})
	t.Run("a device journal that is made anew, and signed by nobody", func(t *testing.T) {
		defer v.mend(t)
		v.become(t, v.forge.unsigned)
		rep := anchoredBy(t, v.dir, newDeviceLog(t).anchor(v.dir, uint64(len(bodies(t, v.forge.unsigned[eventsName])))).done())
		require.True(t, rep.OK())
		require.Contains(t, strings.Join(rep.NotProven, "\n"), "whoever can write it can have made it anew")
	})
	t.Run("a device journal whose end is cut off", func(t *testing.T) {
		rep := anchoredBy(t, v.dir, newDeviceLog(t).keep("J-B-0002", 7, "aa", "").done())
		require.True(t, rep.OK())
		require.Zero(t, rep.Anchored.Records)
		require.True(t, found(rep, "anchors").Open, "and the report says so")
	})
	require.Equal(t, map[string]int{"key: " + ownKey: 2, "anchor: " + ownKey: 2, "anchor: " + behindHead: 1, "anchor: " + tailCut: 1}, closed)
}
