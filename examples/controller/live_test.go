// Tests of a person at a terminal: what reaches the run, and how the terminal is left.

package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// orders gives the commands of a batch but the first, which starts it, and its answers, with who gave them.
func orders(t *testing.T, dir string) (all []string) {
	t.Helper()
	for _, r := range records(t, dir) {
		switch r.Kind {
		case record.KindCommand:
			all = append(all, r.Text(record.OperatorID)+" "+r.Text(record.Command))
		case record.KindPromptAnswer:
			all = append(all, r.Text(record.OperatorID)+" says "+r.Text(record.Value))
		}
	}
	require.NotEmpty(t, all)
	return all[1:]
}

func TestAPersonAtATerminalHoldsRestartsAndAnswersAndHasItBackAtTheEnd(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", bell)
	p := sit(110, 36,
		act{"answer, then Enter", "\x03"},
		act{"The batch is Running: h hold, s stop, a abort, Enter go on? Ctrl-C again aborts", "h"},
		act{"B-0001  HELD", "\x03"},
		act{"The batch is Held: r restart, s stop", "r"},
		act{"B-0001  RUNNING", "comm\x7fing"},
		act{"answer, then Enter (Ctrl-C asks): coming_", "\r"})
	// No faster than real time, or a busy machine has the batch held, after which a person has more to do than this one knows.
	o := live(context.Background(), p.console, func(string) {}, "-prompt", "-unapproved", "-recipe", "bell.yaml", "-operator", "ines")
	p.rises(t)
	require.Equal(t, exitOK, o.code, o)
	require.Equal(t, []string{"ines hold", "ines restart", "ines says coming"}, orders(t, "out/B-0001"))
	require.Equal(t, [2]int{1, 1}, [2]int{p.raws, p.restored})
	require.Contains(t, strings.Join(p.screen.lines(), "\n"), "B-0001  COMPLETE")
	require.True(t, strings.HasPrefix(o.out, "\nbatch    B-0001 is Complete\n"), "pictures are on the terminal, the summary behind them: %s", o.out)
}

func TestWhatWasFoundOfABatchStaysInSightWhileItIsContinued(t *testing.T) {
	workplace(t)
	write(t, "bell.yaml", bell)
	// No faster than real time: a machine that is too busy to carry a write out in 2 s of the batch has it held again.
	cmd, said := process(t, "-prompt", "-unapproved", "-recipe", "bell.yaml")
	waitForRecord(t, "out/B-0001", "prompt")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)
	p := sit(100, 30,
		act{"it was cut short when it was Running; its journal is ", ""},
		act{"\nrecovered: ", ""},
		act{"nothing was recorded for ", ""},
		act{"B-0001  HELD", "\x03"},
		act{"The batch is Held: r restart", "r"},
		act{"B-0001  RUNNING", ""},
		act{"RING asks: Is anybody there?\nanswer, then Enter", "yes\r"})
	o := live(context.Background(), p.console, func(string) {}, "-prompt", "-unapproved")
	p.rises(t)
	require.Equal(t, exitOK, o.code, o)
	require.Equal(t, []string{"demo restart", "demo says yes"}, orders(t, "out/B-0001"), "what was asked in the life before is still open")
	require.Contains(t, strings.Join(p.screen.lines(), "\n"), "it was cut short when it was Running")
}

