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
	"path"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal"
)

// tree is what a directory holds. Paths have slashes and are relative to it.
type tree struct {
	files map[string]journal.Hash // digests of the regular files that belong to a package
	large []string                // files that belong to a package and are larger than they can be; they are not read
	odd   []string                // what is neither file nor directory: links, pipes, devices
	other []string                // what does not belong to a package
}

// limit returns the greatest size in bytes of a file that belongs to a package and is covered by SHA256SUMS; 0 for any other.
func limit(name string) int64 {
	dir, base := path.Split(name)
	number, isSegment := strings.CutSuffix(base, segmentSuffix)
	switch {
	case name == eventsName:
		return MaxEvents
	case name == manifestName:
		return MaxManifest
	case name == csvName || name == jsonlName:
		return MaxDerived
	case name == verifyShName || name == verifyPyName:
		return maxProgram
	case strings.HasPrefix(dir, filesDir+"/"):
		return batch.MaxFile
	case isNoteName(name):
		return journal.MaxNote
	case isKeyName(name):
		return journal.MaxPEM
	case strings.HasPrefix(dir, samplesDir+"/"):
		return MaxEvents
	case dir == segmentsDir+"/" && isSegment && len(number) == 8 && strings.Trim(number, "0123456789") == "", dir == quarantineDir+"/":
		return maxSegment
	}
	return 0
}

// list walks over a directory and hashes what belongs to a package. Sizes are looked at before a byte is read.
func list(root *os.Root) (*tree, error) {
	t := &tree{files: map[string]journal.Hash{}}
	var names []string
	n, total := 0, int64(0)
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if n++; err == nil && n > MaxFiles {
			err = fmt.Errorf("more than %d files", MaxFiles)
		}
		switch most := limit(name); {
		case err != nil || d.IsDir():
			return err
		case !d.Type().IsRegular():
			t.odd = append(t.odd, name)
		case most == 0:
			if name != sumsName && name != lockName {
				t.other = append(t.other, name)
			}
		case strings.ContainsAny(name, "\n\r\\") || len(name) > maxName:
			return fmt.Errorf("the name %.80q cannot stand in %s", name, sumsName)
		default:
			info, err := d.Info()
			if err != nil {
				return err
			}
			if info.Size() > most {
				t.large = append(t.large, name)
				return nil
			}
			names = append(names, name)
			if total += info.Size(); total > MaxBytes {
				return fmt.Errorf("its files have more than %d bytes together", int64(MaxBytes))
			}
		}
		return nil
	})
	for _, name := range names {
		if err == nil {
			t.files[name], err = hashFile(root, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", root.Name(), err)
	}
	return t, nil
}

func (t *tree) has(name string) bool {
	_, ok := t.files[name]
	return ok
}

// lacks says why a file cannot be read, in the words of a check.
func (t *tree) lacks(name string) string {
	if slices.Contains(t.large, name) {
		return fmt.Sprintf("it is larger than it can be, %d bytes", limit(name))
	}
	return "it is not there"
}

// hasJournal tells whether any file of the journal is there.
func (t *tree) hasJournal() bool {
	for name := range t.files {
		if strings.HasPrefix(name, journalDir+"/") {
			return true
		}
	}
	return slices.ContainsFunc(t.large, func(name string) bool { return strings.HasPrefix(name, journalDir+"/") })
}

func hashFile(root *os.Root, name string) (sum journal.Hash, err error) {
	f, err := root.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, limit(name)+1))
	if err == nil && n > limit(name) {
		err = fmt.Errorf("%s: %w, %d bytes; it grows while it is read", name, errLarge, limit(name))
	}
	h.Sum(sum[:0])
	return sum, err
}

// errLarge says that a file is larger than it can be.
var errLarge = errors.New("larger than it can be")

// readSmall reads a whole file of at most that many bytes.
func readSmall(root *os.Root, name string, most int) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s: %w, %d bytes", name, errLarge, most)
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
	for _, name := range v.tree.large {
		c.fail(0, name, "%s", v.tree.lacks(name))
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
	listed, err := v.readSums(c, string(text))
	if err != nil {
		c.fail(0, sumsName, "%v", err)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(v.tree.files)) {
		if !listed[name] {
			c.fail(0, name, "it is not listed in %s", sumsName)
		}
	}
	return nil
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// readSums holds the files against the lines of SHA256SUMS and returns those that are listed and there. The journal may be left
// out, but only as a whole.
func (v *verifier) readSums(c *Check, rest string) (map[string]bool, error) {
	journalGone, large, other := !v.tree.hasJournal(), setOf(v.tree.large), setOf(v.tree.other)
	listed, last := map[string]bool{}, ""
	var absent, left []string
	for n := 1; rest != ""; n++ {
		var row string
		var ended bool
		row, rest, ended = strings.Cut(rest, "\n")
		digest, name, two := strings.Cut(row, "  ")
		sum, ok := parseHash([]byte(digest))
		if !ok || !two || !ended || name <= last {
			return nil, fmt.Errorf("line %d is not a digest, two spaces and a name that comes after the one before it", n)
		}
		last = name
		got, there := v.tree.files[name]
		switch {
		case !there && journalGone && strings.HasPrefix(name, journalDir+"/"):
			left = append(left, name)
			continue
		case large[name]: // it has failed already
		case other[name]:
			c.fail(0, name, "it is listed in %s and belongs to no package", sumsName)
		case !there:
			absent = append(absent, name)
		case got != sum:
			c.fail(0, name, "its SHA-256 is not the one in %s", sumsName)
		}
		listed[name] = true
	}
	if len(absent) > 0 {
		c.fail(0, absent[0], "listed in %s and absent: %s", sumsName, few(absent))
	}
	text := fmt.Sprintf("%d files have the digests of %s", len(listed), sumsName)
	if len(left) > 0 {
		text += fmt.Sprintf("; %s/ is left out as a whole, so listed and absent: %s (sha256sum --check misses them, with --ignore-missing it does not)",
			journalDir, few(left))
	}
	c.found("%s", text)
	return listed, nil
}
