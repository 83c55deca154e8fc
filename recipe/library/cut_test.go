// Power cuts at every call and byte of taking in and activating a file: the old version is active or the new one, never neither.

package library_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
)

// file is what parse reads: an ID and a version on two lines, and anything after them.
func file(id, version string) []byte {
	return []byte(id + "\n" + version + "\n" + strings.Repeat("a step; ", 8))
}

func parse(kind string, data []byte) (id, version string, err error) {
	lines := strings.SplitN(string(data), "\n", 3)
	if len(lines) != 3 {
		return "", "", errors.New("three lines are wanted")
	}
	return lines[0], lines[1], nil
}

// journal is a log in memory that loses power: just before a record is durable, or just after.
type journal struct {
	memory
	before, after int   // record at which power goes; 0: never
	held          error // answer of Hold
	off           bool
}

func (j *journal) Hold() error { return j.held }

func (j *journal) Append(fill func(b *record.Body)) (uint64, error) {
	if j.off || j.before == len(j.bodies)+1 {
		j.off = true
		return 0, errPower
	}
	seq, err := j.memory.Append(fill)
	if j.after == len(j.bodies) {
		j.off = true
		return 0, errPower
	}
	return seq, err
}

// site is a device: its disk, its journal, and what a process makes of them.
type site struct {
	t     *testing.T
	disk  *crashDisk
	log   *journal
	lib   *library.Library
	store *library.Store
}

// open starts a process on a disk and a journal.
func open(t *testing.T, disk *crashDisk, log *journal) (*site, error) {
	t.Helper()
	s := &site{t: t, disk: disk, log: log, lib: log.replayed(t)}
	var err error
	s.store, err = library.OpenStore("store", s.lib, parse, &library.StoreOptions{Disk: disk})
	return s, err
}

// restart is the device after a cut that left this disk.
func (s *site) restart(disk *crashDisk) *site {
	s.t.Helper()
	log := &journal{}
	log.bodies, log.seq = s.log.bodies, uint64(len(s.log.bodies))
	next, err := open(s.t, disk, log)
	require.NoError(s.t, err)
	return next
}

func publish(id, version string) []library.Change {
	c := library.Change{Kind: "recipe", ID: id, Version: version, Actor: "ana", Reason: "new season", ApprovalID: "CR-" + version, ImpactScope: "none"}
	c.Digest = sum(file(id, version))
	var all []library.Change
	for _, c.Event = range []library.Event{library.Draft, library.Approve, library.Publish} {
		all = append(all, c)
	}
	return all
}

func activation(id, version string) library.Activation {
	return library.Activation{Kind: "recipe", ID: id, Version: version, Actor: "bob", Reason: "start of season", ImpactScope: "none"}
}

// introduce takes a version in, has it published, and activates it.
func (s *site) introduce(version string) error {
	if _, err := s.store.Put(file("fill", version)); err != nil {
		return err
	}
	if s.lib.Entries() == nil || !published(s.lib, version) {
		for _, c := range publish("fill", version) {
			if _, err := s.lib.Change(s.log, c); err != nil {
				return err
			}
		}
	}
	_, err := s.store.Activate(s.log, activation("fill", version))
	return err
}

func published(l *library.Library, version string) bool {
	_, err := l.Approved("recipe", "fill", version, sum(file("fill", version)), 0)
	return err == nil
}

// active wants exactly one version to be active, whole and approved, and returns it.
func (s *site) active() string {
	s.t.Helper()
	a, data, err := s.store.Active("recipe", "fill", 0)
	require.NoError(s.t, err, "%s", s.disk.trace)
	require.Equal(s.t, file("fill", a.Version), data)
	_, err = s.lib.Approved("recipe", "fill", a.Version, a.Digest, 0)
	require.NoError(s.t, err)
	faults, err := s.store.Check()
	require.NoError(s.t, err)
	for _, f := range faults {
		require.NotErrorIs(s.t, f, library.ErrDamaged)
		require.ErrorContains(s.t, f, "was left half written")
	}
	return a.Version
}

func TestACutAtAnyCallAndByteLeavesTheOldVersionActiveOrTheNewOne(t *testing.T) {
	states, olds, news, again := 0, 0, 0, 0
	rng := rand.New(rand.NewPCG(1, 2))
	for _, depth := range []int{1, 2, 3} { // versions before: the slots are empty, half used, and both used
		base := func() *site {
			s, err := open(t, newDisk(), &journal{})
			require.NoError(t, err)
			for v := range depth {
				require.NoError(t, s.introduce(string(rune('1'+v))))
			}
			return s
		}
		old, next := string(rune('0'+depth)), string(rune('1'+depth))
		whole := base()
		start := whole.disk.calls
		require.NoError(t, whole.introduce(next))
		after := func(s *site, record bool) {
			s.disk.survivors(func(d *crashDisk) {
				states++
				r := s.restart(d)
				want := old
				if record {
					want = next
					news++
				} else {
					olds++
				}
				require.Equal(t, want, r.active(), "%s", s.disk.trace)
				if states%5 == 0 && !record {
					again += s.cutAgain(d, rng, old, next)
				}
				if !record { // what was cut off can be done now, whatever it has left behind
					require.NoError(t, r.introduce(next))
				}
				require.Equal(t, next, r.active())
			})
		}
		for cut := start + 1; cut <= whole.disk.calls; cut++ {
			s := base()
			s.disk.cut = cut
			err := s.introduce(next)
			if cut < whole.disk.calls || err != nil {
				require.ErrorIs(t, err, errPower)
			}
			after(s, false)
		}
		for _, durable := range []bool{false, true} {
			s := base()
			if s.log.before = len(s.log.bodies) + 4; durable {
				s.log.after, s.log.before = s.log.before, 0
			}
			require.ErrorIs(t, s.introduce(next), errPower)
			after(s, durable)
		}
	}
	t.Logf("%d states after cuts: the old version was active in %d, the new one in %d; %d after two", states, olds, news, again)
	require.Greater(t, states, 1000)
	require.Greater(t, again, 1000)
}

