// Random histories of links, held against what must always be true.

package fieldbus

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// linkJudge watches one link and knows the rules, not the machine.
type linkJudge struct {
	t      *testing.T
	seed   uint64
	c      LinkConfig
	l      *Link
	at     int64
	fx     []LinkEffect
	opens  int // under way
	closed bool
	synced bool // since the last Open or Demoted
	count  uint64
	held   bool
	since  int64
	heard  int64
	before int64 // heard before this step
	lost   int64
	broken bool // SLABroken was told in this outage
	pause  int64
	active int
	path   int
}

func newLinkJudge(t *testing.T, seed uint64, c LinkConfig) *linkJudge {
	return &linkJudge{t: t, seed: seed, c: c, l: NewLink("X", c), closed: true, heard: -1, pause: c.First}
}

// must ends the test where something is not as it must be.
func (j *linkJudge) must(ok bool, format string, args ...any) {
	if !ok {
		j.t.Helper()
		j.t.Fatalf("seed %d, at %d: "+format, append([]any{j.seed, j.at}, args...)...)
	}
}

// step hands in one event and judges what follows.
func (j *linkJudge) step(ev LinkEvent) {
	was := j.l.state
	if ev.Kind == Opened || ev.Kind == Refused {
		if j.opens > 0 && ev.Kind == Opened {
			j.closed = false
		}
		j.opens = 0
	}
	if ev.Kind == Synced && was == Syncing {
		j.synced = true
	}
	fresh := ev.Kind == Answered && (was == Syncing || was == Up || was == Degraded) || ev.Kind == Synced && was == Syncing && ev.Count > 0
	j.fx = j.l.Step(j.at, ev, j.fx[:0])
	if j.before = j.heard; fresh {
		j.heard = j.at
	}
	is, changes := j.l.State(), 0
	for _, e := range j.fx {
		switch e.Kind {
		case Open:
			j.must(j.opens == 0, "a second Open")
			j.must(j.closed, "Open while a connection stands")
			j.opens, j.synced, j.path = 1, false, e.Path
		case Close:
			j.must(!j.closed || j.opens > 0, "Close of nothing")
			j.opens, j.closed, j.synced = 0, true, false
		case Sync:
			j.must(is == Syncing, "Sync in %s", is)
		case Probe:
			j.must(is == Doubt, "Probe in %s", is)
		case Tell:
			if e.Event.Kind == LinkChanged {
				changes++
			}
			j.told(was, ev, e.Event)
		}
	}
	j.must(changes <= 1 && (is != was) == (changes == 1), "%d told of %s -> %s", changes, was, is)
	j.state(was, is, ev)
}

// told judges one event on record.
func (j *linkJudge) told(was LinkState, by LinkEvent, ev Event) {
	age := int64(-1)
	if j.heard >= 0 {
		age = j.at - j.heard
	}
	if ev.Kind == SLABroken && j.before >= 0 { // it is told before what comes at the same time
		age = j.at - j.before
	} else if ev.Kind == SLABroken {
		age = -1
	}
	j.must(j.at == ev.At && ev.Device == "X" && age == ev.Age, "told with age %d: %+v", age, ev)
	j.must(ev.Reconnects >= j.count, "reconnect_count goes back from %d to %d", j.count, ev.Reconnects)
	j.count = ev.Reconnects
	switch ev.Kind {
	case LinkChanged:
		j.must(ev.Old == was && ev.New == j.l.State() && ev.Took == j.at-j.since && ev.Cause != "", "%+v", ev)
		j.since = j.at
	case Resynced:
		j.must(by.Kind == Synced && was == Syncing && int(ev.Count) == by.Count && ev.Took == j.at-j.lost, "%+v", ev)
	case LinkFailover:
		paths := []string{"0", "1", "2"}
		j.must(j.l.State() == Up && ev.From == paths[j.active] && ev.To == paths[j.path] && ev.From != ev.To && ev.Cause != "", "%+v", ev)
	case SLABroken:
		j.must(!j.broken && ev.Took == j.at-j.lost && ev.Took > j.c.Reconnect, "%+v", ev)
		j.broken = true
	}
}

// state judges where the link stands after a step.
func (j *linkJudge) state(was, is LinkState, by LinkEvent) {
	values, writes := j.l.Passes()
	j.must(values == (is == Up || is == Degraded) && (!writes || values), "%s passes %t %t", is, values, writes)
	if is == Demoted {
		j.synced = false
	}
	if is == Up || is == Degraded {
		j.must(j.synced && !j.closed, "%s without a sync", is)
	}
	passed := was == Up || was == Degraded
	if out := j.c.Reconnect > 0 && !passed && j.at-j.lost > j.c.Reconnect; out {
		j.must(j.broken, "an outage of %d ns was not told", j.at-j.lost)
	}
	switch {
	case passed && !values:
		j.lost, j.broken = j.at, false
	case values:
		j.broken = false
	}
	if is == Up && was == Syncing {
		j.active, j.pause = j.path, j.c.First
	}
	if j.held && by.Kind == Held && by.Count > 0 {
		j.must(is == was, "a batch that holds changes %s to %s", was, is)
	}
	if by.Kind == Held {
		j.held = by.Count > 0
	}
	if is == Down && was != Down && by.Kind != Held {
		j.backOff()
	}
	j.must((is == Connecting) == (j.opens > 0), "in %s, %d Opens under way", is, j.opens)
	j.must(j.l.Path() >= 0 && j.l.Path() < j.c.Paths, "path %d", j.l.Path())
}

