// The discipline on boards where anything happens at any time: what is shown is never better than what is known.

package timebase_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// storm is a board in a campaign, and what its test knows of it.
type storm struct {
	*board
	r      *rand.Rand
	c      timebase.Config
	twin   *timebase.Discipline
	whole  bool // a snapshot is taken after every event
	begun  int64
	raised map[string]int // by reference: how often it came to be believed
	synced bool
	kept   bool // the chip has been read, and was good
}

func newStorm(seed uint64) *storm {
	r := rand.New(rand.NewPCG(seed, 7))
	s := &storm{r: r, board: &board{mono: 5 * sec, utc: utc, truth: utc + r.Int64N(sec), drift: r.Int64N(180_000) - 90_000},
		begun: 5 * sec, raised: map[string]int{}, whole: seed%25 == 0}
	s.c = timebase.Config{HoldoverLimit: 50*ms + r.Int64N(5*sec), FailBack: r.Int64N(300*sec) + 1, ChipSet: utc - r.Int64N(1000)*sec}
	for i := range 2 + r.IntN(4) {
		kind := []timebase.Kind{timebase.NTP, timebase.PTP, timebase.RTC}[r.IntN(3)]
		ref := timebase.Ref{Name: fmt.Sprintf("%s%d", kind, i), Kind: kind}
		l := link{name: ref.Name, kind: kind, bound: sec, says: "it was just begun"}
		switch kind {
		case timebase.NTP:
			ref.MaxAge, l.bound, l.every = 20*sec+r.Int64N(100*sec), ms+r.Int64N(30*ms), r.Int64N(16*sec)
		case timebase.PTP:
			ref.MaxBound, l.bound = 200*ms, 1000+r.Int64N(100_000)
		}
		s.c.Refs, s.links = append(s.c.Refs, ref), append(s.links, l)
	}
	return s
}

// happens lets one thing happen to one reference or to the wall clock.
func (s *storm) happens() {
	l := &s.links[s.r.IntN(len(s.links))]
	switch s.r.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6:
		l.up, l.says, l.mute = true, "", false
	case 7, 8, 9:
		l.up = false
	case 10, 11:
		l.up, l.says = false, "unreachable"
	case 12:
		l.mute = !l.mute
	case 13:
		l.leap = int8(s.r.IntN(3) - 1)
	case 14:
		s.utc += s.r.Int64N(2*ms) - ms // too small to be told from a correction
	case 15:
		s.utc += s.r.Int64N(sec) - sec/2
	case 16:
		if s.r.IntN(4) == 0 {
			s.utc += s.r.Int64N(20_000*sec) - 10_000*sec
		}
	case 17:
		if s.r.IntN(4) == 0 {
			ns := s.r.Int64N(3600 * sec)
			s.slept, s.utc, s.truth = s.slept+ns, s.utc+ns, s.truth+ns-ns/1_000_000*s.drift/1000
		}
	}
	l.noise = s.r.Int64N(2*l.bound+1) - l.bound
	if l.kind == timebase.RTC {
		l.noise = 0
	}
	s.listen()
}

func (s *storm) tell(t *testing.T, l timebase.Look, told []timebase.Change) {
	require.Equal(t, told, s.twin.Step(&l, nil), "the same looks, the same changes")
	if s.whole || s.r.IntN(40) == 0 {
		from := s.d.Snapshot(nil)
		again, err := timebase.NewDiscipline(&s.c)
		require.NoError(t, err)
		require.NoError(t, again.Restore(from))
		require.Equal(t, from, again.Snapshot(nil))
		s.twin = again // it goes on in the place of the one that never was restored
	}
	for i := range told {
		if c := &told[i]; c.Reason == timebase.Raised || c.Reason == timebase.FailBack || c.Reason == timebase.FailOver {
			s.raised[c.Ref]++
		}
	}
	if l.Ref >= 0 && s.links[l.Ref].kind == timebase.RTC && !l.Failed && l.Reading.Good {
		s.kept = true
	}
	s.never(t, l)
}

