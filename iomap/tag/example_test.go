// A board of one relay and one switch, as this library sees it.

package tag_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/iomap/tag"
)

// board has one relay, do/1, and one switch, di/1, that is wired to it.
type board struct {
	mu      sync.Mutex
	relay   uint64
	changed chan struct{} // has room for one
}

// Watch emits both channels once, and again whenever the relay has changed.
func (b *board) Watch(ctx context.Context, emit func(tag.Raw)) error {
	for {
		b.mu.Lock()
		relay := b.relay
		b.mu.Unlock()
		emit(tag.Raw{Channel: "do/1", Form: tag.Bool, Bits: relay, Quality: tag.Good})
		emit(tag.Raw{Channel: "di/1", Form: tag.Bool, Bits: relay, Quality: tag.Good})
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-b.changed:
		}
	}
}

// Write sets the relay.
func (b *board) Write(_ context.Context, w tag.Write) error {
	if w.Channel != "do/1" {
		return fmt.Errorf("board: no output %q; there is do/1", w.Channel)
	}
	b.mu.Lock()
	b.relay = w.Bits
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return nil
}

func ExamplePort() {
	var port tag.Port = &board{changed: make(chan struct{}, 1)}
	fmt.Println(port.Write(context.Background(), tag.Write{ID: 1, Channel: "do/1", Form: tag.Bool, Bits: 1}))
	fmt.Println(port.Write(context.Background(), tag.Write{ID: 2, Channel: "do/9"}))

	ctx, cancel := context.WithCancel(context.Background())
	cancel() // one look is enough here
	_ = port.Watch(ctx, func(r tag.Raw) { fmt.Println(r.Channel, r.Bits, r.Quality) })
	// Output:
	// <nil>
	// board: no output "do/9"; there is do/1
	// do/1 1 GOOD
	// di/1 1 GOOD
}
