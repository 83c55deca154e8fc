// Tests of the picture: what an engineer sees at the common sizes, and that no size and no text breaks it.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// nowhere is a port on which nothing comes and goes.
type nowhere struct{}

// Watch waits for the end.
func (nowhere) Watch(ctx context.Context, _ func(tag.Raw)) error { <-ctx.Done(); return nil }

// Write confirms everything.
func (nowhere) Write(context.Context, tag.Write) error { return nil }

// recovery makes the record of a batch that is continued.
func recovery(t *testing.T) []byte {
	t.Helper()
	return body(t, record.KindRecovery, func(b *record.Body) {
		b.Text(record.RecoveryPath, "TORN_TAIL; the state follows from records 1 to 412; 37 bytes after them set aside before; "+
			"3 decisions of the last input were made again")
		b.Decimal(record.LossIntervalS, 2750, 3)
	})
}

// remains is what was found of a batch that was cut short.
var remains = runner.Remains{State: "Running", Outcome: journal.TornTail, Records: 412, Reason: "the last frame is cut off"}

// sceneAt gives the scene of the demo after a time in ns, with a fault script. What the batch follows on is as for a view with was.
func sceneAt(t *testing.T, at int64, script string, bound batch.BindOptions, was *runner.Remains) *scene {
	t.Helper()
	plan, err := load(hostFS{}, "", "")
	require.NoError(t, err)
	b, err := plan.Bind("B-0007", "", batch.Unapproved, &bound)
	require.NoError(t, err)
	plant, dir := sim.NewPlant(1), t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/script", []byte(script), 0o640))
	opt := &runner.Options{Virtual: &runner.Virtual{}, Ask: (&flags{}).automatic}
	opt.Schedule, _, err = faults(dir+"/script", plan.Recipe, plant, map[uint32]bool{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, seen := newScene(b, true), &scene{}
	s.history = (&view{b: b, was: was}).follows()
	if was != nil {
		s.record(record.KindRecovery, recovery(t))
	}
	opt.Record = s.record
	opt.Look = func(_ *runner.Runner, snap *runner.Snapshot) {
		s.look(snap)
		if s.at-s.begun >= at && ctx.Err() == nil {
			s.copyTo(seen)
			cancel()
		}
	}
	_, err = runner.Run(ctx, b, runner.Rig{Port: plant, Dir: filepath.Join(dir, b.ID)}, opt)
	require.NoError(t, err)
	require.NotNil(t, seen.plan, "the batch ended before")
	return seen
}

const second = 1_000_000_000

// charging is the demo with both its windows open.
func charging(t *testing.T) *scene {
	return sceneAt(t, 6*second, "", batch.BindOptions{Operator: "ines"}, nil)
}

// held is the demo with a meter that is silent.
func held(t *testing.T) *scene {
	return sceneAt(t, 6*second, "at 5s silent ctr/1 3s\nat 20s command abort op1 \"the test is over\"\n", batch.BindOptions{Operator: "ines"}, nil)
}

// continued is a batch that was cut short and runs in place of another.
func continued(t *testing.T) *scene {
	return sceneAt(t, 6*second, "", batch.BindOptions{Operator: "ines", RestartOf: "B-0006"}, &remains)
}

func TestThePictureIsLegibleAtTheCommonSizes(t *testing.T) {
	for name, scene := range map[string]func(t *testing.T) *scene{"running": charging, "held": held, "continued": continued} {
		s := scene(t)
		for _, size := range [][2]int{{110, 36}, {80, 24}, {40, 12}} {
			rows := draw(s, size[0], size[1], false)
			golden.Check(t, fmt.Sprintf("testdata/live_%s_%dx%d.txt", name, size[0], size[1]), []byte(strings.Join(rows, "\n")+"\n"))
		}
	}
}

func TestWhatABatchFollowsOnIsShownWhereThereIsRoomAndTheLossGoesLast(t *testing.T) {
	s := continued(t)
	for _, c := range []struct {
		w, h int
		says string
	}{
		{110, 36, "found, place, way, loss"},
		{80, 24, "place, way, loss"},
		{80, 23, "way, loss"},
		{80, 22, "loss"},
		{80, 20, "loss"},
		{40, 12, ""},
	} {
		text := strings.Join(draw(s, c.w, c.h, false), "\n")
		head, _, _ := strings.Cut(text, "EVENTS")
		var says []string
		for _, part := range [][2]string{{"it was cut short", "found"},
			{"in place of batch B-0006", "place"}, {"recovered: TORN_TAIL", "way"}, {"nothing was recorded for 2.750 s", "loss"}} {
			if strings.Contains(strings.ReplaceAll(head, "\n", " "), part[0]) {
				says = append(says, part[1])
			}
		}
		require.Equal(t, c.says, strings.Join(says, ", "), "%dx%d\n%s", c.w, c.h, text)
	}
}

// wideRunes are those to which Unicode 16 gives two columns.
var wideRunes = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f3, 3},
		{0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2630, 0x2637, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x267f, 1}, {0x268a, 0x268f, 1},
		{0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1}, {0x26ce, 0x26d4, 6},
		{0x26ea, 0x26ea, 1}, {0x26f2, 0x26f3, 1}, {0x26f5, 0x26fa, 5}, {0x26fd, 0x26fd, 1}, {0x2705, 0x2705, 1}, {0x270a, 0x270b, 1},
		{0x2728, 0x2728, 1}, {0x274c, 0x274e, 2}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1}, {0x27b0, 0x27bf, 15},
		{0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b55, 5}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xa960, 0xa97c, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6b, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x16fe0, 0x18d08, 1}, {0x1aff0, 0x1b2fb, 1}, {0x1d300, 0x1d376, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1},
		{0x1f18e, 0x1f19a, 1}, {0x1f200, 0x1f320, 1}, {0x1f32d, 0x1f335, 1}, {0x1f337, 0x1f37c, 1}, {0x1f37e, 0x1f393, 1}, {0x1f3a0, 0x1f3ca, 1},
		{0x1f3cf, 0x1f3d3, 1}, {0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f43e, 1}, {0x1f440, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f567, 1},
		{0x1f57a, 0x1f596, 1}, {0x1f5a4, 0x1f64f, 1}, {0x1f680, 0x1f6fc, 1}, {0x1f7e0, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}

