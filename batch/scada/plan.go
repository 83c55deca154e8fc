// The map in use: tags have the names and scalings of the map that the newest batch is bound to, held against the digest on record.

package scada

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchkit/batchkit/iomap"
)

// Limits of the governed files of a batch that are looked at.
const (
	maxFiles   = 1024
	maxFile    = 4 << 20
	retryAfter = time.Second
)

var errNoMap = errors.New("no file there has the digest of the map that the batch is bound to")

// remap takes the map of the newest batch, where it is another than the one in use. Tags that it has not are removed.
func (w *Window) remap(newest *source, now time.Time) {
	switch {
	case newest == nil || newest.state.mappingDigest == "":
		return
	case newest.state.mappingDigest == w.digest:
		w.broken = ""
		return
	case now.Sub(w.tried) < retryAfter:
		return
	}
	w.tried = now
	m, err := mapOf(filepath.Join(w.feed.dir, newest.name, "files"), newest.state.mappingDigest)
	if err != nil {
		w.broken = clip(fmt.Sprintf("scada: map of batch %s: %v; tags are named by %s, and BAD", newest.state.batch, err, w.named()), maxText)
		return
	}
	if w.plan != nil {
		for i := range w.plan.Tags {
			old := &w.plan.Tags[i]
			if id, ok := m.Lookup(old.Name); !ok || kindOf(&m.Tags[id]) != kindOf(old) {
				w.tree.remove(under(folderTags, old.Name))
			}
		}
	}
	w.plan, w.digest, w.broken = m, newest.state.mappingDigest, ""
}

// mapped tells whether the map in use is that of a batch. The values of a batch with another one mean something else.
func (w *Window) mapped(s *source) bool { return s == nil || s.state.mappingDigest == w.digest }

// named says which map is in use.
func (w *Window) named() string {
	if w.plan == nil {
		return "none"
	}
	return w.plan.ID + " " + w.plan.Version
}

// mapOf finds the map of a digest among the files of a batch.
func mapOf(dir, digest string) (*iomap.Map, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.ReadDir(maxFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, n := range names {
		if !n.Type().IsRegular() || !strings.HasSuffix(n.Name(), ".yaml") && !strings.HasSuffix(n.Name(), ".json") && !strings.HasSuffix(n.Name(), ".yml") {
			continue
		}
		src, err := readFile(root, n.Name())
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(src); hex.EncodeToString(sum[:]) == digest {
			return iomap.Parse(n.Name(), src)
		}
	}
	return nil, errNoMap
}

// readFile reads a file of a bounded size.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(src) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return src, err
}
