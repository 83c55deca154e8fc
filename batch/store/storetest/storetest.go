// Package storetest holds stores against what they promise.
//
// Start with [Log], which holds a log of an arbiter against arbiter.Log, whatever medium it has. It returns an error that joins
// each promise that was broken, with what was seen and what to look at first; so a test and a check of a plant's database are the
// same code. [Follow] does the same for a log that others write to as well. [Trial] makes a history of several clients while the
// medium is killed, stopped or cut, and [Step] is the model that a checker of linearizability holds it against. [Plant] holds a
// plant against what store.Plant says of it, with records that a [Teller] makes up. [StartPostgres] starts a PostgreSQL server
// for tests.
//
// The rule that must not be broken: a suite leaves nothing running. It writes to what it is given, and wants that empty.
//
// The package checks no history: that is a search, which the tests leave to porcupine.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// Sizes of a run.
const (
	large   = 3 << 20 // bytes of the largest operation
	writers = 4
	rounds  = 25
)

// Log holds a log against its contract. Open opens the same log each time, which is empty at first; one that is an io.Closer is
// closed before it is opened again. It blocks for some hundred writes and five readings of the log, and at most as long as ctx
// and the log take.
func Log(ctx context.Context, open func(ctx context.Context) (arbiter.Log, error)) error {
	s := &suite{ctx: ctx, open: open}
	if err := s.begin(); err != nil {
		return err
	}
	s.check("an empty log has nothing", "look at what Read gives of a new log", s.empty)
	s.check("what was appended is read, in order and byte for byte", "look for a copy that is missing, or an encoding", s.append)
	s.check("a number that is not next is ErrConflict and changes nothing", "compare and set in one transaction", s.conflict)
	s.check("Read begins where it was told, and ends with the error of do", "look at the bounds of Read", s.bounds)
	s.check("do may append, and does not see what it appends", "read what was durable when Read was called", s.inside)
	s.check("of those who append under one number exactly one wins", "compare and set in one transaction", s.race)
	s.check("two that have the same log open conflict as one does", "do not keep the next number in memory", s.two)
	s.check("a ctx that has ended appends nothing, or says that it did not", "look at ctx before writing; say ErrUnknown where it ended under way", s.cancelled)
	s.check("an operation may be large", "look for a limit of the medium", s.large)
	s.check("a log that is opened again is the same", "acknowledge what is durable, and not sooner", s.again)
	s.check("Trim lets go what is before, and nothing else", "look at the bounds of Trim", s.trim)
	s.check("a trimmed log that is opened again goes on", "count on from the last number, not from how many are there", s.trimmed)
	return errors.Join(append(s.broken, s.close(s.log))...)
}

// suite is one run.
type suite struct {
	ctx    context.Context
	open   func(ctx context.Context) (arbiter.Log, error)
	log    arbiter.Log
	want   [][]byte // operations from number first on
	first  uint64
	broken []error
}

func (s *suite) begin() (err error) {
	s.first = 1
	if s.log, err = s.open(s.ctx); err != nil {
		return fmt.Errorf("storetest: the log does not open: %w", err)
	}
	return nil
}

// check holds one promise.
func (s *suite) check(promise, remedy string, look func() error) {
	if err := look(); err != nil {
		s.broken = append(s.broken, fmt.Errorf("storetest: broken: %s: %w; %s", promise, err, remedy))
		s.catchUp()
	}
}

// catchUp takes what is there for what should be there, so that one broken promise does not break all others.
func (s *suite) catchUp() {
	var got [][]byte
	first := uint64(0)
	err := s.log.Read(s.ctx, 1, func(seq uint64, op []byte) error {
		if first == 0 {
			first = seq
		}
		got = append(got, slices.Clone(op))
		return nil
	})
	if err == nil && first > 0 {
		s.want, s.first = got, first
	}
}

func (s *suite) close(log arbiter.Log) error {
	if c, ok := log.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (s *suite) next() uint64 { return s.first + uint64(len(s.want)) }

// body is an operation that is unlike any other: bytes of all values, zeros among them.
func body(n uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(uint64(i) * (7 + n)) // the first is zero
	}
	return append(b, fmt.Sprintf("#%d", n)...)
}

// add appends one operation that has to be taken.
func (s *suite) add(op []byte) error {
	seq := s.next()
	given := slices.Clone(op)
	if err := s.log.Append(s.ctx, seq, given); err != nil {
		return fmt.Errorf("operation %d was not taken: %w", seq, err)
	}
	for i := range given {
		given[i] = 0xAA // a log keeps a copy
	}
	s.want = append(s.want, op)
	return nil
}

// same reads a log and holds it against what was appended.
func (s *suite) same(log arbiter.Log, from uint64) error {
	at := max(from, s.first)
	err := log.Read(s.ctx, from, func(seq uint64, op []byte) error {
		switch {
		case seq != at:
			return fmt.Errorf("operation %d was read where %d is next", seq, at)
		case seq >= s.next():
			return fmt.Errorf("operation %d was read, which nobody has appended", seq)
		case !bytes.Equal(op, s.want[seq-s.first]):
			return fmt.Errorf("operation %d was read otherwise than it was written", seq)
		}
		at++
		return nil
	})
	if err == nil && at < s.next() && from < s.next() {
		err = fmt.Errorf("operation %d was not read; %d was the last that was acknowledged", at, s.next()-1)
	}
	return err
}

func (s *suite) empty() error { return s.same(s.log, 1) }

func (s *suite) append() error {
	for n := range 20 {
		if err := s.add(body(s.next(), n*n*10)); err != nil {
			return err
		}
	}
	return s.same(s.log, 1)
}

