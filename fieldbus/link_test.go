// What a link promises, told as stories.

package fieldbus

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/stretchr/testify/require"
)

const msec = int64(1_000_000)

var linkEventNames = [linkEvents]string{"", "Opened", "Refused", "Synced", "Answered", "Missed", "Proved", "Carrier", "Held", "Tick", "Foreign"}

// linkStory is a link with all that it told and wanted, as a person reads it.
type linkStory struct {
	l    *Link
	at   int64
	text bytes.Buffer
	fx   []LinkEffect // of the last step
}

func newLinkStory(c LinkConfig) *linkStory { return &linkStory{l: NewLink("PLC-1", c)} }

// step lets ms go by and one event happen.
func (s *linkStory) step(ms int64, ev LinkEvent) {
	s.at += ms * msec
	s.fx = s.l.Step(s.at, ev, s.fx[:0])
	fmt.Fprintf(&s.text, "%10.3f  %s", float64(s.at)/1e9, linkEventNames[ev.Kind])
	switch {
	case ev.Kind == Synced || ev.Kind == Held:
		fmt.Fprintf(&s.text, " %d", ev.Count)
	case ev.Kind == Carrier:
		fmt.Fprintf(&s.text, " of path %d", ev.Path)
	}
	if ev.Detail != "" {
		fmt.Fprintf(&s.text, ": %s", ev.Detail)
	}
	s.text.WriteByte('\n')
	for _, e := range s.fx {
		fmt.Fprintf(&s.text, "                %s\n", effectText(e))
	}
}

// due lets time go by until the link wants a Tick.
func (s *linkStory) due() {
	s.step(max(s.l.Wake()-s.at+msec-1, 0)/msec, LinkEvent{Kind: Tick})
}

// say writes a heading.
func (s *linkStory) say(text string) { fmt.Fprintf(&s.text, "-- %s\n", text) }

func ago(ns int64) string {
	if ns < 0 {
		return "never"
	}
	return fmt.Sprintf("%.3f s", float64(ns)/1e9)
}

func effectText(e LinkEffect) string {
	ev := e.Event
	switch {
	case e.Kind == Open:
		return fmt.Sprintf("open path %d", e.Path)
	case e.Kind != Tell:
		return map[LinkEffectKind]string{Close: "close", Sync: "sync", Probe: "probe"}[e.Kind]
	case ev.Kind == LinkChanged:
		return fmt.Sprintf("%s -> %s after %s: %s (last reply %s, reconnects %d)", ev.Old, ev.New, ago(ev.Took), ev.Cause, ago(ev.Age), ev.Reconnects)
	case ev.Kind == Resynced:
		return fmt.Sprintf("resync complete: %d tags, %s since the loss", ev.Count, ago(ev.Took))
	case ev.Kind == LinkFailover:
		return fmt.Sprintf("failover from path %s to %s: %s (gap %s)", ev.From, ev.To, ev.Cause, ago(ev.Took))
	case ev.Kind == SLABroken:
		return fmt.Sprintf("%s for %s, declared %s: %s", ev.New, ago(ev.Took), ago(ev.Limit), ev.Cause)
	}
	return fmt.Sprintf("%+v", ev)
}

// up brings a link Up by the events that this takes.
func (s *linkStory) up(tags int) {
	s.due()
	s.step(5, LinkEvent{Kind: Opened})
	if s.l.State() == Doubt {
		s.step(5, LinkEvent{Kind: Proved})
	}
	s.step(20, LinkEvent{Kind: Synced, Count: tags})
}

func TestStoriesOfALink(t *testing.T) {
	for _, c := range []struct {
		key   string
		name  string
		c     LinkConfig
		story func(*linkStory)
	}{
		{"cut", "a link over TCP is cut and comes back", LinkConfig{Seed: 7, Alone: true, Reconnect: 2000 * msec}, storyCut},
		{"flap", "a link flaps", LinkConfig{Seed: 1, Alone: true}, storyFlap},
		{"silence", "a half-open connection is found out by silence", LinkConfig{Seed: 3, Alone: true, Silence: 500 * msec}, storySilence},
		{"dead", "a dead slave leaves the scan of its RTU line", LinkConfig{Seed: 5, Owes: true}, storyDead},
		{"late", "a slave answers late now and then", LinkConfig{Seed: 9, Owes: true}, storyLate},
		{"paths", "a redundant path takes over, and gives back when the batch lets go", LinkConfig{Seed: 2, Alone: true, Paths: 2}, storyPaths},
		{"foreign", "another device answers at the address", LinkConfig{Seed: 4, Alone: true}, storyForeign},
	} {
		t.Run(c.key, func(t *testing.T) {
			s := newLinkStory(c.c)
			fmt.Fprintf(&s.text, "%s\n\n", c.name)
			c.story(s)
			golden.Check(t, "testdata/link_"+c.key+".golden", s.text.Bytes())
		})
	}
}

