// Equipment that batches share, through the runner: asked for, queued, granted, refused, given back, and told again after a cut.

package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// desk is an arbiter in this process: whole sets, to who has asked first of those for whom all is free. It keeps its book for ever, as
// one on a disk would.
type desk struct {
	mu    sync.Mutex
	book  []*entryOf
	token uint64
	no    string // why everything is refused; "" nothing is
	told  []string
}

// entryOf is one claim in the book.
type entryOf struct {
	Claim
	say   func(Ruling)
	token uint64 // 0: it waits
	last  Ruling
}

// Request enters a claim, or says again what was said of it.
func (d *desk) Request(c Claim, say func(Ruling)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf("%s asks %d %v", c.Batch, c.ID, c.Resources))
	i := slices.IndexFunc(d.book, func(e *entryOf) bool { return e.Batch == c.Batch && e.ID == c.ID })
	switch {
	case i >= 0:
		d.book[i].say = say
		say(d.book[i].last)
		return
	case d.no != "":
		say(Ruling{Kind: Refused, Reason: d.no})
		return
	}
	d.book = append(d.book, &entryOf{Claim: c, say: say})
	d.settle()
}

// Release strikes a claim out, and those of its step before it.
func (d *desk) Release(c Claim) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf("%s gives back %d", c.Batch, c.ID))
	d.book = slices.DeleteFunc(d.book, func(e *entryOf) bool {
		return e.Batch == c.Batch && (e.ID == c.ID || e.Step == c.Step && e.ID < c.ID)
	})
	d.settle()
}

func (d *desk) settle() {
	place := int64(0)
	for _, e := range d.book {
		if e.token != 0 {
			continue
		}
		by := d.holder(e)
		v := Ruling{Kind: Queued, Place: place + 1}
		if by != nil {
			place++
			v.Owner = by.Batch + "/" + by.Step
			v.Since = virtualUTC
		} else {
			d.token++
			e.token = d.token
			v = Ruling{Kind: Granted, Token: d.token}
		}
		if v != e.last {
			e.last = v
			e.say(v)
		}
	}
}

// holder is who has something that a claim wants.
func (d *desk) holder(c *entryOf) *entryOf {
	for _, e := range d.book {
		if e.token != 0 && slices.ContainsFunc(e.Resources, func(r string) bool { return slices.Contains(c.Resources, r) }) {
			return e
		}
	}
	return nil
}

// sharing is the recipe with one of everything, on a map on which batches share the line.
func sharing(t *testing.T) *batch.Batch {
	return speak(t, "200 L", "units:\n", "resources: [{resource_id: AIR}, {resource_id: LINE, between_batches: true}]\nunits:\n", "reactor.LT >= $full", "reactor.LT >= 5 L")
}

// rival is another batch that has the line.
func rival(d *desk) {
	d.Request(Claim{Batch: "B-9", ID: 1, Step: "RINSE", Resources: []string{"LINE"}}, func(Ruling) {})
}

func leaves(d *desk) func(*Runner) {
	return func(*Runner) { d.Release(Claim{Batch: "B-9", ID: 1, Step: "RINSE"}) }
}

// waited are the lines of what was said of requests to the arbiter.
func waited(list []*record.Record) (words []string) {
	for _, r := range list {
		at := fmt.Sprintf("%.1f ", float64(r.Count(record.TsMonoNS))/1e9)
		switch r.Kind {
		case record.KindResourceRequest:
			words = append(words, at+fmt.Sprintf("%s asks %d %v", r.Text(record.StepID), r.Int(record.RequestID), r.Texts(record.ResourceID)))
		case record.KindResourceRelease:
			words = append(words, at+fmt.Sprintf("%s %d %s", r.Text(record.Result), r.Int(record.RequestID), r.Text(record.Detail)))
		case record.KindResourceGranted:
			words = append(words, at+fmt.Sprintf("granted %d token %d", r.Int(record.RequestID), r.Count(record.Token)))
		case record.KindResourceRefused:
			words = append(words, at+fmt.Sprintf("refused %d %s", r.Int(record.RequestID), r.Text(record.Detail)))
		case record.KindResourceQueue:
			words = append(words, at+fmt.Sprintf("place %d of %d, %s", r.Int(record.QueuePlace), r.Int(record.RequestID), r.Text(record.ResourceOwner)))
		case record.KindTimeout:
			words = append(words, at+r.Text(record.StepID)+" out of time: "+r.Text(record.TimeoutReason))
		case record.KindActionState:
			if r.Text(record.ActionState) == "wait" {
				words = append(words, at+r.Text(record.ActionID)+" waits: "+r.Text(record.WaitReason))
			}
		}
	}
	return words
}

