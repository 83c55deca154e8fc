// What a store takes and refuses, how it tells of damage, and that records rebuild what is active.

package library_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
)

// with is a device on which versions were introduced one after the other.
func with(t *testing.T, versions ...string) *site {
	t.Helper()
	s, err := open(t, newDisk(), &journal{})
	require.NoError(t, err)
	for _, v := range versions {
		require.NoError(t, s.introduce(v))
	}
	return s
}

func TestAnActivationIsARecordWithSlotApprovalVersionsAndReasonAndARollbackSaysWhy(t *testing.T) {
	s := with(t, "1", "2")
	back := activation("fill", "1")
	back.Rollback, back.Reason, back.Actor = true, "2 overfills", "eva"
	_, err := s.store.Activate(s.log, back)
	require.NoError(t, err)
	require.Equal(t, "1", s.active())

	field := func(n int) func(key string) string {
		rec, err := record.Parse(s.log.bodies[n-1])
		require.NoError(t, err)
		require.Equal(t, record.KindObjectActivated, rec.Kind)
		return func(key string) string {
			k, ok := record.ParseKey(key)
			require.True(t, ok)
			return rec.Text(k)
		}
	}
	one, two := sum(file("fill", "1")), sum(file("fill", "2"))
	for n, want := range map[int]map[string]string{
		4: {"active_slot": "A", "from_version": "", "to_version": "1", "old_value": "none", "new_value": one, "approval_id": "CR-1", "rollback_reason": ""},
		8: {"active_slot": "B", "from_version": "1", "to_version": "2", "old_value": one, "new_value": two, "approval_id": "CR-2",
			"change_reason": "start of season", "actor": "bob", "approved_by": "ana", "impact_scope": "none", "rollback_reason": ""},
		9: {"active_slot": "A", "from_version": "2", "to_version": "1", "old_value": two, "new_value": one, "approval_id": "CR-1",
			"change_reason": "2 overfills", "rollback_reason": "2 overfills", "actor": "eva",
			"digest": sum(s.disk.names[filepath.Join("store", "active", "recipe.fill.A")].data)},
	} {
		got := field(n)
		for key, text := range want {
			require.Equal(t, text, got(key), "record %d: %s", n, key)
		}
	}
	require.Equal(t, "1", s.restart(s.disk).active())
}

func TestWhatMayNotBeActivatedIsRefusedWithoutATrace(t *testing.T) {
	retire := func(s *site, version string) {
		c := publish("fill", version)[0]
		c.Event = library.Retire
		_, err := s.lib.Change(s.log, c)
		require.NoError(t, err)
	}
	for _, c := range []struct {
		fault func(s *site, a *library.Activation)
		is    error
		want  string
	}{
		{func(s *site, a *library.Activation) { a.Version = "9" }, library.ErrUnapproved, "never seen here"},
		{func(s *site, a *library.Activation) { retire(s, "2") }, library.ErrUnapproved, "retired since record"},
		{func(s *site, a *library.Activation) { a.Version = "1" }, nil, "this version was active before; to activate it again is a rollback, say so"},
		{func(s *site, a *library.Activation) { a.Rollback = true }, nil, "this version is active; there is nothing to roll back"},
		{func(s *site, a *library.Activation) { a.Version, a.Rollback = "3", true }, nil, "never active; a rollback leads back to one that was"},
		{func(s *site, a *library.Activation) { a.Version = "3" }, fs.ErrNotExist, "put the file with digest " + sum(file("fill", "3")) + " in"},
		{func(s *site, a *library.Activation) { a.Actor = "" }, nil, "actor is missing; say who does it"},
		{func(s *site, a *library.Activation) { a.Reason = " " }, nil, "change_reason is missing"},
		{func(s *site, a *library.Activation) { a.ImpactScope = "a\nb" }, nil, "impact_scope \"a\\nb\": one line of text is wanted"},
		{func(s *site, a *library.Activation) { s.log.held = errPower }, errPower, ""},
		{func(s *site, a *library.Activation) {
			s.disk.spoil(filepath.Join("store", "objects", sum(file("fill", "2"))), func(b []byte) []byte { return b[1:] })
		}, library.ErrDamaged, "move it out of the store, keep it, and put the file in again"},
	} {
		s := with(t, "1", "2")
		for _, change := range publish("fill", "3") {
			_, err := s.lib.Change(s.log, change)
			require.NoError(t, err)
		}
		a := activation("fill", "2")
		c.fault(s, &a)
		was, _ := s.lib.Active("recipe", "fill")
		names, records := len(s.disk.names), len(s.log.bodies)
		_, err := s.store.Activate(s.log, a)
		require.ErrorContains(t, err, c.want)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
		is, _ := s.lib.Active("recipe", "fill")
		require.Equal(t, was, is)
		require.Len(t, s.disk.names, names)
		require.Len(t, s.log.bodies, records)
	}
}

