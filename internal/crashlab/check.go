// Judging a crash state: the file system is recovered off line, then the journal is held against what was promised.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/batchkit/batchkit/journal"
)

// The ways in which a state is bad, as the summary counts them.
var (
	errFiles   = errors.New("FILES")   // the file system did not come up whole
	errLost    = errors.New("LOST")    // a promised record is missing
	errAlien   = errors.New("ALIEN")   // a record that was never appended, or has other bytes
	errVerdict = errors.New("VERDICT") // recovery calls a cut of power something else
	errGoOn    = errors.New("GO_ON")   // the journal cannot be continued
)

// reasons returns them in the order in which they are printed.
func reasons() []error { return []error{errFiles, errLost, errAlien, errVerdict, errGoOn} }

// finding is what a state was like that is not bad.
type finding struct {
	outcome journal.Outcome
	mended  bool // ext4's superblock was torn, and taken from its copy
}

// judge recovers the disk in img and judges the journal on it. dir is for what is taken out.
func judge(img, dir string, said *claim) (f finding, err error) {
	if f.mended, err = replay(img); err == nil {
		err = takeOut(img, dir)
	}
	if err != nil {
		return f, fmt.Errorf("%w: %w", errFiles, err)
	}
	f.outcome, err = judgeJournal(filepath.Join(dir, journalName), said)
	return f, err
}

// judgeJournal holds the journal in a directory against what was promised. It changes it.
func judgeJournal(at string, said *claim) (journal.Outcome, error) {
	rec, err := scan(at, said)
	if err != nil {
		return journal.None, err
	}
	switch n := rec.Head.N; {
	case rec.Outcome == journal.Damaged, rec.Outcome == journal.Foreign:
		return rec.Outcome, fmt.Errorf("%w: a cut of power is called %s: %q", errVerdict, rec.Outcome, rec.Path)
	case n < said.acked:
		return rec.Outcome, fmt.Errorf("%w: records %d to %d were promised and are not there: %s: %q",
			errLost, n+1, said.acked, rec.Outcome, rec.Path)
	case rec.Outcome == journal.None && len(said.first) > 0:
		return rec.Outcome, fmt.Errorf("%w: the journal had been made, and is not there: %q", errLost, rec.Path)
	}
	if err := goOn(at, said, rec); err != nil {
		return rec.Outcome, fmt.Errorf("%w: %w", errGoOn, err)
	}
	return rec.Outcome, nil
}

// replay lets the file system replay its own journal, and checks that it is whole then.
//
// The superblock is two sectors under one checksum, and ext4 writes it in place when it mounts and unmounts. A disk that
// tears or ruins it leaves what the kernel does not mount: a machine must run e2fsck when it starts, which takes the copy. So do we,
// and only then.
func replay(img string) (mended bool, err error) {
	out, err := tool(1, "e2fsck", "-y", "-E", "journal_only", img)
	if err != nil && (bytes.Contains(out, []byte("Superblock checksum does not match")) || bytes.Contains(out, []byte("Bad magic number in super-block"))) {
		mended = true
		_, err = tool(1, "e2fsck", "-fy", "-b", fmt.Sprint(backupSuper), "-B", fmt.Sprint(fileBlock), img)
	}
	if err != nil {
		return mended, fmt.Errorf("replaying the file system's journal: %w", err)
	}
	if _, err := tool(0, "e2fsck", "-fn", img); err != nil {
		return mended, fmt.Errorf("checking the file system after its replay: %w", err)
	}
	return mended, nil
}

// takeOut copies all directories out of the file system.
func takeOut(img, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	out, err := tool(0, "debugfs", "-R", "rdump / "+dir, img)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(out) { // its exit status does not tell
		if !bytes.HasPrefix(line, []byte("debugfs ")) {
			return fmt.Errorf("debugfs: taking the directory out: %s", bytes.TrimSpace(out))
		}
	}
	return nil
}

// scan reads the journal and holds every record against what was appended.
func scan(at string, said *claim) (*journal.Recovery, error) {
	var n uint64
	var seen journal.Chain
	rec, err := journal.Scan(at, func(seq uint64, b []byte, link journal.Chain) error {
		n++
		seen.Add(b)
		want, known := said.want(n)
		switch {
		case seq != n:
			return fmt.Errorf("%w: record %d is delivered as number %d", errAlien, seq, n)
		case !known:
			return fmt.Errorf("%w: record %d was never appended", errAlien, n)
		case !bytes.Equal(b, want):
			return fmt.Errorf("%w: record %d has other bytes than were appended", errAlien, n)
		case link != seen:
			return fmt.Errorf("%w: record %d has another link", errAlien, n)
		}
		return nil
	}, nil)
	if err == nil && rec.Head != seen {
		err = fmt.Errorf("%w: the head is %d, delivered were %d: %q", errVerdict, rec.Head.N, n, rec.Path)
	}
	return rec, err
}

// goOn opens the journal that was found, appends a record, closes it, and opens it again.
func goOn(at string, said *claim, found *journal.Recovery) error {
	n := found.Head.N + 1
	next := claim{first: append(slices.Clip(said.first), n), acked: n}
	opt := &journal.Options{Segment: segmentSize}
	w, rec, err := journal.Open(at, journal.Header{JournalID: journalID}, opt)
	switch {
	case found.Outcome == journal.None && errors.Is(err, journal.ErrNone):
		w, err = journal.Create(at, journal.Header{JournalID: journalID}, opt)
	case err == nil && (rec.Outcome != found.Outcome || rec.Head != found.Head):
		err = fmt.Errorf("reading says %s %d, opening %s %d", found.Outcome, found.Head.N, rec.Outcome, rec.Head.N)
	}
	if err != nil {
		return errors.Join(err, closed(w))
	}
	b, _ := next.want(n)
	if err := errors.Join(w.Append(n, b), w.Close()); err != nil {
		return fmt.Errorf("appending record %d: %w", n, err)
	}
	again, err := scan(at, &next)
	if err != nil {
		return fmt.Errorf("after record %d: %w", n, err)
	}
	w, rec, err = journal.Open(at, journal.Header{JournalID: journalID}, opt)
	if err == nil && (again.Outcome != journal.Clean || rec.Outcome != journal.Clean || again.Head.N != n || rec.Head != again.Head) {
		err = fmt.Errorf("it ends with record %d, %s: %q", rec.Head.N, rec.Outcome, rec.Path)
	}
	if err = errors.Join(err, closed(w)); err != nil {
		return fmt.Errorf("opening again after record %d: %w", n, err)
	}
	return nil
}

func closed(w *journal.Writer) error {
	if w == nil {
		return nil
	}
	return w.Close()
}
