//go:build linux && amd64

// The machine keeps what it promises: watchdogs reset it, statuses come back, and the disk outlives it.

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// inGuest is the variable that tells the tests of this file which part they have in the guest.
const inGuest = "BATCHKIT_BED_PART"

// part runs one part of this file in a machine.
func (b *bench) part(ctx context.Context, m machine, watch func(string), names ...string) (string, []int, error) {
	b.t.Helper()
	tests := b.build("parts", "test -c", ".")
	var all []program
	for _, name := range names {
		all = append(all, program{Args: []string{tests, "-test.run", "^TestAPartInTheGuest$"}, Dir: "/root",
			Env: append(environment(nil), inGuest+"="+name)})
	}
	return b.run(ctx, m, watch, all...)
}

func TestAPartInTheGuest(t *testing.T) {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
	switch os.Getenv(inGuest) {
	case "bite 0", "bite 1":
		bite(t, "/dev/watchdog"+os.Getenv(inGuest)[len("bite "):])
	case "three":
		os.Exit(3)
	case "killed":
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGKILL))
	case "plant":
		status, err := runPlant(flag.Args())
		require.NoError(t, err)
		os.Exit(status)
	case "write":
		require.NoError(t, os.WriteFile("/disk/kept", []byte("kept"), 0o600))
		unix.Sync()
		fmt.Println("it is on the disk")
		_ = unix.Pause()
	case "read":
		text, err := os.ReadFile("/disk/kept")
		require.NoError(t, err)
		require.Equal(t, "kept", string(text))
	default:
		t.Fatal("no such part")
	}
}

// bite arms a watchdog and leaves it alone. In the life after, the chip tells that it has bitten.
func bite(t *testing.T, device string) {
	fd, err := unix.Open(device, unix.O_RDWR, 0)
	require.NoError(t, err)
	cause, err := unix.IoctlGetInt(fd, unix.WDIOC_GETBOOTSTATUS)
	require.NoError(t, err)
	if cause&unix.WDIOF_CARDRESET != 0 {
		_, err := unix.Write(fd, []byte("V"))
		require.NoError(t, err)
		fmt.Println("it has bitten")
		return
	}
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, 2))
	require.NoError(t, unix.Close(fd)) // without the letter that disarms it
	fmt.Println("it is not fed")
	_ = unix.Pause()
}

func TestAWatchdogThatHasBittenSaysSoInTheNextLifeAndOurDriverHearsIt(t *testing.T) {
	b := newBench(t)
	m := b.m
	m.again = true
	raw := program{Args: []string{b.build("parts", "test -c", "."), "-test.run", "^TestAPartInTheGuest$"}, Dir: "/root",
		Env: append(environment(nil), inGuest+"=bite 1")}
	driver := program{Args: []string{b.build("driver", "test -c", "../../hal/linux"), "-test.v", "-test.run", "ResetByTheWatchdog"},
		Dir: "/root", Env: append(environment(nil), "BATCHKIT_BITE=1")}
	said, statuses, err := b.run(context.Background(), m, nil, raw, driver)
	require.NoError(t, err, said)
	require.Equal(t, []int{0, 0}, statuses, said)
	require.Contains(t, said, "it is not fed")
	require.Contains(t, said, "it has bitten")
	require.Contains(t, said, "--- PASS: TestKernelResetByTheWatchdogIsFoundAtTheNextBoot")
}

func TestAMachineThatBeginsAnewHasTheStatusesOfItsLastLife(t *testing.T) {
	all, err := statuses("life\n0\nlife\n0\n0\n1\n")
	require.NoError(t, err)
	require.Equal(t, []int{0, 0, 1}, all, "the third program has failed, whatever the life before had told")
	all, err = statuses("life\n0\n0\nlife\n")
	require.NoError(t, err)
	require.Empty(t, all)
	_, err = statuses("life\nPASS\n")
	require.Error(t, err)
}

func TestStatusesComeBackAsTheyAreUntilAWatchdogResetsTheMachine(t *testing.T) {
	b := newBench(t)
	said, statuses, err := b.part(context.Background(), b.m, nil, "three", "killed", "no such part", "bite 0", "three")
	require.ErrorIs(t, err, errReset, said)
	require.Equal(t, []int{3, 128 + 9, 1}, statuses, said)
	require.Contains(t, said, "it is not fed")
}

func TestADiskOutlivesAMachineThatIsKilled(t *testing.T) {
	b := newBench(t)
	m := b.m
	m.disk = b.disk(16)
	ctx, kill := context.WithCancelCause(context.Background())
	want := errors.New("the test has killed it")
	said, _, err := b.part(ctx, m, func(line string) {
		if line == "it is on the disk" {
			kill(want)
		}
	}, "write")
	require.ErrorIs(t, err, want, said)
	require.ErrorIs(t, err, errReset)
	said, statuses, err := b.part(context.Background(), m, nil, "read")
	require.NoError(t, err, said)
	require.Equal(t, []int{0}, statuses, said)
}

func TestAMachineEndsWithWhoStartedIt(t *testing.T) {
	b := newBench(t)
	cmd := exec.Command(b.m.first, b.m.first)                       // what runs in it does not matter
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "TMPDIR="+b.dir) // what it leaves goes with the test
	require.NoError(t, cmd.Start())
	var machines []string
	require.True(t, guest.Until(func() bool {
		of, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		require.NoError(t, err)
		machines = nil
		for _, path := range of {
			text, _ := os.ReadFile(path) // of a thread that has gone meanwhile
			machines = append(machines, strings.Fields(string(text))...)
		}
		return len(machines) == 1
	}))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.True(t, guest.Until(func() bool {
		text, err := os.ReadFile("/proc/" + machines[0] + "/stat")
		return err != nil || strings.Contains(string(text), ") Z ") // whoever took it over may leave it unburied
	}))
}

func TestTheArchiveIsThatOfTheKernel(t *testing.T) {
	var w bytes.Buffer
	a := newArchive(&w)
	a.entry("/a/b", typeFile|0o640, []byte("hello"))
	a.raw("TRAILER!!!", 0, nil)
	require.NoError(t, a.err)
	dir := "070701" + "00000001" + "000041ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000002" + "00000000" + "a\x00"
	file := "070701" + "00000002" + "000081A0" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "a/b\x00" + "\x00\x00" + "hello\x00\x00\x00"
	require.Equal(t, dir+file, w.String()[:len(dir)+len(file)])
	require.Zero(t, w.Len()%4)
}
