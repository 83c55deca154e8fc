// Scenarios of the discipline, from testdata: what happens to a board and its references, and what is shown of it.

package timebase_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// script is a scenario that is played.
type script struct {
	*board
	t     *testing.T
	c     timebase.Config
	out   bytes.Buffer
	start int64
	again *timebase.Discipline // is restored from a snapshot after each event
}

// TestTheDisciplineShowsWhatTheScenariosSay plays each file of testdata. Its lines are
//
//	begin 2026-05-04T12:00:00Z    what the wall clock shows, and what is true
//	drift 20ppm                   of the board's crystal
//	ref NAME KIND [age=6s] [bound=1ms] [every=1s]
//	set holdover=2s failback=5m chipset=2026-05-01T00:00:00Z
//	AT NAME good 1us              it is heard, and measures with that bound
//	AT NAME cut                   it is heard no more, and claims what it has claimed
//	AT NAME lost WORDS            it says that it is not good, and why
//	AT NAME mute                  it gives no answer
//	AT NAME leap +1
//	AT wall -3h                   somebody sets the wall clock
//	AT sleep 2h                   the machine sleeps
//	AT midnight -1s               the kernel inserts the second, and UTC has it too
//	AT end
//
// where AT is the time since the beginning. Every second the wall clock is looked at and every reference is read.
func TestTheDisciplineShowsWhatTheScenariosSay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			s := &script{t: t, board: &board{}}
			for i, line := range strings.Split(string(src), "\n") {
				line, _, _ = strings.Cut(line, "#")
				if f := strings.Fields(line); len(f) > 0 {
					require.NoError(t, s.line(f), "line %d", i+1)
				}
			}
			golden.Check(t, strings.TrimSuffix(file, ".txt")+".golden", s.out.Bytes())
		})
	}
}

func (s *script) line(f []string) error {
	switch f[0] {
	case "begin":
		at, err := time.Parse(time.RFC3339, f[1])
		s.utc, s.truth, s.mono, s.start = at.UnixNano(), at.UnixNano(), 10*sec, 10*sec
		return err
	case "drift":
		ppm, err := strconv.ParseInt(strings.TrimSuffix(f[1], "ppm"), 10, 64)
		s.drift = ppm * 1000
		return err
	case "set", "ref":
		return s.declare(f)
	}
	at, err := time.ParseDuration(f[0])
	if err != nil {
		return err
	}
	if s.d == nil {
		if s.d, err = timebase.NewDiscipline(&s.c); err == nil {
			s.again, err = timebase.NewDiscipline(&s.c)
		}
		if err != nil {
			return err
		}
	}
	for s.mono-s.start < int64(at) {
		s.pass(sec)
		s.poll(s.tell)
	}
	s.listen()
	return s.event(f[1:])
}

func (s *script) declare(f []string) error {
	var r timebase.Ref
	l := link{bound: sec}
	if f[0] == "ref" {
		kinds := map[string]timebase.Kind{"rtc": timebase.RTC, "ntp": timebase.NTP, "ptp": timebase.PTP}
		r.Name, r.Kind = f[1], kinds[f[2]]
		f = f[2:]
	}
	for _, w := range f[1:] {
		k, v, _ := strings.Cut(w, "=")
		if k == "chipset" {
			at, err := time.Parse(time.RFC3339, v)
			if s.c.ChipSet = at.UnixNano(); err != nil {
				return err
			}
			continue
		}
		ns, err := time.ParseDuration(v)
		if err != nil {
			return err
		}
		*map[string]*int64{"age": &r.MaxAge, "bound": &r.MaxBound, "every": &l.every, "holdover": &s.c.HoldoverLimit, "failback": &s.c.FailBack}[k] = int64(ns)
	}
	if r.Name != "" {
		l.name, l.kind, l.says = r.Name, r.Kind, "it was just begun"
		s.c.Refs, s.links = append(s.c.Refs, r), append(s.links, l)
	}
	return nil
}

