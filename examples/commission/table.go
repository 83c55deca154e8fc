// The table that a person reads.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/batchkit/batchkit/hal/haltest"
)

// table prints reports as they come.
type table struct {
	w                       io.Writer
	passed, failed, without int
	open                    int // promises of devices that passed or failed, which nobody checked
}

// head says what is looked at.
func (t *table) head(s *signoff) {
	fmt.Fprintf(t.w, "board %s\n", s.Board)
	for _, one := range s.Found {
		fmt.Fprintf(t.w, "  %s\n", one)
	}
	fmt.Fprintf(t.w, "\n%-10s %-16s %-12s %s\n", "CONTRACT", "DEVICE", "RESULT", "PROMISES")
}

// row prints a report: what was broken, and what was not checked, stands below it.
func (t *table) row(r *haltest.Report, result string) {
	switch result {
	case passed:
		t.passed++
		t.open += len(r.NotChecked)
	case failed:
		t.failed++
		t.open += len(r.NotChecked)
	default:
		t.without++
	}
	counts := fmt.Sprintf("%d kept", len(r.Kept))
	if n := len(r.Broken); n > 0 {
		counts += fmt.Sprintf(", %d broken", n)
	}
	if n := len(r.NotChecked); n > 0 {
		counts += fmt.Sprintf(", %d not checked", n)
	}
	fmt.Fprintf(t.w, "%-10s %-16s %-12s %s\n", r.Contract, r.Device, result, counts)
	for i := range r.Broken {
		b := &r.Broken[i]
		t.below("broken", b.Promise)
		t.below("seen", b.Seen)
		t.below("do", b.Remedy)
	}
	for _, one := range r.NotChecked {
		t.below("not checked", strings.Replace(one, ": not checked; ", "; ", 1))
	}
	for i := range r.Figures {
		f := &r.Figures[i]
		t.below(f.Name, fmt.Sprintf("p50 %d, p99 %d, max %d of %d", f.P50, f.P99, f.Max, f.Count))
	}
}

// below prints a detail of a row.
func (t *table) below(what, text string) {
	fmt.Fprintf(t.w, "    %s: %s\n", what, strings.ReplaceAll(text, "\n", "\n      "))
}

// foot counts.
func (t *table) foot(s *signoff) {
	fmt.Fprintf(t.w, "\n%d passed, %d failed, %d not checked", t.passed, t.failed, t.without)
	switch {
	case t.open == 1:
		fmt.Fprint(t.w, ", and one promise of the others not checked")
	case t.open > 1:
		fmt.Fprintf(t.w, ", and %d promises of the others not checked", t.open)
	}
	fmt.Fprintf(t.w, ": board %s ", s.Board)
	if s.Passed {
		fmt.Fprintln(t.w, "keeps the promises that were checked")
	} else {
		fmt.Fprintln(t.w, "is NOT fit for use")
	}
}
