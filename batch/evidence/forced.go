// What records say of overrides, and which windows they mark.

package evidence

import (
	"slices"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// overrides takes in what a record says of a tag in override, and marks the open windows of whose meter that is a source.
func (r *records) overrides(rec *record.Record) {
	name := rec.Text(record.LogicalTag)
	switch rec.Text(record.Result) {
	case "active":
		if !slices.Contains(r.forced, name) {
			r.forced = append(r.forced, name)
		}
		for _, w := range r.windows.all {
			if w.stop == nil && r.feeds(w.id, name) {
				w.course.forced = true
			}
		}
	case "cleared":
		r.forced = slices.DeleteFunc(r.forced, func(s string) bool { return s == name })
	}
}

// overrode says what has become of an override, in words.
func overrode(rec *record.Record) string {
	of := rec.Text(record.OverrideID) + " of " + rec.Text(record.Actor) + " (" + rec.Text(record.OverrideRole) + ")"
	name, unit := rec.Text(record.LogicalTag), also(rec, " ", record.Unit)
	switch rec.Text(record.Result) {
	case "active":
		return name + " is forced to " + rec.Text(record.NewValue) + unit + " by override " + of + "; it was " + rec.Text(record.OldValue) + unit +
			also(rec, "; reason: ", record.ChangeReason)
	case "cleared":
		return name + " is given back by override " + of + ", to " + rec.Text(record.NewValue) + unit + "; it was forced to " +
			rec.Text(record.OldValue) + unit + also(rec, ": ", record.Detail)
	}
	return "override " + of + " is " + rec.Text(record.Result) + also(rec, " for ", record.OverrideDuration) + also(rec, ": ", record.Detail)
}

// forcedAtStart tells whether a window opens while a source of its meter is in override.
func (r *records) forcedAtStart(id string) bool {
	return slices.ContainsFunc(r.forced, func(name string) bool { return r.feeds(id, name) })
}

// feeds tells whether an input is a source of the meter of a window.
func (r *records) feeds(window, name string) bool {
	if r.m == nil {
		return false
	}
	id, ok := r.m.Lookup(name)
	a, err := r.aim(window, r.changed)
	if !ok || err != nil || id == tag.None || r.m.Tags[id].Output {
		return false
	}
	m := a.meter
	return m.Source == id || m.Second.Source == id || m.Totalizer == id || m.Identity == id || m.Historian == id
}