// cutAgain cuts power once more while what the first cut has left is done again, and counts the states that this leaves.
func (s *site) cutAgain(left *crashDisk, rng *rand.Rand, old, next string) (states int) {
	s.t.Helper()
	first := &crashDisk{names: maps.Clone(left.names), durable: maps.Clone(left.durable)}
	whole := s.restart(&crashDisk{names: maps.Clone(left.names), durable: maps.Clone(left.durable)})
	begun := whole.disk.calls
	require.NoError(s.t, whole.introduce(next))
	r := s.restart(first)
	first.cut = begun + 1 + rng.IntN(whole.disk.calls-begun)
	require.ErrorIs(s.t, r.introduce(next), errPower)
	first.survivors(func(d *crashDisk) {
		states++
		last := r.restart(d)
		require.Equal(s.t, old, last.active())
		require.NoError(s.t, last.introduce(next))
		require.Equal(s.t, next, last.active())
	})
	return states
}

func TestAJournalThatWasPutBackFromAnOlderCopyIsTold(t *testing.T) {
	s, err := open(t, newDisk(), &journal{})
	require.NoError(t, err)
	for _, v := range []string{"1", "2", "3"} {
		require.NoError(t, s.introduce(v))
	}
	for records, slot := range map[int]string{8: "whole", 4: "another"} {
		log := &journal{}
		log.bodies, log.seq = slices.Clone(s.log.bodies[:records]), uint64(records)
		r, err := open(t, &crashDisk{names: maps.Clone(s.disk.names), durable: maps.Clone(s.disk.names)}, log)
		require.NoError(t, err)
		a, _, err := r.store.Active("recipe", "fill", 0)
		if slot == "whole" { // the slot of the version before was not written since
			require.NoError(t, err)
			require.Equal(t, "2", a.Version)
			continue
		}
		require.ErrorIs(t, err, library.ErrDamaged)
		require.ErrorContains(t, err, "it is whole, but another than the record names")
		require.ErrorContains(t, err, "activate a version anew")
		_, err = r.store.Activate(r.log, activation("fill", "1"))
		require.NoError(t, err)
		require.Equal(t, "1", r.active())
	}
}

func TestACutAtTheFirstActivationLeavesNoneOrTheNewOne(t *testing.T) {
	whole, err := open(t, newDisk(), &journal{})
	require.NoError(t, err)
	require.NoError(t, whole.introduce("1"))
	for cut := 1; cut <= whole.disk.calls; cut++ {
		d := newDisk()
		d.cut = cut
		s, err := open(t, d, &journal{})
		if err == nil {
			err = s.introduce("1")
		}
		require.ErrorIs(t, err, errPower)
		d.survivors(func(d *crashDisk) {
			r := s.restart(d)
			_, _, err := r.store.Active("recipe", "fill", 0)
			require.ErrorIs(t, err, library.ErrInactive)
			require.NoError(t, r.introduce("1"))
			require.Equal(t, "1", r.active())
		})
	}
}

func TestAfterARecordOfWhichItIsNotKnownWhetherItIsDurableNoSlotIsWritten(t *testing.T) {
	for _, durable := range []bool{false, true} {
		s, err := open(t, newDisk(), &journal{})
		require.NoError(t, err)
		require.NoError(t, s.introduce("1"))
		require.NoError(t, s.introduce("2"))
		_, err = s.store.Put(file("fill", "3"))
		require.NoError(t, err)
		if s.log.before = len(s.log.bodies) + 1; durable {
			s.log.after, s.log.before = s.log.before, 0
		}
		back := activation("fill", "1")
		back.Rollback = true
		_, err = s.store.Activate(s.log, back)
		require.ErrorIs(t, err, errPower)
		require.ErrorContains(t, err, "slot A is written, and counts if the record is there")
		require.Equal(t, "2", s.active(), "until the journal was read anew")
		s.log.off, s.log.before, s.log.after = false, 0, 0

		before := s.disk.calls
		_, err = s.store.Activate(s.log, activation("fill", "2"))
		require.ErrorContains(t, err, "the journal failed before, read it anew and open the store again")
		require.Equal(t, before, s.disk.calls, "it could be the active slot that is written")

		want := "2"
		if durable {
			want = "1"
		}
		require.Equal(t, want, s.restart(s.disk).active())
	}
}

func TestAFileThatWasPutIsDurableThoughItWasThereBefore(t *testing.T) {
	s, err := open(t, newDisk(), &journal{})
	require.NoError(t, err)
	s.disk.fail = func(_ int, op string) error { // its name never becomes durable
		if op == "syncdir" {
			return errPower
		}
		return nil
	}
	_, err = s.store.Put(file("fill", "1"))
	require.ErrorIs(t, err, errPower)
	s.disk.fail = nil
	digest, err := s.store.Put(file("fill", "1"))
	require.NoError(t, err)
	s.disk.survivors(func(d *crashDisk) {
		data, err := s.restart(d).store.Get(digest)
		require.NoError(t, err)
		require.Equal(t, file("fill", "1"), data)
	})
}
