// Package golden compares what a test produced with a file under testdata, byte for byte.
//
// Start with [Check]. To accept new output, run the tests of one package with the rewrite switch and read the difference as code:
//
//	go test ./internal/golden -run TestName -update
//
// The rule that must not be broken: nothing is normalised, neither line ends nor white space nor the end of the file. The
// repository's .gitattributes keeps git from changing testdata on checkout.
//
// It does not render, sort or filter output; a test makes its output deterministic before it calls Check. The switch exists only in
// test binaries that import this package, so `go test ./... -update` fails in the others: name the package.
package golden

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of the tests that run")

// Check fails t, and lets it go on, unless the file at path holds exactly got; the message shows the lines that differ. The path is
// relative to the package directory and has an element testdata. With -update the file is written instead, its directories too.
func Check(t testing.TB, path string, got []byte) {
	t.Helper()
	check(t, path, got, *update)
}

func check(t testing.TB, path string, got []byte, rewrite bool) {
	t.Helper()
	if !strings.Contains("/"+filepath.ToSlash(filepath.Clean(path)), "/testdata/") {
		t.Errorf("golden: file %q: not under testdata; only there bytes survive a checkout", path)
		return
	}
	want, err := os.ReadFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		t.Errorf("golden: file %q: %v", path, err)
		return
	}
	if !missing && bytes.Equal(want, got) {
		return
	}
	if rewrite {
		if err := write(path, got); err != nil {
			t.Errorf("golden: file %q: %v", path, err)
			return
		}
		t.Logf("golden: file %q: written", path)
		return
	}
	problem := "differs"
	if missing {
		problem = "does not exist"
	}
	t.Errorf("golden: file %q: %s; to accept what the test produced, run: go test -run \"^%s$\" -update\n%s",
		path, problem, regexp.QuoteMeta(t.Name()), diff(want, got))
}

func write(path string, got []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, got, 0o644); err != nil {
		return fmt.Errorf("rewrite: %w", err)
	}
	return nil
}
