// The claims of watchdogs, memory, clock chips and serial ports, on a real kernel: that of internal/vmbed.

//go:build linux

package linux

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
)

// bed skips a claim where there is no kernel to hold it against.
func bed(t *testing.T) {
	if !guest.Inside() {
		t.Skip(guest.Elsewhere)
	}
}

// stub puts a chip on the bus of i2c-stub.
func stub(t *testing.T, chip, address, place string) {
	const bus = "/sys/bus/i2c/devices/i2c-0/"
	require.NoError(t, os.WriteFile(bus+"new_device", []byte(chip+" "+address+"\n"), 0))
	t.Cleanup(func() { require.NoError(t, os.WriteFile(bus+"delete_device", []byte(address+"\n"), 0)) })
	require.Eventually(t, func() bool {
		_, err := os.Stat("/sys/bus/i2c/devices/" + place)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

func TestKernelWatchdogsAreArmedFedAndStopped(t *testing.T) {
	bed(t)
	for name, most := range map[string]time.Duration{"softdog": 65535 * time.Second, "i6300ESB timer": 2046 * time.Second} {
		w, err := FindWatchdog(name)
		require.NoError(t, err)
		cause, how, err := w.LastReset()
		require.NoError(t, err)
		t.Logf("%s, %s: %s: %s", w.Device(), w.Identity(), cause, how)
		for _, ask := range []time.Duration{30 * time.Second, 60500 * time.Millisecond, 1 << 50} {
			actual, err := w.Arm(ask)
			require.NoError(t, err)
			require.LessOrEqual(t, actual, ask)
			require.Positive(t, actual)
			require.LessOrEqual(t, actual, most)
			require.NoError(t, w.Feed())
			t.Logf("%s: asked %v, has %v", name, ask, actual)
		}
		state, _ := w.text("state")
		require.Equal(t, "active", state)
		other, err := FindWatchdog(w.Device())
		require.NoError(t, err)
		_, err = other.Arm(time.Minute)
		require.ErrorContains(t, err, "another process has it")
		_, err = w.Arm(999 * time.Millisecond)
		require.ErrorContains(t, err, "1 s at least")
		require.NoError(t, w.Disarm())
		state, _ = w.text("state")
		require.Equal(t, "inactive", state)
		require.NoError(t, w.Close())
	}
	_, err := FindWatchdog("bcm2835-wdt")
	require.ErrorIs(t, err, fs.ErrNotExist)
	t.Log(err)
}

func TestKernelWatchdogThatWasClosedArmedGoesOnAndCanBeTakenUpAgain(t *testing.T) {
	bed(t)
	w, err := FindWatchdog("softdog")
	require.NoError(t, err)
	_, err = w.Arm(time.Minute)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	state, _ := w.text("state")
	require.Equal(t, "active", state, "nobody has stopped it")
	again, err := FindWatchdog("softdog")
	require.NoError(t, err)
	_, err = again.Arm(time.Minute)
	require.NoError(t, err)
	require.NoError(t, again.Feed())
	require.NoError(t, again.Disarm())
	state, _ = again.text("state")
	require.Equal(t, "inactive", state)
	require.NoError(t, again.Close())
}

// TestKernelResetByTheWatchdogIsFoundAtTheNextBoot lets it bite, and finds that in the next life of the machine: run it with
// BATCHKIT_BITE=1 and vmbed's -again.
func TestKernelResetByTheWatchdogIsFoundAtTheNextBoot(t *testing.T) {
	bed(t)
	if os.Getenv("BATCHKIT_BITE") != "1" {
		t.Skip("it resets the machine; BATCHKIT_BITE=1 with vmbed -again runs it")
	}
	w, err := FindWatchdog("i6300ESB timer")
	require.NoError(t, err)
	cause, how, err := w.LastReset()
	require.NoError(t, err)
	t.Log(cause, how)
	if cause != hal.ResetWatchdog {
		actual, err := w.Arm(2 * time.Second)
		require.NoError(t, err)
		require.LessOrEqual(t, actual, 2*time.Second)
		t.Log("it is armed, and nobody feeds it")
		<-make(chan struct{})
	}
	require.Contains(t, how, "it has bitten")
}

func TestKernelMemoryOfAnEEPROMIsFoundByNameAndHolds(t *testing.T) {
	bed(t)
	stub(t, "24c02", "0x50", "0-0050/eeprom")
	m, err := OpenFRAM("24c02@i2c-0/0x50", 8, nil)
	require.NoError(t, err)
	require.Equal(t, int64(256), m.Size())
	require.Equal(t, hal.Model{Tear: 8, Apart: true}, m.Model())
	want := bytes.Repeat([]byte("batchkit"), 4)
	n, err := m.WriteAt(want, 224)
	require.NoError(t, err)
	require.Equal(t, 32, n)
	got := make([]byte, 40)
	n, err = m.ReadAt(got, 224)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, want, got[:n])
	n, err = m.WriteAt(want, 225)
	require.ErrorContains(t, err, "outside of 256 bytes")
	require.Zero(t, n)
	require.NoError(t, m.Close())

	m, err = OpenFRAM("24c02", 8, nil)
	require.NoError(t, err, "it is the only one")
	_, err = m.ReadAt(got[:32], 224)
	require.NoError(t, err)
	require.Equal(t, want, got[:32])
	require.NoError(t, m.Close())
	_, err = OpenFRAM("fm25", 1, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "24c02@0-0050")
	t.Log(err)
}

func TestKernelMemoryThatForgetsIsRefusedUnlessItHasABattery(t *testing.T) {
	bed(t)
	_, err := OpenFRAM("/dev/mtd0", 8, nil)
	require.ErrorContains(t, err, "it is RAM, which forgets without supply")
	m, err := OpenFRAM("/dev/mtd0", 8, &FRAMOptions{Backed: true})
	require.NoError(t, err)
	want := []byte("kept by a battery")
	_, err = m.WriteAt(want, m.Size()-int64(len(want)))
	require.NoError(t, err)
	got := make([]byte, len(want))
	_, err = m.ReadAt(got, m.Size()-int64(len(want)))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, m.Close())
	_, err = OpenFRAM("/dev/null", 8, nil)
	require.ErrorContains(t, err, "it is an ordinary file")
}

func TestKernelClockIsFoundByItsDriverAndTellsWhenASecondBegins(t *testing.T) {
	bed(t)
	r, err := FindRTC("rtc_cmos")
	require.NoError(t, err)
	require.Equal(t, "/dev/rtc0", r.Device())
	at := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC).UnixNano()
	require.NoError(t, r.Set(at))
	utc, mono, err := r.WaitSecond(t.Context())
	require.NoError(t, err)
	require.Positive(t, mono)
	require.GreaterOrEqual(t, utc, at)
	again, later, err := r.WaitSecond(t.Context())
	require.NoError(t, err)
	require.Greater(t, again, utc)
	require.Greater(t, later, mono)
	t.Logf("%d s of the chip in %d us", (again-utc)/1e9, (later-mono)/1000)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err = r.WaitSecond(ended); err != nil { // it may begin in this very slice
		require.ErrorIs(t, err, context.Canceled)
	}
	low, err := r.BatteryLow()
	t.Logf("battery low: %v, %v", low, err)
	by, err := FindRTC("hctosys")
	t.Logf("the kernel has set its clock by %v, %v", by, err)
	_, err = FindRTC("rtc-ds1307")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "rtc_cmos")
}

