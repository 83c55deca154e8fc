// A person at a terminal: what they see while the batch runs, and what they order.

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
)

// redraw is the least time between two pictures.
const redraw = 100 * time.Millisecond

// console is a terminal with a person at it. Reading it reads what is typed.
type console struct {
	io.Reader
	out        io.Writer
	interrupts <-chan os.Signal                 // Ctrl-C where the terminal is in its own mode
	raw        func() (restore func(), ok bool) // hands every key over as it is pressed, Ctrl-C too
	size       func() (w, h int)
	pictures   bool // it obeys what moves the cursor

	listen sync.Once
	typed  chan []byte // see keys
}

// attend finds out who is there. What wants the process to end ends ctx; so does Ctrl-C, but from a person at a terminal: theirs
// goes to the console that in is then.
func attend() (ctx context.Context, in io.Reader, stop func()) {
	ends := []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
	key, out := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	if !term.IsTerminal(key) || !term.IsTerminal(out) {
		ctx, stop = signal.NotifyContext(context.Background(), append(ends, os.Interrupt)...)
		return ctx, os.Stdin, stop
	}
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	ctx, stop = signal.NotifyContext(context.Background(), ends...)
	c := &console{Reader: os.Stdin, out: os.Stdout, interrupts: interrupts,
		// The old console of Windows shows escape sequences instead of obeying them.
		pictures: os.Getenv("TERM") != "dumb" && (runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != ""),
		raw: func() (func(), bool) {
			old, err := term.MakeRaw(key)
			return func() { _ = term.Restore(key, old) }, err == nil
		},
		size: func() (int, int) {
			w, h, err := term.GetSize(out)
			if err != nil || w < 1 || h < 1 {
				return 80, 24
			}
			return w, h
		}}
	return ctx, c, stop
}

// desk is what stands between a person and a run. One goroutine draws and listens; the loop of the run only leaves word.
type desk struct {
	c        *console
	operator string
	live     bool      // pictures, not lines
	out      io.Writer // never blocks where lines are printed; pictures may wait
	cancel   context.CancelFunc
	deaf     atomic.Bool // nothing more can be typed

	mu    sync.Mutex
	scene *scene         // changed by the loop
	r     *runner.Runner // nil before the first look

	// What follows is the desk's own.
	talk  dialogue
	typed []byte
	shown scene
}

// seat puts the person who is at the terminal, if there is one, before a run: it sets who records, asks and looks. The context
// that it returns is the run's; leave ends it all and gives the terminal back, and may be called twice.
func seat(ctx context.Context, f *flags, stdin io.Reader, v *view, stderr io.Writer, opt *runner.Options) (run context.Context, leave func()) {
	c, ok := stdin.(*console)
	if !ok {
		opt.Record, opt.Ask = v.record, asker(f, stdin, v, stderr)
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	if f.virtual || f.json {
		opt.Record, opt.Ask = v.record, asker(f, stdin, v, stderr)
		done := make(chan struct{})
		go func() {
			select {
			case <-c.interrupts:
				cancel()
			case <-done:
			}
		}()
		return ctx, sync.OnceFunc(func() { close(done); cancel() })
	}
	d := &desk{c: c, operator: f.operator, out: v.out, cancel: cancel, scene: newScene(v.b, f.prompt)}
	if v.was != nil {
		d.scene.past(v.dir)
	}
	d.scene.history = v.follows()
	v.asks = true
	opt.Record = func(k record.Kind, body []byte) { d.record(k, body); v.record(k, body) }
	opt.Ask, opt.Look = f.automatic, d.look
	if f.prompt {
		opt.Ask = func(*runner.Runner, runner.Prompt) { v.invite(v.out, d.deaf.Load()) }
		v.again = func(uint32) { v.invite(v.out, d.deaf.Load()) }
	}
	restore, out := func() {}, v.out
	if c.pictures && !f.plain {
		if back, ok := c.raw(); ok {
			restore, d.live, d.out, v.out = back, true, c.out, io.Discard
		}
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); d.run(c.keys(), end) }()
	return ctx, sync.OnceFunc(func() {
		close(end)
		select {
		case <-done:
		case <-time.After(5 * time.Second): // nobody takes what is drawn
		}
		restore()
		v.out = out
		cancel()
	})
}

// record takes in a record. The loop calls it.
func (d *desk) record(k record.Kind, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scene.record(k, body)
}

// look takes in a snapshot. The loop calls it.
func (d *desk) look(r *runner.Runner, s *runner.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.r = r
	d.scene.look(s)
}

// keys hands over what is typed, and is closed when that ends. All who ask share it: a read of a terminal cannot be called off, and
// would take from the batch in place of another what is typed for it.
func (c *console) keys() <-chan []byte {
	c.listen.Do(func() {
		c.typed = make(chan []byte)
		go func() {
			defer close(c.typed)
			buf := make([]byte, 256)
			for {
				n, err := c.Read(buf)
				if n > 0 {
					c.typed <- bytes.Clone(buf[:n])
				}
				if err != nil {
					return
				}
			}
		}()
	})
	return c.typed
}