// conflicts holds that a number is not taken.
func (s *suite) conflicts(log arbiter.Log, seq uint64) error {
	if err := log.Append(s.ctx, seq, body(seq, 5)); !errors.Is(err, arbiter.ErrConflict) {
		return fmt.Errorf("operation %d, where %d is next, came to %w", seq, s.next(), cmpErr(err))
	}
	return nil
}

// cmpErr gives nil words.
func cmpErr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func (s *suite) conflict() error {
	for _, seq := range []uint64{0, 1, s.next() - 1, s.next() + 1, s.next() + 1000, 1 << 63} {
		if err := s.conflicts(s.log, seq); err != nil {
			return err
		}
	}
	return s.same(s.log, 1)
}

func (s *suite) bounds() error {
	for _, from := range []uint64{0, 1, 2, s.next() - 1, s.next(), s.next() + 5, 1 << 63} {
		if err := s.same(s.log, from); err != nil {
			return fmt.Errorf("from %d: %w", from, err)
		}
	}
	stop, n := errors.New("stop"), 0
	err := s.log.Read(s.ctx, 1, func(uint64, []byte) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 {
		return fmt.Errorf("do returned an error at the third operation; Read gave %d and returned %w", n, cmpErr(err))
	}
	return nil
}

func (s *suite) inside() error {
	last, seen := s.next()-1, uint64(0)
	err := s.log.Read(s.ctx, 1, func(seq uint64, _ []byte) error {
		if seen = seq; seq == s.first {
			return s.add(body(s.next(), 9))
		}
		return nil
	})
	if err == nil && seen != last {
		err = fmt.Errorf("operation %d was the last that was read, and %d the last before", seen, last)
	}
	return errors.Join(err, s.same(s.log, 1))
}

// race has several append at once, each what it is alone in writing.
func (s *suite) race() error {
	type win struct {
		seq uint64
		op  []byte
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var wins []win
	var failed error
	begin := s.next()
	for w := range writers {
		all.Add(1)
		go func() {
			defer all.Done()
			for seq := begin; seq < begin+rounds; seq++ {
				op := body(seq*writers+uint64(w), 20)
				err := s.log.Append(s.ctx, seq, op)
				mu.Lock()
				if err == nil {
					wins = append(wins, win{seq, op})
				} else if !errors.Is(err, arbiter.ErrConflict) {
					failed = errors.Join(failed, fmt.Errorf("operation %d: %w", seq, err))
				}
				mu.Unlock()
			}
		}()
	}
	all.Wait()
	slices.SortStableFunc(wins, func(a, b win) int { return int(a.seq) - int(b.seq) })
	for i, w := range wins {
		if w.seq != begin+uint64(i) {
			return errors.Join(failed, fmt.Errorf("operation %d was acknowledged where %d is next: twice, or with a gap", w.seq, begin+uint64(i)))
		}
		s.want = append(s.want, w.op)
	}
	return errors.Join(failed, s.same(s.log, 1))
}

func (s *suite) two() (err error) {
	other, err := s.open(s.ctx)
	if err != nil {
		return fmt.Errorf("it does not open a second time: %w", err)
	}
	if other != s.log {
		defer func() { err = errors.Join(err, s.close(other)) }()
	}
	if err := s.add(body(s.next(), 30)); err != nil {
		return err
	}
	if err := s.conflicts(other, s.next()-1); err != nil {
		return err
	}
	op := body(s.next(), 31)
	if err := other.Append(s.ctx, s.next(), op); err != nil {
		return fmt.Errorf("operation %d was not taken of the second: %w", s.next(), err)
	}
	s.want = append(s.want, op)
	return errors.Join(s.conflicts(s.log, s.next()-1), s.same(s.log, 1), s.same(other, 1))
}

func (s *suite) cancelled() error {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	op := body(s.next(), 12)
	err := s.log.Append(ctx, s.next(), op)
	if err == nil || errors.Is(err, arbiter.ErrUnknown) {
		s.catchUp() // it may be there
	}
	if err == nil {
		return errors.New("no error of Append with a ctx that has ended")
	}
	if err := s.log.Read(ctx, 1, func(uint64, []byte) error { return nil }); err == nil {
		return errors.New("no error of Read with a ctx that has ended")
	}
	if err := s.same(s.log, 1); err != nil {
		return err
	}
	return s.add(body(s.next(), 12))
}

func (s *suite) large() error {
	if err := s.add(body(s.next(), large)); err != nil {
		return err
	}
	return s.same(s.log, s.next()-1)
}

func (s *suite) again() error {
	if err := s.close(s.log); err != nil {
		return err
	}
	log, err := s.open(s.ctx)
	if err != nil {
		return err
	}
	s.log = log
	if err := s.same(s.log, 1); err != nil {
		return err
	}
	return errors.Join(s.conflicts(s.log, s.next()-1), s.add(body(s.next(), 40)), s.same(s.log, 1))
}

func (s *suite) trim() error {
	if err := s.log.Trim(s.ctx, s.next()+1); err == nil {
		return errors.New("no error of Trim to an operation that is not there")
	}
	if err := s.same(s.log, 1); err != nil {
		return err
	}
	for _, seq := range []uint64{0, s.first, s.first + 7, s.first + 3, s.next() - 1} {
		if err := s.log.Trim(s.ctx, seq); err != nil {
			return fmt.Errorf("to %d: %w", seq, err)
		}
		if seq > s.first {
			s.want, s.first = s.want[seq-s.first:], seq
		}
		if err := s.same(s.log, 1); err != nil {
			return fmt.Errorf("to %d: %w", seq, err)
		}
	}
	return errors.Join(s.conflicts(s.log, 1), s.conflicts(s.log, 2), s.add(body(s.next(), 50)), s.same(s.log, s.first))
}

func (s *suite) trimmed() error { return s.again() }