func (s *script) event(f []string) error {
	by := func(text string) int64 {
		ns, err := time.ParseDuration(text)
		require.NoError(s.t, err)
		return int64(ns)
	}
	switch f[0] {
	case "end":
		o := s.d.Status()
		fmt.Fprintf(&s.out, "%s end: %s\n", s.at(), shown(&o))
		return nil
	case "wall":
		s.utc += by(f[1])
	case "midnight":
		s.utc, s.truth = s.utc+by(f[1]), s.truth+by(f[1])
	case "sleep":
		ns := by(f[1])
		s.slept, s.utc, s.truth = s.slept+ns, s.utc+ns, s.truth+ns-ns/1_000_000*s.drift/1000
	default:
		return s.refer(f, by)
	}
	fmt.Fprintf(&s.out, "%s (%s)\n", s.at(), strings.Join(f, " "))
	return nil
}

func (s *script) refer(f []string, by func(string) int64) error {
	for i := range s.links {
		l := &s.links[i]
		if l.name != f[0] {
			continue
		}
		switch f[1] {
		case "good":
			l.up, l.says, l.mute = true, "", false
			if len(f) > 2 {
				l.bound = by(f[2])
			}
		case "cut":
			l.up = false
		case "lost":
			l.up, l.says = false, strings.Join(f[2:], " ")
		case "mute":
			l.mute = true
		case "leap":
			n, err := strconv.Atoi(f[2])
			if l.leap = int8(n); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unknown event %q", f[1])
		}
		fmt.Fprintf(&s.out, "%s (%s)\n", s.at(), strings.Join(f, " "))
		return nil
	}
	return fmt.Errorf("unknown reference %q", f[0])
}

func (s *script) at() string {
	d := time.Duration(s.mono - s.start)
	return fmt.Sprintf("%02d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
}

// tell prints what was told, and holds the machine against one that begins anew from a snapshot at each event.
func (s *script) tell(l timebase.Look, told []timebase.Change) {
	require.Equal(s.t, told, s.again.Step(&l, nil))
	require.NoError(s.t, s.again.Restore(s.d.Snapshot(nil)))
	for i := range told {
		c := &told[i]
		fmt.Fprintf(&s.out, "%s %s", s.at(), c.Reason)
		if c.Ref != "" {
			fmt.Fprintf(&s.out, " %s", c.Ref)
		}
		if c.Why != "" {
			fmt.Fprintf(&s.out, " (%s)", c.Why)
		}
		if i == len(told)-1 && c.From.Changed(&c.To) {
			fmt.Fprintf(&s.out, ": %s -> %s\n", short(&c.From), shown(&c.To))
			continue
		}
		fmt.Fprintln(&s.out)
	}
	covered(s.t, s.board)
}

func covered(t *testing.T, b *board) {
	if o := b.d.Status(); o.Sync != timebase.Unset && o.Bound != 0 && o.Bound < magnitude(b.utc-b.truth) {
		require.Fail(t, "the bound does not cover the error", "%+v, the error is %v", o, time.Duration(b.utc-b.truth))
	}
}

func short(o *timebase.Observation) string {
	words := o.Sync.String() + " " + o.Source
	if r := o.Role.String(); r != "" {
		words += " " + r
	}
	return words
}

func shown(o *timebase.Observation) string {
	words := short(o)
	if o.Sync != timebase.Unset && o.Bound == 0 {
		words += ", bound not known"
	} else if o.Sync != timebase.Unset {
		words += ", bound " + time.Duration(o.Bound).Round(time.Microsecond).String()
	}
	if o.LastSync != 0 {
		words += ", heard " + time.Duration(o.Age).Round(time.Second).String() + " ago"
	}
	if o.Steps > 0 {
		words += fmt.Sprintf(", step %d by %v", o.Steps, time.Duration(o.Moved).Round(time.Millisecond))
	}
	if o.Leap != 0 {
		words += fmt.Sprintf(", leap %+d", o.Leap)
	}
	return words
}
