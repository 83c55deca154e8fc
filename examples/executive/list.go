// What a client of the executive sees: the batches, and who has what, kept by the events of the manager.

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// quiet is how long the manager may say nothing.
const quiet = 5 * time.Second

// noManager is why all batches are shown as Lost.
const noManager = "the manager does not answer"

// list is what is known of the batches. Its methods may be called from any goroutine.
type list struct {
	mu       sync.Mutex
	batches  map[string]api.Batch
	holdings map[string]api.Holding
	silent   error // why nothing is heard of the manager; nil: it is
}

// follow keeps the list by what the manager says until ctx ends; changed is called after each change, with the batch that it is of.
func (l *list) follow(ctx context.Context, c *api.Client, changed func(b *api.Batch)) {
	for ctx.Err() == nil {
		err := l.begin(ctx, c)
		if err == nil {
			changed(nil)
			err = c.Events(ctx, "/v1/events", quiet, func(event, _ string, data []byte) error { return l.take(event, data, changed) })
		}
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		l.silent = err
		l.mu.Unlock()
		changed(nil)
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// begin reads all that there is.
func (l *list) begin(ctx context.Context, c *api.Client) error {
	var batches api.Batches
	var holdings api.Holdings
	if err := c.Call(ctx, "GET", "/v1/batches", nil, &batches); err != nil {
		return err
	}
	if err := c.Call(ctx, "GET", "/v1/equipment", nil, &holdings); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches, l.holdings, l.silent = map[string]api.Batch{}, map[string]api.Holding{}, nil
	for _, b := range batches {
		l.batches[b.ID] = b
	}
	for _, h := range holdings {
		l.holdings[h.Equipment] = h
	}
	return nil
}

// take takes in an event.
func (l *list) take(event string, data []byte, changed func(b *api.Batch)) error {
	var b api.Batch
	var h api.Holding
	var id string
	switch event {
	case "batch":
		if err := json.Unmarshal(data, &b); err != nil {
			return err
		}
		l.mu.Lock()
		l.batches[b.ID] = b
		l.mu.Unlock()
		changed(&b)
	case "equipment":
		if err := json.Unmarshal(data, &h); err != nil {
			return err
		}
		l.mu.Lock()
		l.holdings[h.Equipment] = h
		l.mu.Unlock()
		changed(nil)
	case "removed":
		if json.Unmarshal(data, &id) != nil {
			id = string(data)
		}
		l.mu.Lock()
		delete(l.batches, id)
		l.mu.Unlock()
		changed(nil)
	}
	return nil
}

// all gives the batches in the order of their names. Where nothing is heard of the manager every batch is shown as Lost: it may well go on.
func (l *list) all() []api.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]api.Batch, 0, len(l.batches))
	for _, b := range l.batches {
		if l.silent != nil {
			b.Life, b.Reason = api.Lost, noManager
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b api.Batch) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// held gives the equipment in the order of its names.
func (l *list) held() []api.Holding {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]api.Holding, 0, len(l.holdings))
	for _, h := range l.holdings {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b api.Holding) int { return cmp.Compare(a.Equipment, b.Equipment) })
	return all
}

// heard tells whether the manager is.
func (l *list) heard() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent == nil && l.batches != nil
}

// nodeHead stands over nodeLine.
const nodeHead = "NODE  " + batchHead

// nodeLine is one batch of one of several nodes in one line. The names of its batches begin with that of the node, so what stands in their column is the
// rest.
func nodeLine(b *api.Batch) string {
	one := *b
	node, rest, ok := strings.Cut(b.ID, ".")
	if !ok {
		node, rest = "?", b.ID
	}
	one.ID = rest
	return harmless(fmt.Sprintf("%-5s ", node)) + batchLine(&one)
}

// batchHead stands over batchLine.
const batchHead = "BATCH         UNIT   RECIPE   LIFE         STATE      RECORDS  WHAT"

// batchLine is one batch in one line.
func batchLine(b *api.Batch) string {
	what := b.Reason
	if what == "" {
		what = strings.Join(b.Steps, "; ")
	}
	if b.Life == api.Lost && b.Reason != noManager {
		what += "; restart it, warm or cold, or remove it"
	}
	for _, p := range b.Prompts {
		what = fmt.Sprintf("prompt %d: %s", p.ID, p.Text)
	}
	return harmless(fmt.Sprintf("%-13s %-6s %-8s %-12s %-10s %7d  %s", b.ID, b.Unit, b.Recipe, b.Life, b.State, b.Records, what))
}

// holdingLine is one piece of equipment in one line: who has it, since when, who waits.
func holdingLine(h *api.Holding) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%-6s ", h.Equipment)
	switch {
	case h.Batch == "" && h.Retired:
		s.WriteString("retired")
	case h.Batch == "":
		s.WriteString("free")
	default:
		fmt.Fprintf(&s, "%s %s", h.Batch, h.Step)
		if h.Since != "" {
			fmt.Fprintf(&s, " since %s", second(h.Since))
		}
		fmt.Fprintf(&s, ", token %d", h.Token)
	}
	if h.Batch != "" && h.Retired {
		s.WriteString(", retired: nobody gets it after that")
	}
	if h.Lost {
		s.WriteString(", Lost: it is kept until the batch is removed or restarted")
	}
	for i, w := range h.Waiting {
		s.WriteString(cond(i == 0, "; waits: ", ", ") + w.Batch)
		if w.Priority != 0 {
			fmt.Fprintf(&s, " (priority %d)", w.Priority)
		}
	}
	return harmless(s.String())
}

// second is a time of day to the second; what is none stays as it is.
func second(at string) string {
	if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
		return t.Format(time.RFC3339)
	}
	return at
}

func cond(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// harmless takes out of a text what a terminal would obey.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