func TestAFileThatNamesAnotherObjectOrCannotBeReadIsNotActivated(t *testing.T) {
	for want, data := range map[string][]byte{"cannot be read as recipe: three lines are wanted": []byte("x"),
		`is recipe "empty" version "1" and not "fill" version "1"`: file("empty", "1")} {
		s := with(t)
		digest, err := s.store.Put(data)
		require.NoError(t, err)
		for _, c := range publish("fill", "1") {
			c.Digest = digest
			_, err := s.lib.Change(s.log, c)
			require.NoError(t, err)
		}
		_, err = s.store.Activate(s.log, activation("fill", "1"))
		require.ErrorContains(t, err, want)
		_, _, err = s.store.Active("recipe", "fill", 0)
		require.ErrorIs(t, err, library.ErrInactive)
	}
}

func TestAVersionThatIsWithdrawnAfterItsActivationIsNotUsed(t *testing.T) {
	s := with(t, "1", "2")
	c := publish("fill", "2")[0]
	c.Event = library.Retire
	_, err := s.lib.Change(s.log, c)
	require.NoError(t, err)
	_, _, err = s.store.Active("recipe", "fill", 0)
	require.ErrorIs(t, err, library.ErrUnapproved)
	require.ErrorContains(t, err, "(it is the active one; activate another)")
	back := activation("fill", "1")
	back.Rollback = true
	_, err = s.store.Activate(s.log, back)
	require.NoError(t, err)
	require.Equal(t, "1", s.active())
}

func TestDamageIsToldWithPlaceAndRemedyAndNothingIsDeletedOrOverwritten(t *testing.T) {
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	slotA, slotB := filepath.Join("store", "active", "recipe.fill.A"), filepath.Join("store", "active", "recipe.fill.B")
	object := filepath.Join("store", "objects", sum(file("fill", "2")))
	for _, c := range []struct{ name, want string }{
		{slotB, "keep it, and activate a version anew: that writes the other slot"},
		{object, "move it out of the store, keep it, and put the file in again"},
	} {
		for _, how := range []func([]byte) []byte{flip, func(b []byte) []byte { return b[:len(b)-1] }, func([]byte) []byte { return nil }} {
			s := with(t, "1", "2") // B is active
			s.disk.spoil(c.name, how)
			spoilt := s.disk.names[c.name].data
			_, _, err := s.store.Active("recipe", "fill", 0)
			require.ErrorIs(t, err, library.ErrDamaged)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, c.name)
			faults, err := s.store.Check()
			require.NoError(t, err)
			require.NotEmpty(t, faults)
			require.ErrorContains(t, faults[0], c.name)
			_, err = s.store.Put(file("fill", "2"))
			require.Equal(t, c.name == object, errors.Is(err, library.ErrDamaged), "a file with other bytes is not overwritten")
			require.Equal(t, spoilt, s.disk.names[c.name].data)
			if c.name == slotB { // the way out that the error names
				_, err = s.store.Activate(s.log, activation("fill", "2"))
				require.NoError(t, err)
				_, _, err = s.store.Active("recipe", "fill", 0)
				require.NoError(t, err)
				require.Equal(t, spoilt, s.disk.names[c.name].data)
			}
		}
	}
	s := with(t, "1", "2")
	s.disk.spoil(slotA, flip) // it is not active
	spoilt := s.disk.names[slotA].data
	require.Equal(t, "2", func() string {
		a, _, err := s.store.Active("recipe", "fill", 0)
		require.NoError(t, err)
		return a.Version
	}())
	faults, err := s.store.Check()
	require.NoError(t, err)
	require.Len(t, faults, 1)
	require.ErrorIs(t, faults[0], library.ErrDamaged)
	require.NoError(t, s.introduce("3"))
	require.Equal(t, "3", s.active())
	require.Equal(t, spoilt, s.disk.names[filepath.Join("store", "quarantine", "recipe.fill.A."+sum(spoilt))].data)
}

