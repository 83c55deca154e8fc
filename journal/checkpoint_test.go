// Slots at every cut: what is read is what was written, and the newest but one is never lost.

package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/journaltest"
)

// state is a payload that can be told from those of other generations; its length varies.
func stateOf(gen int) []byte {
	return bytes.Repeat([]byte{byte(gen)}, 300+700*(gen%3))
}

func headOf(gen int) journal.Chain {
	return journal.Chain{N: uint64(10 * gen), Link: journal.Leaf([]byte{byte(gen)})}
}

// slots opens the slots on a disk that has the directory "j".
func slots(t testing.TB, d *journaltest.Disk, n int) (*journal.Checkpoints, []journal.Checkpoint, []string) {
	s, all, faults, err := journal.OpenCheckpoints("j", "B-1", n, &journal.Options{Storage: d})
	require.NoError(t, err)
	return s, all, faults
}

func newSlots(t testing.TB, n int) (*journaltest.Disk, *journal.Checkpoints) {
	d := journaltest.NewDisk()
	require.NoError(t, d.Mkdir("j"))
	require.NoError(t, d.SyncDir("."))
	s, all, faults := slots(t, d, n)
	require.Empty(t, all)
	require.Empty(t, faults)
	return d, s
}

func TestSlotsHoldTheNewestCheckpointsAndTheOldestIsOverwritten(t *testing.T) {
	for _, n := range []int{0, 1, 2, journal.MaxCheckpoints} {
		d, s := newSlots(t, n)
		for gen := 1; gen <= 40; gen++ {
			c, err := s.Write(headOf(gen), stateOf(gen))
			require.NoError(t, err)
			if gen%7 == 0 {
				s, _, _ = slots(t, d, n)
			}
			_, all, faults := slots(t, d, n)
			require.Empty(t, faults)
			want := n
			if n == 0 {
				want = journal.DefaultCheckpoints
			}
			require.Len(t, all, min(gen, want))
			require.Equal(t, c, all[0])
			for i, got := range all {
				require.Equal(t, uint64(gen-i), got.Generation)
				require.Equal(t, stateOf(gen-i), got.Payload)
				require.Equal(t, headOf(gen-i), got.Head)
			}
		}
	}
}

func TestACutDuringAWriteCostsNoOtherCheckpoint(t *testing.T) {
	states := 0
	for _, before := range []int{0, 1, 3, 4, 9} {
		base := func() (*journaltest.Disk, *journal.Checkpoints) {
			d, s := newSlots(t, 0)
			for gen := 1; gen <= before; gen++ {
				_, err := s.Write(headOf(gen), stateOf(gen))
				require.NoError(t, err)
			}
			return d, s
		}
		d, s := base()
		start := len(d.Trace())
		_, err := s.Write(headOf(before+1), stateOf(before+1))
		require.NoError(t, err)
		end := start + len(d.Trace()) // which forgets what it has told
		for call := start + 1; call <= end; call++ {
			for _, f := range []journaltest.Fault{{Err: journaltest.ErrPower, Power: true}, {Err: journaltest.ErrPower, Power: true, Half: true},
				{Err: journaltest.ErrPower, Power: true, Done: true}} {
				cut, s := base()
				cut.Fault = func(n int, _, _ string) *journaltest.Fault {
					if n == call {
						return &f
					}
					return nil
				}
				_, err := s.Write(headOf(before+1), stateOf(before+1))
				require.ErrorIs(t, err, journaltest.ErrPower)
				survivors(cut, func(left *journaltest.Disk) {
					states++
					next, all, _ := slots(t, left, 0)
					generations := map[uint64]bool{}
					for _, c := range all {
						generations[c.Generation] = true
						require.Equal(t, stateOf(int(c.Generation)), c.Payload)
						require.Equal(t, headOf(int(c.Generation)), c.Head)
					}
					for gen := max(1, before-2); gen <= before; gen++ {
						require.True(t, generations[uint64(gen)], "checkpoint %d of %d is lost", gen, before)
					}
					c, err := next.Write(headOf(before+2), stateOf(before+2))
					require.NoError(t, err)
					_, all, _ = slots(t, left, 0)
					require.Equal(t, c, all[0])
				})
			}
		}
	}
	t.Logf("%d states after cuts", states)
	require.Greater(t, states, 300)
}

// survivors calls fn with what a cut leaves of a disk: every subset of pending names and sectors, and each sector torn.
func survivors(d *journaltest.Disk, fn func(d *journaltest.Disk)) {
	names, sectors := d.Pending()
	for set := range 1 << names {
		for lost := range 1 << sectors {
			n, s := []byte(fmt.Sprintf("%0*b", names, set)), []byte(fmt.Sprintf("%0*b", sectors, lost))
			fn(d.Cut(journaltest.Loss{Names: string(n[:names]), Sectors: string(s[:sectors])}))
		}
		for i := range sectors {
			for _, how := range "zfradgADG" {
				s := bytes.Repeat([]byte("1"), sectors)
				s[i] = byte(how)
				n := []byte(fmt.Sprintf("%0*b", names, set))
				fn(d.Cut(journaltest.Loss{Names: string(n[:names]), Sectors: string(s)}))
			}
		}
	}
}

