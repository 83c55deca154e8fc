// Claims about notes of buses in a package: whole they hold, and what cannot be is named.

package evidence

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
)

// tells notes an event of a bus.
func (r *run) tells(lost uint64, ev fieldbus.Event) {
	if r.m.Ended() {
		return
	}
	r.seal()
	if ev.At == 0 {
		ev.At = r.now
	}
	r.append(r.m.AppendBus(nil, r.next, &ev, lost))
}

// links brings a device up, or down and up again with another reconnect.
func (r *run) links(device string, reconnects uint64) {
	was := fieldbus.Down
	if reconnects > 0 {
		r.tells(0, fieldbus.Event{Kind: fieldbus.LinkChanged, Device: device, Old: fieldbus.Up, Took: 2 * ms, Cause: "no reply", Age: 300 * ms,
			Status: fieldbus.StatusNotConnected, Reconnects: reconnects - 1})
	}
	for _, to := range []fieldbus.LinkState{fieldbus.Connecting, fieldbus.Syncing, fieldbus.Up} {
		r.tells(0, fieldbus.Event{Kind: fieldbus.LinkChanged, Device: device, Old: was, New: to, Took: ms, Age: -1, Reconnects: reconnects})
		was = to
	}
	r.tells(0, fieldbus.Event{Kind: fieldbus.Resynced, Device: device, Count: 2, Took: 3 * ms, Reconnects: reconnects})
}

// busy makes a package of a batch whose devices come, go and tell of themselves. With mapped a tag map is bound.
func busy(t testing.TB, mapped bool) string {
	t.Helper()
	dir, b := t.TempDir(), tinyBatch(t, "B-0001", approved{})
	if mapped {
		b = bound(t, onBus(t), "B-0001", approved{})
	}
	r := begin(t, dir, b)
	r.links("V-1", 0)
	r.links("M-1", 0)
	r.rounds(0, 6)
	r.tells(0, fieldbus.Event{Kind: fieldbus.PointChanged, Device: "M-1", Channel: "tot/1", Status: fieldbus.StatusSensorFailure, Age: 400 * ms})
	r.tells(0, fieldbus.Event{Kind: fieldbus.PointChanged, Device: "M-1", Channel: "tot/1"})
	r.tells(0, fieldbus.Event{Kind: fieldbus.WriteTold, Device: "V-1", Channel: "do/1", WriteID: 1, Outcome: fieldbus.OutcomeConfirmed, New: fieldbus.Up})
	r.links("M-1", 1)
	r.tells(0, fieldbus.Event{Kind: fieldbus.LinkFailover, Device: "M-1", From: "a", To: "b", Took: 5 * ms, Reconnects: 1})
	r.tells(0, fieldbus.Event{Kind: fieldbus.Measured, Device: "M-1", Took: 18 * ms, Limit: 20 * ms, Count: 600})
	r.tells(0, fieldbus.Event{Kind: fieldbus.Backlog, Buffered: 3, Sent: 120, Acknowledged: 97, Dropped: 40})
	r.rounds(6, 12)
	r.tells(2, fieldbus.Event{Kind: fieldbus.LinkChanged, Device: "M-1", Old: fieldbus.Degraded, New: fieldbus.Down, Took: ms, Reconnects: 1})
	r.rounds(12, 200)
	require.True(t, r.m.Ended())
	r.end()
	_, err := Pack(dir, b)
	require.NoError(t, err)
	return dir
}

func TestNotesOfBusesHoldInAWholePackageAndReplayPassesOverThem(t *testing.T) {
	for _, mapped := range []bool{false, true} {
		dir := busy(t, mapped)
		rep, err := Verify(dir)
		require.NoError(t, err)
		require.True(t, rep.OK(), rep.Verdict())
		replay, err := Replay(dir)
		require.NoError(t, err)
		require.Nil(t, replay.Divergence)
		m, err := parseManifest(slurp(t, dir, manifestName))
		require.NoError(t, err)
		require.Equal(t, "CTRL-1", m.DeviceID, "the package is of the controller, whatever its notes are about")
		require.Equal(t, mapped, bytes.Contains(slurp(t, dir, eventsName), []byte(`"device_profile_id":"METER","epoch"`)))
	}
}

