// Batches by OPC UA and with a scale on a line of its own: whole ones, killed ones, and what becomes of one whose scale is unplugged.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase/system"
)

// onLinux skips a test where there is no line for a scale.
func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a pseudo terminal of Linux is the line of the scale")
	}
}

// atSpeed is the command line of a batch at a speed that is restarted by an operator whenever a busy machine has it held.
func atSpeed(t *testing.T, speed int, args string) []string {
	t.Helper()
	return append([]string{"-speed", fmt.Sprint(speed), "-faults", restarts(t)}, strings.Fields(args)...)
}

// ups counts how often the link of a device came up.
func ups(all []*record.Record, device string) (n int) {
	for _, r := range of(all, record.KindLinkState) {
		if r.Text(record.DeviceID) == device && r.Text(record.WatchdogState) == "UP" {
			n++
		}
	}
	return n
}

// boundTo gives the tag map and the profiles that a batch is bound to.
func boundTo(all []*record.Record) (ids []string) {
	for _, r := range of(all, record.KindObjectBound) {
		switch r.Text(record.ObjectKind) {
		case "tag_map", "device_profile":
			ids = append(ids, r.Text(record.ObjectID))
		}
	}
	return ids
}

// recorded waits until a batch of another process has a record with a text in it.
func recorded(t *testing.T, dir, text string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		names, err := filepath.Glob(filepath.Join(dir, "journal", "segments", "*"))
		require.NoError(t, err)
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(text)) {
				return
			}
		}
		require.True(t, time.Now().Before(deadline), "no record with %s came", text)
	}
}

func TestABatchByOPCUAIsKilledInMidDoseAndGoesOnAsItIsWired(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	wiring, id, is := "-bus opcua", "T301-BUS-OPCUA", []string{"T301-BUS-OPCUA", "T301-PLC-OPCUA"}
	if runtime.GOOS == "linux" {
		wiring, id, is = wiring+" -scale", "T301-BUS-OPCUA-SCALE", []string{"T301-BUS-OPCUA-SCALE", "T301-PLC-OPCUA", "T301-SCALE"}
	}
	const speed = 5 // so that a batch has seconds to go when it is killed behind its first charge
	args, said := atSpeed(t, speed, wiring), ""
	life := func(args []string, until string) {
		cmd, text := process(t, args...)
		if until != "" {
			recorded(t, "out/B-0001", until)
			require.NoError(t, cmd.Process.Kill())
		}
		err := cmd.Wait()
		require.Equal(t, until == "", err == nil, "%s%s", said, text)
		said += text.String() + "--- the next life ---\n"
	}
	life(args, "window_start")
	o := controller(atSpeed(t, speed, "-bus modbus")...)
	require.Equal(t, exitFailed, o.code, o)
	require.Contains(t, o.err, "is bound to tag map "+id+" 1.0, and not to T301-BUS 1.0; leave out -bus and -scale to continue it as it is wired\n")
	life(args, "window_stop")
	require.NoError(t, endPlant(t.Context(), "out/plant"), "another is started, with the same wires")
	life(atSpeed(t, speed, ""), "")
	all := judge(t, "B-0001", said)
	require.Equal(t, is, boundTo(all))
	require.Len(t, of(all, record.KindRecovery), 2)
	require.GreaterOrEqual(t, ups(all, "PLC-301"), 3, "once in each life")
}

func TestABoardByOPCUAWhosePowerIsCutIsReachedAnew(t *testing.T) {
	if aside(t) {
		return
	}
	workplace(t)
	cmd, said := process(t, atSpeed(t, 10, "-bus opcua")...)
	recorded(t, "out/B-0001", "window_start")
	at, _ := findPlant("out/plant")
	require.NoError(t, switchOn(t.Context(), at, coilPower))
	err := cmd.Wait()
	require.NoError(t, err, said)
	require.GreaterOrEqual(t, ups(judge(t, "B-0001", said.String()), "PLC-301"), 2, said)
}

// cable unplugs the line of the scale of a plant, or plugs it in.
func cable(t *testing.T, dir string, in bool) {
	t.Helper()
	at, living := findPlant(dir)
	require.True(t, living)
	if in {
		require.NoError(t, switchTo(context.Background(), at, coilCable, false))
		return
	}
	require.NoError(t, switchOn(context.Background(), at, coilCable))
}