func TestABatchWaitsForTheLineInTheArbitersQueueAndGivesItBack(t *testing.T) {
	d := &desk{}
	rival(d)
	list, res := liveOn(t, sharing(t), Rig{Port: &tanks{}, Arbiter: d}, Scheduled{20 * second, leaves(d)})
	require.Equal(t, sequencer.Complete, res.State)
	require.Equal(t, []string{
		"11.0 LEFT.uses asks 1 [LINE]",
		"11.1 place 1 of 1, B-9/RINSE",
		"11.1 LEFT.uses/1 waits: uses AIR, LINE; place 1 in the arbiter's queue; B-9/RINSE has it since 2026-01-01T00:00:00.000000000Z",
		"20.0 granted 1 token 2",
		"25.0 released 1 ",
	}, waited(list))
	require.Equal(t, []string{"B-9 asks 1 [LINE]", "B-1 asks 1 [LINE]", "B-9 gives back 1", "B-1 gives back 1"}, d.told)
}

func TestWhoRunsOutOfTimeInTheQueueIsToldWhoHasItAndAHoldKeepsItsPlace(t *testing.T) {
	d := &desk{}
	rival(d)
	b := sharing(t)
	list, res := liveOn(t, b, Rig{Port: &tanks{}, Arbiter: d}, Scheduled{80 * second, leaves(d)}, Scheduled{90 * second, tell(sequencer.Restart, "")})
	require.Equal(t, sequencer.Complete, res.State)
	require.Equal(t, []string{
		"71.0 LEFT.uses out of time: uses AIR, LINE; place 1 in the arbiter's queue; B-9/RINSE has it since 2026-01-01T00:00:00.000000000Z",
		"71.0 RIGHT out of time: sync READY; waits for LEFT",
		"71.0 THIRD.uses out of time: uses AIR; waits for LEFT",
		"80.0 granted 1 token 2",
		"95.0 released 1 ",
	}, waited(list)[3:])
}

func TestWhoIsAbortedInTheQueueAsksNoLonger(t *testing.T) {
	d := &desk{}
	rival(d)
	list, res := liveOn(t, sharing(t), Rig{Port: &tanks{}, Arbiter: d}, Scheduled{15 * second, tell(sequencer.Abort, "")})
	require.Equal(t, sequencer.Aborted, res.State)
	require.Equal(t, []string{"15.0 released 1 abort"}, waited(list)[3:])
	require.Equal(t, "B-1 gives back 1", d.told[2])
	require.Len(t, d.book, 1)
}

func TestARefusalHoldsTheBatchAndARestartAsksAnew(t *testing.T) {
	d := &desk{no: "the line is being cleaned"}
	list, res := liveOn(t, sharing(t), Rig{Port: &tanks{}, Arbiter: d}, Scheduled{14 * second, func(*Runner) { d.no = "" }},
		Scheduled{15 * second, tell(sequencer.Restart, "")})
	require.Equal(t, sequencer.Complete, res.State)
	require.Equal(t, []string{"11.0 LEFT.uses asks 1 [LINE]", "11.1 refused 1 the line is being cleaned", "15.0 LEFT.uses asks 2 [LINE]",
		"15.0 granted 2 token 1", "20.0 released 2 "}, waited(list))
	require.Contains(t, steps(list), "LEFT.uses hold Holding: the line is being cleaned")
}

// loud is an arbiter that says everything of everything, and too much of it.
type loud struct{ say func(Ruling) }

func (l *loud) Request(_ Claim, say func(Ruling)) {
	l.say = say
	for i := range 10_000 {
		say(Ruling{Kind: Queued, Place: int64(i) + 1<<40, Owner: strings.Repeat("\xff\x01", 300), Since: -5})
	}
}

func (l *loud) Release(Claim) {}

