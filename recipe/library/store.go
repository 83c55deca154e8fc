// Store: governed files under their digests, and the slots that say which version of an object is active.

package library

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/batchkit/batchkit/journal/record"
)

// Limits of a store.
const (
	MaxFile  = 4 << 20 // bytes of one governed file
	maxNew   = 100     // files of one name that cuts may have left half written
	maxFiles = 100_000 // names in a directory that Check looks at
)

// The directories of a store.
const (
	objectsDir = "objects"
	slotsDir   = "active"
	asideDir   = "quarantine"
	newSuffix  = ".new"
)

// ErrDamaged is in every error about a file of a store that is not what it must be. Nothing was changed.
var ErrDamaged = errors.New("library: damaged file")

// Parse reads a governed file and gives the ID and version that stand in it, or says why it is none of its kind.
type Parse func(kind string, data []byte) (id, version string, err error)

// Journal is the device journal as an activation needs it.
type Journal interface {
	record.Log
	// Hold keeps the journal for this process until it is closed, and fails where it holds a record that the library was not
	// told of. Without it another process could write to a slot that this one takes for inactive.
	Hold() error
}

// StoreOptions are the optional settings of a store; nil means all zero.
type StoreOptions struct {
	// Disk is where the files are. Nil means the operating system.
	Disk Disk
}

// Store keeps governed files below a directory:
//
//	objects/<SHA-256>      a file, under the digest of its bytes
//	active/<kind>.<id>.A   slot A of an object, and likewise B: the version that it names
//	quarantine/            slots that could not be read when their turn came to be written
//	*.new                  what a cut or a full disk left half written; nothing reads it
//
// A file gets its name when all its bytes are durable, so a name never stands for half a file. An object is never changed and a
// slot never written in place; nothing is deleted but what could not be written to its end.
//
// Which slot counts is said by the journal and by nothing else: the last object_activated record of an object names the slot and
// the digest of its bytes. The slot is durable, read back, and held against its object and approval before that record is made, so
// the record is the one moment of an activation: before it the old version is active, whose slot nobody touched, and after it the
// new one. To write the slot after its record would leave a moment in which the record speaks of what is not there.
//
// Its methods may be called from several goroutines, and block for as long as the disk and the journal do.
type Store struct {
	dir   string
	disk  Disk
	lib   *Library
	parse Parse

	mu    sync.Mutex // held while files are written
	doubt error      // why it is not known which slot the journal will name
}

// OpenStore opens the store in a directory and makes what is missing of it. lib is what the journal of the same device adds up to.
func OpenStore(dir string, lib *Library, parse Parse, opt *StoreOptions) (*Store, error) {
	s := &Store{dir: dir, disk: system{}, lib: lib, parse: parse}
	if opt != nil && opt.Disk != nil {
		s.disk = opt.Disk
	}
	for _, d := range [...]string{dir, s.path(objectsDir), s.path(slotsDir), s.path(asideDir)} {
		if err := s.disk.Mkdir(d); err != nil {
			return nil, fmt.Errorf("library: store: directory %s: %w", d, err)
		}
	}
	for _, d := range [...]string{filepath.Dir(dir), dir} {
		if err := s.disk.SyncDir(d); err != nil {
			return nil, fmt.Errorf("library: store: directory %s: %w", d, err)
		}
	}
	return s, nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *Store) object(digest string) string { return s.path(objectsDir, digest) }

func (s *Store) slot(kind, id string, slot Slot) string {
	return s.path(slotsDir, kind+"."+id+"."+slot.String())
}

