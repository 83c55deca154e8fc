// The port of a batch whose equipment lies on several boards: the I/O process of this one, and those of others.

package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/batchkit/batchkit/batch/executive/wire"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// retryFar is the time in ns after which a board that was lost is tried again.
const retryFar = 1_000_000_000

// boards is such a port. It is lost when this board is. Where another board is, the channels of that one are BAD and writes to them are refused, while
// all else goes on; it is tried again each second, and the batch has there what it had, if its token is the newest still.
type boards struct {
	home  Port
	clock timebase.Clock
	far   []*far          // by name
	at    map[string]*far // by channel of another board, as the map calls it
	of    map[string]*far // by equipment of another board
	told  func()          // is told when a board is lost, and when it is back; without locks held

	emits sync.Mutex // held during emit
}

// far is another board.
type far struct {
	node     string
	port     Port
	channels []string          // as the map calls them
	named    map[string]string // as the map calls it, by what it is called there
	there    map[string]string // what it is called there, by what the map calls it

	last map[string]tag.Raw // of boards.emits

	mu   sync.Mutex
	down error // why it is not reached; nil: it is, or was not tried yet
}

var _ Port = (*boards)(nil)

// newBoards makes the port of a batch: home is what it has on this board, and away what it has on others.
func newBoards(home Port, clock timebase.Clock, away []*away, dial func(o wire.Options) Port, told func()) *boards {
	b := &boards{home: home, clock: clock, at: map[string]*far{}, of: map[string]*far{}, told: told}
	for _, a := range away {
		f := &far{node: a.Node, port: dial(a.Options), channels: a.named, named: map[string]string{}, there: map[string]string{}, last: map[string]tag.Raw{}}
		for i, there := range a.Channels {
			f.named[there], f.there[a.named[i]], b.at[a.named[i]] = a.named[i], there, f
		}
		for i := range a.Outputs {
			b.of[a.Outputs[i].Equipment] = f
		}
		b.far = append(b.far, f)
	}
	return b
}

// away is what a batch has on another board; named are its channels as the map calls them.
type away struct {
	wire.Options
	named []string
}

// Watch implements tag.Port. It returns when that of this board has, and what it has started with it.
func (b *boards) Watch(ctx context.Context, emit func(tag.Raw)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, f := range b.far {
		wg.Go(func() { b.follow(ctx, f, emit) })
	}
	return b.home.Watch(ctx, func(raw tag.Raw) {
		b.emits.Lock()
		defer b.emits.Unlock()
		emit(raw)
	})
}

// follow watches another board, and again when it was lost, until ctx ends.
func (b *boards) follow(ctx context.Context, f *far, emit func(tag.Raw)) {
	for ctx.Err() == nil {
		err := f.port.Watch(ctx, func(raw tag.Raw) {
			b.set(f, nil)
			b.emits.Lock()
			defer b.emits.Unlock()
			raw.Channel = f.named[raw.Channel]
			f.last[raw.Channel] = raw
			emit(raw)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("its Watch has returned")
		}
		b.set(f, err)
		b.lose(f, emit)
		_ = b.clock.Wait(ctx, b.clock.Now()+retryFar)
	}
}

// lose makes the channels of a board BAD.
func (b *boards) lose(f *far, emit func(tag.Raw)) {
	b.emits.Lock()
	defer b.emits.Unlock()
	for _, c := range f.channels {
		raw := f.last[c]
		if raw.Channel != "" && raw.Quality == tag.Bad {
			continue
		}
		raw.Channel, raw.Quality, raw.At = c, tag.Bad, b.clock.Now()
		f.last[c] = raw
		emit(raw)
	}
}

// set takes in that a board is not reached, nil that it is.
func (b *boards) set(f *far, err error) {
	f.mu.Lock()
	news := (f.down == nil) != (err == nil)
	f.down = err
	f.mu.Unlock()
	if news {
		b.told()
	}
}

func (f *far) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

// missing says which boards are not reached, and why; "" is that none is missed.
func (b *boards) missing() string {
	var list []string
	for _, f := range b.far {
		if err := f.why(); err != nil {
			list = append(list, fmt.Sprintf("board %s is not reached: %s", f.node, err))
		}
	}
	return strings.Join(list, "; ")
}

// Write implements tag.Port. One to a board that is not reached is refused at once: others wait behind it.
func (b *boards) Write(ctx context.Context, w tag.Write) error {
	f := b.at[w.Channel]
	if f == nil {
		return b.home.Write(ctx, w)
	}
	if err := f.why(); err != nil {
		return fmt.Errorf("host: %w: board %s is not reached: %w", tag.ErrRefused, f.node, err)
	}
	w.Channel = f.there[w.Channel]
	if err := f.port.Write(ctx, w); err != nil {
		return fmt.Errorf("host: board %s: %w", f.node, err)
	}
	return nil
}

// each hands every board what it has of equipment. What has no output here that is on another board is this one's to know.
func (b *boards) each(equipment []string, do func(p Port, its []string)) {
	of := func(f *far) (its []string) {
		for _, e := range equipment {
			if b.of[e] == f {
				its = append(its, e)
			}
		}
		return its
	}
	if its := of(nil); len(its) > 0 {
		do(b.home, its)
	}
	for _, f := range b.far {
		if its := of(f); len(its) > 0 {
			do(f.port, its)
		}
	}
}

// Grant implements Port.
func (b *boards) Grant(equipment []string, token uint64) {
	b.each(equipment, func(p Port, its []string) { p.Grant(its, token) })
}

// Release implements Port.
func (b *boards) Release(equipment []string) {
	b.each(equipment, func(p Port, its []string) { p.Release(its) })
}

// Close implements Port: it says goodbye to all at once.
func (b *boards) Close() error {
	all := b.all()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { errs[i] = p.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Drop implements Port.
func (b *boards) Drop() {
	for _, p := range b.all() {
		p.Drop()
	}
}

func (b *boards) all() []Port {
	list := []Port{b.home}
	for _, f := range b.far {
		list = append(list, f.port)
	}
	return list
}
