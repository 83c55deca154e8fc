// Events as bytes: one spelling each, and what no tracker takes.

package unitrun_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
	"github.com/batchkit/batchkit/timebase"
)

// lines are events of every kind.
var lines = []string{
	`{"event":"configure","config":{"definitions":[{"name":"P","classes":["c"]},{"name":"Q","classes":["c","d"]}],"units":[{"id":"R1","classes":["c"],` +
		`"slots":[{"definition":"P","control":"both","ports":{"create":"a","active":"b","ready":"r","cancel":"x"},"prefix":"B-","digits":4,` +
		`"capture":{"tags":["T"],"period_ms":1000},"post":true},{"definition":"Q","auto_create":true,"ready_unstarted":true,"no_link_paused":true,"test":true}]},` +
		`{"id":"R2","classes":["d"],"slots":[{"definition":"Q","naming":"message","follow":true,"cancel_aborted":true}]}]}}`,
	`{"event":"signal","signals":[{"tag":"a"},{"tag":"b"},{"tag":"r","bad":true}]}`,
	`{"event":"register","test":true,"material":"M0"}`,
	`{"event":"arrive","unit":"R1","material":"M1"}`,
	`{"event":"create","unit":"R1","definition":"P","ident":"B\u003c1\u003e","process":"J-1/1","actor":"AS","role":"operator","reason":"by hand"}`,
	`{"event":"signal","signals":[{"tag":"b","high":true}]}`,
	`{"event":"sample","run":"R-000001","data":[{"at":5,"tag":"T","value":"45.2","quality":"GOOD"},{"tag":"T","value":"45.3","quality":"STALE"}]}`,
	`{"event":"pause","run":"R-000001"}`,
	`{"event":"resume","unit":"R1","definition":"P"}`,
	`{"event":"split","material":"M1","materials":["M2","M3"]}`,
	`{"event":"merge","material":"M4","materials":["M2","M3"]}`,
	`{"event":"move","unit":"R2","material":"M4"}`,
	`{"event":"regenerate","unit":"R1","material":"M4"}`,
	`{"event":"exit","material":"M4"}`,
	`{"event":"ready","run":"R-000001"}`,
	`{"event":"finish","run":"R-000001"}`,
	`{"event":"start","unit":"R1","definition":"Q","test":true}`,
	`{"event":"cancel","unit":"R1","definition":"Q"}`,
	`{"event":"boot"}`,
	`{"event":"configure","config":{"units":[{"id":"R2","gone":true}]}}`,
}

// told is a tracker that was told lines.
func told(t require.TestingT, lines ...string) *unitrun.Tracker {
	track := unitrun.NewTracker()
	for i, line := range lines {
		e, err := unitrun.ParseEvent([]byte(line))
		require.NoError(t, err, line)
		for _, f := range track.Step(timebase.Stamp{Mono: int64(i), UTC: zero + int64(i)}, &e, nil) {
			require.NotEqual(t, unitrun.Refused, f.Kind, "%s: %s", line, f.Reason)
		}
	}
	return track
}

func TestAnEventHasOneSpelling(t *testing.T) {
	kinds := map[unitrun.EventKind]bool{}
	for _, line := range lines {
		e, err := unitrun.ParseEvent([]byte(line))
		require.NoError(t, err, line)
		again, err := e.Append([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x"+line, string(again))
		kinds[e.Kind] = true
		for _, bad := range []string{line + " ", " " + line, strings.Replace(line, `"event"`, `"Event"`, 1), strings.Replace(line, `:"`, `: "`, 1),
			line[:len(line)-1] + `,"x":1}`, line[:len(line)-1] + `,"test":false}`, line[:len(line)-1] + `,"unit":""}`, line + line} {
			_, err := unitrun.ParseEvent([]byte(bad))
			require.ErrorIs(t, err, unitrun.ErrEvent, bad)
		}
	}
	require.Len(t, kinds, int(unitrun.Configure), "every kind")
	told(t, lines...)
	for k := unitrun.Create; k <= unitrun.Configure; k++ {
		text, err := k.MarshalText()
		require.NoError(t, err)
		var back unitrun.EventKind
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, k, back)
		do, ok := unitrun.ParseCommand(string(text))
		require.Equal(t, k.Command(), ok)
		require.Equal(t, ok, do == k)
	}
}

func TestALogWithoutItsSamplesLeadsToTheSameTracker(t *testing.T) {
	without := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, `{"event":"sample"`) })
	require.Len(t, without, len(lines)-1)
	with, err := unitrun.ParseEvent([]byte(lines[6]))
	require.NoError(t, err)
	require.Equal(t, unitrun.Sample, with.Kind)
	track := told(t, without[:6]...)
	was := snapshot(t, track)
	fx := track.Step(atZero, &with, nil)
	require.Equal(t, with.Data, fx[0].Data)
	require.Equal(t, was, snapshot(t, track))
}

