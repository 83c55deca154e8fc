// The claims of the faults: each does what it says, for as long as it says, and the words for them are checked.

package sim

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func TestASilentChannelEmitsNothingUntilItIsOver(t *testing.T) {
	r := newRig(t, 1)
	r.fault("silent ctr/1 3s")
	r.run(3 * second)
	require.Len(t, r.since(epoch+1, "ctr/1"), 0)
	require.Len(t, r.since(epoch+1, "ctr/2"), 60)
	r.run(second)
	require.Len(t, r.since(epoch+1, "ctr/1"), 20)
}

func TestABadChannelEmitsBad(t *testing.T) {
	r := newRig(t, 1)
	r.fault("bad ai/4 2s")
	r.run(2 * second)
	for _, raw := range r.since(epoch+1, "ai/4") {
		require.Equal(t, tag.Bad, raw.Quality)
	}
	require.Equal(t, tag.Good, r.last("ai/3").Quality)
	r.run(second)
	require.Equal(t, tag.Good, r.last("ai/4").Quality)
}

func TestAFaultThatWasAddedBeforeTheRunHoldsFromTheFirstValue(t *testing.T) {
	p, n := NewPlant(1), 0
	require.NoError(t, p.Fault(Fault{Kind: Silent, Channel: "di/1", For: time.Second}))
	p.Advance(epoch, func(raw tag.Raw) {
		n++
		require.NotEqual(t, "di/1", raw.Channel)
	})
	require.Equal(t, channelCount-1, n)
}

func TestAFaultBeginsAtItsTime(t *testing.T) {
	r := newRig(t, 1)
	require.NoError(t, r.p.Fault(Fault{Kind: Silent, Channel: "ctr/1", At: epoch + 2*second, For: time.Second}))
	r.run(4 * second)
	require.Len(t, r.since(epoch+1, "ctr/1"), 60)
	require.Len(t, r.since(epoch+2*second+1, "ctr/1"), 20)
}

func TestAFrozenPlantSaysNothingAndItsWritesHang(t *testing.T) {
	r := newRig(t, 1)
	r.fault("frozen 5s")
	done, err := r.p.Apply(r.now, writeOf("do/1", 1, 0))
	require.NoError(t, err)
	require.Equal(t, r.now+5*second+int64(WriteTime), done)
	done, err = r.p.Apply(r.now, writeOf("do/3", 1, r.now+second))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, r.now+second, done)
	r.run(5 * second)
	require.Len(t, r.raws, channelCount)
	r.run(second)
	require.EqualValues(t, 1, r.p.Output("do/1"))
	require.Zero(t, r.p.Output("do/3"), "what was not begun by its deadline is not carried out")
}

func TestARefusedWriteChangesNothing(t *testing.T) {
	r := newRig(t, 1)
	r.fault("refuse do/1 2s")
	done, err := r.p.Apply(r.now, writeOf("do/1", 1, 0))
	require.EqualError(t, err, `sim: write to "do/1": refused by the device`)
	require.Equal(t, r.now+int64(WriteTime), done)
	r.write("do/2", 1)
	r.run(2 * second)
	require.Zero(t, r.p.Output("do/1"))
	r.write("do/1", 1)
	r.run(second)
	require.EqualValues(t, 1, r.p.Output("do/1"))
}

func TestASlowWriteIsDoneLateAndInOrder(t *testing.T) {
	r := newRig(t, 1)
	r.fault("slow do/1 500ms 2s")
	slow, err := r.p.Apply(r.now, writeOf("do/1", 1, 0))
	require.NoError(t, err)
	require.Equal(t, r.now+500*ms+int64(WriteTime), slow)
	done, err := r.p.Apply(r.now, writeOf("do/1", 0, r.now+100*ms))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "begun, not confirmed")
	require.Equal(t, r.now+100*ms, done)
	r.write("do/2", 1)
	r.run(2 * ms)
	require.EqualValues(t, 1, r.p.Output("do/2"), "other outputs do not wait")
	require.Zero(t, r.p.Output("di/4"), "no output")
	r.run(497 * ms)
	require.Empty(t, r.since(epoch+1, "do/1"))
	r.run(100 * ms)
	read := r.since(epoch+1, "do/1")
	require.Len(t, read, 2)
	require.Equal(t, []uint64{1, 0}, []uint64{read[0].Bits, read[1].Bits})
	require.Equal(t, slow, read[0].At)
}

func TestAStuckInputShowsWhatItShowedLast(t *testing.T) {
	r := newRig(t, 1)
	r.write("do/1", 1)
	r.run(3 * second)
	stuck := r.last("ai/5").Bits
	r.fault("stuck ai/5 3s")
	r.fault("stuck di/1 3s")
	r.write("do/1", 0)
	r.run(3 * second)
	require.Equal(t, stuck, r.last("ai/5").Bits)
	require.EqualValues(t, 1, r.last("di/1").Bits)
	r.run(second)
	require.NotEqual(t, stuck, r.last("ai/5").Bits)
	require.EqualValues(t, 0, r.last("di/1").Bits)
}

