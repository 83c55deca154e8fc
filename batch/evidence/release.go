// Releases of whole batches: the package of a batch goes when sinks hold its journal, a policy says so, and a record does.

package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// ErrStays says that a package must stay where it is; the error says why.
var ErrStays = errors.New("evidence: the package stays")

// Departure says by what a package may go.
type Departure struct {
	Policy export.Policy
	Acks   []export.Ack // what sinks have acknowledged of the journal of the batch
	Now    int64        // ns since 1970 UTC
	Actor  string       // who has it done
	Reason string
}

// Release removes the package in dir. It must verify and its run have ended; every sink of the policy must have acknowledged the last
// record of its journal, and the youngest of its records be older than the policy's age; else it stays, with ErrStays. First the
// record, batch_released, is made by log; when it is durable, the files go that SHA256SUMS names and that have their digests, then the
// directories that are empty. Whatever else lies there stays, and is returned as left. After a cut the rest goes with FinishRelease,
// which finds it by its name: dir must be named by the batch, and be no link.
func Release(log record.Log, dir string, d *Departure) (left []string, err error) {
	if info, err := os.Lstat(filepath.Clean(dir)); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%w: %s: it is no directory, and what a link leads to is not below it", ErrStays, dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	if err := named(d.Actor, "a release"); err != nil {
		return nil, err
	}
	if d.Reason == "" {
		return nil, errors.New("evidence: a release needs a reason")
	}
	m, sums, ref, err := departing(root, dir)
	if err == nil {
		err = d.allows(dir, m)
	}
	if err != nil {
		return nil, err
	}
	free, err := alone(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, free()) }()
	_, err = log.Append(func(b *record.Body) {
		b.Begin(record.KindBatchReleased)
		b.Text(record.Actor, d.Actor)
		b.Text(record.ChangeReason, d.Reason)
		b.Text(record.OldValue, "kept")
		b.Text(record.NewValue, "released")
		b.Text(record.ImpactScope, "package of batch "+m.BatchID)
		b.Text(record.Policy, d.Policy.String())
		b.Texts(record.Sinks, export.Acks(d.Acks))
		b.Text(record.ObjectID, m.BatchID)
		b.Text(record.AnchoredJournalID, m.JournalID)
		b.Count(record.HeadSize, m.LastSeq)
		b.Text(record.HeadLink, m.LastLink)
		b.Text(record.ExportRef, ref)
		b.Text(record.Digest, journal.Hash(sha256.Sum256(sums)).String())
	})
	if err != nil {
		return nil, fmt.Errorf("evidence: %s: nothing was removed: %w", dir, err)
	}
	return sweep(root, dir, string(sums))
}

