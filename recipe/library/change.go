// Changes: what may be done to a version, the record that it makes, and the way back from the record.

package library

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/batchkit/batchkit/journal/record"
)

// Limits of a change, in bytes.
const (
	MaxName = 64   // of ID and Version
	MaxText = 1000 // of Actor, Reason, ApprovalID and ImpactScope
)

// Change is one thing done to one version. All fields are required but the last two.
type Change struct {
	Kind        string // recipe, mapping, calibration, tag_map or device_profile
	ID          string // as the file spells it
	Version     string // as the file spells it
	Digest      string // SHA-256 of the file, 64 lower-case hex digits
	Event       Event
	Actor       string // who does it
	Reason      string // why, in the actor's words (change_reason)
	ApprovalID  string // approval or order under which it is done; that of Approve is shown by batches
	ImpactScope string // which batches or equipment it touches; "none" where it touches none

	EffectiveFrom int64 // ns UTC, 0: at once; only with Publish and Rollback
	Expiry        int64 // ns UTC, first instant at which it may not be used, 0: never; only with Publish and Rollback
}

// Change checks a change, appends its record to log, and makes it once log says that it is durable. It returns the number of the
// record. What is refused leaves neither record nor trace; when log fails, the library stays as it was, and the error wraps that
// of log. It waits as long as log does, and lets one change pass at a time.
func (l *Library) Change(log record.Log, c Change) (seq uint64, err error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	was, next, err := l.after(c)
	if err != nil {
		return 0, fmt.Errorf("library: %w", err)
	}
	if seq, err = log.Append(func(b *record.Body) { fill(b, c, was, next) }); err != nil {
		return 0, fmt.Errorf("library: %s: %s: not made, the journal failed: %w", c.name(), c.Event, err)
	}
	return seq, l.commit(next, seq)
}

