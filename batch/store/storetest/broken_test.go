// The suite is red where a log breaks a promise, and says which: doubles that are wrong in one way each.

package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// disk is what a double has after it was opened again.
type disk struct {
	mu    sync.Mutex
	first uint64
	ops   [][]byte
}

// double is a log that is wrong in one way, or in none.
type double struct {
	wrong string
	*disk
	next uint64 // as it was when this was opened
	lost int    // operations that were acknowledged and are not on the disk
}

func (d *double) Append(ctx context.Context, seq uint64, op []byte) error {
	if ctx.Err() != nil && d.wrong != "ctx" {
		return ctx.Err()
	}
	if d.wrong == "race" {
		d.mu.Lock()
		next := d.first + uint64(len(d.ops))
		d.mu.Unlock()
		if seq != next {
			return arbiter.ErrConflict
		}
		for range 20_000 { // between compare and set
			_ = fmt.Sprint(seq)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	next := d.first + uint64(len(d.ops))
	switch {
	case d.wrong == "counter":
		next = d.next
	case d.wrong == "count":
		next = 1 + uint64(len(d.ops))
	case d.wrong == "race":
		next = seq
	case d.wrong == "gap" && seq > next:
		next = seq
	case d.wrong == "error" && seq != next:
		return errors.New("double: no")
	case d.wrong == "large" && len(op) > 1<<20:
		return errors.New("double: too large")
	}
	if seq != next {
		return arbiter.ErrConflict
	}
	d.next++
	if d.lost++; d.wrong == "drop" && d.lost == 7 {
		return nil
	}
	if d.wrong != "alias" {
		op = append([]byte(nil), op...)
	}
	if d.wrong == "text" && len(op) > 0 && op[0] == 0 {
		op = op[1:]
	}
	d.ops = append(d.ops, op)
	return nil
}

func (d *double) Read(ctx context.Context, from uint64, do func(seq uint64, op []byte) error) error {
	d.mu.Lock()
	first, ops := d.first, d.ops
	d.mu.Unlock()
	if ctx.Err() != nil && d.wrong != "ctx" {
		return ctx.Err()
	}
	if d.wrong == "last" && len(ops) > 0 {
		ops = ops[:len(ops)-1]
	}
	for i := 0; i < len(ops); i++ {
		seq := first + uint64(i)
		if seq < from && d.wrong != "from" || d.wrong == "after" && seq == from {
			continue
		}
		if err := do(seq, ops[i]); err != nil && d.wrong != "go on" {
			return err
		}
		if d.wrong == "inside" {
			d.mu.Lock()
			ops = d.ops
			d.mu.Unlock()
		}
	}
	return nil
}

func (d *double) Trim(_ context.Context, seq uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := d.first + uint64(len(d.ops)); {
	case seq < d.first || d.wrong == "never":
		return nil
	case seq >= n && d.wrong != "all":
		return errors.New("double: no such operation")
	case d.wrong == "one more" && seq > d.first && seq+1 < n:
		seq++
	}
	if seq -= d.first; int(seq) <= len(d.ops) {
		d.ops, d.first = d.ops[seq:], d.first+seq
	} else {
		d.ops = nil
	}
	return nil
}

func (d *double) Close() error {
	if d.wrong == "cache" && len(d.ops) > 0 {
		d.ops = d.ops[:len(d.ops)-1]
	}
	return nil
}

func run(t *testing.T, wrong string) error {
	on := &disk{first: 1}
	return storetest.Log(t.Context(), func(context.Context) (arbiter.Log, error) {
		return &double{wrong: wrong, disk: on, next: on.first + uint64(len(on.ops))}, nil
	})
}

func TestTheSuiteIsRedWhereALogBreaksAPromise(t *testing.T) {
	require.NoError(t, run(t, ""))
	for wrong, promise := range map[string]string{
		"ctx":      "a ctx that has ended",
		"race":     "exactly one wins",
		"counter":  "two that have the same log open",
		"count":    "Trim lets go what is before",
		"gap":      "a number that is not next",
		"error":    "a number that is not next",
		"large":    "may be large",
		"drop":     "what was appended is read",
		"alias":    "byte for byte",
		"text":     "byte for byte",
		"last":     "was not read",
		"from":     "Read begins where it was told",
		"after":    "was read where",
		"go on":    "ends with the error of do",
		"inside":   "does not see what it appends",
		"never":    "Trim lets go what is before",
		"all":      "Trim to an operation that is not there",
		"one more": "Trim lets go what is before",
		"cache":    "a log that is opened again is the same",
	} {
		err := run(t, wrong)
		require.Error(t, err, wrong)
		require.ErrorContains(t, err, promise, wrong)
	}
}

func TestTheSuiteSaysThatALogDoesNotOpen(t *testing.T) {
	no := errors.New("no")
	require.ErrorIs(t, storetest.Log(t.Context(), func(context.Context) (arbiter.Log, error) { return nil, no }), no)
	on := store.NewMemory()
	require.NoError(t, on.Append(t.Context(), 1, []byte("x")))
	require.ErrorContains(t, storetest.Log(t.Context(), func(context.Context) (arbiter.Log, error) { return on, nil }), "an empty log has nothing")
}
