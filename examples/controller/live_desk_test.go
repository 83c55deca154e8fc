// Tests of the question that Ctrl-C raises, and of what the scene makes of prompts.

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

func TestCtrlCAsksAndIsAnsweredByKeysByTimeOrByAnotherCtrlC(t *testing.T) {
	for _, c := range []struct {
		name  string
		state sequencer.State
		keys  string // ^ is Ctrl-C, each _ is five seconds in which nothing happens
		want  sequencer.Command
		open  bool
	}{
		{"the first Ctrl-C asks", sequencer.Running, "^", sequencer.NoCommand, true},
		{"the second aborts", sequencer.Running, "^^", sequencer.Abort, false},
		{"the second aborts what is held too", sequencer.Held, "^^", sequencer.Abort, false},
		{"h holds", sequencer.Running, "^h", sequencer.Hold, false},
		{"s stops", sequencer.Running, "^s", sequencer.Stop, false},
		{"a aborts", sequencer.Running, "^a", sequencer.Abort, false},
		{"r is none while it runs", sequencer.Running, "^r", sequencer.NoCommand, true},
		{"r restarts what is held", sequencer.Held, "^r", sequencer.Restart, false},
		{"r resumes what is paused", sequencer.Paused, "^r", sequencer.Resume, false},
		{"h is none while it is held", sequencer.Held, "^h", sequencer.NoCommand, true},
		{"h is none while it stops", sequencer.Stopping, "^h", sequencer.NoCommand, true},
		{"another key leaves it open", sequencer.Running, "^x", sequencer.NoCommand, true},
		{"and the next is taken", sequencer.Running, "^xh", sequencer.Hold, false},
		{"a capital is another key", sequencer.Running, "^H", sequencer.NoCommand, true},
		{"Enter goes on", sequencer.Running, "^\r", sequencer.NoCommand, false},
		{"so does a line feed", sequencer.Running, "^\n", sequencer.NoCommand, false},
		{"after that Ctrl-C asks anew", sequencer.Running, "^\r^", sequencer.NoCommand, true},
		{"nobody answers for half the time", sequencer.Running, "^_", sequencer.NoCommand, true},
		{"nobody answers in time", sequencer.Running, "^__", sequencer.NoCommand, false},
		{"after that Ctrl-C asks anew, too", sequencer.Running, "^__^", sequencer.NoCommand, true},
		{"after that a key is no answer", sequencer.Running, "^__h", sequencer.NoCommand, false},
		{"without a question no key is an answer", sequencer.Running, "hsar\r", sequencer.NoCommand, false},
	} {
		var d dialogue
		now, got := time.Unix(0, 0), sequencer.NoCommand
		for _, k := range []byte(c.keys) {
			require.Equal(t, sequencer.NoCommand, got, c.name)
			switch k {
			case '^':
				got = d.interrupt(now)
			case '_':
				now = now.Add(patience / 2)
				require.Equal(t, d.open && !now.Before(d.until), d.expire(now), c.name)
			default:
				got = d.key(k, c.state)
			}
		}
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, c.open, d.open, c.name)
		require.Equal(t, c.open, d.question(c.state, now) != "", c.name)
	}
}

func TestACtrlCAfterTheQuestionHasRunOutAsksAnew(t *testing.T) {
	var d dialogue
	now := time.Unix(0, 0)
	require.Equal(t, sequencer.NoCommand, d.interrupt(now))
	require.Equal(t, sequencer.NoCommand, d.interrupt(now.Add(patience)), "the first has run out, although expire was not called")
	require.True(t, d.open)
	require.Equal(t, sequencer.Abort, d.interrupt(now.Add(2*patience-1)))
}