// Put keeps a file and returns its digest once it is durable and was read back. A file that is there already stays as it is; one
// that is there with other bytes is damaged, and is refused and not overwritten.
func (s *Store) Put(data []byte) (digest string, err error) {
	if len(data) == 0 || len(data) > MaxFile {
		return "", fmt.Errorf("library: store: a file of %d bytes, 1 to %d are wanted", len(data), MaxFile)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	digest = digestOf(data)
	_, err = s.Get(digest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = s.write(s.object(digest), data)
	case err == nil: // its name may not be durable yet: whoever wrote it may have failed at that
		err = s.disk.SyncDir(s.path(objectsDir))
	}
	if err == nil {
		_, err = s.Get(digest)
	}
	if err != nil {
		return "", fmt.Errorf("library: store: %s was not taken: %w", short(digest), err)
	}
	return digest, nil
}

// Get returns the file with a digest. The error is fs.ErrNotExist where there is none, and ErrDamaged where its bytes are others.
func (s *Store) Get(digest string) ([]byte, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("library: store: %q: 64 lower-case hex digits are wanted", digest)
	}
	data, err := s.disk.Read(s.object(digest), MaxFile)
	if err != nil {
		return nil, fmt.Errorf("library: store: %w", err)
	}
	if is := digestOf(data); is != digest {
		return nil, fmt.Errorf("%w: %s: its digest is %s; move it out of the store, keep it, and put the file in again",
			ErrDamaged, s.object(digest), is)
	}
	return data, nil
}

// write brings a file to its name: whole and durable, or not at all. What has that name is replaced.
func (s *Store) write(path string, data []byte) error {
	var err error
	for n := 1; n <= maxNew; n++ {
		half := fmt.Sprintf("%s.%d%s", path, n, newSuffix)
		if err = s.disk.Write(half, data); errors.Is(err, fs.ErrExist) {
			continue // a cut left it, or another process is writing it
		}
		if err == nil {
			err = s.disk.Rename(half, path)
		}
		if err != nil {
			if left := s.disk.Remove(half); !errors.Is(left, fs.ErrNotExist) { // nothing of it may ever have been there
				err = errors.Join(err, left)
			}
			return err
		}
		return s.disk.SyncDir(filepath.Dir(path))
	}
	return fmt.Errorf("%s: %d files beside it were left half written; remove those that end in %s: %w", path, maxNew, newSuffix, err)
}

// Activate makes a published version the active one of its object and returns the number of the record that did it. Its file must
// be in the store. What is refused leaves neither record nor trace. Where the journal fails, the old version stays active in this
// process, which can activate no more: whether the record is durable, and so which version is active, shows the journal when it is
// opened anew.
func (s *Store) Activate(j Journal, a Activation) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lib.changing.Lock()
	defer s.lib.changing.Unlock()
	n := name{a.Kind, a.ID, a.Version}
	refuse := func(err error) (uint64, error) { return 0, fmt.Errorf("library: %s: not activated: %w", n, err) }
	if s.doubt != nil {
		return refuse(fmt.Errorf("the journal failed before, read it anew and open the store again: %w", s.doubt))
	}
	e := s.lib.find(n)
	if e, err = s.lib.Approved(a.Kind, a.ID, a.Version, e.Digest, a.Now); err != nil {
		return refuse(err)
	}
	was, next, err := s.lib.activate(&a, &e)
	if err != nil {
		return refuse(err)
	}
	if _, err = s.read(&next); err != nil { // before anything is written
		return refuse(err)
	}
	if err = j.Hold(); err != nil {
		return refuse(err)
	}
	if err = s.stage(&next); err != nil {
		return refuse(err)
	}
	seq, err = j.Append(func(b *record.Body) { fillActive(b, &a, &was, &next, e.ApprovedBy) })
	if err == nil {
		err = s.lib.commitActive(next, seq)
	}
	if err != nil {
		s.doubt = err
		return refuse(fmt.Errorf("the journal failed; slot %s is written, and counts if the record is there: %w", next.Slot, err))
	}
	return seq, nil
}

