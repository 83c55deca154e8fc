// What may be done to a version and what may not, who may use it, and that records rebuild it all.

package library_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
)

func TestEveryEventInEveryStateIsMadeOrRefusedWithoutATrace(t *testing.T) {
	const d, a, p, r, w, b = library.Draft, library.Approve, library.Publish, library.Retire, library.Withdraw, library.Rollback
	for _, c := range []struct {
		state string
		way   []library.Event
		to    map[library.Event]library.State
	}{
		{"none", nil, map[library.Event]library.State{d: library.StateDraft}},
		{"draft", []library.Event{d}, map[library.Event]library.State{a: library.StateApproved, w: library.StateRetired}},
		{"approved", []library.Event{d, a}, map[library.Event]library.State{p: library.StatePublished, w: library.StateRetired}},
		{"published", []library.Event{d, a, p}, map[library.Event]library.State{r: library.StateRetired}},
		{"retired", []library.Event{d, a, p, r}, map[library.Event]library.State{b: library.StatePublished}},
		{"published again", []library.Event{d, a, p, r, b}, map[library.Event]library.State{r: library.StateRetired}},
		{"withdrawn as draft", []library.Event{d, w}, nil},
		{"withdrawn as approved", []library.Event{d, a, w}, nil},
	} {
		for e := library.Event(0); e <= b+1; e++ {
			l, log := at(t, c.way...)
			before := l.Entries()
			seq, err := l.Change(log, change(e))
			if to, ok := c.to[e]; ok {
				require.NoError(t, err, "%s: %s", c.state, e)
				require.Equal(t, uint64(len(c.way)+1), seq)
				require.Equal(t, to, l.Entries()[0].State, "%s: %s", c.state, e)
				require.Equal(t, seq, l.Entries()[0].Seq)
			} else {
				require.Error(t, err, "%s: %s", c.state, e)
				require.Zero(t, seq)
				require.Len(t, log.bodies, len(c.way), "%s: %s: a refused change makes no record", c.state, e)
				require.Equal(t, before, l.Entries(), "%s: %s", c.state, e)
			}
			require.Equal(t, l.Entries(), log.replayed(t).Entries(), "%s: %s", c.state, e)
		}
	}
}

// scenario drives a library and writes down what is done and what comes of it.
type scenario struct {
	strings.Builder
	lib library.Library
	log memory
}

func (s *scenario) do(who, event, kind, version, letter, why string, times ...int64) {
	e := library.Draft
	for e.String() != event && e.String() != "" {
		e++
	}
	c := library.Change{Kind: kind, ID: "water-fill", Version: version, Digest: digest(letter), Event: e, Actor: who,
		Reason: why, ApprovalID: "CR-" + version, ImpactScope: "tank T301"}
	if len(times) > 0 {
		c.EffectiveFrom, c.Expiry = times[0], times[1]
	}
	fmt.Fprintf(s, "\n%s: %s %s %s (file %s): %q\n", who, event, kind, version, letter, why)
	if seq, err := s.lib.Change(&s.log, c); err != nil {
		fmt.Fprintf(s, "  %v\n", err)
	} else {
		fmt.Fprintf(s, "  record %d\n", seq)
	}
}

func (s *scenario) run(kind, version, letter string, now int64) {
	fmt.Fprintf(s, "\nrun with %s %s (file %s) at %s\n", kind, version, letter, record.AppendTime(nil, now))
	if e, err := s.lib.Approved(kind, "water-fill", version, digest(letter), now); err != nil {
		fmt.Fprintf(s, "  %v\n", err)
	} else {
		fmt.Fprintf(s, "  approved by %s under %s\n", e.ApprovedBy, e.ApprovalID)
	}
}