func TestAStuckOutputIsConfirmedAndDoesNotFollow(t *testing.T) {
	r := newRig(t, 1)
	r.write("do/2", 1)
	r.run(second)
	r.fault("stuck do/2 3s")
	r.write("do/2", 0)
	r.run(3 * second)
	require.EqualValues(t, 1, r.last("do/2").Bits)
	require.Greater(t, r.p.Delivered(0), int64(3*kilogram))
	r.run(second)
	require.EqualValues(t, 0, r.last("do/2").Bits, "it follows the newest write when it comes loose")
}

func TestALeakFlowsAndABlockedLineDoesNot(t *testing.T) {
	r := newRig(t, 1)
	r.fault("leak A 4s")
	r.fault("block B 2s")
	r.write("do/4", 1)
	r.run(2 * second)
	require.Zero(t, r.p.Delivered(1))
	r.run(4 * second)
	require.InDelta(t, 4, float64(r.p.Delivered(0))/kilogram, 0.15)
	require.InDelta(t, 4, float64(r.p.Delivered(1))/kilogram, 0.15)
}

func TestWithoutPowerOutputsDropAndStayOff(t *testing.T) {
	for _, fault := range []string{"nopower 1s", "estop 1s"} {
		r := newRig(t, 1)
		r.write("do/1", 1)
		r.write("ao/1", 400)
		r.run(second)
		r.fault(fault)
		_, err := r.p.Apply(r.now, writeOf("do/2", 1, 0))
		require.EqualError(t, err, `sim: write to "do/2": refused, the outputs have no power`)
		r.write("do/2", 0)
		r.run(900 * ms)
		require.EqualValues(t, 0, r.last("do/1").Bits, fault)
		require.EqualValues(t, 0, r.last("ao/1").Bits, fault)
		require.Equal(t, fault[0] != 'e', r.last("di/4").Bits == 1, fault)
		r.run(2 * second)
		require.Zero(t, r.p.Output("do/1"), fault)
		require.EqualValues(t, 1, r.last("di/4").Bits, fault)
		r.write("do/1", 1)
		r.run(second)
		require.EqualValues(t, 1, r.p.Output("do/1"), fault)
	}
}

func TestAPowerCutDropsOutputsAndLosesWrites(t *testing.T) {
	r := newRig(t, 1)
	r.write("do/1", 1)
	r.run(2 * second)
	r.write("do/2", 1)
	r.p.PowerCut(r.now)
	_, err := r.p.Apply(r.now, writeOf("do/1", 0, 0))
	require.ErrorIs(t, err, hal.ErrPowerLost)
	n, full := len(r.raws), r.p.Contents()
	r.run(3 * second)
	require.Len(t, r.raws, n, "silence")
	require.Zero(t, r.p.Output("do/1")+r.p.Output("do/2"))
	require.Greater(t, r.p.Contents(), full, "the process goes on: the valve closes")
	r.p.Boot(r.now)
	r.run(0)
	require.Len(t, r.raws, n+channelCount, "every channel once")
	r.write("do/1", 1)
	r.run(second)
	require.EqualValues(t, 1, r.last("do/1").Bits)
}

func TestAWriteThatMakesNoSenseIsRefused(t *testing.T) {
	for want, w := range map[string]tag.Write{
		`sim: write to "do/9": no such channel`:                                           writeOf("do/9", 1, 0),
		`sim: write to "di/1": not an output`:                                             writeOf("di/1", 1, 0),
		`sim: write to "do/1": a value of form int: want bool`:                            {Channel: "do/1", Form: tag.Int, Bits: 1},
		`sim: write to "ao/1": value 1001: want 0 to 1000`:                                writeOf("ao/1", 1001, 0),
		`sim: write to "ao/1": value -1: want 0 to 1000`:                                  writeOf("ao/1", -1, 0),
		`sim: write to "do/1": not begun: ` + context.DeadlineExceeded.Error():            writeOf("do/1", 1, epoch-1),
		`sim: write to "do/1": begun, not confirmed: ` + context.DeadlineExceeded.Error(): writeOf("do/1", 1, epoch+1),
	} {
		r := newRig(t, 1)
		_, err := r.p.Apply(r.now, w)
		require.EqualError(t, err, want)
	}
	r := newRig(t, 1)
	for range MaxWrites {
		r.write("do/8", 1)
	}
	_, err := r.p.Apply(r.now, writeOf("do/8", 1, 0))
	require.EqualError(t, err, `sim: write to "do/8": refused, 256 writes are under way`)
}

