// Where the list is shown: a picture on a terminal, lines anywhere else.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// redraw is the least time between two pictures.
const redraw = 100 * time.Millisecond

// screen shows a list.
type screen struct {
	out  io.Writer
	size func() (w, h int) // nil: no terminal, or one that does not obey
	rows int               // of the last picture
	told map[string]string // what was said of each batch last, where lines are printed
	wide bool              // with the node of each batch
}

// newScreen finds out what out is.
func newScreen(out io.Writer, plain bool) *screen {
	s := &screen{out: out, told: map[string]string{}}
	f, ok := out.(*os.File)
	// The old console of Windows shows escape sequences instead of obeying them.
	obeys := os.Getenv("TERM") != "dumb" && (runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != "")
	if ok && obeys && !plain && term.IsTerminal(int(f.Fd())) {
		s.size = func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 20 || h < 5 {
				return 80, 24
			}
			return w, h
		}
	}
	return s
}

// show follows the managers and shows their list until done says so or ctx ends. Title stands above it.
func (s *screen) show(ctx context.Context, managers []*api.Client, title string, done func(all []api.Batch) bool) error {
	run, cancel := context.WithCancel(ctx)
	lists, news := make([]*list, len(managers)), make(chan struct{}, 1)
	var followed sync.WaitGroup
	for i, c := range managers {
		l := &list{}
		lists[i] = l
		followed.Go(func() {
			l.follow(run, c, func(*api.Batch) {
				select {
				case news <- struct{}{}:
				default:
				}
			})
		})
	}
	defer func() { cancel(); followed.Wait() }()
	for begun := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-time.After(time.Second):
		}
		var all []api.Batch
		for _, l := range lists {
			all = append(all, l.all()...)
		}
		if s.size != nil {
			s.draw(fmt.Sprintf("%s   %d s", title, int(time.Since(begun).Seconds())), all, heldBy(lists))
		} else {
			s.print(all)
		}
		if done(all) {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(redraw):
		}
	}
}

// heldBy is who has what: all managers say the same, so the first that is heard says it.
func heldBy(lists []*list) []api.Holding {
	for _, l := range lists {
		if l.heard() {
			return l.held()
		}
	}
	return lists[0].held()
}

// print says what has changed, a batch a line.
func (s *screen) print(all []api.Batch) {
	for i := range all {
		b := &all[i]
		about := fmt.Sprint(b.Life, b.State, b.Reason, b.Steps, b.Prompts)
		if s.told[b.ID] != about {
			s.told[b.ID] = about
			fmt.Fprintln(s.out, s.line(b))
		}
	}
}

func (s *screen) head() string { return cond(s.wide, nodeHead, batchHead) }

func (s *screen) line(b *api.Batch) string {
	if s.wide {
		return nodeLine(b)
	}
	return batchLine(b)
}

// draw draws over the picture that was there.
func (s *screen) draw(title string, all []api.Batch, held []api.Holding) {
	w, h := s.size()
	rows := s.picture(title, all, held, w, h-1)
	var b strings.Builder
	if s.rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.rows)
	}
	for _, r := range rows {
		b.WriteString("\r" + r + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.rows = len(rows)
	_, _ = io.WriteString(s.out, b.String())
}

// picture gives at most h rows of at most w characters: the list, and below it who has what.
func (s *screen) picture(title string, all []api.Batch, held []api.Holding, w, h int) (rows []string) {
	rows = append(rows, title, "", s.head())
	for i := range all {
		rows = append(rows, s.line(&all[i]))
	}
	rows = append(rows, "")
	for i := range held {
		rows = append(rows, holdingLine(&held[i]))
	}
	rows = rows[:min(len(rows), max(h, 0))]
	for i, r := range rows {
		if chars := []rune(r); len(chars) > w {
			rows[i] = string(chars[:w])
		}
	}
	return rows
}