func TestASlotThatIsNotAsItWasWrittenIsPassedOverWithTheReason(t *testing.T) {
	d, s := newSlots(t, 0)
	for gen := 1; gen <= 2; gen++ {
		_, err := s.Write(headOf(gen), stateOf(gen))
		require.NoError(t, err)
	}
	name := filepath.Join("j", "checkpoints", "2")
	whole := d.Content(name)
	rng := rand.New(rand.NewPCG(1, 2))
	end := 512 + len(stateOf(2))
	for n := range 2000 {
		data := bytes.Clone(whole)
		if n < 4*512 {
			data[n/4] ^= 1 << rng.IntN(8)
		}
		data[rng.IntN(end)] ^= 1 << rng.IntN(8)
		spoilt := d.Copy()
		spoilt.Lose(name)
		spoilt.Put(name, data[:len(data)-n%3])
		_, all, faults := slots(t, spoilt, 0)
		if bytes.Equal(data[:end], whole[:end]) { // both bits were the same
			continue
		}
		require.Len(t, all, 1, n)
		require.Equal(t, uint64(1), all[0].Generation)
		require.Len(t, faults, 1)
		require.Contains(t, faults[0], "checkpoint in file 2 is passed over: ")
	}
	_, _, faults, err := journal.OpenCheckpoints("j", "B-2", 0, &journal.Options{Storage: d})
	require.NoError(t, err)
	require.Equal(t, []string{"checkpoint in file 1 is passed over: it is of another journal", "checkpoint in file 2 is passed over: it is of another journal"}, faults)
}

func TestWhatIsNoCheckpointIsRefusedAndAFailureLeavesTheOthers(t *testing.T) {
	d, s := newSlots(t, 2)
	for _, payload := range [][]byte{nil, make([]byte, journal.MaxCheckpoint+1)} {
		_, err := s.Write(headOf(1), payload)
		require.ErrorContains(t, err, "1 to 4194304 are wanted, after a record")
	}
	_, err := s.Write(journal.Chain{}, stateOf(1))
	require.ErrorContains(t, err, "after a record")
	for gen := 1; gen <= 2; gen++ {
		_, err := s.Write(headOf(gen), stateOf(gen))
		require.NoError(t, err)
	}
	gone := errors.New("disk is gone")
	d.Fault = func(_ int, op, _ string) *journaltest.Fault {
		if op == "sync" {
			return &journaltest.Fault{Err: gone}
		}
		return nil
	}
	for range 3 {
		_, err = s.Write(headOf(3), stateOf(3))
		require.ErrorIs(t, err, gone)
	}
	d.Fault = nil
	_, all, _ := slots(t, d.Cut(journaltest.Loss{}), 2)
	require.Equal(t, uint64(2), all[0].Generation, "the newest is never the one that is written")
	for _, n := range []int{-1, journal.MaxCheckpoints + 1} {
		_, _, _, err = journal.OpenCheckpoints("j", "B-1", n, nil)
		require.ErrorContains(t, err, "1 to 16 are wanted")
	}
}

func TestASlotOfTheLastGenerationEndsThemAndSaysSo(t *testing.T) {
	d, s := newSlots(t, 2)
	_, err := s.Write(headOf(1), stateOf(1))
	require.NoError(t, err)
	name := filepath.Join("j", "checkpoints", "2")
	raw := d.Content(filepath.Join("j", "checkpoints", "1"))
	for _, c := range []struct {
		generation uint64
		read       bool
	}{{1<<64 - 3, true}, {1<<64 - 2, true}, {1<<64 - 1, false}, {0, false}} {
		binary.LittleEndian.PutUint64(raw[16:], c.generation)
		sum := sha256.Sum256(append(bytes.Clone(raw[:480]), raw[512:512+len(stateOf(1))]...))
		copy(raw[480:], sum[:])
		d := d.Copy()
		d.Put(name, raw)
		s, all, faults := slots(t, d, 2)
		require.Len(t, faults, map[bool]int{true: 0, false: 1}[c.read])
		require.Equal(t, c.read, all[0].Generation == c.generation)
		_, err := s.Write(headOf(2), stateOf(2))
		if c.generation == 1<<64-2 {
			require.ErrorContains(t, err, "has generation 18446744073709551614, the last one; remove it")
			continue
		}
		require.NoError(t, err)
		_, all, faults = slots(t, d, 2)
		require.Empty(t, faults, "what was written is read")
		require.Equal(t, stateOf(2), all[0].Payload)
	}
}

func TestASlotOfACheckpointThatIsBlankOrCannotBeRead(t *testing.T) {
	d, s := newSlots(t, 2)
	_, err := s.Write(headOf(1), stateOf(1))
	require.NoError(t, err)
	d.Put(filepath.Join("j", "checkpoints", "2"), make([]byte, 2000))
	_, all, faults := slots(t, d, 2)
	require.Len(t, all, 1)
	require.Empty(t, faults)
	d.Fault = func(_ int, op, name string) *journaltest.Fault {
		if op == "read" && strings.HasSuffix(name, "1") {
			return &journaltest.Fault{Err: syscall.EIO}
		}
		return nil
	}
	_, all, faults = slots(t, d, 2)
	require.Empty(t, all)
	require.Equal(t, []string{"checkpoint in file 1 is passed over: input/output error"}, faults)
	_, _, _, err = journal.OpenCheckpoints("j", "no id", 2, &journal.Options{Storage: d})
	require.ErrorContains(t, err, "and an id")
}

func FuzzASlotIsACheckpointOrPassedOver(f *testing.F) {
	d, s := newSlots(f, 1)
	_, err := s.Write(headOf(1), stateOf(1))
	require.NoError(f, err)
	name := filepath.Join("j", "checkpoints", "1")
	whole := d.Content(name)
	f.Add(whole)
	f.Add(whole[:600])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := d.Copy()
		d.Lose(name)
		d.Put(name, data)
		_, all, faults := slots(t, d, 1)
		require.LessOrEqual(t, len(all)+len(faults), 1)
	})
}
