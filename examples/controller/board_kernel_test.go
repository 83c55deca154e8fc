// A whole batch on a simulated chip of a real kernel, in the bed of internal/vmbed.

package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
	"github.com/batchkit/batchkit/journal/record"
)

// tank is the plant behind the chip of the bed: the contents of a tank, in pulses.
type tank struct {
	chip  *guest.Chip
	level int
	moved bool // a pulse is on its way
}

// The lines of board/bed.yaml.
const (
	lineFeed, lineDrain, lineFeedOpen, lineLow, lineHigh, linePulse = 0, 1, 3, 4, 5, 8
)

// newTank makes the chip of the bed.
func newTank(t *testing.T) *tank {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
	c, err := guest.NewChip("bed-gpio", make([]string, 12)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &tank{chip: c}
}

// run works the plant until ctx ends: a pulse each 10 ms while the feed is open.
func (k *tank) run(ctx context.Context) {
	for ctx.Err() == nil {
		feed, _ := k.chip.Level(lineFeed)
		drain, _ := k.chip.Level(lineDrain)
		_ = k.chip.Pull(lineFeedOpen, feed)
		if k.moved = feed && !k.moved; k.moved {
			k.level++
		}
		_ = k.chip.Pull(linePulse, k.moved)
		if drain {
			k.level = max(k.level-5, 0)
		}
		_ = k.chip.Pull(lineLow, k.level > 20)
		time.Sleep(5 * time.Millisecond)
	}
}

func TestKernelABatchRunsOnTheLinesOfABoard(t *testing.T) {
	k := newTank(t)
	t.Chdir(t.TempDir())
	unpackBoards(t)
	edit(t, "bed.yaml", "counters:", `power_fail: {chip: bed-gpio, line: 9, failing: high, hold_up: 500 ms}
rtc: {device: hctosys}
watchdog: {device: softdog, timeout: 60 s}
counters:`)
	require.NoError(t, k.chip.Pull(9, false))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go k.run(ctx)
	o := controller("-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-size", "5 kg", "-unapproved")
	require.Equal(t, exitOK, o.code, o)
	report, err := evidence.Verify(filepath.Join("out", "B-0001"))
	require.NoError(t, err)
	require.True(t, report.OK())
	for line := range 3 {
		high, err := k.chip.Level(line)
		require.NoError(t, err)
		require.False(t, high)
	}
	boot := of(records(t, "out/B-0001"), record.KindBoot)
	require.Len(t, boot, 1)
	t.Log(string(boot[0].Body), o)
}

func TestKernelRealTimeOnABoardIsOnRecordWithWhatWasGot(t *testing.T) {
	k := newTank(t)
	t.Chdir(t.TempDir())
	unpackBoards(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go k.run(ctx)
	// In a process of its own, in which its manners stay.
	cmd, said := process(t, "-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-size", "5 kg", "-unapproved", "-realtime")
	require.NoError(t, cmd.Wait(), said)
	boot := of(records(t, "out/B-0001"), record.KindBoot)
	require.Regexp(t, `GOMAXPROCS [0-9]+ on [0-9]+ processors; memory locked.*; SCHED_RR 20`, boot[0].Text(record.RealTime))
}

func TestKernelABatchThatFindsItsBoardWithoutADeviceHasItsOutputsMadeSafe(t *testing.T) {
	k := newTank(t)
	t.Chdir(t.TempDir())
	unpackBoards(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go k.run(ctx)
	cmd, said := process(t, "-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-size", "50 kg", "-unapproved")
	require.Eventually(t, func() bool { feed, err := k.chip.Level(lineFeed); return err == nil && feed }, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), said)

	edit(t, "bed.yaml", "counters:", "rtc: {device: rtc-ds1307}\ncounters:") // it has died
	o := controller("-board", "bed.yaml")
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "batch B-0001 was cut short: it cannot be continued: controller: -board: ")
	require.Contains(t, o.err, `clock chip "rtc-ds1307": file does not exist; there are: `)
	require.Contains(t, o.err, "the outputs of map BED-IO were driven to their safe values")
	edit(t, "bed.yaml", "chip: bed-gpio, line: 1,", "chip: gone, line: 1,")
	o = controller("-board", "bed.yaml")
	require.Contains(t, o.err, "ITS OUTPUTS MAY BE ON, see to them by hand")
	require.Contains(t, o.err, `no output "do/2"; there are: do/1, do/3`)
}