func TestALifeWithRollbackAndAChangeOfMapping(t *testing.T) {
	s := &scenario{}
	s.run("recipe", "1.0", "a", minute(0))
	s.do("ana", "draft", "recipe", "1.0", "a", "first use")
	s.run("recipe", "1.0", "a", minute(0))
	s.do("bob", "publish", "recipe", "1.0", "a", "in a hurry")
	s.do("bob", "approve", "recipe", "1.0", "a", "reviewed")
	s.run("recipe", "1.0", "a", minute(0))
	s.do("bob", "publish", "recipe", "1.0", "a", "start of season", minute(10), minute(60))
	s.run("recipe", "1.0", "a", 0)
	s.run("recipe", "1.0", "a", minute(10)-1)
	s.run("recipe", "1.0", "a", minute(10))
	s.run("recipe", "1.0", "b", minute(10))
	s.run("recipe", "1.0", "a", minute(60)-1)
	s.run("recipe", "1.0", "a", minute(60))
	s.do("ana", "draft", "recipe", "1.0", "b", "faster fill")
	s.do("ana", "draft", "recipe", "1.1", "b", "faster fill")
	s.do("bob", "approve", "recipe", "1.1", "a", "reviewed")
	s.do("bob", "approve", "recipe", "1.1", "b", "reviewed")
	s.do("bob", "publish", "recipe", "1.1", "b", "faster fill")
	s.do("bob", "retire", "recipe", "1.0", "a", "replaced by 1.1")
	s.run("recipe", "1.0", "a", minute(70))
	s.run("recipe", "1.1", "b", minute(70))
	s.do("eva", "retire", "recipe", "1.1", "b", "tank overfilled")
	s.do("eva", "rollback", "recipe", "1.0", "a", "1.1 overfills")
	s.run("recipe", "1.1", "b", minute(80))
	s.run("recipe", "1.0", "a", minute(80))
	s.do("ana", "draft", "mapping", "7", "c", "valve on channel 4")
	s.do("bob", "withdraw", "mapping", "7", "c", "wrong channel")
	s.run("mapping", "7", "c", minute(90))
	s.do("bob", "rollback", "mapping", "7", "c", "right after all")
	s.do("ana", "draft", "mapping", "8", "d", "valve on channel 5")
	s.do("ana", "approve", "mapping", "8", "d", "checked on site")
	s.do("ana", "publish", "mapping", "8", "d", "checked on site")
	s.run("mapping", "8", "d", minute(90))

	s.WriteString("\nrecords\n")
	for _, body := range s.log.bodies {
		fmt.Fprintf(s, "%s\n", body)
	}
	golden.Check(t, "testdata/scenario.golden", []byte(s.String()))
	require.Equal(t, s.lib.Entries(), s.log.replayed(t).Entries())
	require.Len(t, s.lib.Entries(), 4)
}

func TestAFileThatMayNotBeUsedIsRefusedWithTheReasonAndTheWayOut(t *testing.T) {
	for _, c := range []struct {
		way  []library.Event
		want string
	}{
		{nil, "never seen here; draft it, have it approved, and publish it"},
		{[]library.Event{1}, `a draft since record 1 by "ana"; have it approved, then publish it`},
		{[]library.Event{1, 2}, `approved by "ana" (CR-1) in record 2, but not published; publish it`},
		{[]library.Event{1, 2, 3, 4}, `retired since record 4 by "ana": "first use"; use another version, or roll back to this one`},
		{[]library.Event{1, 5}, `withdrawn in record 2 by "ana": "first use"; draft it under a new version`},
	} {
		l, _ := at(t, c.way...)
		e, err := l.Approved("recipe", "water-fill", "1.0", digest("a"), minute(0))
		require.ErrorIs(t, err, library.ErrUnapproved)
		require.NotErrorIs(t, err, library.ErrNotEffective)
		require.EqualError(t, err, `library: not approved for use: recipe "water-fill" version "1.0": `+c.want)
		require.Zero(t, e)
	}
	l, _ := at(t, library.Draft, library.Approve, library.Publish)
	for _, odd := range []string{"", "a", strings.ToUpper(digest("a")), digest("b")} {
		_, err := l.Approved("recipe", "water-fill", "1.0", odd, minute(0))
		require.ErrorIs(t, err, library.ErrUnapproved, odd)
		require.ErrorContains(t, err, "drafted was aaaaaaaaaaaa...; restore it, or give it a new version")
	}
	for _, n := range [][3]string{{"mapping", "water-fill", "1.0"}, {"recipe", "water", "1.0"}, {"recipe", "water-fill", "1"}, {"a\n", "", ""}} {
		_, err := l.Approved(n[0], n[1], n[2], digest("a"), minute(0))
		require.ErrorContains(t, err, "never seen here")
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := l.Approved("recipe", "water-fill", "1.0", digest("a"), 0)
	require.NoError(t, err, "a version without a time needs no clock")
}

func TestAVersionIsUsableFromItsFirstInstantUntilBeforeItsExpiry(t *testing.T) {
	for _, c := range []struct {
		from, expiry, now int64
		want              string
	}{
		{0, 0, 0, ""},
		{0, 0, minute(5), ""},
		{minute(5), 0, minute(5) - 1, "effective from 2026-03-01T00:05:00.000000000Z, now it is 2026-03-01T00:04:59.999999999Z"},
		{minute(5), 0, minute(5), ""},
		{minute(5), 0, 0, "the time of day is not known"},
		{0, minute(5), 0, "the time of day is not known"},
		{0, minute(5), -1, "the time of day is not known"},
		{0, minute(5), minute(5) - 1, ""},
		{0, minute(5), minute(5), "expired at 2026-03-01T00:05:00.000000000Z"},
		{minute(4), minute(5), minute(4), ""},
	} {
		l, log := at(t, library.Draft, library.Approve)
		publish := change(library.Publish)
		publish.EffectiveFrom, publish.Expiry = c.from, c.expiry
		_, err := l.Change(log, publish)
		require.NoError(t, err)
		for _, lib := range []*library.Library{l, log.replayed(t)} {
			e, err := lib.Approved("recipe", "water-fill", "1.0", digest("a"), c.now)
			if c.want == "" {
				require.NoError(t, err, "%+v", c)
				require.Equal(t, [2]int64{c.from, c.expiry}, [2]int64{e.EffectiveFrom, e.Expiry})
				require.Equal(t, [2]string{"CR-1", "ana"}, [2]string{e.ApprovalID, e.ApprovedBy})
				continue
			}
			require.ErrorIs(t, err, library.ErrNotEffective, "%+v", c)
			require.NotErrorIs(t, err, library.ErrUnapproved)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, e)
		}
	}
}