func TestWhatAnArbiterSaysIsBoundedAndWhatItMayNotSayIsRefused(t *testing.T) {
	l := &loud{}
	late := func(v Ruling) func(*Runner) { return func(*Runner) { l.say(v) } }
	list, res := liveOn(t, sharing(t), Rig{Port: &tanks{}, Arbiter: l}, Scheduled{14 * second, late(Ruling{Kind: Granted})},
		Scheduled{15 * second, late(Ruling{Kind: Granted, Token: 7})}, Scheduled{16 * second, late(Ruling{Kind: Refused})}, Scheduled{17 * second, tell(sequencer.Restart, "")},
		Scheduled{28 * second, late(Ruling{Kind: Granted})})
	require.Equal(t, sequencer.Complete, res.State)
	said := waited(list)
	require.Len(t, slices.DeleteFunc(slices.Clone(said), func(s string) bool { return !strings.Contains(s, "place 4294967296 of 1") }), 1)
	require.Contains(t, said, "16.0 refused 1 refused, and the arbiter does not say why")
	require.Contains(t, steps(list), "LEFT hold Holding: refused, and the arbiter does not say why")
	var answers []string
	for _, r := range list {
		if r.Kind == record.KindCommandResult && r.Text(record.Command) == "answer" {
			answers = append(answers, r.Text(record.Result)+": "+r.Text(record.Detail))
		}
	}
	require.Equal(t, []string{"no_op: it was granted already"}, answers)
}

func TestARulingThatDecidesNothingIsNeverAGrant(t *testing.T) {
	for _, v := range []Ruling{{}, {Token: 7}, {Place: 3}, {Kind: Queued}, {Kind: Queued, Place: -1}, {Kind: Refused + 1, Token: 7}} {
		require.Equal(t, batch.Event{Kind: batch.ResourceRefused, ID: 5, Detail: noRuling}, v.event(5))
	}
	v := Ruling{Kind: Granted, Token: 7, Place: 3, Reason: "no"}
	require.Equal(t, batch.Event{Kind: batch.ResourceGranted, ID: 5, Token: 7}, v.event(5))
	v.Kind = Refused
	require.Equal(t, batch.Event{Kind: batch.ResourceRefused, ID: 5, Detail: "no"}, v.event(5))
}

// strict is a desk that is asked only for what is on record, durably.
type strict struct {
	desk
	t       *testing.T
	durable uint64
	asked   map[uint32]uint64 // by number: its last record
}

func (s *strict) Request(c Claim, say func(Ruling)) {
	require.True(s.t, s.asked[c.ID] > 0 && s.asked[c.ID] <= s.durable, "request %d, record %d, durable %d", c.ID, s.asked[c.ID], s.durable)
	s.desk.Request(c, say)
}

func (s *strict) Release(c Claim) {
	require.True(s.t, c.Batch == "B-9" || s.asked[c.ID] <= s.durable, "release %d, record %d, durable %d", c.ID, s.asked[c.ID], s.durable)
	require.Equal(s.t, []string{"LINE"}, c.Resources)
	s.desk.Release(c)
}

func TestAnArbiterHearsOnlyWhatIsOnRecord(t *testing.T) {
	s := &strict{t: t, asked: map[uint32]uint64{}}
	res, err := Run(t.Context(), sharing(t), Rig{Port: &tanks{}, Dir: "memory", Arbiter: s}, &Options{Storage: newMemory(),
		Virtual: &Virtual{Commit: func(now int64) int64 { return now + second }, Durable: func(_ int64, seq uint64) { s.durable = seq }},
		Record: func(k record.Kind, body []byte) {
			if k == record.KindResourceRequest || k == record.KindResourceRelease {
				r, err := record.Parse(body)
				require.NoError(t, err)
				s.asked[uint32(r.Int(record.RequestID))] = r.Seq()
			}
		}})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	require.Equal(t, []string{"B-1 asks 1 [LINE]", "B-1 gives back 1"}, s.told)
}