// FinishRelease goes on with a release of which a durable record speaks, where the directory of the batch below out still holds a part
// of what it speaks of: what a cut of power has left. Where there is nothing, another package, or the package as a whole, it does
// nothing: one that is whole was cut off before anything went, or was put back since, and goes by another Release, if at all.
func FinishRelease(out string, rec *record.Record) (left []string, err error) {
	id := rec.Text(record.ObjectID)
	if rec.Kind != record.KindBatchReleased || !filepath.IsLocal(id) || strings.ContainsAny(id, `/\`) {
		return nil, nil
	}
	dir := filepath.Join(out, id)
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	is := func(name string, most int, digest string) ([]byte, bool) {
		data, err := readSmall(root, name, most)
		return data, err == nil && journal.Hash(sha256.Sum256(data)).String() == digest
	}
	// The manifest goes last.
	if _, same := is(manifestName, MaxManifest, rec.Text(record.ExportRef)); !same {
		return nil, nil
	}
	sums, same := is(sumsName, maxSums, rec.Text(record.Digest))
	if _, err := root.Lstat(sumsName); !same && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if same && whole(root, string(sums)) {
		return nil, nil
	}
	free, err := alone(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, free()) }()
	return sweep(root, dir, string(sums))
}

// whole tells whether all files are there that SHA256SUMS names.
func whole(root *os.Root, sums string) bool {
	for row := range strings.Lines(sums) {
		_, name, _ := strings.Cut(strings.TrimSuffix(row, "\n"), "  ")
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// departing reads what a package says of itself, and holds it against itself.
func departing(root *os.Root, dir string) (m *Manifest, sums []byte, ref string, err error) {
	rep, err := Verify(dir)
	if err != nil {
		return nil, nil, "", err
	}
	if !rep.OK() {
		return nil, nil, "", fmt.Errorf("%w: %s: it does not verify: %s", ErrStays, dir, rep.Verdict())
	}
	data, err := readSmall(root, manifestName, MaxManifest)
	if err == nil {
		m, err = parseManifest(data)
	}
	if err == nil {
		sums, err = readSmall(root, sumsName, maxSums)
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("evidence: %s: %w", dir, err)
	}
	if m.Selection != nil || m.Ending == endingNotYet {
		return nil, nil, "", fmt.Errorf("%w: %s: it is an extract, or its run has not ended", ErrStays, dir)
	}
	return m, sums, journal.Hash(sha256.Sum256(data)).String(), nil
}

// allows tells why a package must stay, nil if it may go.
func (d *Departure) allows(dir string, m *Manifest) error {
	least, lacks := d.Policy.Least(d.Acks)
	named, err := filepath.Abs(dir)
	switch {
	case err != nil:
		return fmt.Errorf("evidence: %w", err)
	case filepath.Base(named) != m.BatchID:
		return fmt.Errorf("%w: %s: it holds the package of batch %.64q, and a copy is none's to release", ErrStays, dir, m.BatchID)
	case lacks != "":
		return fmt.Errorf("%w: %s: %s", ErrStays, dir, lacks)
	case least.At.N < m.LastSeq:
		return fmt.Errorf("%w: %s: sink %q has acknowledged records up to %d of %d", ErrStays, dir, least.Sink, least.At.N, m.LastSeq)
	}
	for _, a := range d.Acks {
		if slices.Contains(d.Policy.Sinks, a.Sink) && (a.At.N != m.LastSeq || a.At.Link.String() != m.LastLink) {
			return fmt.Errorf("%w: %s: sink %q has acknowledged another journal: record %d with link %s",
				ErrStays, dir, a.Sink, a.At.N, a.At.Link)
		}
	}
	var last int64
	_, _, err = Select(dir, nil, func(r *Row) error {
		last = max(last, r.Record.Time(record.TsUTC))
		return nil
	})
	switch {
	case err != nil:
		return err
	case last == 0:
		return fmt.Errorf("%w: %s: no UTC of its records is known", ErrStays, dir)
	case last > d.Now-int64(d.Policy.Age):
		return fmt.Errorf("%w: %s: its last record is %s old", ErrStays, dir, time.Duration(d.Now-last).Round(time.Second))
	}
	return nil
}

// alone keeps writers out of the journal of a package, if it is there.
func alone(dir string) (free func() error, err error) {
	where := filepath.Join(dir, journalDir)
	if _, err := os.Lstat(filepath.Join(where, path.Base(segmentsDir))); errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	c, err := journal.Claim(where, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStays, err)
	}
	return c.Close, nil
}

// sweep removes the files that SHA256SUMS names and that are what it says, then the empty directories; SHA256SUMS and the manifest go
// last, since they tell what is still to go.
func sweep(root *os.Root, dir, sums string) (left []string, err error) {
	dirs := map[string]bool{journalDir: true, segmentsDir: true, quarantineDir: true, filesDir: true, samplesDir: true, derivedDir: true,
		"notes": true, "keys": true}
	for row := range strings.Lines(sums) {
		digest, name, _ := strings.Cut(strings.TrimSuffix(row, "\n"), "  ")
		if limit(name) == 0 || !filepath.IsLocal(filepath.FromSlash(name)) || name == manifestName {
			continue
		}
		dirs[path.Dir(name)] = true
		info, err := root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if sum, err := hashFile(root, name); err != nil || sum.String() != digest {
			continue // it is another file
		}
		if err := root.Remove(name); err != nil {
			return nil, fmt.Errorf("evidence: %w", err)
		}
	}
	delete(dirs, ".")
	if runtime.GOOS != "windows" { // there it is open
		_ = root.Remove(lockName)
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(dirs))) {
		_ = syncDirs(root, name)
		_ = root.Remove(name) // one that is not empty stays
	}
	if err := syncDirs(root, "."); err != nil {
		return nil, err
	}
	for _, name := range [...]string{sumsName, manifestName} {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("evidence: %w", err)
		}
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, strconv.Quote(name))
		}
		return err
	})
	if err != nil || len(left) > 0 {
		return left, err
	}
	_ = os.Remove(dir)
	return nil, nil
}
