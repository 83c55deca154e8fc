// Wake: how the end of a context ends the wait for an answer over TCP, without a goroutine that waits for it.

package modbus

import (
	"context"
	"time"
)

// watch has the end of ctx wake whoever waits for the connection. A deadline that is moved on every few milliseconds would do, too, and
// needs a timer that is the next to go off: to set it costs a third of a whole exchange on a virtual machine. The function that the
// context calls does nothing but move the deadline.
//
// A context that is seen twice in a row is watched from then on, until another comes; others for one call.
func (w *wire) watch(ctx context.Context) {
	done := ctx.Done()
	if done == w.ctx && (w.kept || done == nil) {
		return
	}
	w.forget()
	w.ctx, w.kept = done, done == w.ctx
	if done == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed.Load() {
		w.unwatch = context.AfterFunc(ctx, w.wake)
	}
}

// rested ends a call's watch.
func (w *wire) rested() {
	if w.ctx != nil && !w.kept {
		w.forget()
	}
}

// forget ends a watch. It may be called from any goroutine.
func (w *wire) forget() {
	w.mu.Lock()
	unwatch := w.unwatch
	w.unwatch = nil
	w.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
}

// wake ends a wait. It may come late, when another waits already, who then looks around once more than is needed.
func (w *wire) wake() {
	_ = w.conn.SetDeadline(time.Unix(1, 0)) // on a connection that is closed nobody waits
}