func TestFaultsAreReadFromWords(t *testing.T) {
	for text, want := range map[string]Fault{
		"silent ctr/1 3s":      {Kind: Silent, Channel: "ctr/1", For: 3 * time.Second},
		"bad ai/4 2s":          {Kind: Bad, Channel: "ai/4", For: 2 * time.Second},
		"frozen 1m30s":         {Kind: Frozen, For: 90 * time.Second},
		"refuse do/1 2s":       {Kind: Refuse, Channel: "do/1", For: 2 * time.Second},
		"slow do/1 500ms 2s":   {Kind: Slow, Channel: "do/1", For: 2 * time.Second, Delay: 500 * time.Millisecond},
		"stuck ao/1 3s":        {Kind: Stuck, Channel: "ao/1", For: 3 * time.Second},
		"leak A 4s":            {Kind: Leak, Channel: "A", For: 4 * time.Second},
		"block B 2s":           {Kind: Block, Channel: "B", For: 2 * time.Second},
		"nopower 0.000000001s": {Kind: NoPower, For: 1},
		"estop 1h":             {Kind: EStop, For: time.Hour},
	} {
		words := strings.Fields(text)
		got, err := ParseFault(words[0], words[1:])
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		require.Equal(t, words[0], got.Kind.String())
	}
}

func TestWordsThatAreNoFaultSayWhatIsKnown(t *testing.T) {
	for text, want := range map[string]string{
		"silnet ctr/1 3s":    `sim: fault "silnet": unknown; known are silent, bad, frozen, refuse, slow, stuck, leak, block, nopower, estop`,
		"silent ctr/1":       `sim: fault "silent": 1 arguments: want silent <channel> <for>`,
		"frozen":             `sim: fault "frozen": 0 arguments: want frozen <for>`,
		"silent ctr/3 3s":    `sim: fault "silent": channel "ctr/3": no such channel`,
		"refuse di/1 3s":     `sim: fault "refuse": channel "di/1": not an output`,
		"leak AB 3s":         `sim: fault "leak": channel "AB": want A or B`,
		"block C 3s":         `sim: fault "block": channel "C": want A or B`,
		"frozen 0s":          `sim: fault "frozen": duration 0s: want more than 0 and at most 8760h0m0s`,
		"slow do/1 9000h 1s": `sim: fault "slow": delay 9000h0m0s: want 0 to 8760h0m0s`,
		"slow do/1 x 1s":     `sim: fault slow: argument 2: "x" is not a time; write for example 12.5s, 1m30s or 200ms (units h m min s ms us ns)`,
		"slow do/1 1s 1":     `sim: fault slow: argument 3: "1" is not a time; write for example 12.5s, 1m30s or 200ms (units h m min s ms us ns)`,
	} {
		words := strings.Fields(text)
		got, err := ParseFault(words[0], words[1:])
		require.EqualError(t, err, want)
		require.Zero(t, got)
	}
}

func TestThePlantRefusesFaultsThatItCannotHave(t *testing.T) {
	p := NewPlant(1)
	require.EqualError(t, p.Fault(Fault{For: 1}), `sim: fault "fault(0)": no such kind`)
	require.ErrorContains(t, p.Fault(Fault{Kind: Frozen, Channel: "A", For: 1}), "want none")
	require.ErrorContains(t, p.Fault(Fault{Kind: Frozen, For: 1, Delay: 1}), "only slow takes one")
	require.ErrorContains(t, p.Fault(Fault{Kind: Leak, For: 1}), "want A or B")
	for range MaxFaults {
		require.NoError(t, p.Fault(Fault{Kind: Frozen, At: math.MaxInt64 - 1, For: time.Second}))
	}
	require.EqualError(t, p.Fault(Fault{Kind: Frozen, For: 1}), `sim: fault "frozen": the plant holds 256 already`)
}

func TestFaultsThatAreOverMakeRoom(t *testing.T) {
	r := newRig(t, 1)
	for range 3 * MaxFaults {
		r.fault("silent ai/1 1ms")
		r.run(2 * ms)
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("slow do/1 500ms 2s")
	f.Add("leak A 4s")
	f.Add("frozen 9223372036854775807ns")
	f.Fuzz(func(t *testing.T, text string) {
		verb, rest, _ := strings.Cut(text, " ")
		got, err := ParseFault(verb, strings.Fields(rest))
		if err != nil {
			require.Zero(t, got)
			return
		}
		p := NewPlant(1)
		require.NoError(t, p.Fault(got), text)
		p.Advance(second, func(tag.Raw) {})
		done, _ := p.Apply(second, writeOf("do/1", 1, 0))
		require.GreaterOrEqual(t, done, second)
		p.Advance(2*second, func(tag.Raw) {})
		require.Greater(t, p.Next(), 2*second)
	})
}
