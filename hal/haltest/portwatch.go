// A Watch of a board that runs beside the suite, and what is to be said of the whole of it.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
)

// portWatch is one Watch. It keeps the newest value of each channel, and what was wrong about the values.
type portWatch struct {
	r      *ported
	mu     sync.Mutex
	values map[string]tag.Raw
	order  []string
	busy   bool // a call of emit is under way
	wrong  []string
	ended  bool
	after  []string // channels that came when Watch had returned
	err    error
	news   chan struct{}
	done   chan struct{}
	cancel context.CancelFunc
}

// maxWrong is how many faults of values are kept.
const maxWrong = 4

// watch starts one.
func (r *ported) watch() *portWatch {
	ctx, cancel := context.WithCancel(r.ctx)
	w := &portWatch{r: r, values: map[string]tag.Raw{}, news: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.done)
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("a panic: %v", p)
				}
			}()
			return r.p.Watch(ctx, w.emit)
		}()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended, w.err = true, err
	}()
	return w
}

// emit takes a value.
func (w *portWatch) emit(raw tag.Raw) {
	w.mu.Lock()
	if w.busy {
		w.blame("emit was called while a call of it was under way")
	}
	w.busy = true
	w.mu.Unlock()
	now := w.r.clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	switch {
	case w.ended:
		w.after = append(w.after, raw.Channel)
		return
	case raw.Channel == "":
		w.blame("a value of no channel")
	case raw.Quality != tag.Good && raw.Quality != tag.Bad:
		w.blame("%q has quality %s; a source says GOOD or BAD", raw.Channel, raw.Quality)
	case raw.Form > tag.Float64:
		w.blame("%q has %s", raw.Channel, raw.Form)
	case raw.At < 0 || !w.r.own && raw.At > now:
		w.blame("%q was true at %d, and it is %d now", raw.Channel, raw.At, now)
	}
	if _, ok := w.values[raw.Channel]; !ok {
		w.order = append(w.order, raw.Channel)
	}
	w.values[raw.Channel] = raw
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// blame keeps what is wrong; the caller holds mu.
func (w *portWatch) blame(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(w.wrong) < maxWrong && !slices.Contains(w.wrong, text) {
		w.wrong = append(w.wrong, text)
	}
}

// value is the newest one of a channel.
func (w *portWatch) value(channel string) (tag.Raw, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw, ok := w.values[channel]
	return raw, ok
}

// channels are all that came, in the order in which they came first.
func (w *portWatch) channels() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}

// fate says whether Watch is still under way.
func (w *portWatch) fate() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return fmt.Sprintf("Watch has returned: %v", w.err)
	}
	return "Watch is under way"
}

// until waits for something that values can bring, for so long at most.
func (w *portWatch) until(within time.Duration, is func() bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for !is() {
		select {
		case <-w.news:
		case <-w.done:
			return
		case <-timer.C:
			return
		}
	}
}

// stop calls it off, and returns when it has ended.
func (w *portWatch) stop() error {
	w.cancel()
	select {
	case <-w.done:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err != nil && !errors.Is(w.err, context.Canceled) && !errors.Is(w.err, context.DeadlineExceeded) {
			return fmt.Errorf("its Watch returned %w, and not nil or ctx's error", w.err)
		}
		return nil
	case <-time.After(grace):
		return fmt.Errorf("its Watch did not return within %s of the end of its ctx", grace)
	}
}

// forms tells what was wrong about values.
func (r *ported) forms(w *portWatch) {
	r.check("a value has a channel, a form, quality Good or Bad, and a time that is not in the future; emit is called by one goroutine at a time",
		"fill tag.Raw as its comments say, on the rig's clock, under one lock", func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			var errs []error
			for _, text := range w.wrong {
				errs = append(errs, errors.New(text))
			}
			return errors.Join(errs...)
		})
}

// leaves ends the first Watch, and gives the port reasons to emit.
func (r *ported) leaves(w *portWatch) {
	r.check("Watch returns nil or ctx's error when ctx ends, and emits nothing after that", "wait for whoever emits before returning", func() error {
		if w.fate() != "Watch is under way" {
			return errors.New(w.fate() + ", though its ctx had not ended")
		}
		if err := w.stop(); err != nil {
			return err
		}
		for i := range r.outputs {
			for _, v := range []uint64{r.outputs[i].Values[1], r.outputs[i].Values[0]} {
				if err := r.write(r.outputs[i].Channel, r.outputs[i].Form, v); err != nil {
					return fmt.Errorf("while nobody watches, %q to %d: %w", r.outputs[i].Channel, v, err)
				}
			}
		}
		time.Sleep(quiet)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.after) > 0 {
			return fmt.Errorf("%d values came after Watch had returned, the first of %q", len(w.after), w.after[0])
		}
		return nil
	})
}

// again watches once more.
func (r *ported) again(first *portWatch) {
	r.check("Watch can be called again, and emits every channel that it emitted before", "keep nothing of the Watch before it", func() error {
		w := r.watch()
		var missing []string
		is := func() bool {
			missing = missing[:0]
			for _, c := range first.channels() {
				if _, ok := w.value(c); !ok {
					missing = append(missing, c)
				}
			}
			return len(missing) == 0
		}
		if w.until(r.opt.First, is); !is() {
			return errors.Join(fmt.Errorf("within %s nothing came of %q; %s", r.opt.First, missing, w.fate()), w.stop())
		}
		for i := range r.outputs {
			if o := &r.outputs[i]; !r.blind[o.Channel] {
				if err := r.readsBack(w, o, o.Values[0]); err != nil {
					return errors.Join(err, w.stop())
				}
			}
		}
		return w.stop()
	})
}