// backOff judges the pause that a link takes.
func (j *linkJudge) backOff() {
	pause := j.l.Wake() - j.at
	if j.c.Reconnect > 0 && !j.broken { // then Wake may be that of the declaration
		pause = j.l.due - j.at
	}
	if j.l.tried > 0 { // another path is tried, First after the last Open at the soonest
		j.must(pause >= 0 && pause <= j.c.First, "pause of %d", pause)
		return
	}
	j.must(pause >= j.c.First && pause <= min(3*j.pause, j.c.Longest), "pause of %d after %d", pause, j.pause)
	j.pause = pause
}

// ripe hands in Ticks until the link wants none at this time.
func (j *linkJudge) ripe() {
	for n := 0; j.l.Wake() <= j.at; n++ {
		j.must(n < 3, "Wake is not handled in %s", j.l.State())
		j.step(LinkEvent{Kind: Tick})
	}
}

// history lets a link live through n random events: of a careful shell, which answers what is wanted, or of any.
func (j *linkJudge) history(rng *rand.Rand, n int, careful bool) {
	for range n {
		switch wake := j.l.Wake(); {
		case rng.IntN(3) == 0 && wake < math.MaxInt64:
			j.at = max(j.at, wake)
		default:
			j.at += rng.Int64N(1 << rng.IntN(12))
		}
		ev := LinkEvent{Kind: LinkEventKind(rng.IntN(int(linkEvents) + 1)), Count: rng.IntN(3), Path: rng.IntN(j.c.Paths)}
		if careful {
			j.ripe()
			ev.Kind = [...]LinkEventKind{
				Down: Held, Connecting: Opened, Syncing: Synced, Up: Answered, Degraded: Answered, Doubt: Proved, Demoted: Held,
			}[j.l.State()]
			if rng.IntN(4) == 0 {
				ev.Kind = []LinkEventKind{Refused, Missed, Carrier, Held, Foreign, Missed}[rng.IntN(6)]
			}
		}
		j.step(ev)
	}
}

func TestLinksKeepTheirPromisesInRandomHistories(t *testing.T) {
	seeds := uint64(1500)
	if os.Getenv("BATCHKIT_LONG") != "" {
		seeds = 100_000
	}
	ups, failovers, reconnects := 0, 0, uint64(0)
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 10))
		c := LinkConfig{
			First: 1 + rng.Int64N(200), Seed: seed, Demote: 1 + rng.IntN(4), DemotedFor: 1 + rng.Int64N(1000), Alone: rng.IntN(2) == 0,
			Owes: rng.IntN(2) == 0, Reconnect: rng.Int64N(2) * rng.Int64N(3000), Silence: rng.Int64N(2) * (1 + rng.Int64N(500)),
			Steady: 1 + rng.Int64N(300), Paths: 1 + rng.IntN(3),
		}
		c.Longest = c.First + rng.Int64N(5000)
		j := newLinkJudge(t, seed, c)
		j.step(LinkEvent{Kind: Tick})
		j.history(rng, 150, seed%2 == 0)
		if j.l.synced {
			ups++
		}
		if j.active != 0 {
			failovers++
		}
		reconnects += j.l.Reconnects()
	}
	require.Positive(t, ups)
	require.Positive(t, failovers)
	require.Greater(t, reconnects, seeds)
}

func TestTheSameSeedGivesTheSamePausesAndAnotherSeedOrDeviceOthers(t *testing.T) {
	pauses := func(device string, seed uint64) (all []int64) {
		l, at := NewLink(device, LinkConfig{Seed: seed}), int64(0)
		for range 20 {
			l.Step(at, LinkEvent{Kind: Tick}, nil)
			l.Step(at, LinkEvent{Kind: Refused}, nil)
			all = append(all, l.Wake()-at)
			at = l.Wake()
		}
		return all
	}
	require.Equal(t, pauses("A", 1), pauses("A", 1))
	require.NotEqual(t, pauses("A", 1), pauses("A", 2))
	require.NotEqual(t, pauses("A", 1), pauses("B", 1))
}

func TestALinkThatNobodyAnswersIsTriedAtLeastEveryLongestPause(t *testing.T) {
	for seed := range uint64(200) {
		l, at, tries := NewLink("X", LinkConfig{Seed: seed}), int64(0), 0
		for at < 3_600_000*msec {
			for _, e := range l.Step(at, LinkEvent{Kind: Tick}, nil) {
				if e.Kind == Open {
					tries++
				}
			}
			l.Step(at, LinkEvent{Kind: Refused}, nil)
			at = l.Wake()
		}
		require.GreaterOrEqual(t, tries, 3600/30, "seed %d", seed)
		require.LessOrEqual(t, tries, 3600*5, "seed %d", seed)
	}
}