func TestWhatNoTrackerTakesIsNoEventAndSaysWhy(t *testing.T) {
	long := strings.Repeat("x", unitrun.MaxText+1)
	for line, want := range map[string]string{
		``: "EOF", `null`: "its kind is not known", `[]`: "cannot unmarshal", `{"event":""}`: "not known", `{"event":"fly"}`: `kind "fly" is not known`,
		`{"event":"create"}`:                                                               "neither run, nor unit and definition",
		`{"event":"create","unit":"R1"}`:                                                   "neither run, nor unit and definition",
		`{"event":"create","run":"R-1"}`:                                                   "the tracker numbers it",
		`{"event":"pause","run":"R-1","unit":"R1"}`:                                        "give one of both",
		`{"event":"finish","unit":"R1","definition":"P"}`:                                  "run is missing",
		`{"event":"pause","run":"R-1","ident":"x"}`:                                        "told when a run is created",
		`{"event":"start","run":"R-1","material":"M"}`:                                     "does not belong to it",
		`{"event":"boot","unit":"R1"}`:                                                     "does not belong to it",
		`{"event":"signal"}`:                                                               "signals are missing",
		`{"event":"signal","signals":[{"tag":"a"},{"tag":"a"}]}`:                           `tag "a" is empty or named twice`,
		`{"event":"signal","signals":[{"tag":"a","high":true,"bad":true}]}`:                "is bad, and has a level",
		`{"event":"signal","unit":"R1","signals":[{"tag":"a"}]}`:                           "more than signals",
		`{"event":"sample","run":"R-1"}`:                                                   "run or data is missing",
		`{"event":"sample","run":"R-1","data":[{"tag":"a","value":"1","quality":"good"}]}`: `quality "good" is not GOOD, STALE or BAD`,
		`{"event":"arrive","material":"M"}`:                                                "unit is for arrive, move and regenerate, which need it",
		`{"event":"exit","unit":"R1","material":"M"}`:                                      "unit is for arrive",
		`{"event":"move","unit":"R1"}`:                                                     "material is missing",
		`{"event":"split","material":"M"}`:                                                 "materials are for split and merge",
		`{"event":"split","material":"M","materials":["M"]}`:                               `material "M" is named twice`,
		`{"event":"merge","material":"M","materials":["A","A"]}`:                           `material "A" is empty or named twice`,
		`{"event":"move","unit":"R1","test":true,"material":"M"}`:                          "test is told when",
		`{"event":"configure"}`:                                                            "config is missing",
		`{"event":"configure","config":{}}`:                                                "it changes nothing",
		`{"event":"exit","material":"` + long + `"}`:                                       "material has 201 bytes",
		`{"event":"exit","material":"` + "\xff" + `"}`:                                     "not written as Append writes it",
		`{"event":"boot","reason":"` + strings.Repeat("x", unitrun.MaxReason+1) + `"}`:     "reason has 401 bytes",
		`{"event":"boot"}` + strings.Repeat(" ", unitrun.MaxEvent):                         "at most 24576 are taken",
	} {
		_, err := unitrun.ParseEvent([]byte(line))
		require.ErrorIs(t, err, unitrun.ErrEvent, line)
		require.ErrorContains(t, err, want, line)
	}
	wide := unitrun.Event{Kind: unitrun.Split, Material: "M"}
	for i := range unitrun.MaxSet + 1 {
		wide.Materials = append(wide.Materials, fmt.Sprint("N", i))
	}
	dst, err := wide.Append([]byte("x"))
	require.ErrorContains(t, err, "65 materials")
	require.Equal(t, "x", string(dst))
	large := unitrun.Event{Kind: unitrun.Sample, Run: "R-1"}
	for range unitrun.MaxData {
		large.Data = append(large.Data, unitrun.Value{Tag: long[1:], Value: "1", Quality: "GOOD"})
	}
	_, err = large.Append(nil)
	require.ErrorContains(t, err, "give it in several")
}

