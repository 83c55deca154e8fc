// What the tests of the live view share: a terminal that obeys what is written to it, and a person in front of it.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase/system"
)

// colours is what sets a colour, and nothing else.
var colours = regexp.MustCompile(`\x1b\[(0|1|2|1;31|32|33|35|90|7)m`)

// screen is a terminal. As on many of them, what is written into the last column leaves the cursor there.
type screen struct {
	mu      sync.Mutex
	w, h    int
	cooked  bool // a line feed begins a new line
	rows    [][]rune
	x, y    int
	full    bool // the next rune begins a new line
	hidden  bool // the cursor is
	odd     string
	changed chan struct{}
}

func newScreen(w, h int) *screen {
	s := &screen{w: w, h: h, changed: make(chan struct{})}
	for range h {
		s.rows = append(s.rows, blank(w))
	}
	return s
}

func blank(w int) []rune { return []rune(strings.Repeat(" ", w)) }

// Write obeys what is written, and keeps the first that it does not know.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := string(b); text != ""; {
		text = text[s.obey(text):]
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return len(b), nil
}

// obey takes in what stands first, and returns how many bytes that was.
func (s *screen) obey(text string) int {
	if text[0] == '\x1b' {
		if at := colours.FindStringIndex(text); at != nil && at[0] == 0 {
			return at[1]
		}
	}
	for _, c := range []struct {
		code string
		do   func()
	}{
		{"\x1b[H", func() { s.x, s.y, s.full = 0, 0, false }},
		{"\x1b[K", s.clear},
		{"\x1b[J", func() {
			s.clear()
			for y := s.y + 1; y < s.h; y++ {
				s.rows[y] = blank(s.w)
			}
		}},
		{"\x1b[?25l", func() { s.hidden = true }},
		{"\x1b[?25h", func() { s.hidden = false }},
		{"\r", func() { s.x, s.full = 0, false }},
		{"\n", s.feed},
	} {
		if strings.HasPrefix(text, c.code) {
			c.do()
			return len(c.code)
		}
	}
	r, size := utf8.DecodeRuneInString(text)
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
		s.odd = fmt.Sprintf("%s (first %q)", s.odd, text[:min(len(text), 8)])
	}
	s.put(r)
	return size
}

// clear clears the line from the cursor on.
func (s *screen) clear() {
	copy(s.rows[s.y][s.x:], blank(s.w-s.x))
	s.full = false
}

func (s *screen) feed() {
	if s.cooked {
		s.x, s.full = 0, false
	}
	if s.y++; s.y == s.h {
		s.rows = append(s.rows[1:], blank(s.w))
		s.y--
	}
}

// put shows a rune. A wide one takes the cell behind its own too, where nothing is kept.
func (s *screen) put(r rune) {
	n := 1
	if wide(r) {
		n = 2
	}
	if s.full || s.x+n > s.w {
		s.x, s.full = 0, false
		s.feed()
	}
	s.rows[s.y][s.x] = r
	if n == 2 && s.x+1 < s.w {
		s.rows[s.y][s.x+1] = -1
	}
	if s.x += n; s.x >= s.w {
		s.x, s.full = s.w-1, true
	}
}

// lines gives what is seen, without the blanks at the ends of lines.
func (s *screen) lines() (all []string) {
	for _, row := range s.rows {
		all = append(all, strings.TrimRight(strings.ReplaceAll(string(row), string(rune(-1)), ""), " "))
	}
	return all
}

// shows waits until a text is seen; false where it does not come.
func (s *screen) shows(text string) bool {
	late := time.After(forLong)
	for {
		s.mu.Lock()
		seen, changed := strings.Contains(strings.Join(s.lines(), "\n"), text), s.changed
		s.mu.Unlock()
		if seen {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}

// act is something that a person does when they see something.
type act struct{ sees, types string }

// seated is a terminal with a person at it, who plays a scene.
type seated struct {
	*console
	screen   *screen
	keyboard *io.PipeWriter
	signals  chan os.Signal
	raws     int
	restored int
	missed   string // what they waited for and did not see
	hands    sync.WaitGroup
}

// sit seats a person.
func sit(w, h int, acts ...act) *seated {
	keys, keyboard := io.Pipe()
	p := &seated{screen: newScreen(w, h), keyboard: keyboard, signals: make(chan os.Signal, 2)}
	p.console = &console{Reader: keys, out: p.screen, interrupts: p.signals, pictures: true,
		raw:  func() (func(), bool) { p.raws++; return func() { p.restored++ }, true },
		size: func() (int, int) { return w, h }}
	p.hands.Go(func() {
		for _, a := range acts {
			if !p.screen.shows(a.sees) {
				p.missed = fmt.Sprintf("%q was not seen in:\n%s", a.sees, strings.Join(p.screen.lines(), "\n"))
				p.signals <- os.Interrupt
				p.signals <- os.Interrupt
				return
			}
			if a.types == "Ctrl-C" {
				p.signals <- os.Interrupt
			} else {
				_, _ = io.WriteString(keyboard, a.types)
			}
		}
	})
	return p
}

// rises ends what the person does, and wants them to have seen all that they waited for.
func (p *seated) rises(t *testing.T) {
	t.Helper()
	p.keyboard.Close()
	p.hands.Wait()
	require.Empty(t, p.missed)
	require.Empty(t, p.screen.odd, "written and not known to the terminal")
	require.False(t, p.screen.hidden, "the cursor is shown again")
}

// rings runs the recipe bell at a terminal, in a bubble: with the plant in this process, and no time spent.
func rings(t *testing.T, f flags, p *seated, stdout io.Writer) (res runner.Result, dir string) {
	t.Helper()
	plan, err := load(hostFS{}, "bell.yaml", "")
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Operator: f.operator})
	require.NoError(t, err)
	clock, dir := system.NewClock(1), t.TempDir()
	v, opt := &view{b: b, dir: dir, out: stdout, live: true}, &runner.Options{}
	ctx, leave := seat(t.Context(), &f, p.console, v, io.Discard, opt)
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	res, err = runner.Run(ctx, b, runner.Rig{Port: sim.NewPlant(1).On(clock), Clock: clock, Dir: dir + "/B-0001"}, opt)
	require.NoError(t, err)
	leave()
	require.Equal(t, stdout, v.out, "the summary goes where it always goes")
	return res, dir + "/B-0001"
}

// inBubble runs a test in a bubble, in a place of its own with the recipe bell in it.
func inBubble(t *testing.T, fn func(t *testing.T)) {
	workplace(t)
	write(t, "bell.yaml", bell)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour) // a bubble begins in the year 2000, and no batch in a time that cannot be
		fn(t)
	})
}
