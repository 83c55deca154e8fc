// The verb why: a record or a step explained.

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/batchkit/batchkit/batch/evidence"
)

// why prints why a record stands in a journal, or what a step waits for; "" is the procedure. A step whose name is a number is asked for
// by a record of it.
func why(dir, what string, stdout, stderr io.Writer) int {
	var r *evidence.Reason
	seq, err := strconv.ParseUint(what, 10, 64)
	if err == nil {
		r, err = evidence.Why(dir, seq)
	} else {
		r, err = evidence.WhyStep(dir, what)
	}
	if err != nil {
		code := refuse(dir, err, stderr)
		if errors.Is(err, evidence.ErrNoReason) {
			fmt.Fprintf(stderr, "numbers and steps are those of: evidence query %s\n", dir)
		}
		return code
	}
	fmt.Fprint(stdout, r)
	return exitOK
}