func TestANoteThatCannotBeIsNamedAlthoughTheChainIsWhole(t *testing.T) {
	bare, mapped := busy(t, false), busy(t, true)
	for _, c := range []struct {
		of             string // package: bare unless "mapped"
		kind           string
		nth            int
		old, with, say string
	}{
		{"", "link_state", 2, `"old_value":"CONNECTING"`, `"old_value":"DOWN"`, `the link to "V-1" was DOWN, and the record before says that it is CONNECTING`},
		{"", "link_state", 3, `"watchdog_state":"UP"`, `"watchdog_state":"SOUND"`, `never "SYNCING" or "SOUND"`},
		{"", "link_state", 3, `"result":"changed"`, `"result":"late"`, `was SYNCING and is UP, and the record says that it is late`},
		{"", "link_state", 3, `"result":"changed"`, `"result":"fine"`, `"fine" is no result`},
		{"", "link_state", 10, `"reconnect_count":"1"`, `"reconnect_count":"0"`, `reconnect_count of "M-1" is 0, and it was 1 before`},
		{"", "resync_complete_event", 1, `"device_id":"V-1"`, `"device_id":"M-1"`, ""},
		{"", "resync_complete_event", 2, `"device_id":"M-1"`, `"device_id":"V-1"`, `the values of "M-1" count since record`},
		{"", "resync_complete_event", 3, `"reconnect_count":"1"`, `"reconnect_count":"0"`, `reconnect_count of "M-1" is 0, and it was 1 before`},
		{"", "point_quality", 1, `"quality":"BAD"`, `"quality":"GOOD"`, `quality is "GOOD", and status 0x808C0000 is BAD`},
		{"", "point_quality", 1, `0x808C0000`, `0x808c0000`, `is no status such as`},
		{"", "point_quality", 2, `"device_id":"M-1"`, `"device_id":"X-9"`, ""},
		{"", "link_failover_event", 1, `"to_path":"b"`, `"to_path":"a"`, `from a path to the same one`},
		{"", "bus_write", 1, `"outcome":"CONFIRMED"`, `"outcome":"REFUSED"`, `write 1 is confirmed by its write_done and refused by its bus_write`},
		{"", "bus_write", 1, `"outcome":"CONFIRMED"`, `"outcome":"DONE"`, `"DONE" is no outcome`},
		{"", "bus_write", 1, `"write_id":1`, `"write_id":99`, `no output was to be written by write 99`},
		{"", "bus_write", 1, `"physical_channel":"do/1"`, `"physical_channel":"do/2"`, `by its output_write to "do/1"`},
		{"", "write_done", 1, `"operator_id":"o.shift"`, `"operator_id":"o.shift","outcome":"REFUSED"`, `its outcome is "REFUSED", and its result "confirmed"`},
		{"", "bus_measures", 1, `"over_budget":0`, `"over_budget":601`, `of 600 exchanges 601 were over the budget`},
		{"", "bus_measures", 1, `"over_budget":0`, `"over_budget":1`, `1 exchanges were over the budget of 20.000 ms`},
		{"", "bus_measures", 1, `20.000 ms`, `10.000 ms`, `0 exchanges were over the budget of 10.000 ms`},
		{"", "bus_measures", 1, `20.000 ms`, `20.000`, `is no time such as`},
		{"", "telemetry_backlog", 1, `"telemetry_taken":"140"`, `"telemetry_taken":"141"`, `and 141 were taken in`},
		{"", "telemetry_backlog", 1, `"telemetry_sent":"120"`, `"telemetry_sent":"96"`, `97 samples were acknowledged, and 96 sent`},
		{"", "link_state", 11, `"events_lost":"2",`, ``, `was DEGRADED, and the record before says that it is UP`},
		{"", "link_state", 11, `"events_lost":"2"`, `"events_lost":"0"`, `events_lost is 0`},
		{"", "link_state", 1, `"device_id":"V-1"`, `"device_id":"V-1","device_profile_id":"VALVE"`, `and no tag map is bound`},
		{"mapped", "link_state", 1, `"device_id":"V-1"`, `"device_id":"V-2"`, `"V-2" is no device of the tag map`},
		{"mapped", "point_quality", 1, `"device_id":"M-1","device_profile_id":"METER"`, `"device_id":"V-2"`, `"V-2" is no device of the tag map`},
		{"mapped", "link_state", 1, `"device_profile_id":"VALVE"`, `"device_profile_id":"METER"`, `is "METER", by the tag map it is "VALVE"`},
		{"mapped", "point_quality", 1, `"physical_channel":"tot/1"`, `"physical_channel":"do/1"`, `"do/1" is no channel of "M-1"`},
	} {
		dir := map[string]string{"": bare, "mapped": mapped}[c.of]
		edited := forge(t, dir, replaced(c.kind, c.nth, c.old, c.with))
		require.NotEqual(t, slurp(t, dir, eventsName), slurp(t, edited, eventsName), "%s %s: nothing was edited", c.kind, c.old)
		if c.say == "" { // it could be
			unfound(t, edited)
			continue
		}
		require.Contains(t, failed(t, edited, "records").Detail, c.say, "%s %s", c.kind, c.with)
	}
}

