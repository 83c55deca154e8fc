// Check: what in a store is not as it should be, where, and what to do.

package library

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Check reads every file of a store and returns what it found: first the objects in the order of names, then the slots, then what
// is active. Errors about files that are damaged or missing wrap ErrDamaged or fs.ErrNotExist; those about what does not belong
// there or was left half written wrap neither. It changes and deletes nothing. It takes as long as it takes to read it all, and
// refuses a directory of more than 100,000 names.
func (s *Store) Check() (faults []error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, err := s.names(objectsDir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !isDigest(n) {
			faults = append(faults, s.stray(objectsDir, n))
			continue
		}
		if _, err := s.Get(n); err != nil {
			faults = append(faults, err)
		}
	}
	if names, err = s.names(slotsDir); err != nil {
		return nil, err
	}
	for _, n := range names {
		kind, rest, _ := strings.Cut(n, ".")
		id, isA := strings.CutSuffix(rest, ".A")
		id, isB := strings.CutSuffix(id, ".B")
		if !isKind(kind) || !isName(id) || isA == isB {
			faults = append(faults, s.stray(slotsDir, n))
			continue
		}
		data, err := s.disk.Read(s.path(slotsDir, n), maxSlot)
		if err == nil {
			_, err = readSlot(data)
		}
		if a, _ := s.lib.Active(kind, id); err != nil && a.Slot.String() != n[len(n)-1:] { // the active ones come below
			faults = append(faults, fmt.Errorf("%w: %s: %w; it is not active: keep a copy, the next activation sets it aside",
				ErrDamaged, s.path(slotsDir, n), err))
		}
	}
	for _, a := range s.lib.Actives() {
		if _, err := s.whole(&a); err != nil {
			faults = append(faults, err)
		}
	}
	return faults, nil
}

// names lists a directory of the store in order.
func (s *Store) names(dir string) ([]string, error) {
	names, err := s.disk.List(s.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("library: store: %w", err)
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("library: store: %s holds %d names, at most %d are read", s.path(dir), len(names), maxFiles)
	}
	slices.Sort(names)
	return names, nil
}

func (s *Store) stray(dir, name string) error {
	if strings.HasSuffix(name, newSuffix) {
		return fmt.Errorf("library: store: %s was left half written, and nothing reads it; remove it while nothing is written here",
			s.path(dir, name))
	}
	return fmt.Errorf("library: store: %s does not belong here; move it away", s.path(dir, name))
}
