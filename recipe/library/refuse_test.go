// Wrong changes and wrong records, one fault each.

package library_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
)

func TestAWrongChangeIsRefusedWithItsFault(t *testing.T) {
	long := strings.Repeat("x", library.MaxText+1)
	for _, c := range []struct {
		fault func(c *library.Change)
		want  string
	}{
		{func(c *library.Change) { c.Kind = "Recipe" }, "object_kind: recipe, mapping, calibration, tag_map or device_profile is wanted"},
		{func(c *library.Change) { c.Kind = "" }, `library: "" "water-fill" version "1.0": approve: object_kind: `},
		{func(c *library.Change) { c.ID = "" }, "object_id: 1 to 64 letters"},
		{func(c *library.Change) { c.ID = "-a" }, "object_id: 1 to 64 letters"},
		{func(c *library.Change) { c.ID = "a b" }, "object_id: 1 to 64 letters"},
		{func(c *library.Change) { c.ID = "é" }, "object_id: 1 to 64 letters"},
		{func(c *library.Change) { c.Version = "" }, "object_version: 1 to 64 letters"},
		{func(c *library.Change) { c.Version = strings.Repeat("1", library.MaxName+1) }, "object_version: 1 to 64 letters"},
		{func(c *library.Change) { c.Version = "1.1" }, "approve: this version was never seen here; draft it first"},
		{func(c *library.Change) { c.Digest = "" }, "digest: 64 lower-case hex digits are wanted"},
		{func(c *library.Change) { c.Digest = strings.Repeat("A", 64) }, "digest: 64 lower-case hex digits are wanted"},
		{func(c *library.Change) { c.Digest = strings.Repeat("g", 64) }, "digest: 64 lower-case hex digits are wanted"},
		{func(c *library.Change) { c.Digest = strings.Repeat("a", 32) + "g" + strings.Repeat("a", 31) }, "digest: 64 lower-case"},
		{func(c *library.Change) { c.Digest = digest("b") },
			"digest bbbbbbbbbbbb..., but this version stands for aaaaaaaaaaaa...; a version never changes, give the file a new one"},
		{func(c *library.Change) { c.Digest, c.Event = digest("b"), library.Draft }, "a version never changes"},
		{func(c *library.Change) { c.Event = 0 }, "no such event"},
		{func(c *library.Change) { c.Event = 255 }, "no such event"},
		{func(c *library.Change) { c.Event = library.Publish }, "publish: not possible, it is draft; possible: approve, withdraw"},
		{func(c *library.Change) { c.Event = library.Draft }, "draft: not possible, it is draft; possible: approve, withdraw"},
		{func(c *library.Change) { c.Actor = "" }, "actor is missing; say who does it"},
		{func(c *library.Change) { c.Actor = long }, "actor has 1001 bytes, at most 1000"},
		{func(c *library.Change) { c.Reason = " \t" }, "change_reason is missing; say why it is done"},
		{func(c *library.Change) { c.Reason = "a\nb" }, `change_reason "a\nb": one line of text is wanted`},
		{func(c *library.Change) { c.Reason = "\xff" }, `change_reason "\xff": one line of text is wanted`},
		{func(c *library.Change) { c.ApprovalID = "" }, "approval_id is missing; name the approval or order"},
		{func(c *library.Change) { c.ImpactScope = "" }, `impact_scope is missing; name what it touches, or say "none"`},
		{func(c *library.Change) { c.EffectiveFrom = 1 }, "effective_from and expiry are given with publish or rollback"},
		{func(c *library.Change) { c.Expiry = 1 }, "effective_from and expiry are given with publish or rollback"},
		{func(c *library.Change) { c.Event, c.EffectiveFrom = library.Publish, -1 }, "lie after 1970-01-01"},
		{func(c *library.Change) { c.Event, c.Expiry = library.Rollback, -1 }, "lie after 1970-01-01"},
		{func(c *library.Change) { c.Event, c.EffectiveFrom, c.Expiry = library.Publish, minute(1), minute(1) },
			"expiry 2026-03-01T00:01:00.000000000Z is not after effective_from 2026-03-01T00:01:00.000000000Z"},
	} {
		l, log := at(t, library.Draft)
		before := l.Entries()
		wrong := change(library.Approve)
		c.fault(&wrong)
		seq, err := l.Change(log, wrong)
		require.ErrorContains(t, err, c.want)
		require.True(t, strings.HasPrefix(err.Error(), "library: "), err.Error())
		require.Zero(t, seq)
		require.Len(t, log.bodies, 1)
		require.Equal(t, before, l.Entries())
	}
}