// A device that is down gives nothing that is GOOD; and what is up has been read.
func TestNothingIsGoodOfADeviceThatIsDown(t *testing.T) {
	var b busNotes
	rec := func(kind record.Kind, texts map[record.Key]string) *record.Record {
		all := map[record.Key]string{record.SeenMonoNS: "5", record.DeviceID: "M-1"}
		for k, v := range texts {
			all[k] = v
		}
		return recordOf(t, kind, all)
	}
	state := func(was, is string) error {
		return b.told(1, rec(record.KindLinkState, map[record.Key]string{record.OldValue: was, record.WatchdogState: is, record.ElapsedMS: "1.000",
			record.ReconnectCount: "0", record.Result: "changed"}))
	}
	good := func() error {
		return b.told(1, rec(record.KindPointQuality, map[record.Key]string{record.PhysicalChannel: "tot/1", record.Quality: "GOOD",
			record.OPCUAStatus: "0x00000000"}))
	}
	require.NoError(t, good(), "nothing is known of its link")
	require.NoError(t, state("DOWN", "CONNECTING"))
	require.ErrorContains(t, good(), `"tot/1" is GOOD, and the link to its device is CONNECTING`)
	require.NoError(t, state("CONNECTING", "SYNCING"))
	require.NoError(t, good(), "what is read while tags are synced may be")
	require.NoError(t, state("SYNCING", "UP"))
	require.ErrorContains(t, state("UP", "DEGRADED"), "no resync_complete_event says that they were read")
	require.NoError(t, state("DEGRADED", "DEMOTED"))
	require.ErrorContains(t, good(), "DEMOTED")
}

// An outage that was cut out of the records, with all that was told of it, shows by the count of what comes next.
func TestAnOutageThatWasCutOutShowsByTheCountOfReconnects(t *testing.T) {
	change := func(count, was, is string) *record.Record {
		return recordOf(t, record.KindLinkState, map[record.Key]string{record.SeenMonoNS: "5", record.DeviceID: "M-1", record.OldValue: was,
			record.WatchdogState: is, record.ElapsedMS: "1.000", record.ReconnectCount: count, record.Result: "changed"})
	}
	over := func(count string) *record.Record {
		return recordOf(t, record.KindLinkFailover, map[record.Key]string{record.SeenMonoNS: "5", record.DeviceID: "M-1", record.FromPath: "a",
			record.ToPath: "b", record.GapMS: "1.000", record.ReconnectCount: count})
	}
	var b busNotes
	for n, rec := range []*record.Record{change("3", "DOWN", "CONNECTING"), change("4", "CONNECTING", "SYNCING"), over("4")} {
		require.NoError(t, b.told(uint64(n), rec))
	}
	require.ErrorContains(t, b.told(5, change("6", "SYNCING", "DOWN")), `reconnect_count of "M-1" is 6, and it was 4 before`)
	require.ErrorContains(t, b.told(6, over("7")), `reconnect_count of "M-1" is 7, and it was 6 before`, "nothing but a change of the link connects")
}

func TestAWaitForAValueThatIsNotGoodIsExplainedByTheLinkOfItsDevice(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, dir, bound(t, onBus(t), "B-0001", approved{}))
	r.links("V-1", 0)
	r.links("M-1", 0)
	r.rounds(0, 4)
	r.tells(0, fieldbus.Event{Kind: fieldbus.LinkChanged, Device: "M-1", Old: fieldbus.Up, New: fieldbus.Down, Took: 400 * ms, Cause: "no reply", Age: 250 * ms})
	r.tells(0, fieldbus.Event{Kind: fieldbus.PointChanged, Device: "M-1", Channel: "ctr/1", Status: fieldbus.StatusNotConnected, Age: 250 * ms})
	r.sample(2, 0, tag.Bad, 0)
	r.end()
	words := busWords(recordAt(t, dir, `"event_type":"link_state"`, `"watchdog_state":"DOWN"`))
	require.Equal(t, "the link to M-1 is DOWN, it was UP for 0.400 s: no reply; its last valid reply was 0.250 s old; reconnect 0", words)
	var h heard
	for _, body := range openBodies(t, dir) {
		rec, err := record.Parse(body)
		require.NoError(t, err)
		if rec.Kind.Spec().Field {
			h.add(rec)
		}
	}
	lines := h.why(r.b, &batch.Need{Kind: batch.NeedTag, Name: "FC1", Quality: tag.Bad})
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "  FC1: "+words+"; record ")
	require.Contains(t, lines[1], "FC1: ctr/1 of M-1 is BAD, 0x808A0000; its last valid value was 0.250 s old; record ")
	require.Len(t, h.why(r.b, &batch.Need{Kind: batch.NeedTag, Name: "FT1", Quality: tag.Stale}), 1, "by the tag map, although nobody has told of its channel")
	require.Empty(t, h.why(r.b, &batch.Need{Kind: batch.NeedTag, Name: "FC1", Quality: tag.Good}))
	require.Empty(t, h.why(r.b, &batch.Need{Kind: batch.NeedPerson, Name: "FC1"}))
}

