// Bus: one serial line, which several devices share.

package modbus

import (
	"context"
	"fmt"
	"sync"
)

// Bus is one serial line, which devices with different units share. The first of its devices that is opened opens it, and the last
// that is closed closes it; where the line is lost, as by an adapter that was unplugged, the next that is opened opens it anew.
type Bus struct {
	open   func(ctx context.Context, port string, before *Client) (*Client, error)
	mu     sync.Mutex
	port   string
	client *Client // nil: the line is not open
	before *Client // the one before client
	users  int     // of client
}

// NewBus makes a bus. Open opens the line, as with hal/linux and NewRTU, by what stands behind "serial:" in the endpoints of its
// devices. Before is the client that it opened last, or nil: it belongs in RTUOptions.After, so that what slaves owe is remembered.
// Open is called by one goroutine at a time, and not while the line is open.
func NewBus(open func(ctx context.Context, port string, before *Client) (*Client, error)) *Bus {
	return &Bus{open: open}
}

// take gives the line to one more user.
func (b *Bus) take(ctx context.Context, port string) (*Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil && b.client.line.over() {
		b.client = nil // whoever uses it still will find out
	}
	if b.client != nil && port != b.port {
		return nil, fmt.Errorf("modbus: bus %q: is open, and the endpoint is %q; give a line of its own a Bus of its own", b.port, port)
	}
	if b.client == nil {
		c, err := b.open(ctx, port, b.before)
		if err != nil {
			return nil, fmt.Errorf("modbus: bus %q: %w: %w", port, ErrDown, err)
		}
		b.client, b.before, b.port, b.users = c, c, port, 0
	}
	b.users++
	return b.client, nil
}

// give takes the line from a user; broken, it is closed for all.
func (b *Bus) give(c *Client, broken bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c != b.client {
		return nil // it was lost, and closed
	}
	if b.users--; b.users > 0 && !broken {
		return nil
	}
	b.client = nil
	return c.Close()
}