// wrongRecords are edits of the record that approves, old and new text of each, and why it is refused.
var wrongRecords = [][3]string{
	{`"old_value":"draft"`, `"old_value":"none"`, `no event leads from "none" to "approved"`},
	{`"old_value":"draft"`, `"old_value":"x"`, `no event leads from "x" to "approved"`},
	{`"new_value":"approved","object_id":"water-fill","object_kind":"recipe","object_version":"1.0","old_value":"draft"`,
		`"new_value":"retired","object_id":"water-fill","object_kind":"recipe","object_version":"1.0","old_value":"approved"`,
		`old_value is approved, but it is draft`},
	{`"object_version":"1.0"`, `"object_version":"1.1"`, `never seen here`},
	{`"object_kind":"recipe"`, `"object_kind":"colour"`, `"colour" "water-fill" version "1.0": approve: object_kind`},
	{`"digest":"aa`, `"digest":"ab`, `digest abaaaaaaaaaa..., but this version stands for aaaaaaaaaaaa...`},
	{`"actor":"ana"`, `"actor":""`, `actor is missing`},
	{`"approved_by":"ana"`, `"approved_by":"bob"`, `approved_by is "bob", but it was "ana"`},
	{`"approved_by":"ana",`, ``, `approved_by is "", but it was "ana"`},
	{`"epoch":3`, `"effective_from":"1970-01-01T00:00:00.000000000Z","epoch":3`, `is no time after 1970-01-01`},
	{`"impact_scope"`, `"expiry":"1970-01-01T00:00:00.000000000Z","impact_scope"`, `is no time after 1970-01-01`},
	{`"impact_scope"`, `"expiry":"1969-12-31T23:59:59.999999999Z","impact_scope"`, `are given with publish or rollback`},
	{`"impact_scope"`, `"expiry":"2026-03-01T00:00:00.000000000Z","impact_scope"`, `are given with publish or rollback`},
	{`"event_seq":"2"`, `"event_seq":"1"`, `record 1: it comes after record 1; numbers of one journal ascend`},
	{`"event_seq":"2"`, `"event_seq":"0"`, `record 0: it comes after record 1`},
}

func TestARecordThatDoesNotFollowIsRefused(t *testing.T) {
	_, log := at(t, library.Draft, library.Approve)
	first, err := record.Parse(log.bodies[0])
	require.NoError(t, err)
	for _, c := range wrongRecords {
		l := &library.Library{}
		require.NoError(t, l.Apply(first))
		before := l.Entries()
		require.Contains(t, string(log.bodies[1]), c[0])
		rec, err := record.Parse([]byte(strings.Replace(string(log.bodies[1]), c[0], c[1], 1)))
		require.NoError(t, err, c[1])
		err = l.Apply(rec)
		require.ErrorContains(t, err, c[2])
		require.True(t, strings.HasPrefix(err.Error(), "library: record "), err.Error())
		require.Equal(t, before, l.Entries())
	}
	l := &library.Library{}
	require.NoError(t, l.Apply(first))
	require.Error(t, l.Apply(first), "the same record twice")
}

func FuzzApply(f *testing.F) {
	l, log := &library.Library{}, &memory{}
	for _, e := range []library.Event{library.Draft, library.Approve, library.Publish, library.Retire, library.Rollback} {
		c := change(e)
		if e == library.Publish {
			c.EffectiveFrom, c.Expiry = minute(1), minute(2)
		}
		_, err := l.Change(log, c)
		require.NoError(f, err)
	}
	for i, body := range log.bodies {
		f.Add(uint8(i), body)
		f.Add(uint8(0), body)
		f.Add(uint8(i+1), body)
	}
	f.Fuzz(func(t *testing.T, start uint8, body []byte) {
		l := &library.Library{}
		for _, b := range log.bodies[:int(start)%(len(log.bodies)+1)] {
			rec, err := record.Parse(b)
			require.NoError(t, err)
			require.NoError(t, l.Apply(rec))
		}
		rec, err := record.Parse(body)
		if err != nil {
			return
		}
		before := l.Entries()
		if l.Apply(rec) != nil || rec.Kind != record.KindLibraryChange {
			require.Equal(t, before, l.Entries())
			return
		}
		require.NotEqual(t, before, l.Entries())
		require.Error(t, l.Apply(rec), "no record counts twice")
	})
}