func TestEverySeatTakesAnswersAndOrders(t *testing.T) {
	running, held := "The batch is Running: h hold, s stop, a abort, Enter go on?", "The batch is Held: r restart, s stop, a abort, Enter leaves it so?"
	for _, c := range []struct {
		name  string
		plain bool
		state sequencer.State
		want  []string
		acts  []act
	}{
		{"pictures, answered", false, sequencer.Complete, []string{"ines says yes, I am"},
			[]act{{"RING asks: Is anybody there?", "yes, \x1b[A"}, {"asks): yes, _", "I am\n"}}},
		{"pictures, gone on", false, sequencer.Complete, []string{"ines says 1"},
			[]act{{"RING asks", "\x1b[B\x03"}, {running, "x\r"}, {"answer, then Enter", "1\r"}}},
		{"pictures, nobody answers the question", false, sequencer.Complete, []string{"ines says 1"},
			[]act{{"RING asks", "\x03"}, {"closes in 1 s", ""}, {"answer, then Enter", "1\r"}}},
		{"pictures, held and stopped", false, sequencer.Stopped, []string{"ines hold", "ines stop"},
			[]act{{"RING asks", "\x03"}, {running, "h"}, {"  HELD", "\x03"}, {held, "s"}}},
		{"pictures, Ctrl-C twice", false, sequencer.Aborted, []string{"ines abort"}, []act{{"RING asks", "\x03\x03"}}},
		{"lines, answered", true, sequencer.Complete, []string{"ines says yes"}, []act{{"answer, then Enter:", "yes\n"}}},
		{"lines, held and restarted", true, sequencer.Complete, []string{"ines hold", "ines restart", "ines says yes"},
			[]act{{"answer, then Enter:", "Ctrl-C"}, {running, "hold\n"}, {"batch is Held (it was Holding)", "Ctrl-C"},
				{held, "r\n"}, {"batch is Running (it was Restarting)", "yes\n"}}},
		{"lines, gone on", true, sequencer.Complete, []string{"ines says yes"},
			[]act{{"answer, then Enter:", "Ctrl-C"}, {running, "\n"}, {"the letter, then Enter:", "yes\n"}}},
		{"lines, nobody answers the question", true, sequencer.Complete, []string{"ines says yes"},
			[]act{{"answer, then Enter:", "Ctrl-C"}, {"nobody has answered: the batch goes on", "yes\n"}}},
		{"lines, Ctrl-C twice", true, sequencer.Aborted, []string{"ines abort"},
			[]act{{"answer, then Enter:", "Ctrl-C"}, {running, "Ctrl-C"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p := sit(120, 40, append([]act{{"", "typed before anything was asked\n"}}, c.acts...)...)
				p.screen.cooked = c.plain
				stdout := io.Writer(io.Discard)
				if c.plain {
					stdout = p.screen
				}
				res, dir := rings(t, flags{operator: "ines", prompt: true, plain: c.plain}, p, stdout)
				p.rises(t)
				require.Equal(t, c.state, res.State)
				require.Equal(t, c.want, orders(t, dir))
				require.Equal(t, p.raws, p.restored)
				require.Equal(t, c.plain, p.raws == 0)
			})
		})
	}
}

func TestWithoutPromptEveryPromptIsAnsweredAndKeysAreNotTaken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := sit(80, 24, act{"", "no\r"})
		res, dir := rings(t, flags{operator: "ines"}, p, io.Discard)
		p.rises(t)
		require.Equal(t, sequencer.Complete, res.State)
		require.Equal(t, []string{"auto says ok"}, orders(t, dir))
	})
}

func TestATerminalThatCannotBeMadeRawGetsLines(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := sit(80, 40, act{"answer, then Enter:", "yes\n"})
		p.raw = func() (func(), bool) { return func() { panic("there is nothing to restore") }, false }
		p.screen.cooked = true
		_, dir := rings(t, flags{operator: "ines", prompt: true}, p, p.screen)
		p.rises(t)
		require.Equal(t, []string{"ines says yes"}, orders(t, dir))
	})
}

func TestWhereInputHasEndedALineSaysSoAndASignalAborts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := sit(100, 40, act{"nobody can answer, standard input has ended: Ctrl-C asks what is to become of the batch", "Ctrl-C"},
			act{"The batch is Running", "Ctrl-C"})
		p.keyboard.Close()
		p.screen.cooked = true
		res, _ := rings(t, flags{operator: "ines", prompt: true, plain: true}, p, p.screen)
		p.rises(t)
		require.Equal(t, sequencer.Aborted, res.State)
	})
}

