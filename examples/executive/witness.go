// Who was given what, by the words of several witnesses: the log of the arbiter, and the ledger of each manager. They have nothing in common but what
// happened.

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/journal/record"
)

// given is what a token stands for.
type given struct {
	seq       uint64 // of the operation
	batch     string
	equipment string
}

// witness is what one of them says, in its order. What it says that cannot be true is an error at once.
type witness struct {
	name        string
	first, last uint64 // operations, where it is known
	token       uint64 // the greatest
	tokens      map[uint64]given
	owner       map[string]string // batch that has a piece of equipment
}

func newWitness(name string) *witness {
	return &witness{name: name, tokens: map[uint64]given{}, owner: map[string]string{}}
}

// says takes in what became of equipment by an operation. Each piece has one owner at a time, and each token is greater than all before it.
func (w *witness) says(seq uint64, word, batch string, equipment []string, token uint64) error {
	if w.first == 0 {
		w.first = seq
	}
	w.last = max(w.last, seq)
	switch word {
	case "granted":
		g := given{seq, batch, strings.Join(equipment, " ")}
		if was, known := w.tokens[token]; known {
			if was.batch != g.batch || was.equipment != g.equipment {
				return fmt.Errorf("executive: %s: operation %d: token %d is given to %s for %s, and was given to %s for %s", w.name, seq, token, batch, g.equipment,
					was.batch, was.equipment)
			}
			return nil // said again
		}
		if token <= w.token {
			return fmt.Errorf("executive: %s: operation %d: token %d is given behind token %d", w.name, seq, token, w.token)
		}
		w.token, w.tokens[token] = token, g
		for _, e := range equipment {
			if has := w.owner[e]; has != "" && has != batch {
				return fmt.Errorf("executive: %s: operation %d: %s is given to %s while %s has it", w.name, seq, e, batch, has)
			}
			w.owner[e] = batch
		}
	case "released", "taken":
		for _, e := range equipment {
			if w.owner[e] == batch {
				delete(w.owner, e)
			}
		}
	}
	return nil
}

// witnessLog folds a log anew.
func witnessLog(ctx context.Context, log arbiter.Log) (*witness, error) {
	w, book := newWitness("the log"), arbiter.NewBook()
	var wrong error
	err := book.Follow(ctx, log, func(seq uint64, op *arbiter.Op, fx []arbiter.Effect) {
		if w.first == 0 {
			w.first = seq // a log that was trimmed may begin with what comes to nothing
		}
		for i := range fx {
			f, word := &fx[i], ""
			switch {
			case f.Kind == arbiter.Granted:
				word = "granted"
			case f.Kind == arbiter.Released && f.Token > 0:
				word = "released"
			case f.Kind == arbiter.Refused && op.Kind == arbiter.Force:
				word = "taken"
			}
			if e := w.says(seq, word, f.Batch, f.Equipment, f.Token); e != nil {
				wrong = errors.Join(wrong, e)
			}
		}
		owner := map[string]bool{}
		for _, h := range book.Holdings() {
			if h.Batch != "" && owner[h.Equipment] && h.Owners == 1 {
				wrong = errors.Join(wrong, fmt.Errorf("executive: the log: operation %d: %s has two owners", seq, h.Equipment))
			}
			owner[h.Equipment] = h.Batch != ""
		}
	})
	return w, errors.Join(err, wrong)
}

// witnessLedger folds the ledger of a manager; its directory is dir.
func witnessLedger(name, dir string) (*witness, error) {
	w := newWitness("the ledger of " + name)
	q, err := evidence.ParseQuery([]string{"kind=" + record.KindEquipmentOwner.String()})
	if err != nil {
		return nil, err
	}
	_, _, err = evidence.Select(dir, q, func(row *evidence.Row) error {
		r := row.Record
		return w.says(r.Count(record.ArbiterSeq), r.Text(record.Detail), r.Text(record.ObjectID), slices.Clone(r.Texts(record.ResourceID)), r.Count(record.Token))
	})
	return w, err
}

// agree holds a ledger against the log: what either of the two has given, the other has, as far as both reach back.
func (w *witness) agree(log *witness) error {
	var wrong []error
	for _, token := range slices.Sorted(maps.Keys(log.tokens)) {
		g := log.tokens[token]
		if l, ok := w.tokens[token]; g.seq >= w.first && (!ok || l.batch != g.batch || l.equipment != g.equipment) {
			wrong = append(wrong, fmt.Errorf("executive: operation %d: the log has given token %d to %s for %s; %s says %q for %q", g.seq, token, g.batch, g.equipment,
				w.name, l.batch, l.equipment))
		}
	}
	for _, token := range slices.Sorted(maps.Keys(w.tokens)) {
		if g := w.tokens[token]; g.seq >= log.first && log.tokens[token].batch != g.batch {
			wrong = append(wrong, fmt.Errorf("executive: operation %d: %s has token %d for %s, and the log has not", g.seq, w.name, token, g.batch))
		}
	}
	return errors.Join(wrong...)
}