// never is what must never be shown.
func (s *storm) never(t *testing.T, l timebase.Look) {
	covered(t, s.board)
	o := s.d.Status()
	s.synced = s.synced || o.Sync > timebase.Holdover
	switch o.Sync {
	case timebase.NTPSync, timebase.PTPLocked:
		for i := range s.links {
			k := &s.links[i]
			if k.name != o.Source {
				continue
			}
			require.Equal(t, o.Sync == timebase.PTPLocked, k.kind == timebase.PTP, "%+v", o)
			require.False(t, l.Ref == i && !l.Failed && k.says != "", "it says that it is lost: %+v", o)
			age := s.c.Refs[i].MaxAge
			if age == 0 {
				age = timebase.PTPMaxAge
			}
			require.LessOrEqual(t, s.mono-k.heard, age, "%+v", o)
		}
	case timebase.Holdover:
		require.True(t, s.synced, "%+v", o)
		require.LessOrEqual(t, o.Bound, s.c.HoldoverLimit, "%+v", o)
		require.Positive(t, o.Bound)
	case timebase.RTCOnly:
		require.True(t, s.synced || s.kept, "%+v", o)
	}
}

// TestWhatIsShownIsNeverBetterThanWhatIsKnown runs boards on which references come and go, lie about being there, and clocks are moved
// and put to sleep: the bound covers the true error, and damping bounds how often anything is believed anew.
func TestWhatIsShownIsNeverBetterThanWhatIsKnown(t *testing.T) {
	seeds, most, raises, looks := uint64(1000), 0.0, 0, 0
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			s := newStorm(seed)
			var err error
			s.d, err = timebase.NewDiscipline(&s.c)
			require.NoError(t, err)
			s.twin, err = timebase.NewDiscipline(&s.c)
			require.NoError(t, err)
			calm := 1 + s.r.IntN(40) // looks from one event to the next
			for range 400 {
				if s.r.IntN(calm) == 0 {
					s.happens()
				}
				s.pass(sec/4 + s.r.Int64N(4*sec))
				s.poll(func(l timebase.Look, told []timebase.Change) { looks++; s.tell(t, l, told) })
			}
			hours := float64(s.mono+s.slept-s.begun) / float64(time.Hour)
			for name, n := range s.raised {
				raises += n
				most = max(most, float64(n)/(12+15*hours))
				require.LessOrEqual(t, float64(n), 12+15*hours, "%s was believed anew %d times in %.2f h", name, n, hours)
			}
		})
	}
	t.Logf("%d seeds, %d looks, believed anew %d times, at worst %.0f %% of the bound by damping", seeds, looks, raises, 100*most)
}

// TestDampingBoundsHowOftenAReferenceComesBack has one reference fail at the worst of times for a day, whenever it is believed.
func TestDampingBoundsHowOftenAReferenceComesBack(t *testing.T) {
	for _, patience := range []int64{0, 5 * sec, 600 * sec, 1200 * sec} { // how long it stays good once it is believed
		c := timebase.Config{Refs: []timebase.Ref{{Name: "ntpd", Kind: timebase.NTP}}}
		b := &board{mono: sec, utc: utc, truth: utc, links: []link{{name: "ntpd", kind: timebase.NTP, up: true, bound: ms}}}
		var err error
		b.d, err = timebase.NewDiscipline(&c)
		require.NoError(t, err)
		raised, flaps, since, hour, worst := 0, 0, int64(0), 0, 0
		for n := range 86_400 {
			b.pass(sec)
			b.poll(func(_ timebase.Look, told []timebase.Change) {
				for i := range told {
					if told[i].Reason == timebase.Raised {
						raised++
						hour++
						since = b.mono
					}
					if told[i].Reason == timebase.Flapping {
						flaps++
					}
				}
			})
			if b.links[0].says = ""; b.d.Status().Sync == timebase.NTPSync && b.mono-since >= patience {
				b.links[0].says = "unreachable"
			}
			if n%3600 == 3599 {
				worst, hour = max(worst, hour), 0
			}
		}
		t.Logf("good for %v at a time: believed anew %d times in 24 h, %d in the worst hour; told of flapping %d times", time.Duration(patience),
			raised, worst, flaps)
		require.LessOrEqual(t, raised, 12+15*24)
		require.LessOrEqual(t, worst, 12+15)
	}
}
