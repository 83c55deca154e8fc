// Bus: one serial line, which several devices share.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/batchkit/batchkit/fieldbus"
)

// Bus is one serial line. The first of its devices that is opened opens it, and the last that is closed closes it; where the line is
// lost, as by an adapter that was unplugged, the next that is opened opens it anew.
type Bus struct {
	open   func(ctx context.Context, port string) (*Client, error)
	mu     sync.Mutex
	port   string
	client *Client
	users  int // of client
}

// NewBus makes a bus. Open opens the line by what stands behind "serial:" in the endpoint of a device, as with NewRTU; it is called by one goroutine
// at a time, and not while a client that it returned is in use.
func NewBus(open func(ctx context.Context, port string) (*Client, error)) *Bus {
	return &Bus{open: open}
}

// take gives the line to one more user.
func (b *Bus) take(ctx context.Context, port string) (*Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil && port != b.port {
		return nil, fmt.Errorf("modbus: bus %q: is open, and the endpoint is %q; give a line of its own a Bus of its own", b.port, port)
	}
	if b.client == nil {
		c, err := b.open(ctx, port)
		if err != nil {
			return nil, fmt.Errorf("modbus: bus %q: %w: %w", port, fieldbus.ErrDown, err)
		}
		b.client, b.port, b.users = c, port, 0
	}
	b.users++
	return b.client, nil
}

// give takes the line from a user; broken, it is closed for all.
func (b *Bus) give(c *Client, broken bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c != b.client {
		return nil // it was dropped
	}
	if b.users--; b.users > 0 && !broken {
		return nil
	}
	b.client = nil
	return c.Close()
}

// drop closes a line that is lost.
func (b *Bus) drop(c *Client) { _ = errors.Join(b.give(c, true)) }