func TestWhatWasGivenBackIsToldAgainWhereTheRunEndedBeforeItsPackage(t *testing.T) {
	d, dir := &desk{}, filepath.Join(t.TempDir(), "B-1")
	rig := Rig{Port: &tanks{}, Dir: dir, Arbiter: d}
	_, err := Run(t.Context(), sharing(t), rig, &Options{Virtual: &Virtual{}})
	require.NoError(t, err)
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, n := range names {
		if n.Name() != "journal" && n.Name() != "files" {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, n.Name())))
		}
	}
	res, err := Run(t.Context(), sharing(t), rig, &Options{Virtual: &Virtual{}})
	require.NoError(t, err)
	require.Equal(t, sequencer.Complete, res.State)
	require.Equal(t, []string{"B-1 asks 1 [LINE]", "B-1 gives back 1", "B-1 gives back 1"}, d.told)
}

// jammed is tanks whose agitator no longer does what it is told, from a time on.
type jammed struct {
	*tanks
	from int64
}

func (j *jammed) Apply(now int64, w tag.Write) (int64, error) {
	if now >= j.from && w.Channel == "do/3" {
		return now, errCut
	}
	return j.tanks.Apply(now, w)
}

func TestWhatCannotBeMadeSafeIsNotGivenBack(t *testing.T) {
	d := &desk{}
	b := speak(t, "200 L", "units:\n", "resources: [{resource_id: AIR}, {resource_id: LINE, between_batches: true}]\nunits:\n", "reactor.LT >= $full", "reactor.LT >= 5 L",
		"            - delay: 2 s\n            - sync: READY", "            - set: {reactor.AG: running}\n            - delay: 20 s\n            - sync: READY")
	var list []*record.Record
	_, err := Run(t.Context(), b, Rig{Port: &jammed{&tanks{}, 13 * second}, Dir: "memory", Arbiter: d}, &Options{Virtual: &Virtual{}, Storage: newMemory(),
		Schedule: []Scheduled{{14 * second, tell(sequencer.Abort, "")}}, Record: func(_ record.Kind, body []byte) {
			r, err := record.Parse(slices.Clone(body))
			require.NoError(t, err)
			list = append(list, r)
		}})
	require.ErrorIs(t, err, ErrOutputs)
	said := waited(list)
	require.Contains(t, said[len(said)-1], "kept 1 outputs not confirmed")
	require.Equal(t, []string{"B-1 asks 1 [LINE]"}, d.told)
	require.Len(t, d.book, 1)
}

// panics is an arbiter that panics.
type panics struct{}

func (panics) Request(Claim, func(Ruling)) { panic("no desk") }
func (panics) Release(Claim)               {}

func TestAnArbiterThatPanicsEndsTheRunAndIsNoFaultOfTheEngine(t *testing.T) {
	_, err := Run(t.Context(), sharing(t), Rig{Port: &tanks{}, Dir: "memory", Arbiter: panics{}}, &Options{Virtual: &Virtual{}, Storage: newMemory()})
	require.ErrorContains(t, err, "Rig.Arbiter: panic: no desk")
	require.NotErrorIs(t, err, ErrEngine)
}

func TestARecipeThatUsesWhatBatchesShareNeedsAnArbiter(t *testing.T) {
	_, err := New(sharing(t), Rig{Port: &tanks{}, Dir: "memory"}, nil)
	require.EqualError(t, err, `runner: the recipe uses "LINE", which batches share, and the rig has nobody who gives it; put it into Rig.Arbiter`)
	_, err = New(speak(t, "200 L"), Rig{Port: &tanks{}, Dir: "memory"}, nil)
	require.NoError(t, err, "on a map that lists none")
}

func TestARequestOutlivesCutsAtAnyTime(t *testing.T) {
	lives, asked := 0, 0
	for life := 11 * second; life < 34*second; life += 390_000_000 {
		b, disk, d := sharing(t), newMemory(), &desk{}
		rival(d)
		res, n := outliveOn(t, b, disk, life, d, func(now int64) {
			if now > 20*second {
				d.Release(Claim{Batch: "B-9", ID: 1, Step: "RINSE"})
			}
		})
		lives += n
		require.Equal(t, sequencer.Complete, res.State, "a life of %d ns", life)
		require.Empty(t, d.book, "everything is given back")
		var list []*record.Record
		replay := b.Replay()
		_, err := journal.Scan("memory/journal", func(_ uint64, body []byte, _ journal.Chain) error {
			r, err := record.Parse(body)
			require.NoError(t, err)
			list = append(list, r)
			return replay.Record(r)
		}, &journal.Options{Storage: disk})
		require.NoError(t, err, "a life of %d ns", life)
		require.NoError(t, replay.End())
		for _, s := range d.told {
			if strings.HasPrefix(s, "B-1 asks") {
				require.Equal(t, "B-1 asks 1 [LINE]", s, "it is asked again by its number")
				asked++
			}
		}
	}
	t.Logf("%d lives were cut short, and the line was asked for %d times", lives, asked)
	require.Greater(t, lives, 30)
	require.Greater(t, asked, 45)
}