func TestAConfigurationThatCannotBeIsRefusedForWhatIsWrong(t *testing.T) {
	slot := func(s string) string {
		return `{"units":[{"id":"R1","classes":["c"],"slots":[{"definition":"P"` + s + `}]}]}`
	}
	for config, want := range map[string]string{
		`{"definitions":[{"name":"P"}]}`:                                                                     `definition "P": it has 0 classes`,
		`{"definitions":[{"name":"P","classes":["c"],"gone":true}]}`:                                         "it is gone, and has classes",
		`{"definitions":[{"name":"","classes":["c"]}]}`:                                                      `definition "" is empty or named twice`,
		`{"units":[{"id":"R1","classes":["c","c"]}]}`:                                                        `class "c" is empty or named twice`,
		`{"units":[{"id":"R1","classes":["c"]},{"id":"R1","classes":["c"]}]}`:                                `unit "R1" is empty or named twice`,
		`{"units":[{"id":"R1","slots":[{"definition":"P"}],"gone":true}]}`:                                   "none where it is gone",
		slot(`},{"definition":"P"`):                                                                          `definition "P" is empty or named twice`,
		slot(`,"control":"voice"`):                                                                           `control "voice" is not message, signal or both`,
		slot(`,"naming":"me"`):                                                                               `ident "me" is not by unit, message or signal`,
		slot(`,"ports":{"active":"a"}`):                                                                      "is controlled by message; set control to signal or both",
		slot(`,"control":"both","ports":{"create":"a","active":"a"}`):                                        `port "a" is empty or named twice`,
		slot(`,"control":"signal","ports":{"active":"a","ready":"r"}`):                                       "no ports that create, start and end a run",
		slot(`,"control":"signal","ports":{"create":"c","active":"a"}`):                                      "no ports that create, start and end a run",
		slot(`,"control":"signal","ports":{"active":"a","ready":"r"},"auto_create":true,"naming":"message"`): "no message gives an identifier",
		slot(`,"control":"signal","ports":{"active":"a","ready":"r"},"auto_create":true,"follow":true`):      "runs that follow batches",
		slot(`,"cancel_aborted":true`):                                                                       "cancel_aborted is for them",
		slot(`,"naming":"signal"`):                                                                           "an ident port is for identifiers by signal",
		slot(`,"ports":{"ident":"i"}`):                                                                       "an ident port is for identifiers by signal",
		slot(`,"naming":"message","prefix":"B-"`):                                                            "prefix and digits are for identifiers by unit",
		slot(`,"digits":13`):                                                                                 "prefix and digits are for identifiers by unit, with 0 to 12 digits",
		slot(`,"capture":{"tags":[],"period_ms":1000}`):                                                      "it captures 0 tags each 1000 ms",
		slot(`,"capture":{"tags":["T"],"period_ms":9}`):                                                      "it captures 1 tags each 9 ms; give 1 to 64 tags, and 10 to 86400000 ms",
		slot(`,"capture":{"tags":["T","T"],"period_ms":10}`):                                                 `captured tag "T" is empty or named twice`,
		slot(`,"capture":{"tags":["T 1"],"period_ms":10}`):                                                   `captured tag "T 1" has a blank or a NUL in it`,
	} {
		_, err := unitrun.ParseEvent([]byte(`{"event":"configure","config":` + config + `}`))
		require.ErrorIs(t, err, unitrun.ErrEvent, config)
		require.ErrorContains(t, err, want, config)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(strings.Join(lines, "\n")))
	for i := range lines {
		f.Add([]byte(lines[0] + "\n" + lines[i]))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		track := unitrun.NewTracker()
		var fx []unitrun.Effect
		for i, line := range bytes.Split(text, []byte("\n")) {
			e, err := unitrun.ParseEvent(line)
			if err != nil {
				require.ErrorIs(t, err, unitrun.ErrEvent)
				continue
			}
			again, err := e.Append(nil)
			require.NoError(t, err)
			require.Equal(t, line, again)
			fx = track.Step(timebase.Stamp{UTC: int64(i)}, &e, fx[:0])
		}
		text, err := track.Snapshot(nil)
		require.NoError(t, err)
		_, err = unitrun.Restore(text)
		require.NoError(t, err)
	})
}

func FuzzSnapshots(f *testing.F) {
	for i := range lines {
		text, err := told(f, lines[:i+1]...).Snapshot(nil)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		track, err := unitrun.Restore(text)
		if err != nil {
			require.ErrorIs(t, err, unitrun.ErrSnapshot)
			return
		}
		again, err := track.Snapshot(nil)
		require.NoError(t, err)
		require.Equal(t, text, again)
		for i, line := range slices.Backward(lines) {
			e, err := unitrun.ParseEvent([]byte(line))
			require.NoError(t, err)
			track.Step(timebase.Stamp{UTC: int64(i)}, &e, nil)
		}
		for _, r := range track.Runs("", 100) {
			track.Step(timebase.Stamp{}, &unitrun.Event{Kind: unitrun.Cancel, Run: r.ID}, nil)
		}
	})
}

func TestASnapshotThatNoEventsLeadToIsRefused(t *testing.T) {
	text, err := told(t, append(slices.Clone(lines[:12]), `{"event":"arrive","unit":"R2","material":"M9"}`, `{"event":"exit","material":"M9"}`)...).Snapshot(nil)
	require.NoError(t, err)
	good := string(text)
	for _, cut := range []struct{ old, by string }{
		{`"form":1`, `"form":2`}, {`{"form"`, ` {"form"`}, {`"last":1`, `"last":0`}, {`"serial":6`, `"serial":1`}, {`"state":131171`, `"state":131172`},
		{`"state":131171`, `"state":8388608`}, {`"id":"M2"`, `"id":"M1"`}, {`"life":"present"`, `"life":"exited"`}, {`"unit":"R2"`, `"unit":"R9"`},
		{`"name":"Q"`, `"name":"A"`}, {`"gone":["M9"`, `"gone":["M2"`},
		{`,"gone":["M9"]`, ``}, {`"tag":"a"`, `"tag":"z"`}, {`"arrival":1`, `"arrival":99`},
		{`"definition":"P","ident"`, `"definition":"Z","ident"`}, {`"no":2`, `"no":9`},
	} {
		require.Contains(t, good, cut.old)
		_, err := unitrun.Restore([]byte(strings.Replace(good, cut.old, cut.by, 1)))
		require.ErrorIs(t, err, unitrun.ErrSnapshot, "%+v", cut)
	}
	_, err = unitrun.Restore(text)
	require.NoError(t, err)
}
