// Paths, tries and time: what a link promises of them.

package fieldbus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALossOfASyncedPathIsFollowedByTheNextPathWithoutAPause(t *testing.T) {
	s := newLinkStory(LinkConfig{Alone: true, Paths: 2})
	s.up(1)
	s.step(0, LinkEvent{Kind: Held, Count: 1})
	for want := range 20 {
		s.step(1000, LinkEvent{Kind: Refused})
		require.Equal(t, (want+1)%2, s.l.Path())
		require.Equal(t, s.at, s.l.Wake(), "loss %d", want)
		s.up(1)
	}
}

func TestTwoPathsThatBothDieAtOnceDoNotSpin(t *testing.T) {
	s, opens := newLinkStory(LinkConfig{Alone: true, Paths: 2}), 0
	for s.at < 10_000*msec {
		s.due()
		s.step(0, LinkEvent{Kind: Opened})
		s.step(0, LinkEvent{Kind: Synced})
		s.step(0, LinkEvent{Kind: Refused})
		opens++
	}
	require.LessOrEqual(t, opens, 10_000/200+2)
}

func TestALossTakesPathZeroFirstUnlessABatchHoldsTheDevice(t *testing.T) {
	for _, held := range []int{0, 1} {
		s := newLinkStory(LinkConfig{Alone: true, Paths: 3})
		s.up(1)
		s.step(0, LinkEvent{Kind: Held, Count: held})
		s.step(1000, LinkEvent{Kind: Refused})
		s.up(1)
		require.Equal(t, 1, s.l.Path())
		s.step(1000, LinkEvent{Kind: Refused})
		require.Equal(t, 2*held, s.l.Path())
	}
}

func TestOnlyABatchThatLetsGoHasTheLinkGoBack(t *testing.T) {
	s := newLinkStory(LinkConfig{Alone: true, Paths: 2})
	s.up(1)
	s.step(1000, LinkEvent{Kind: Refused})
	s.up(1)
	for range 3 {
		s.step(1000, LinkEvent{Kind: Held})
		require.Equal(t, Up, s.l.State(), "no batch held it")
	}
	s.step(1000, LinkEvent{Kind: Held, Count: 1})
	s.step(1000, LinkEvent{Kind: Held})
	require.Equal(t, Down, s.l.State())
	require.Zero(t, s.l.Path())
}

func TestASlaveThatIsMissedIsTriedByItsOtherPathBeforeItIsDemoted(t *testing.T) {
	s := newLinkStory(LinkConfig{Owes: true, Paths: 2})
	s.up(1)
	for range 3 {
		s.step(300, LinkEvent{Kind: Missed})
	}
	require.Equal(t, Down, s.l.State())
	s.due()
	s.step(1, LinkEvent{Kind: Opened})
	require.Equal(t, 1, s.l.Path())
	for range 3 {
		s.step(300, LinkEvent{Kind: Missed})
	}
	require.Equal(t, Demoted, s.l.State())
}

func TestADeviceThatIsSyncedHasAllItsTriesAgain(t *testing.T) {
	s := newLinkStory(LinkConfig{})
	s.up(1)
	for range 3 {
		s.step(300, LinkEvent{Kind: Missed})
	}
	require.Equal(t, Demoted, s.l.State())
	s.due()
	require.Equal(t, Syncing, s.l.State())
	s.step(1, LinkEvent{Kind: Synced})
	s.step(1, LinkEvent{Kind: Missed})
	s.step(1, LinkEvent{Kind: Missed})
	require.Equal(t, Degraded, s.l.State())
	s.step(1, LinkEvent{Kind: Missed})
	require.Equal(t, Demoted, s.l.State())
}

func TestTheTimeInDoubtIsNoSilence(t *testing.T) {
	s := newLinkStory(LinkConfig{Owes: true, Silence: 500 * msec})
	s.up(1)
	s.step(300, LinkEvent{Kind: Missed})
	s.step(2000, LinkEvent{Kind: Proved})
	require.Equal(t, Degraded, s.l.State())
	require.Equal(t, s.at+500*msec, s.l.Wake())
}

func TestTimeThatGoesBackStandsStill(t *testing.T) {
	s := newLinkStory(LinkConfig{Alone: true})
	s.up(1)
	for _, e := range s.l.Step(s.at-5*msec, LinkEvent{Kind: Missed}, nil) {
		require.Equal(t, s.at, e.Event.At)
		require.Zero(t, e.Event.Took)
	}
}