// Apply makes the change or activation that a durable record tells of; records of other kinds change nothing. Records must come
// in the order of their journal. It refuses, and changes nothing, where a record does not follow from those before it.
func (l *Library) Apply(rec *record.Record) error {
	if rec == nil || rec.Kind != record.KindLibraryChange && rec.Kind != record.KindObjectActivated {
		return nil
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	if rec.Kind == record.KindObjectActivated {
		next, err := l.toldActive(rec)
		if err != nil {
			return fmt.Errorf("library: record %d: %w", rec.Seq(), err)
		}
		return l.commitActive(next, rec.Seq())
	}
	next, err := l.told(rec)
	if err != nil {
		return fmt.Errorf("library: record %d: %w", rec.Seq(), err)
	}
	return l.commit(next, rec.Seq())
}

// commit takes in what record seq made of a version.
func (l *Library) commit(e Entry, seq uint64) error {
	if seq <= l.seq {
		return fmt.Errorf("library: record %d: it comes after record %d; numbers of one journal ascend", seq, l.seq)
	}
	e.Seq = seq
	l.store(e)
	return nil
}

// after gives a version as it is and as a change would leave it, or says why the change is refused.
func (l *Library) after(c Change) (was State, next Entry, err error) {
	e := l.find(c.name())
	refuse := func(format string, args ...any) (State, Entry, error) {
		return e.State, Entry{}, fmt.Errorf("%s: %s: %w", c.name(), c.Event, fmt.Errorf(format, args...))
	}
	if err := c.check(); err != nil {
		return refuse("%w", err)
	}
	was = e.State
	if was != StateNone && c.Digest != e.Digest {
		return refuse("digest %s, but this version stands for %s; a version never changes, give the file a new one",
			short(c.Digest), short(e.Digest))
	}
	if e.State, err = move(was, c.Event); err != nil {
		return refuse("%w", err)
	}
	switch c.Event {
	case Draft:
		if len(l.entries) >= MaxVersions {
			return refuse("the library is full, it holds %d versions", MaxVersions)
		}
		e.Digest = c.Digest
	case Approve:
		e.ApprovalID, e.ApprovedBy = c.ApprovalID, c.Actor
	case Rollback:
		if !e.Released {
			return refuse("this version was withdrawn before it was ever published; draft it under a new version")
		}
		fallthrough
	case Publish:
		e.EffectiveFrom, e.Expiry, e.Released = c.EffectiveFrom, c.Expiry, true
	}
	e.Actor, e.Reason = c.Actor, c.Reason
	return was, e, nil
}

func (c *Change) name() name { return name{c.Kind, c.ID, c.Version} }

// check holds a change against what every change must say.
func (c *Change) check() error {
	switch {
	case !isKind(c.Kind):
		return errors.New("object_kind: recipe, mapping, calibration, tag_map or device_profile is wanted")
	case !isName(c.ID):
		return fmt.Errorf("object_id: 1 to %d letters, digits, '.', '_', '-' are wanted, the first a letter or digit", MaxName)
	case !isName(c.Version):
		return fmt.Errorf("object_version: 1 to %d letters, digits, '.', '_', '-' are wanted, the first a letter or digit", MaxName)
	case !isDigest(c.Digest):
		return errors.New("digest: 64 lower-case hex digits are wanted, the SHA-256 of the file")
	case c.Event == 0 || c.Event >= eventCount:
		return errors.New("no such event")
	}
	if err := checkTexts([]text{{"actor", c.Actor, whoSays}, {"change_reason", c.Reason, whySays},
		{"approval_id", c.ApprovalID, orderSays}, {"impact_scope", c.ImpactScope, scopeSays}}); err != nil {
		return err
	}
	switch {
	case c.EffectiveFrom == 0 && c.Expiry == 0:
	case c.Event != Publish && c.Event != Rollback:
		return errors.New("effective_from and expiry are given with publish or rollback")
	case c.EffectiveFrom < 0 || c.Expiry < 0:
		return errors.New("effective_from and expiry lie after 1970-01-01")
	case c.Expiry != 0 && c.Expiry <= c.EffectiveFrom:
		return fmt.Errorf("expiry %s is not after effective_from %s", utc(c.Expiry), utc(c.EffectiveFrom))
	}
	return nil
}

// text is something that a person has to say, and how to ask for it.
type text struct{ key, text, why string }

// How to ask for what is missing.
const (
	whoSays   = "say who does it"
	whySays   = "say why it is done"
	orderSays = "name the approval or order under which it is done"
	scopeSays = `name what it touches, or say "none"`
)

// checkTexts wants one line of text in each place.
func checkTexts(texts []text) error {
	for _, t := range texts {
		switch {
		case strings.TrimSpace(t.text) == "":
			return fmt.Errorf("%s is missing; %s", t.key, t.why)
		case len(t.text) > MaxText:
			return fmt.Errorf("%s has %d bytes, at most %d", t.key, len(t.text), MaxText)
		case !utf8.ValidString(t.text) || strings.ContainsFunc(t.text, unicode.IsControl):
			return fmt.Errorf("%s %q: one line of text is wanted", t.key, t.text)
		}
	}
	return nil
}

// fill begins a body and gives it the fields of a change.
func fill(b *record.Body, c Change, was State, next Entry) {
	b.Begin(record.KindLibraryChange)
	b.Text(record.ObjectKind, c.Kind)
	b.Text(record.ObjectID, c.ID)
	b.Text(record.ObjectVersion, c.Version)
	b.Text(record.Digest, c.Digest)
	b.Text(record.OldValue, was.String())
	b.Text(record.NewValue, next.State.String())
	b.Text(record.Actor, c.Actor)
	b.Text(record.ChangeReason, c.Reason)
	b.Text(record.ApprovalID, c.ApprovalID)
	b.Text(record.ImpactScope, c.ImpactScope)
	if next.ApprovedBy != "" {
		b.Text(record.ApprovedBy, next.ApprovedBy)
	}
	if c.EffectiveFrom != 0 {
		b.Time(record.EffectiveFrom, c.EffectiveFrom)
	}
	if c.Expiry != 0 {
		b.Time(record.Expiry, c.Expiry)
	}
}

// told reads the change from a record and gives the version as it leaves it.
func (l *Library) told(rec *record.Record) (Entry, error) {
	from, to := rec.Text(record.OldValue), rec.Text(record.NewValue)
	a, ok := between(from, to)
	if !ok {
		return Entry{}, fmt.Errorf("no event leads from %q to %q", from, to)
	}
	c := Change{
		Kind: rec.Text(record.ObjectKind), ID: rec.Text(record.ObjectID), Version: rec.Text(record.ObjectVersion),
		Digest: rec.Text(record.Digest), Event: a.event, Actor: rec.Text(record.Actor), Reason: rec.Text(record.ChangeReason),
		ApprovalID: rec.Text(record.ApprovalID), ImpactScope: rec.Text(record.ImpactScope),
		EffectiveFrom: rec.Time(record.EffectiveFrom), Expiry: rec.Time(record.Expiry),
	}
	was, next, err := l.after(c)
	switch {
	case err != nil:
		return Entry{}, err
	case was != a.from:
		return Entry{}, fmt.Errorf("%s: %s: old_value is %s, but it is %s", c.name(), c.Event, from, was)
	case rec.Text(record.ApprovedBy) != next.ApprovedBy:
		return Entry{}, fmt.Errorf("%s: %s: approved_by is %q, but it was %q", c.name(), c.Event,
			rec.Text(record.ApprovedBy), next.ApprovedBy)
	}
	for _, k := range [...]record.Key{record.EffectiveFrom, record.Expiry} {
		if rec.Has(k) && rec.Time(k) == 0 {
			return Entry{}, fmt.Errorf("%s: %s: %s %q is no time after 1970-01-01", c.name(), c.Event, k, rec.Text(k))
		}
	}
	return next, nil
}

func isKind(s string) bool {
	return s == "recipe" || s == "mapping" || s == "calibration" || s == "tag_map" || s == "device_profile"
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= MaxName
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