func TestAScaleThatIsUnpluggedInMidBatchLetsNoGatePassAndIsHeardAgain(t *testing.T) {
	onLinux(t)
	if aside(t) {
		return
	}
	workplace(t)
	cmd, said := process(t, atSpeed(t, 10, "-scale")...)
	recorded(t, "out/B-0001", "window_start")
	cable(t, "out/plant", false)
	recorded(t, "out/B-0001", `"step_id":"DISCHARGE"`)
	time.Sleep(1500 * time.Millisecond) // 15 s: the tank is empty long since, and nobody can tell
	_, err := evidence.Verify("out/B-0001")
	require.Error(t, err, "it is not over")
	cable(t, "out/plant", true)
	require.NoError(t, cmd.Wait(), said)
	all := judge(t, "B-0001", said.String())
	require.Equal(t, []string{"T301-BUS-SCALE", "T301-PLC", "T301-SCALE"}, boundTo(all))
	require.GreaterOrEqual(t, ups(all, "SCALE-301"), 2, "it is connected anew\n%s", said)
	good, lost := true, 0
	for _, r := range all {
		switch {
		case r.Kind == record.KindQualityChange && r.Text(record.LogicalTag) == "WT301":
			if good = r.Text(record.Quality) == "GOOD"; !good {
				lost++
			}
		case r.Kind == record.KindStepState && r.Text(record.StepID) == "DISCHARGE" && r.Text(record.StepState) == "end":
			require.True(t, good, "the tank is empty by a weight that counts")
		}
	}
	require.Positive(t, lost)
	require.Contains(t, said.String(), "link SCALE-301: DOWN (was UP)")
}

// promised fails where a promise of a driver was broken.
func promised(t *testing.T, endings string, f *plantFlags, device string, outputs bool) {
	t.Helper()
	m, err := demoBus(endings)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	f.dir, f.speed, f.seed, f.bus = t.TempDir(), 1, 1, m
	require.NoError(t, f.wants())
	home, err := os.OpenRoot(f.dir)
	require.NoError(t, err)
	lock, err := lockFile(filepath.Join(f.dir, fileLock))
	require.NoError(t, err)
	b := newBoard(ctx, sim.NewPlant(1), system.NewClock(1), nil, func() {})
	b.home = home
	if f.opcua {
		require.NoError(t, introduce(f.dir))
	}
	var at address
	stop, err := b.besides(f, &at)
	require.NoError(t, err)
	defer func() {
		end()
		require.NoError(t, stop())
		require.NoError(t, home.Close())
		require.NoError(t, lock.Close())
	}()
	for i := range m.Devices {
		d := &m.Devices[i]
		if d.Name != device {
			continue
		}
		driver, endpoint, err := driverOf(d, at, f.dir)
		require.NoError(t, err)
		o := &bustest.Options{Device: device, Endpoint: endpoint, Within: 10 * time.Second}
		for k := range d.Profile.Points {
			p := &d.Profile.Points[k]
			if o.Points = append(o.Points, p); outputs && p.Type == fieldbus.Bool && p.Access == fieldbus.ReadWrite {
				o.Outputs = append(o.Outputs, bustest.Output{Point: p})
			}
		}
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err = bustest.Check(limited, driver, o)
		require.NoError(t, err)
		for deadline := time.Now().Add(20 * time.Second); outputs && !b.asked.Load(); time.Sleep(5 * time.Millisecond) {
			require.True(t, time.Now().Before(deadline), "a plant that is asked by OPC UA is not alone")
		}
	}
}

func TestThePlantByOPCUAAndItsScaleAreWhatTheirDriversExpect(t *testing.T) {
	t.Run("opcua", func(t *testing.T) {
		t.Parallel()
		promised(t, byOPCUA, &plantFlags{}, "PLC-301", true)
	})
	t.Run("scale", func(t *testing.T) {
		onLinux(t)
		t.Parallel()
		promised(t, byScale, &plantFlags{}, "SCALE-301", false)
	})
}

func TestAnIdentityThatIsNotWholeIsMadeAnewAndOneThatIsStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := identity(dir, pkiPlant)
	require.NoError(t, err)
	again, err := identity(dir, pkiPlant)
	require.NoError(t, err)
	require.Equal(t, first.Certificate, again.Certificate)
	key := filepath.Join(dir, filePKI, pkiPlant+".key")
	require.NoError(t, os.Truncate(key, 100))
	other, err := identity(dir, pkiPlant)
	require.NoError(t, err)
	require.NotEqual(t, first.Certificate, other.Certificate)
	names, err := os.ReadDir(filepath.Join(dir, filePKI, pkiPlant))
	require.NoError(t, err)
	require.Len(t, names, 1, "what is trusted is one certificate, and no key")
	if info, err := os.Stat(key); runtime.GOOS != "windows" {
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}