func TestTheQuestionOffersWhatLeadsSomewhereFromEveryState(t *testing.T) {
	for s, want := range map[sequencer.State]string{
		sequencer.Idle:       "s start, Enter leaves it so",
		sequencer.Running:    "h hold, s stop, a abort, Enter go on",
		sequencer.Pausing:    "h hold, s stop, a abort, Enter go on",
		sequencer.Paused:     "h hold, r resume, s stop, a abort, Enter leaves it so",
		sequencer.Holding:    "s stop, a abort, Enter go on",
		sequencer.Held:       "r restart, s stop, a abort, Enter leaves it so",
		sequencer.Restarting: "h hold, s stop, a abort, Enter go on",
		sequencer.Stopping:   "a abort, Enter go on",
		sequencer.Stopped:    "a abort, Enter go on",
		sequencer.Aborting:   "Enter go on",
		sequencer.Aborted:    "Enter go on",
		sequencer.Complete:   "Enter go on",
	} {
		require.Equal(t, want, options(s), s)
		keys := map[byte]bool{}
		for _, c := range choices(s) {
			require.False(t, keys[c.key], "%s: %c is two answers", s, c.key)
			keys[c.key] = true
			_, leads := s.After(c.command)
			require.True(t, leads)
		}
	}
	var d dialogue
	now := time.Unix(0, 0)
	require.Empty(t, d.question(sequencer.Held, now))
	d.interrupt(now)
	require.Equal(t, "The batch is Held: r restart, s stop, a abort, Enter leaves it so? Ctrl-C again aborts; closes in 7 s ",
		d.question(sequencer.Held, now.Add(3500*time.Millisecond)))
}

// body makes a record of a step.
func body(t *testing.T, k record.Kind, fill func(b *record.Body)) []byte {
	t.Helper()
	var b record.Body
	b.Begin(k)
	for _, key := range []record.Key{record.JournalID, record.DeviceID, record.BatchID, record.RecipeID, record.RecipeVersion, record.MappingVersion,
		record.OperatorID, record.EquipmentID} {
		b.Text(key, "x")
	}
	b.Int(record.Epoch, 1)
	b.Count(record.EventSeq, 9)
	b.Count(record.TsMonoNS, 9)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "none")
	b.Counts(record.Cause, []uint64{1})
	fill(&b)
	text, err := b.Append(nil)
	require.NoError(t, err)
	return text
}

func TestAPromptIsOpenUntilItIsAnsweredOrItsStepAsksAnewOrEnds(t *testing.T) {
	s := &scene{}
	asks := func(id int64, step string) {
		s.record(record.KindPrompt, body(t, record.KindPrompt, func(b *record.Body) {
			b.Int(record.PromptID, id)
			b.Text(record.StepID, step)
			b.Text(record.Message, "ready?")
		}))
	}
	step := func(id string, edge sequencer.Edge, state sequencer.State) {
		s.record(record.KindStepState, body(t, record.KindStepState, func(b *record.Body) {
			b.Text(record.StepID, id)
			b.Text(record.StepState, edge.String())
			b.Text(record.PhaseState, state.String())
			b.Text(record.OldValue, "Running")
			b.Text(record.Level, "phase")
		}))
	}
	open := func(ids ...uint32) {
		t.Helper()
		var got []uint32
		for _, q := range s.prompts {
			if !q.taken {
				got = append(got, q.id)
			}
		}
		require.Equal(t, ids, got)
	}
	asks(1, "A")
	asks(2, "B")
	asks(3, "C")
	open(1, 2, 3)
	s.record(record.KindPromptAnswer, body(t, record.KindPromptAnswer, func(b *record.Body) {
		b.Int(record.PromptID, 2)
		b.Text(record.Value, "yes")
		b.Text(record.OperatorRole, "operator")
	}))
	open(1, 3)
	asks(1, "A") // a batch that is continued asks again
	open(3, 1)
	step("A", sequencer.EdgeHold, sequencer.Held)
	open(3, 1)
	step("C", sequencer.EdgeAbort, sequencer.Aborted)
	open(1)
	step("A", sequencer.EdgeRetry, sequencer.Running)
	open()
}
