// Package library governs recipes, mappings, calibrations, tag maps and device profiles: which version of which file may be used, and who says so.
//
// Start with [Library]. It is what the library_change and object_activated records of the device journal add up to: [Library.Apply]
// rebuilds it from them, [Library.Change] adds one, [Library.Approved] answers whether a file may be used. An object is known by
// kind, ID, version and the SHA-256 digest of its bytes. The life of a version:
//
//	stateDiagram-v2
//	    [*] --> none
//	    approved --> published: publish
//	    approved --> retired: withdraw
//	    draft --> approved: approve
//	    draft --> retired: withdraw
//	    none --> draft: draft
//	    published --> retired: retire
//	    retired --> published: rollback
//
// Several versions of one object may be published at the same time. Rollback leads back to what was once in use: a version that
// was withdrawn before it was ever published, perhaps without an approval, is refused.
//
// [Store] keeps the files themselves, each under its digest, and says which published version of an object is active. An
// activation writes the slot of the two that is not active, reads it back, holds it against the approval, and then makes the
// record. The record alone activates: there is no pointer that could run ahead of it or lag behind.
//
// The rule that must not be broken: evidence before action. A state changes only by a record that is durable, and one version
// stands for one digest for ever.
//
// A Library reads no file, and nothing here reads a clock, starts anything, or asks for a second pair of eyes: who drafted a
// version may approve it.
package library

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/batchkit/batchkit/journal/record"
)

// MaxVersions is the greatest number of versions that a library holds, retired ones included.
const MaxVersions = 10000

// Reasons why a file may not be used. Every error of Approved wraps one of them.
var (
	ErrUnapproved   = errors.New("library: not approved for use")
	ErrNotEffective = errors.New("library: not in effect")
)

// Entry is one version of a governed object.
type Entry struct {
	Kind    string // recipe, mapping, calibration, tag_map or device_profile
	ID      string
	Version string
	Digest  string // SHA-256 of its bytes, 64 lower-case hex digits
	State   State

	ApprovalID    string // of the approval; "" before it
	ApprovedBy    string // actor of the approval; "" before it
	EffectiveFrom int64  // ns UTC, as last published; 0: at once
	Expiry        int64  // ns UTC, first instant at which it may not be used, as last published; 0: never
	Released      bool   // it is or was published
	Activated     bool   // it is or was active

	Seq    uint64 // record that brought it into its state
	Actor  string // actor of that record
	Reason string // change_reason of that record
}

// name tells versions apart.
type name struct{ kind, id, version string }

func (n name) String() string {
	kind := n.kind
	if !isKind(kind) {
		kind = fmt.Sprintf("%q", kind)
	}
	return fmt.Sprintf("%s %q version %q", kind, n.id, n.version)
}

// Library holds every version that its journal knows. The zero value is an empty library. Its methods may be called from
// several goroutines.
type Library struct {
	changing sync.Mutex // held during a whole change, so that what was checked still holds when it is durable

	mu      sync.RWMutex // never held while a journal is waited for; what it guards is written only while changing is held too
	entries []Entry      // in the order in which they were drafted
	index   map[name]int
	active  map[object]Active
	seq     uint64 // last record applied
}

// Entries returns a copy of every version, in the order in which they were drafted.
func (l *Library) Entries() []Entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.entries)
}

// Approved returns the version under which a file of that digest may be used at now, ns UTC. Where now is 0, the time of day is
// not known, and a version that is in effect only for a time is refused. The error says what is wrong and what to do, and wraps
// ErrUnapproved or ErrNotEffective. It never waits for a journal.
func (l *Library) Approved(kind, id, version, digest string, now int64) (Entry, error) {
	n := name{kind, id, version}
	e := l.find(n)
	unapproved := func(format string, args ...any) (Entry, error) {
		return Entry{}, fmt.Errorf("%w: %s: %s", ErrUnapproved, n, fmt.Sprintf(format, args...))
	}
	switch {
	case e.State == StateNone:
		return unapproved("never seen here; draft it, have it approved, and publish it")
	case e.Digest != digest:
		return unapproved("the file was edited after it was drafted: its digest is %s, drafted was %s; restore it, or give it a "+
			"new version", short(digest), short(e.Digest))
	case e.State == StateDraft:
		return unapproved("a draft since record %d by %q; have it approved, then publish it", e.Seq, e.Actor)
	case e.State == StateApproved:
		return unapproved("approved by %q (%s) in record %d, but not published; publish it", e.ApprovedBy, e.ApprovalID, e.Seq)
	case e.State == StateRetired && !e.Released:
		return unapproved("withdrawn in record %d by %q: %q; draft it under a new version", e.Seq, e.Actor, e.Reason)
	case e.State == StateRetired:
		return unapproved("retired since record %d by %q: %q; use another version, or roll back to this one", e.Seq, e.Actor, e.Reason)
	}
	if err := e.inEffect(n, now); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// inEffect holds now against the time for which a published version is in effect.
func (e *Entry) inEffect(n name, now int64) error {
	switch {
	case now <= 0 && (e.EffectiveFrom != 0 || e.Expiry != 0):
		return fmt.Errorf("%w: %s: published for a time only, and the time of day is not known; set the clock", ErrNotEffective, n)
	case now < e.EffectiveFrom:
		return fmt.Errorf("%w: %s: effective from %s, now it is %s; wait, or use another version", ErrNotEffective, n,
			utc(e.EffectiveFrom), utc(now))
	case e.Expiry != 0 && now >= e.Expiry:
		return fmt.Errorf("%w: %s: expired at %s, now it is %s; use another version, or retire it and roll back to it "+
			"with a later expiry", ErrNotEffective, n, utc(e.Expiry), utc(now))
	}
	return nil
}

// find returns a version; that of an unknown one is in StateNone.
func (l *Library) find(n name) Entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if i, ok := l.index[n]; ok {
		return l.entries[i]
	}
	return Entry{Kind: n.kind, ID: n.id, Version: n.version}
}

// store takes in a version as a durable record left it.
func (l *Library) store(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := name{e.Kind, e.ID, e.Version}
	i, ok := l.index[n]
	if !ok {
		if l.index == nil {
			l.index = make(map[name]int)
		}
		i = len(l.entries)
		l.index[n] = i
		l.entries = append(l.entries, Entry{})
	}
	l.entries[i] = e
	l.seq = e.Seq
}

// short cuts a digest to what people compare.
func short(digest string) string {
	if len(digest) <= 12 {
		return fmt.Sprintf("%q", digest)
	}
	return digest[:12] + "..."
}

func utc(ns int64) string { return string(record.AppendTime(nil, ns)) }
