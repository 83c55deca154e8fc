// Package store keeps what the executive has to find again: in memory, in a SQLite file, or in PostgreSQL.
//
// Start with [OpenSQLite], for one board, or [OpenPostgres], for several. They keep the log of an arbiter, whose operations are
// numbered without a gap and written by compare-and-set, so that of two who append under one number one wins, whatever process it
// is in.
//
// [OpenPlant] opens what people and their programs ask: process unit runs, materials, articles, batches, jobs and captured values,
// as tables that are made of the records of journals. Its SQL is one text for SQLite and PostgreSQL. The tables are plain, so that
// other programs may read them; names of columns change only with a new form.
//
// The rule that must not be broken: what was acknowledged is on the disk, and what is on the disk is never thrown away because it
// cannot be read. Of a plant what is kept are the journals: its rows can be made again at any time, and come out the same.
//
// The package decides nothing and starts nothing. Package storetest says what a log and a plant promise, to whoever writes
// another one.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// ErrDamaged: the file or database is none of this package, or what stands in it is not what was written. It is left as it is:
// SetAside moves a file.
var ErrDamaged = errors.New("store: damaged")

// ErrRefused: the log does not take the operation, whoever asks; nothing was written.
var ErrRefused = errors.New("store: refused")

// checkAppend refuses what no log takes.
func checkAppend(ctx context.Context, seq uint64, op []byte) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: nothing was written: %w", ErrRefused, ctx.Err())
	case len(op) == 0 || len(op) > arbiter.MaxOp:
		return fmt.Errorf("%w: an operation of %d bytes; it has 1 to %d", ErrRefused, len(op), arbiter.MaxOp)
	case seq == 0 || seq > 1<<62:
		return fmt.Errorf("%w: number %d; operations are numbered from 1", arbiter.ErrConflict, seq)
	}
	return nil
}

// Memory is a log that ends with its process: for one process that is all there is, and for tests. Its methods may be called from
// any goroutine.
type Memory struct {
	mu    sync.Mutex
	first uint64 // number of ops[0]
	ops   [][]byte
	news  chan struct{} // closed by the next Append; nil where nobody waits
}

// NewMemory returns an empty log.
func NewMemory() *Memory { return &Memory{first: 1} }

// Append implements arbiter.Log; it never blocks, and its outcome is never unknown.
func (m *Memory) Append(ctx context.Context, seq uint64, op []byte) error {
	if err := checkAppend(ctx, seq, op); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if next := m.first + uint64(len(m.ops)); seq != next {
		return fmt.Errorf("%w: %d is next, not %d", arbiter.ErrConflict, next, seq)
	}
	m.ops = append(m.ops, slices.Clone(op))
	if m.news != nil {
		close(m.news)
		m.news = nil
	}
	return nil
}

// Wait implements arbiter.Follower.
func (m *Memory) Wait(ctx context.Context, seq uint64) error {
	for {
		m.mu.Lock()
		next := m.first + uint64(len(m.ops))
		if m.news == nil {
			m.news = make(chan struct{})
		}
		news := m.news
		m.mu.Unlock()
		if err := ctx.Err(); err != nil || seq < next {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Read implements arbiter.Log. Do may append to the log.
func (m *Memory) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	m.mu.Lock()
	first, ops := m.first, m.ops
	m.mu.Unlock()
	for i, op := range ops {
		if err := ctx.Err(); err != nil {
			return err
		}
		if seq := first + uint64(i); seq >= from {
			if err := do(seq, slices.Clone(op)); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// Trim implements arbiter.Log.
func (m *Memory) Trim(ctx context.Context, seq uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case seq < m.first:
		return nil
	case seq >= m.first+uint64(len(m.ops)):
		return fmt.Errorf("%w: operation %d is not in the log, so it cannot be the first of it", ErrRefused, seq)
	}
	m.ops = slices.Clone(m.ops[seq-m.first:])
	m.first = seq
	return nil
}