func wide(r rune) bool { return unicode.Is(wideRunes, r) }

func TestNoRuneTakesMoreColumnsThanItIsGiven(t *testing.T) {
	for r := rune(' '); r <= unicode.MaxRune; r++ {
		if wide(r) {
			require.Equal(t, 2, cells(r), "%U", r)
		}
	}
	for _, c := range "aZ0~ %|[]#°±µ×éßΩЖ→─" {
		require.Equal(t, 1, cells(c), "%U", c)
	}
}

// hostile are texts that do harm to a terminal that obeys them.
var hostile = []string{"\x1b[2J\x1b]0;owned\x07\x1b[31mred", "\u202egnp.exe\u2066", "漢字かな交じり文", "e\u0301\u0301\u0301o\u20dd",
	"\u009b31m\u0085",
	"a\nb\rc\td\x00\x7f", "\xff\xfe\xc3", "⚡✅🔥👩\u200d🔬", "\u200b\ufeff\u00ad", "ﷺ한글ꥠ", strings.Repeat("long words ", 13), ""}

// poison makes every text of a scene hostile, from the n-th on.
func poison(s *scene, n int) *scene {
	next := func() string { n++; return hostile[n%len(hostile)] + hostile[n/3%len(hostile)] }
	m := *s.plan
	m.Tags = slices.Clone(m.Tags)
	for i := range m.Tags {
		m.Tags[i].Name, m.Tags[i].Words = next(), [2]string{next(), next()}
	}
	s.plan, s.batch, s.about, s.warning, s.typed = &m, next(), next(), next(), next()
	s.history = []string{next(), next(), next()}
	for i := range s.steps {
		s.steps[i].id, s.steps[i].wait, s.steps[i].state = next(), next(), "Running"
	}
	for i := range s.windows {
		s.windows[i].id, s.windows[i].verdict, s.windows[i].target, s.windows[i].unit = next(), next(), next(), next()
	}
	for i := range s.events {
		s.events[i].text = next()
	}
	s.prompts = []question{{id: 1, step: next(), text: next()}}
	return s
}

// unfit says what of a picture does not fit into a terminal, or does something to it; "" where nothing does.
func unfit(rows []string, w, h int) string {
	if len(rows) > h {
		return fmt.Sprintf("%d rows in %d", len(rows), h)
	}
	for _, row := range rows {
		if n := strings.Count(row, "\x1b["); n != 2*strings.Count(row, "\x1b[0m") {
			return fmt.Sprintf("a colour is left on: %q", row)
		}
		n := 0
		for _, r := range colours.ReplaceAllString(row, "") {
			if n++; wide(r) {
				n++
			}
			if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.In(r, unicode.Mn, unicode.Me) {
				return fmt.Sprintf("%U in %q", r, row)
			}
		}
		if n > w {
			return fmt.Sprintf("%d columns: %q", n, row)
		}
	}
	return ""
}

