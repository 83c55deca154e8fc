// What the tests of the command share: a place of their own with the demo's files in it, the command, and what lies where.

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
)

// workplace makes a new directory the working directory, with copies of the demo's files in it. Plants below it end with the test.
func workplace(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := demo.ReadFile("demo/" + name)
		require.NoError(t, err)
		write(t, name, string(data))
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if d != nil && d.Name() == fileAddr {
				_ = endPlant(context.Background(), filepath.Dir(name))
			}
			return nil
		}))
	})
}

// here gives the path of a golden file that holds wherever a test goes.
func here(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	return filepath.Join(dir, "testdata", name)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o640))
}

// edit replaces the first old in a file.
func edit(t *testing.T, name, old, text string) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(data), old, "%s is not what this test edits", name)
	write(t, name, strings.Replace(string(data), old, text, 1))
}

// outcome is what a run of the command came to.
type outcome struct {
	code int
	out  string
	err  string
}

func (o outcome) String() string { return fmt.Sprintf("exit %d\n%s\n%s", o.code, o.out, o.err) }

// controller runs the command; nobody sits at its terminal.
func controller(args ...string) outcome {
	var out, errs bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// done runs the command and wants it to succeed without a word on stderr.
func done(t *testing.T, args ...string) outcome {
	t.Helper()
	o := controller(args...)
	require.Equal(t, exitOK, o.code, "%v: %s", args, o)
	require.Empty(t, o.err)
	return o
}

// listing gives every file below dir with its digest, and every directory.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all[filepath.ToSlash(name)] = "directory"
			return err
		}
		data, err := os.ReadFile(name)
		sum := sha256.Sum256(data)
		all[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

// records reads the records of a package.
func records(t *testing.T, dir string) (all []*record.Record) {
	t.Helper()
	events, err := os.ReadFile(filepath.Join(dir, "events.tsv"))
	require.NoError(t, err)
	for line := range strings.Lines(string(events)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, columns, 4)
		r, err := record.Parse([]byte(columns[3]))
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// of gives the records of one kind.
func of(all []*record.Record, k record.Kind) (some []*record.Record) {
	for _, r := range all {
		if r.Kind == k {
			some = append(some, r)
		}
	}
	return some
}

// tap is a standard output that shows each write to see before it goes on.
type tap struct {
	bytes.Buffer
	see func(text string)
}

// Write keeps what is printed.
func (p *tap) Write(b []byte) (int, error) {
	p.see(string(b))
	return p.Buffer.Write(b)
}

// live runs the command with a terminal. A batch that is not over in half a minute, which none of these tests takes, is aborted.
func live(ctx context.Context, stdin io.Reader, see func(string), args ...string) outcome {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, errs := tap{see: see}, bytes.Buffer{}
	code := run(ctx, args, stdin, &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// bell is a recipe that takes no time worth mentioning: it rings until somebody answers.
const bell = `recipe: BELL
version: "1"
schema_version: 1
title: Ring until somebody comes
batch_size: {nominal: 200 kg, min: 100 kg, max: 400 kg}
procedure:
  id: RING
  level: phase
  timeout: 1 h
  actions:
    - set: {HA301: sounding}
    - prompt: Is anybody there?
    - set: {HA301: silent}
    - delay: 100 ms
`