func storyCut(s *linkStory) {
	s.up(12)
	s.step(100, LinkEvent{Kind: Answered})
	s.say("the cable is pulled")
	s.step(1000, LinkEvent{Kind: Refused, Detail: "read: connection reset by peer"})
	for s.l.Reconnects() == 0 && s.at < 20_000*msec {
		s.due()
		if s.l.State() == Connecting && s.at < 4000*msec {
			s.step(1, LinkEvent{Kind: Refused, Detail: "connect: no route to host"})
		} else if s.l.State() == Connecting {
			s.step(3, LinkEvent{Kind: Opened})
		}
	}
	s.step(20, LinkEvent{Kind: Synced, Count: 12})
}

func storyFlap(s *linkStory) {
	for range 3 {
		s.up(4)
		s.step(2, LinkEvent{Kind: Refused, Detail: "EOF"})
	}
	s.say("it connects and is lost before it is synced: the pause grows")
	for range 5 {
		s.due()
		s.step(5, LinkEvent{Kind: Opened})
		s.step(5, LinkEvent{Kind: Refused, Detail: "EOF"})
	}
	s.say("it is synced: the pause begins anew")
	s.up(4)
	s.step(2, LinkEvent{Kind: Refused, Detail: "EOF"})
	s.due()
}

func storySilence(s *linkStory) {
	s.up(3)
	s.step(400, LinkEvent{Kind: Answered})
	for s.l.State() == Up || s.l.State() == Degraded {
		s.due()
	}
}

func storyDead(s *linkStory) {
	s.up(6)
	s.step(100, LinkEvent{Kind: Answered})
	s.say("it is switched off")
	for s.l.State() != Demoted {
		s.step(300, LinkEvent{Kind: Missed, Detail: "no reply in 300 ms"})
	}
	s.say("it has one try each time")
	s.due()
	s.step(300, LinkEvent{Kind: Missed, Detail: "no reply in 300 ms"})
	s.say("it is back")
	s.due()
	s.step(8, LinkEvent{Kind: Proved})
	s.step(40, LinkEvent{Kind: Synced, Count: 6})
}

func storyLate(s *linkStory) {
	s.up(6)
	for range 2 {
		s.step(300, LinkEvent{Kind: Missed, Detail: "no reply in 300 ms"})
		s.step(90, LinkEvent{Kind: Proved})
		s.step(100, LinkEvent{Kind: Answered})
	}
	s.say("no miss for 10 s")
	for range 20 {
		s.step(500, LinkEvent{Kind: Answered})
	}
}

func storyPaths(s *linkStory) {
	s.up(5)
	s.step(10, LinkEvent{Kind: Held, Count: 1})
	s.say("the preferred path loses its carrier")
	s.step(1000, LinkEvent{Kind: Carrier, Path: 0, Detail: "eth0: carrier lost"})
	s.up(5)
	s.say("nothing goes back while the batch holds the device")
	for range 3 {
		s.step(1000, LinkEvent{Kind: Answered})
	}
	s.say("the batch ends; path 0 is still dead")
	s.step(500, LinkEvent{Kind: Held})
	s.due()
	s.step(2, LinkEvent{Kind: Refused, Detail: "connect: network is unreachable"})
	s.up(5)
	s.say("the next batch")
	s.step(5000, LinkEvent{Kind: Held, Count: 1})
	s.step(5000, LinkEvent{Kind: Held})
	s.up(5)
	s.say("both paths are dead: the first tries follow on each other, then come pauses")
	s.step(1000, LinkEvent{Kind: Refused, Detail: "EOF"})
	for range 4 {
		s.due()
		s.step(1, LinkEvent{Kind: Refused, Detail: "connect: connection refused"})
	}
	s.up(5)
}

func storyForeign(s *linkStory) {
	s.due()
	s.step(5, LinkEvent{Kind: Opened})
	s.step(5, LinkEvent{Kind: Foreign, Detail: `identity is "FT-200 rev B", not "FT-100"`})
	s.say("the right one is there")
	s.due()
	s.step(5, LinkEvent{Kind: Opened})
	s.step(20, LinkEvent{Kind: Synced, Count: 2})
}

func TestALinkIsUpOnlyAfterItWasSynced(t *testing.T) {
	s := newLinkStory(LinkConfig{})
	s.due()
	s.step(1, LinkEvent{Kind: Opened})
	for _, k := range []LinkEventKind{Answered, Proved, Tick, Opened, Held} {
		s.step(60_000, LinkEvent{Kind: k, Count: 1})
		require.Equal(t, Syncing, s.l.State(), linkEventNames[k])
		values, writes := s.l.Passes()
		require.False(t, values || writes)
	}
	s.step(1, LinkEvent{Kind: Synced, Count: 3})
	require.Equal(t, Up, s.l.State())
}

