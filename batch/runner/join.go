// Join: several ports as one.

package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// maxJoined is how many ports may be joined.
const maxJoined = 64

// Part is a port of a Join, and the channels that are its.
type Part struct {
	Name     string // in errors
	Port     tag.Port
	Channels []string
}

// joined is what Join returns.
type joined struct {
	parts []Part
	owner map[string]int
}

// Join makes one port of several, such as the lines of a board and a meter on a bus. A write goes to the port whose channel it names, and
// so it waits for no other. What a port emits of channels that are not its is dropped, so that no channel has two sources. It is lost
// when one of them is, since a rig is one; its error says which. Watch of each part runs on a goroutine of its own, and Watch of the
// whole returns when all have. A channel of two parts is refused.
func Join(parts ...Part) (tag.Port, error) {
	if len(parts) == 0 || len(parts) > maxJoined {
		return nil, fmt.Errorf("runner: join: %d ports: 1 to %d are wanted", len(parts), maxJoined)
	}
	j := &joined{parts: parts, owner: map[string]int{}}
	var wrong []error
	for i, p := range parts {
		if p.Port == nil || len(p.Channels) == 0 {
			wrong = append(wrong, fmt.Errorf("runner: join: part %d, %q: a port and its channels are wanted", i+1, p.Name))
		}
		for _, c := range p.Channels {
			if first, has := j.owner[c]; has {
				wrong = append(wrong, fmt.Errorf("runner: join: channel %q is one of %q and one of %q; a channel has one port",
					c, parts[first].Name, p.Name))
			}
			j.owner[c] = i
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return j, nil
}

// Watch implements tag.Port.
func (j *joined) Watch(ctx context.Context, emit func(tag.Raw)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var lost error
	for i, p := range j.parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer cancel()
			err := watchPart(ctx, p, func(r tag.Raw) {
				if owner, has := j.owner[r.Channel]; !has || owner != i {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				emit(r)
			})
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() == nil && lost == nil { // the first; the others end because it has
				if err == nil {
					err = errors.New("its Watch has returned")
				}
				lost = fmt.Errorf("runner: join: port %q is lost: %w", p.Name, err)
			}
		}()
	}
	wg.Wait()
	return lost
}

// watchPart watches a port. One that panics is lost, as it is where it is alone.
func watchPart(ctx context.Context, p Part, emit func(tag.Raw)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.Port.Watch(ctx, emit)
}

// Report implements Reporter, for all parts that do.
func (j *joined) Report(to func(ev fieldbus.Event)) {
	for i := range j.parts {
		if r, ok := behind[Reporter](j.parts[i].Port); ok {
			r.Report(to)
		}
	}
}

// Hold implements Holder, for all parts that do.
func (j *joined) Hold(held bool) {
	for i := range j.parts {
		if h, ok := behind[Holder](j.parts[i].Port); ok {
			h.Hold(held)
		}
	}
}

// TagMaps implements Mapped, for all parts that do.
func (j *joined) TagMaps() (all []*fieldbus.TagMap) {
	for i := range j.parts {
		if m, ok := behind[Mapped](j.parts[i].Port); ok {
			all = append(all, m.TagMaps()...)
		}
	}
	return all
}

// Write implements tag.Port.
func (j *joined) Write(ctx context.Context, w tag.Write) error {
	i, has := j.owner[w.Channel]
	if !has {
		return fmt.Errorf("runner: join: no port has channel %q", w.Channel)
	}
	return j.parts[i].Port.Write(ctx, w)
}
