// Those who wait for what others append.

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// woken is how long Wait may take after an append.
const woken = 30 * time.Second

// Follow holds a log that others write to as well against what arbiter.Follower promises beside a Log. Open opens the same log each
// time, as a process of its own would; those that are an io.Closer are closed. It appends to the log, and blocks for as long as
// Wait does, half a minute each at most.
func Follow(ctx context.Context, open func(ctx context.Context) (arbiter.Follower, error)) error {
	f := &following{ctx: ctx}
	var all []error
	for _, to := range []*arbiter.Follower{&f.one, &f.other} {
		log, err := open(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("storetest: the log does not open: %w", err), f.close())
		}
		*to = log
	}
	for _, c := range []struct {
		promise, remedy string
		look            func() error
	}{
		{"Wait does not block where the operation is there", "look at the log before waiting", f.there},
		{"Wait ends with the error of ctx", "hand ctx to whatever blocks", f.ends},
		{"Wait ends when another one appends", "look at the log again after listening has begun, and now and then", f.wakes},
		{"several wait at once", "wake all who wait", f.several},
	} {
		if err := c.look(); err != nil {
			all = append(all, fmt.Errorf("storetest: broken: %s: %w; %s", c.promise, err, c.remedy))
		}
	}
	return errors.Join(append(all, f.close())...)
}

// following is one run.
type following struct {
	ctx        context.Context
	one, other arbiter.Follower
}

func (f *following) close() (err error) {
	for _, log := range []arbiter.Follower{f.one, f.other} {
		if c, ok := log.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// last is the number of the last operation.
func (f *following) last(log arbiter.Log) (last uint64, err error) {
	err = log.Read(f.ctx, 1, func(seq uint64, _ []byte) error { last = seq; return nil })
	return last, err
}

// until waits for an operation; Wait may return before it is there.
func (f *following) until(log arbiter.Follower, seq uint64) error {
	ctx, cancel := context.WithTimeout(f.ctx, woken)
	defer cancel()
	for {
		if err := log.Wait(ctx, seq); err != nil {
			return fmt.Errorf("waiting for operation %d: %w", seq, err)
		}
		if last, err := f.last(log); err != nil || last >= seq {
			return err
		}
	}
}

func (f *following) there() error {
	last, err := f.last(f.one)
	if err == nil {
		err = f.one.Append(f.ctx, last+1, body(last+1, 10))
	}
	for seq := uint64(0); err == nil && seq <= last+1; seq++ {
		err = errors.Join(f.until(f.one, seq), f.until(f.other, seq))
	}
	return err
}

func (f *following) ends() error {
	last, err := f.last(f.one)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	for _, seq := range []uint64{1, last + 1} {
		if err := f.one.Wait(ended, seq); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("operation %d, and a ctx that has ended: %w", seq, cmpErr(err))
		}
	}
	short, cancel := context.WithTimeout(f.ctx, 300*time.Millisecond)
	defer cancel()
	for err == nil {
		err = f.one.Wait(short, last+1)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a ctx that ends under way: %w", err)
	}
	return nil
}

func (f *following) wakes() error {
	for n := range 5 {
		from, to := f.one, f.other
		if n%2 == 1 {
			from, to = to, from
		}
		last, err := f.last(from)
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() { done <- f.until(to, last+1) }()
		if n > 0 { // at first it is appended before or while the other begins to wait
			time.Sleep(time.Duration(n) * 20 * time.Millisecond)
		}
		if err := errors.Join(from.Append(f.ctx, last+1, body(last+1, 10)), <-done); err != nil {
			return err
		}
	}
	return nil
}

func (f *following) several() error {
	last, err := f.last(f.one)
	if err != nil {
		return err
	}
	const all = 6
	done := make(chan error, all)
	for n := range all {
		log := f.one
		if n%2 == 1 {
			log = f.other
		}
		go func() { done <- f.until(log, last+2) }()
	}
	err = f.one.Append(f.ctx, last+1, body(last+1, 10))
	if err == nil {
		err = f.other.Append(f.ctx, last+2, body(last+2, 10))
	}
	for range all {
		err = errors.Join(err, <-done)
	}
	return err
}