// openBodies are the records of a batch that runs still.
func openBodies(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	q := &inquiry{v: &verifier{dir: dir, root: root}, index: newIndex()}
	require.NoError(t, q.open())
	_, err = q.read(func(_ uint64, body []byte) error {
		all = append(all, bytes.Clone(body))
		return nil
	})
	require.NoError(t, err)
	return all
}

// recordAt is the last record that all words stand in.
func recordAt(t *testing.T, dir string, words ...string) *record.Record {
	t.Helper()
	rec, err := record.Parse(openBodies(t, dir)[find(t, dir, words...)-1])
	require.NoError(t, err)
	return rec
}

func TestAQueryByDeviceFindsWhatIsAboutIt(t *testing.T) {
	dir, part := busy(t, true), filepath.Join(t.TempDir(), "x")
	q, err := ParseQuery([]string{"device_id=M-1"})
	require.NoError(t, err)
	_, err = Export(dir, part, q)
	require.NoError(t, err)
	unfound(t, part)
	some := 0
	for i, line := range strings.Split(strings.TrimSpace(string(slurp(t, part, eventsName))), "\n") {
		if ln := parseLine([]byte(line)); len(ln.body) > 0 {
			some++
			require.Contains(t, string(ln.body), `"device_id":"M-1"`, fmt.Sprint(i))
		}
	}
	require.Equal(t, 14, some)
}

// The rules of a verification and the machine of a link are written apart: whatever happens to a link, what it tells can be.
func TestWhateverALinkTellsOfItselfHolds(t *testing.T) {
	seeds, told := uint64(300), 0
	if long() {
		seeds = 20_000
	}
	first := uint64(time.Now().UnixNano())
	for seed := first; seed < first+seeds; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 7))
		l := fieldbus.NewLink("M-1", fieldbus.LinkConfig{Seed: seed, Alone: seed%2 == 0, Owes: seed%3 == 0, Paths: 1 + int(seed%4/2), Reconnect: 1000 * ms,
			Silence: int64(seed%5) * 500 * ms, DemotedFor: 2000 * ms})
		var b busNotes
		for at := int64(1); at < 60_000*ms; at += rnd.Int64N(500 * ms) {
			ev := fieldbus.LinkEvent{Kind: fieldbus.LinkEventKind(1 + rnd.IntN(10)), Count: rnd.IntN(3), Path: rnd.IntN(2)}
			if rnd.IntN(2) == 0 {
				ev.Kind = map[fieldbus.LinkState]fieldbus.LinkEventKind{fieldbus.Connecting: fieldbus.Opened, fieldbus.Syncing: fieldbus.Synced,
					fieldbus.Doubt: fieldbus.Proved, fieldbus.Down: fieldbus.Tick, fieldbus.Demoted: fieldbus.Tick}[l.State()]
			}
			for _, e := range l.Step(at, ev, nil) {
				if e.Kind != fieldbus.Tell {
					continue
				}
				told++
				require.NotEqual(t, record.KindNone, e.Event.Record(), "seed %d at %d: %+v", seed, at, e.Event)
				require.NoError(t, b.told(uint64(told), aloneNote(t, &e.Event)), "seed %d at %d", seed, at)
			}
		}
	}
	require.Greater(t, told, 1000)
}

// aloneNote is the note of an event outside of a batch.
func aloneNote(t *testing.T, ev *fieldbus.Event) *record.Record {
	var b record.Body
	b.Begin(ev.Record())
	for _, k := range [...]record.Key{record.JournalID, record.SyncState, record.TimeSource} {
		b.Text(k, "x")
	}
	b.Text(record.DeviceID, ev.Device)
	b.Count(record.EventSeq, 1)
	b.Count(record.TsMonoNS, 1)
	b.Int(record.Epoch, 1)
	ev.Fill(&b)
	body, err := b.Append(nil)
	require.NoError(t, err)
	rec, err := record.Parse(body)
	require.NoError(t, err)
	return rec
}