func TestNoSizeAndNoTextBreaksThePicture(t *testing.T) {
	asks, ended := held(t), charging(t)
	asks.dialogue = (&dialogue{open: true}).question(sequencer.Held, time.Time{})
	ended.state, ended.prompts = sequencer.Complete, nil
	scenes := map[string]*scene{"running": charging(t), "held and asked": asks, "ended": ended,
		"continued": continued(t), "empty": {plan: asks.plan}}
	for n := range 3 {
		scenes[fmt.Sprint("hostile ", n)] = poison(continued(t), 5*n)
	}
	for name, s := range scenes {
		step := 1
		if name != "hostile 0" {
			step = count(7, 1)
		}
		for w := 1; w <= 130; w += step {
			for h := 1; h <= 45; h++ {
				if problem := unfit(draw(s, w, h, true), w, h); problem != "" {
					t.Fatalf("%s at %dx%d: %s", name, w, h, problem)
				}
			}
		}
		for _, size := range [][2]int{{500, 300}, {500, 1}, {1, 300}, {0, 0}, {-1, -1}} {
			require.Empty(t, unfit(draw(s, size[0], size[1], true), max(size[0], 0), max(size[1], 0)), "%s at %v", name, size)
		}
	}
}

func TestTheTerminalShowsExactlyThePictureWhateverStoodThereBefore(t *testing.T) {
	small := &scene{plan: &iomap.Map{}, batch: "B-1"}
	for _, size := range [][2]int{{110, 36}, {80, 24}, {79, 23}, {40, 12}, {10, 3}, {2, 2}, {1, 1}} {
		w, h := size[0], size[1]
		term := newScreen(w, h)
		for _, s := range []*scene{continued(t), small, held(t), poison(charging(t), 2), small} {
			_, _ = term.Write(paint(draw(s, w, h, true)))
			want := draw(s, w, h, false)
			for len(want) < h {
				want = append(want, "")
			}
			require.Equal(t, want, term.lines(), "%dx%d", w, h)
		}
		require.Empty(t, term.odd)
	}
}

func TestColourIsWhereItIsWantedAndWhereItTellsSomething(t *testing.T) {
	s := held(t)
	bare, coloured := draw(s, 110, 36, false), draw(s, 110, 36, true)
	require.NotContains(t, strings.Join(bare, "\n"), "\x1b")
	for i, row := range coloured {
		require.Equal(t, bare[i], strings.TrimRight(colours.ReplaceAllString(row, ""), " "))
	}
	text := strings.Join(coloured, "\n")
	require.Contains(t, text, "\x1b["+yellow+"mHELD\x1b[0m")
	require.Contains(t, text, "\x1b["+red+"m  NOT APPROVED\x1b[0m")
	require.Contains(t, text, "\x1b["+red+"mSTALE\x1b[0m")
	require.Contains(t, text, "\x1b["+dim+"mGOOD \x1b[0m")
	require.Contains(t, text, "\x1b["+red+"m  STALE\x1b[0m", "what a window is worth")
	require.Contains(t, (&happening{text: "TIME-OUT", grave: true}).line(0).text(80, true), "\x1b["+yellow+"mTIME-OUT")
	require.True(t, strings.HasSuffix((&happening{text: "on it goes"}).line(0).text(80, true), "\x1b[0mon it goes"))
	s = continued(t)
	text = strings.Join(draw(s, 110, 36, true), "\n")
	require.Contains(t, text, "\x1b["+green+"mRUNNING\x1b[0m")
	require.Contains(t, text, "\x1b["+yellow+"mit was cut short")
}

func TestANarrowTerminalShowsTheWholeQuestionAndTheEndOfAnAnswer(t *testing.T) {
	s := held(t)
	s.prompts = []question{{id: 1, step: "SAMPLE", text: "Take a sample of the blend at the sample cock of T301."}}
	s.typed = "taken, number 漢字 4711-08"
	rows := draw(s, 40, 12, false)
	require.Equal(t, []string{"SAMPLE asks: Take a sample of the blend",
		"at the sample cock of T301.", "answer, then Enter (Ctrl-C asks): 11-08_"}, rows[9:])
	s.dialogue = (&dialogue{open: true}).question(s.state, time.Time{})
	rows = draw(s, 40, 12, false)
	require.Equal(t, []string{"The batch is Held: r restart, s stop, a", "abort, Enter leaves it so? Ctrl-C again", "aborts; closes in 0 s"}, rows[9:])
}
