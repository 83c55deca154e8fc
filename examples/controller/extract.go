// The command that takes an extract of a batch and puts that on record.

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/batchkit/batchkit/batch/evidence"
)

// extract is the command line of the same name.
func extract(args []string, stdout, stderr io.Writer) int {
	f := flags{given: map[string]bool{}}
	var to string
	var words []string
	set := newFlags("controller extract", "controller extract -batch ID -to DIR -operator ID [-select KEY=VALUE]... [flags]", stderr)
	f.deviceFlags(set)
	set.StringVar(&f.batch, "batch", "", "`ID` of the batch")
	set.StringVar(&to, "to", "", "`DIR`ectory of the extract, which is made, or empty")
	set.Func("select", "`KEY=VALUE` of the records whose bodies are wanted, such as step_id=CHARGE_A, any number of times; see evidence -help",
		func(word string) error { words = append(words, word); return nil })
	return f.command(set, args, stderr, func() error {
		q, err := evidence.ParseQuery(words)
		if err == nil && (f.batch == "" || to == "" || f.operator == "") {
			err = errors.New("controller: extract: -batch, -to and -operator are all needed; see controller extract -help")
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, errUsage)
		}
		return extractTo(&f, to, q, stdout, stderr)
	})
}

// extractTo makes an extract, and the record of it.
func extractTo(f *flags, to string, q *evidence.Query, stdout, stderr io.Writer) error {
	d, err := f.device("", stderr)
	if err == nil && d.id == "" {
		err = fmt.Errorf("controller: extract: below -out %s is no device journal to record it in; give the -out of the batch", f.out)
	}
	if err == nil {
		err = d.hold()
	}
	if err != nil {
		return err
	}
	m, err := evidence.Export(filepath.Join(f.out, f.batch), to, q)
	if err != nil {
		return err
	}
	seq, err := evidence.LogExport(d, f.operator, to, m)
	if err != nil {
		return fmt.Errorf("controller: the extract in %s is not on record, take another: %w", to, err)
	}
	d.due("export")
	fmt.Fprintf(stdout, "%s: %d of %d records with their bodies: %s; record %d of the device journal\n",
		to, m.Bodies, m.LastSeq, evidence.Plain(q.String()), seq)
	return d.signsIf(f)
}