// valve is a board with one valve, in real time.
type valve struct {
	clock timebase.Clock
	mu    sync.Mutex
	on    bool
	moved func(on bool)
}

func (v *valve) Watch(ctx context.Context, emit func(tag.Raw)) error {
	for {
		v.mu.Lock()
		bits := map[bool]uint64{true: 1}[v.on]
		v.mu.Unlock()
		emit(tag.Raw{Channel: "do/1", Form: tag.Bool, Bits: bits, Quality: tag.Good})
		if err := v.clock.Wait(ctx, v.clock.Now()+second/2); err != nil {
			return err
		}
	}
}

func (v *valve) Write(_ context.Context, w tag.Write) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.on = w.Bits != 0
	v.moved(v.on)
	return nil
}

const moveRecipe = `{recipe: MOVE, version: "1", schema_version: 1, title: T, batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}, procedure:
  {id: MAIN, level: procedure, repeat: {at_most: 3, sequence: [
    {id: MOVE, level: phase, uses: [PUMP, TRANSFER_LINE], timeout: 60 s, actions: [{set: {XV1: open}}, {delay: 5 s}, {set: {XV1: closed}}]},
    {id: REST, level: phase, timeout: 60 s, actions: [{delay: 1 s}]}]}}}
`

const moveMap = `{mapping: IO, version: "1", schema_version: 1, device_id: C, equipment_id: E,
  tags: [{logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed, stale_after: 3 s}],
  resources: [{resource_id: PUMP}, {resource_id: TRANSFER_LINE, between_batches: true}]}
`

func TestTwoBatchesShareALineAndNeverHaveItTogether(t *testing.T) {
	plan, err := batch.Load(fstest.MapFS{"recipe.yaml": {Data: []byte(moveRecipe)}, "map.yaml": {Data: []byte(moveMap)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "share")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	inOurTime(t, func(t *testing.T) {
		clock := system.NewClock(1)
		d, wg := &desk{}, sync.WaitGroup{}
		var mu sync.Mutex
		open, most, opened := 0, 0, 0
		for i, id := range []string{"B-1", "B-2"} {
			b, err := plan.Bind(id, "", batch.Unapproved, nil)
			require.NoError(t, err)
			v := &valve{clock: clock}
			was := false
			v.moved = func(on bool) {
				mu.Lock()
				defer mu.Unlock()
				if on && !was {
					open, opened = open+1, opened+1
				} else if !on && was {
					open--
				}
				was, most = on, max(most, open)
			}
			wg.Go(func() {
				_ = clock.Wait(t.Context(), clock.Now()+int64(i)*second)
				res, err := Run(t.Context(), b, Rig{Port: v, Dir: filepath.Join(dir, id), Clock: clock, Arbiter: d, Wall: wallFunc(func() timebase.Observation {
					now := clock.Now()
					return seeded{virtualUTC, &now}.Observe()
				})}, nil)
				require.NoError(t, err)
				require.Equal(t, sequencer.Complete, res.State)
			})
		}
		wg.Wait()
		require.Equal(t, 1, most)
		require.Equal(t, 6, opened)
		require.EqualValues(t, 6, d.token)
		require.Empty(t, d.book)
	})
	queued := 0
	for _, id := range []string{"B-1", "B-2"} {
		report, err := evidence.Verify(filepath.Join(dir, id))
		require.NoError(t, err)
		require.True(t, report.OK(), report.Verdict())
		src, err := os.ReadFile(filepath.Join(dir, id, "events.tsv"))
		require.NoError(t, err)
		queued += strings.Count(string(src), `"event_type":"resource_queue"`)
	}
	require.GreaterOrEqual(t, queued, 4)
}