// stuck is a terminal that takes nothing until it is freed.
type stuck chan struct{}

// Write waits.
func (s stuck) Write(b []byte) (int, error) { <-s; return len(b), nil }

func TestATerminalThatTakesNothingHoldsUpNeitherRunNorEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		out := make(stuck)
		p := sit(80, 24)
		p.out = out
		res, _ := rings(t, flags{operator: "ines"}, p, io.Discard)
		require.Equal(t, sequencer.Complete, res.State)
		require.Equal(t, [2]int{1, 1}, [2]int{p.raws, p.restored})
		close(out)
		p.rises(t)
	})
}

func TestBeforeAnythingRunsCtrlCEndsTheRunWithoutAQuestion(t *testing.T) {
	for _, f := range []flags{{}, {plain: true}, {json: true}, {virtual: true}} {
		inBubble(t, func(t *testing.T) {
			plan, err := load(hostFS{}, "bell.yaml", "")
			require.NoError(t, err)
			b, err := plan.Bind("B-0001", "", batch.Unapproved, nil)
			require.NoError(t, err)
			p := sit(80, 24)
			ctx, leave := seat(t.Context(), &f, p.console, &view{b: b, out: io.Discard}, io.Discard, &runner.Options{})
			require.NoError(t, ctx.Err())
			p.signals <- os.Interrupt
			<-ctx.Done()
			leave()
			leave()
			p.rises(t)
		})
	}
}

func TestWhatIsTypedBetweenTwoBatchesIsForTheSecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		read, keyboard := io.Pipe()
		c := &console{Reader: read}
		first := c.keys()
		_, err := io.WriteString(keyboard, "a")
		require.NoError(t, err)
		require.Equal(t, "a", string(<-first))
		_, err = io.WriteString(keyboard, "b") // nobody listens now
		require.NoError(t, err)
		require.Equal(t, "b", string(<-c.keys()))
		keyboard.Close()
		_, open := <-c.keys()
		require.False(t, open)
	})
}

func TestWithoutTakesAFlagAndItsValueOutOfACommandLine(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"-powercut 3s", ""},
		{"-powercut=3s", ""},
		{"--powercut 3s", ""},
		{"--powercut=3s -plain", "-plain"},
		{"-plain -powercut 3s -speed 10", "-plain -speed 10"},
		{"-speed 10 -powercut", "-speed 10"},
		{"-speed 10 -powercut 3s", "-speed 10"},
		{"-powercut 3s -seed 2 -powercut=4s -json --powercut 5s", "-seed 2 -json"},
		{"-powercuts 3s -out powercut", "-powercuts 3s -out powercut"},
		{"-speed=10 -batch B-1 -unapproved", "-speed=10 -batch B-1 -unapproved"},
	} {
		args := strings.Fields(c.args)
		require.Equal(t, c.want, strings.Join(without(args, "powercut"), " "), c.args)
		require.Equal(t, strings.Fields(c.args), args, "the arguments themselves are left as they are")
	}
}

func TestTheDeskTakesRecordsLooksAndKeysAtOnce(t *testing.T) {
	workplace(t)
	plan, err := load(hostFS{}, "", "")
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, nil)
	require.NoError(t, err)
	d := &desk{live: true, out: io.Discard, scene: newScene(b, true), cancel: func() {}, c: &console{size: func() (int, int) { return 80, 24 }}}
	d.r, err = runner.New(b, runner.Rig{Port: nowhere{}, Dir: "nowhere"}, nil)
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for range 20 {
			d.record(record.KindRecovery, recovery(t))
			d.look(d.r, &runner.Snapshot{State: sequencer.Running, Tags: make([]runner.Reading, len(plan.Map.Tags))})
		}
	})
	for range 20 {
		d.take([]byte("\x03abc\rh\x7f"), time.Now())
		d.picture(time.Now())
	}
	all.Wait()
}