func TestARollbackKeepsTheApprovalAndSetsTheTimesAnew(t *testing.T) {
	l, log := at(t, library.Draft, library.Approve)
	publish := change(library.Publish)
	publish.Expiry = minute(5)
	back := change(library.Rollback)
	back.Actor, back.ApprovalID = "eva", "CR-9"
	for _, c := range []library.Change{publish, change(library.Retire), back} {
		_, err := l.Change(log, c)
		require.NoError(t, err)
	}
	e, err := l.Approved("recipe", "water-fill", "1.0", digest("a"), minute(9))
	require.NoError(t, err)
	require.Equal(t, "ana CR-1", e.ApprovedBy+" "+e.ApprovalID)
	require.Equal(t, "eva", e.Actor)
	last := string(log.bodies[4])
	require.Contains(t, last, `"approval_id":"CR-9","approved_by":"ana"`)
	require.Contains(t, last, `"new_value":"published"`)
	require.Contains(t, last, `"old_value":"retired"`)
}

func TestWhenTheLogFailsNothingChanges(t *testing.T) {
	gone := errors.New("disk is gone")
	l, log := at(t, library.Draft)
	before := l.Entries()
	log.fail = gone
	seq, err := l.Change(log, change(library.Approve))
	require.ErrorIs(t, err, gone)
	require.EqualError(t, err, `library: recipe "water-fill" version "1.0": approve: not made, the journal failed: disk is gone`)
	require.Zero(t, seq)
	require.Equal(t, before, l.Entries())
	log.fail = nil
	_, err = l.Change(log, change(library.Approve))
	require.NoError(t, err)

	log.seq = 0
	_, err = l.Change(log, change(library.Publish))
	require.EqualError(t, err, "library: record 1: it comes after record 2; numbers of one journal ascend")
	require.Equal(t, library.StateApproved, l.Entries()[0].State)
}

func TestStateIsAskedForWhileARecordIsOnItsWay(t *testing.T) {
	l, log := at(t, library.Draft, library.Approve)
	log.gate = make(chan struct{})
	var done sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		done.Go(func() { _, errs[i] = l.Change(log, change(library.Publish)) })
	}
	<-log.gate // one of them is in Append, the other waits for it
	_, err := l.Approved("recipe", "water-fill", "1.0", digest("a"), 0)
	require.ErrorIs(t, err, library.ErrUnapproved, "not published before it is durable")
	require.Equal(t, library.StateApproved, l.Entries()[0].State)
	log.gate <- struct{}{}
	done.Wait()
	_, err = l.Approved("recipe", "water-fill", "1.0", digest("a"), 0)
	require.NoError(t, err)
	require.Len(t, log.bodies, 3, "of two like changes one is made")
	require.True(t, (errs[0] == nil) != (errs[1] == nil))
}

func TestEntriesAreACopy(t *testing.T) {
	l, _ := at(t, library.Draft)
	l.Entries()[0].State = library.StatePublished
	require.Equal(t, library.StateDraft, l.Entries()[0].State)
}

func TestALibraryIsFullAtItsLimitAndGoesOnWithWhatItHolds(t *testing.T) {
	l, log := &library.Library{}, &memory{}
	c := change(library.Draft)
	for i := range library.MaxVersions {
		c.Version = fmt.Sprint(i)
		_, err := l.Change(log, c)
		require.NoError(t, err)
	}
	c.Version = "one-more"
	_, err := l.Change(log, c)
	require.ErrorContains(t, err, "the library is full, it holds 10000 versions")
	c.Version, c.Event = "0", library.Approve
	_, err = l.Change(log, c)
	require.NoError(t, err)
}

func TestRecordsOfOtherKindsChangeNothing(t *testing.T) {
	l, _ := at(t, library.Draft)
	before := l.Entries()
	rec, err := record.Parse([]byte(`{"device_id":"ctl-1","epoch":2,"event_seq":"41","event_type":"recovery_event","journal_id":"j1",` +
		`"recovery_path":"CLEAN","sync_state":"UNSET","time_source":"none","ts_mono_ns":"1500000000"}`))
	require.NoError(t, err)
	require.NoError(t, l.Apply(rec))
	require.NoError(t, l.Apply(nil))
	require.Equal(t, before, l.Entries())
}