func TestAfterADoubtWritesWaitForTheNextValidReply(t *testing.T) {
	s := newLinkStory(LinkConfig{Owes: true})
	s.up(1)
	passes := func(values, writes bool) {
		v, w := s.l.Passes()
		require.Equal(t, [2]bool{values, writes}, [2]bool{v, w}, s.l.State())
	}
	passes(true, true)
	s.step(1, LinkEvent{Kind: Missed})
	passes(false, false)
	s.step(1, LinkEvent{Kind: Answered})
	passes(false, false)
	require.Equal(t, Doubt, s.l.State(), "what comes in a doubt is no valid reply")
	s.step(1, LinkEvent{Kind: Proved})
	passes(true, false)
	s.step(1, LinkEvent{Kind: Answered})
	passes(true, true)
}

func TestADeviceThatAnswersOneBlockAndMissesAnotherIsDemotedWhileItIsSynced(t *testing.T) {
	s := newLinkStory(LinkConfig{})
	s.due()
	s.step(1, LinkEvent{Kind: Opened})
	for n := 1; s.l.State() == Syncing; n++ {
		require.LessOrEqual(t, n, 3)
		s.step(10, LinkEvent{Kind: Answered})
		s.step(300, LinkEvent{Kind: Missed})
	}
	require.Equal(t, Demoted, s.l.State())
}

func TestADeclaredReconnectTimeThatIsExceededIsToldOnceAndNotSooner(t *testing.T) {
	s := newLinkStory(LinkConfig{Alone: true, Reconnect: 1000 * msec, First: 5000 * msec})
	s.up(1)
	s.step(1, LinkEvent{Kind: Refused})
	lost, told := s.at, 0
	count := func(fx []LinkEffect) {
		for _, e := range fx {
			if e.Kind == Tell && e.Event.Kind == SLABroken {
				told++
				require.Equal(t, 1000*msec, e.Event.Limit)
				require.Equal(t, e.Event.At-lost, e.Event.Took)
			}
		}
	}
	require.Equal(t, lost+1000*msec+1, s.l.Wake())
	count(s.l.Step(lost+1000*msec, LinkEvent{Kind: Tick}, nil))
	require.Zero(t, told)
	count(s.l.Step(lost+1000*msec+1, LinkEvent{Kind: Held}, nil))
	require.Equal(t, 1, told)
	for i := range int64(100) {
		count(s.l.Step(lost+(1100+100*i)*msec, LinkEvent{Kind: Tick}, nil))
	}
	require.Equal(t, 1, told)
}

func TestALinkThatIsSyncedInTimeBreaksNoDeclaration(t *testing.T) {
	s := newLinkStory(LinkConfig{Alone: true, Reconnect: 1000 * msec})
	s.due()
	s.step(500, LinkEvent{Kind: Opened})
	s.step(500, LinkEvent{Kind: Synced})
	require.NotContains(t, s.text.String(), "declared")
}

func TestOddDeclarationsAreTakenForSoundOnes(t *testing.T) {
	for _, c := range []LinkConfig{
		{First: -1, Longest: -1, Demote: -1, DemotedFor: -1, Reconnect: -1, Silence: -1, Steady: -1, Paths: -1},
		{First: math.MaxInt64, Longest: math.MaxInt64, DemotedFor: math.MaxInt64, Reconnect: math.MaxInt64, Silence: math.MaxInt64, Steady: math.MaxInt64},
		{First: 10, Longest: 1, Demote: math.MaxInt, Paths: math.MaxInt},
	} {
		l, at := NewLink("X", c), int64(0)
		for range 200 {
			for _, k := range []LinkEventKind{Tick, Opened, Synced, Answered, Missed, Refused} {
				l.Step(at, LinkEvent{Kind: k}, nil)
				require.GreaterOrEqual(t, l.Wake(), int64(0))
			}
			at = max(at, min(l.Wake(), at+longestTime/256))
		}
	}
}

func TestWhatIsNoEventDoesNothing(t *testing.T) {
	s := newLinkStory(LinkConfig{})
	s.up(1)
	for _, k := range []LinkEventKind{0, linkEvents, 255} {
		require.Empty(t, s.l.Step(s.at, LinkEvent{Kind: k}, nil))
	}
	require.Equal(t, "", linkStates.String())
	require.Equal(t, "DEMOTED", Demoted.String())
}

func TestAStepAllocatesNothing(t *testing.T) {
	l, fx, at := NewLink("PLC-1", LinkConfig{Owes: true, Paths: 2}), make([]LinkEffect, 0, 8), int64(0)
	kinds := []LinkEventKind{Tick, Opened, Proved, Synced, Answered, Missed, Proved, Answered, Refused}
	n := testing.AllocsPerRun(1000, func() {
		for _, k := range kinds {
			at = max(at, min(l.Wake(), at+31_000*msec))
			fx = l.Step(at, LinkEvent{Kind: k, Count: 3}, fx[:0])
		}
	})
	require.Zero(t, n)
	require.Positive(t, l.Reconnects())
}