func TestKernelSerialPortsCarryEveryByteAndCountIt(t *testing.T) {
	bed(t)
	line := Line{115200, 8, 'E', 1}
	a, err := OpenRS485("/dev/ttyS2", line, nil)
	require.NoError(t, err)
	defer a.Close()
	b, err := OpenRS232("/dev/ttyS3", line)
	require.NoError(t, err)
	defer b.Close()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	require.NoError(t, a.Discard())
	require.NoError(t, b.Discard())
	carry := func(from, to interface {
		Write([]byte) (int, error)
		Read(context.Context, []byte) (int, error)
	}) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var got []byte
		buf := make([]byte, 64)
		for at := 0; at < len(all); at += 16 { // the emulated part has 16 bytes of room
			_, err := from.Write(all[at : at+16])
			require.NoError(t, err)
			for len(got) < at+16 {
				n, err := to.Read(ctx, buf)
				require.NoError(t, err)
				got = append(got, buf[:n]...)
			}
		}
		require.Equal(t, all, got)
	}
	carry(a, b)
	carry(b, a)
	sent, err := a.Counts()
	require.NoError(t, err)
	require.Equal(t, uint32(len(all)), sent.Sent)
	heard, err := b.Counts()
	require.NoError(t, err)
	require.Equal(t, uint32(len(all)), heard.Received)
	t.Logf("%+v, %+v", sent, heard)
	require.NoError(t, a.Close())
	_, err = OpenRS485("/dev/ttyS2", line, &RS485Options{Kernel: true})
	require.ErrorContains(t, err, "its driver does not turn the bus round")
	t.Log(err)
}