func TestARecordOfAnActivationThatDoesNotFollowIsRefused(t *testing.T) {
	s := with(t, "1", "2")
	last := s.log.bodies[7]
	for _, c := range [][2]string{
		{`"active_slot":"B"`, `"active_slot":"A"`}, {`"from_version":"1"`, `"from_version":"0"`}, {`"to_version":"2"`, `"to_version":"1"`},
		{`"approval_id":"CR-2"`, `"approval_id":"CR-1"`}, {`"approved_by":"ana"`, `"approved_by":"bob"`},
		{`"new_value":"` + sum(file("fill", "2")), `"new_value":"` + sum(file("fill", "1"))},
		{`"old_value":"` + sum(file("fill", "1")), `"old_value":"` + sum(file("fill", "2"))},
		{`"object_id":"fill"`, `"object_id":"empty"`}, {`"digest":"`, `"digest":"0`},
		{`"sync_state"`, `"rollback_reason":"start of season","sync_state"`},
	} {
		wrong := bytes.Replace(last, []byte(c[0]), []byte(c[1]), 1)
		require.NotEqual(t, last, wrong, c[0])
		s.log.bodies[7] = wrong
		rec, err := record.Parse(wrong)
		require.NoError(t, err)
		before := &journal{}
		before.bodies = s.log.bodies[:7]
		l := before.replayed(t)
		was, _ := l.Active("recipe", "fill")
		require.Error(t, l.Apply(rec), c[1])
		is, _ := l.Active("recipe", "fill")
		require.Equal(t, was, is)
	}
}

func TestAFailureOfTheDiskLeavesTheOldVersionAndTheStoreGoesOn(t *testing.T) {
	gone := errors.New("disk is gone")
	whole := with(t, "1", "2")
	first := with(t, "1").disk.calls
	for call := first + 1; call <= whole.disk.calls; call++ {
		s := with(t, "1")
		s.disk.fail = func(n int, op string) error {
			if n == call {
				return gone
			}
			return nil
		}
		require.ErrorIs(t, s.introduce("2"), gone, "%s", s.disk.trace)
		require.Equal(t, "1", s.active())
		require.NoError(t, s.introduce("2"))
		require.Equal(t, "2", s.active())
	}
}

func TestTheOperatingSystemKeepsAStoreAsTheDiskInMemoryDoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	lib, log := &library.Library{}, &journal{}
	for round, version := range []string{"1", "2", "3"} {
		s, err := library.OpenStore(dir, lib, parse, nil)
		require.NoError(t, err)
		digest, err := s.Put(file("fill", version))
		require.NoError(t, err)
		again, err := s.Put(file("fill", version))
		require.NoError(t, err)
		require.Equal(t, digest, again)
		for _, c := range publish("fill", version) {
			_, err := lib.Change(log, c)
			require.NoError(t, err)
		}
		_, err = s.Activate(log, activation("fill", version))
		require.NoError(t, err)
		a, data, err := s.Active("recipe", "fill", 0)
		require.NoError(t, err)
		require.Equal(t, file("fill", version), data)
		require.Equal(t, uint64(round+1), a.Generation)
		faults, err := s.Check()
		require.NoError(t, err)
		require.Empty(t, faults)
	}
	s, err := library.OpenStore(dir, log.replayed(t), parse, nil)
	require.NoError(t, err)
	a, _, err := s.Active("recipe", "fill", 0)
	require.NoError(t, err)
	require.Equal(t, "3", a.Version)
	name := filepath.Join(dir, "objects", a.Digest)
	require.NoError(t, os.WriteFile(name, []byte("other bytes"), 0o600))
	_, _, err = s.Active("recipe", "fill", 0)
	require.ErrorIs(t, err, library.ErrDamaged)
	require.NoError(t, os.WriteFile(name, make([]byte, library.MaxFile+1), 0o600))
	_, _, err = s.Active("recipe", "fill", 0)
	require.ErrorContains(t, err, "more than 4194304 bytes")
	require.NoError(t, os.Remove(name))
	_, err = s.Get(a.Digest)
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, odd := range []string{"", "../../etc/passwd", strings.ToUpper(a.Digest)} {
		_, err = s.Get(odd)
		require.ErrorContains(t, err, "64 lower-case hex digits are wanted")
	}
}

func FuzzASlotIsReadAsItWasWrittenOrRefused(f *testing.F) {
	s := &site{}
	d, log := newDisk(), &journal{}
	lib := &library.Library{}
	store, err := library.OpenStore("store", lib, parse, &library.StoreOptions{Disk: d})
	require.NoError(f, err)
	s.disk, s.log, s.lib, s.store = d, log, lib, store
	require.NoError(f, s.introduce("1"))
	name := filepath.Join("store", "active", "recipe.fill.A")
	whole := d.names[name].data
	f.Add(whole)
	f.Add(whole[:40])
	f.Add(bytes.Replace(whole, []byte("generation 1"), []byte("generation 01"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		d.names[name] = &inode{data: data, safe: true}
		_, _, err := store.Active("recipe", "fill", 0)
		require.Equal(t, bytes.Equal(data, whole), err == nil)
	})
}
