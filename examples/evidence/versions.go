// What is new in a version of a governed file, what is found in a map, and its table of safe states.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/recipe"
)

// diff says in words what is new in a version of a recipe, a map, a tag map or a device profile.
func diff(older, newer string, stdout, stderr io.Writer) int {
	changes, err := differences(older, newer)
	if err != nil {
		fmt.Fprintf(stderr, "%s\n", strings.TrimRight(plain(err), "\n"))
		return exitFound
	}
	for _, c := range changes {
		fmt.Fprintln(stdout, evidence.Plain(c))
	}
	if len(changes) == 0 {
		fmt.Fprintln(stdout, "no difference")
	}
	return exitOK
}

// differences compares two files of one kind.
func differences(older, newer string) (changes []string, err error) {
	var kind [2]string
	for i, name := range []string{older, newer} {
		if kind[i], err = kindOf(name); err != nil {
			return nil, err
		}
		if kind[i] == "calibration" {
			return nil, fmt.Errorf("evidence: diff compares no calibrations, and %s has the key calibration", name)
		}
	}
	if kind[0] != kind[1] {
		return nil, fmt.Errorf("evidence: diff compares two versions of one file; %s has the key %s, and %s the key %s", older, kind[0], newer, kind[1])
	}
	switch kind[0] {
	case "recipe":
		a, b, err := pair(older, newer, func(name string) (*recipe.Recipe, error) { return readAs(name, recipe.Parse) })
		if err != nil {
			return nil, err
		}
		return recipe.Diff(a, b), nil
	case "tag_map":
		a, b, err := pair(older, newer, tagMap)
		if err != nil {
			return nil, err
		}
		return worded(fieldbus.Diff(a, b)), nil
	case "profile":
		a, b, err := pair(older, newer, func(name string) (*fieldbus.Profile, error) { return readAs(name, fieldbus.ParseProfile) })
		if err != nil {
			return nil, err
		}
		return worded(fieldbus.DiffProfile(a, b)), nil
	}
	a, b, err := pair(older, newer, func(name string) (*iomap.Map, error) { return readAs(name, iomap.Parse) })
	if err != nil {
		return nil, err
	}
	return worded(iomap.Diff(a, b)), nil
}

// pair reads two versions of a file.
func pair[T any](older, newer string, read func(name string) (*T, error)) (a, b *T, err error) {
	if a, err = read(older); err == nil {
		b, err = read(newer)
	}
	return a, b, err
}

// worded are changes as lines.
func worded[T interface{ String() string }](changes []T) (lines []string) {
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

// readAs reads a file and parses it.
func readAs[T any](name string, parse func(file string, src []byte) (*T, error)) (*T, error) {
	src, err := readFile(name)
	if err != nil {
		return nil, err
	}
	return parse(name, src)
}

// safeStates prints the table of safe states of a map, for a sign-off or as CSV.
func safeStates(args []string, stdout, stderr io.Writer) int {
	asCSV := len(args) == 2 && args[0] == "-csv"
	if len(args) != 1 && !asCSV {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	name := args[len(args)-1]
	src, err := readFile(name)
	var m *iomap.Map
	if err == nil {
		m, err = iomap.Parse(name, src)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s\n", strings.TrimRight(plain(err), "\n"))
		return exitFound
	}
	text := string(iomap.SafeStatesCSV(m))
	if !asCSV {
		sum := sha256.Sum256(src)
		text = iomap.SafeStatesText(m, hex.EncodeToString(sum[:]))
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		fmt.Fprintln(stderr, "evidence:", err)
		return exitFound
	}
	return exitOK
}

// known is what a check is told of how often a board reads its tags; 0: nothing.
func known(period time.Duration) *iomap.CheckOptions {
	return &iomap.CheckOptions{Period: func(tag.ID) int64 { return int64(period) }}
}

// findings prints what was found in a map; the error counts what is wrong.
func findings(name string, list []iomap.Finding, stdout io.Writer) error {
	wrong := 0
	for i := range list {
		if list[i].Severity == iomap.Wrong {
			wrong++
		}
		fmt.Fprintln(stdout, evidence.Plain(list[i].String()))
	}
	if wrong > 0 {
		return fmt.Errorf("evidence: %s: %s cannot do what is meant; each is marked wrong above", name, some(wrong, "thing"))
	}
	return nil
}
