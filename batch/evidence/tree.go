// The files of a package: found without following a link, hashed, and held against SHA256SUMS.

package evidence

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/journal"
)

// tree is what a directory holds. Paths have slashes and are relative to it.
type tree struct {
	files map[string]journal.Hash // digests of the regular files that belong to a package
	odd   []string                // what is neither file nor directory: links, pipes, devices
	other []string                // what does not belong to a package
}

// belongs tells whether a path is that of a file which SHA256SUMS covers.
func belongs(name string) bool {
	switch top, _, below := strings.Cut(name, "/"); top {
	case filesDir, samplesDir:
		return below
	case journalDir:
		return below && name != lockName
	}
	return name == eventsName || name == manifestName
}

// list walks over a directory and hashes what belongs to a package.
func list(root *os.Root) (*tree, error) {
	t := &tree{files: map[string]journal.Hash{}}
	n := 0
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if n++; err == nil && n > MaxFiles {
			err = fmt.Errorf("more than %d files", MaxFiles)
		}
		switch {
		case err != nil || d.IsDir():
			return err
		case !d.Type().IsRegular():
			t.odd = append(t.odd, name)
			return nil
		case !belongs(name):
			if name != sumsName && name != lockName {
				t.other = append(t.other, name)
			}
			return nil
		case strings.ContainsAny(name, "\n\r\\") || len(name) > maxName:
			return fmt.Errorf("the name %.80q cannot stand in %s", name, sumsName)
		}
		t.files[name], err = hashFile(root, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", root.Name(), err)
	}
	return t, nil
}

func (t *tree) has(name string) bool {
	_, ok := t.files[name]
	return ok
}

// hasJournal tells whether any file of the journal is there.
func (t *tree) hasJournal() bool {
	for name := range t.files {
		if strings.HasPrefix(name, journalDir+"/") {
			return true
		}
	}
	return false
}

func hashFile(root *os.Root, name string) (sum journal.Hash, err error) {
	f, err := root.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// errLarge says that a file is larger than it can be.
var errLarge = errors.New("larger than it can be")

// readSmall reads a whole file of at most limit bytes.
func readSmall(root *os.Root, name string, limit int) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("%s: %w, %d bytes", name, errLarge, limit)
	}
	return data, err
}

// sums is the text of SHA256SUMS.
func (t *tree) sums() []byte {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		fmt.Fprintf(&out, "%s  %s\n", t.files[name], name)
	}
	return out.Bytes()
}

// checkSums holds the files against SHA256SUMS.
func (v *verifier) checkSums() error {
	c := v.check("sums")
	for _, name := range v.tree.odd {
		c.fail(0, name, "it is no regular file")
	}
	if info, err := v.root.Lstat(sumsName); err != nil || !info.Mode().IsRegular() {
		c.fail(0, sumsName, "it is not there")
		return nil
	}
	text, err := readSmall(v.root, sumsName, maxSums)
	if errors.Is(err, errLarge) {
		c.fail(0, sumsName, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	journalGone := !v.tree.hasJournal()
	listed, last := map[string]bool{}, ""
	rest := string(text)
	for n := 1; rest != ""; n++ {
		var row string
		var ended bool
		row, rest, ended = strings.Cut(rest, "\n")
		digest, name, two := strings.Cut(row, "  ")
		sum, ok := parseHash([]byte(digest))
		if !ok || !two || !ended || name <= last {
			c.fail(0, sumsName, "line %d is not a digest, two spaces and a name that comes after the one before it", n)
			return nil
		}
		last = name
		got, there := v.tree.files[name]
		switch {
		case !there && journalGone && strings.HasPrefix(name, journalDir+"/"):
			continue
		case !there:
			c.fail(0, name, "it is listed in %s and not there", sumsName)
		case got != sum:
			c.fail(0, name, "its SHA-256 is not the one in %s", sumsName)
		}
		listed[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		if !listed[name] {
			c.fail(0, name, "it is not listed in %s", sumsName)
		}
	}
	c.found("%d files have the digests of %s", len(listed), sumsName)
	return nil
}