// stage writes the slot that is not active, reads it back, and gives its digest to next.
func (s *Store) stage(next *Active) error {
	path := s.slot(next.Kind, next.ID, next.Slot)
	old, err := s.disk.Read(path, maxSlot)
	if err == nil {
		held, bad := readSlot(old)
		switch {
		case bad != nil: // it is in nobody's way, but it may tell something
			err = s.setAside(path, old)
		case held.Kind != next.Kind || held.ID != next.ID:
			return fmt.Errorf("%s is a slot of %s %q: this disk does not tell their names apart; give one of them another ID",
				path, held.Kind, held.ID)
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("slot %s, which is not active: %w; move it out of the store and keep it", next.Slot, err)
	}
	data := slotBytes(next)
	next.SlotDigest = digestOf(data)
	if err = s.write(path, data); err != nil {
		return fmt.Errorf("slot %s: %w", next.Slot, err)
	}
	_, err = s.whole(next)
	return err
}

// setAside moves a slot that cannot be read to where nobody writes, under a name that holds its digest.
func (s *Store) setAside(path string, data []byte) error {
	err := s.disk.Rename(path, s.path(asideDir, filepath.Base(path)+"."+digestOf(data)))
	if err == nil {
		err = s.disk.SyncDir(s.path(asideDir))
	}
	if err == nil {
		err = s.disk.SyncDir(s.path(slotsDir))
	}
	return err
}

// whole reads the slot of an activation as the disk has it, and the file that it names.
func (s *Store) whole(a *Active) ([]byte, error) {
	path := s.slot(a.Kind, a.ID, a.Slot)
	again := "keep it, and activate a version anew: that writes the other slot"
	data, err := s.disk.Read(path, maxSlot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing; activate a version anew: that writes the other slot", ErrDamaged, path)
	case err != nil:
		return nil, fmt.Errorf("library: slot %s: %w", a.Slot, err)
	case digestOf(data) != a.SlotDigest || !bytes.Equal(data, slotBytes(a)):
		why := "it is whole, but another than the record names"
		if _, bad := readSlot(data); bad != nil {
			why = bad.Error()
		}
		return nil, fmt.Errorf("%w: %s: %s (digest %s, in record %d it is %s); %s", ErrDamaged, path, why, short(digestOf(data)), a.Seq,
			short(a.SlotDigest), again)
	}
	return s.read(a)
}

// read returns the file of a version, which must be whole and name that version.
func (s *Store) read(a *Active) ([]byte, error) {
	data, err := s.Get(a.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; put the file with digest %s in", err, a.Digest)
	}
	if err != nil {
		return nil, err
	}
	id, version, err := s.parse(a.Kind, data)
	if err != nil {
		return nil, fmt.Errorf("library: store: %s cannot be read as %s: %w", s.object(a.Digest), a.Kind, err)
	}
	if id != a.ID || version != a.Version {
		return nil, fmt.Errorf("library: store: %s is %s %q version %q and not %q version %q; draft it under its own name",
			s.object(a.Digest), a.Kind, id, version, a.ID, a.Version)
	}
	return data, nil
}

// Active returns the active version of an object and its file. The error wraps ErrInactive where none was ever activated,
// ErrUnapproved or ErrNotEffective where it may not be used (any more) at now, ns UTC, 0 where the time of day is not known, and
// ErrDamaged where slot or file are not whole; it says what to do.
func (s *Store) Active(kind, id string, now int64) (Active, []byte, error) {
	s.mu.Lock() // between two activations this version's slot could become the one that is written
	defer s.mu.Unlock()
	a, ok := s.lib.Active(kind, id)
	if !ok {
		return Active{}, nil, fmt.Errorf("%w: %s %q: activate a published version", ErrInactive, kind, id)
	}
	if _, err := s.lib.Approved(kind, id, a.Version, a.Digest, now); err != nil {
		return Active{}, nil, fmt.Errorf("%w (it is the active one; activate another)", err)
	}
	data, err := s.whole(&a)
	if err != nil {
		return Active{}, nil, err
	}
	return a, data, nil
}
