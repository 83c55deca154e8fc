// The suites of hal/haltest, on pseudo terminals everywhere and on the drivers of the kernel of internal/vmbed.

//go:build linux

package linux

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/haltest"
)

// kept wants a device to have kept its promises, and shows what was not checked.
func kept(t *testing.T, r haltest.Report, err error) {
	t.Helper()
	require.NoError(t, err)
	require.True(t, r.Passed())
	require.NotEmpty(t, r.Kept)
	for _, f := range r.Figures {
		t.Logf("%s %s: %d, p50 %d ns, p99 %d ns", r.Device, f.Name, f.Count, f.P50, f.P99)
	}
	t.Logf("%s: not checked: %q", r.Device, r.NotChecked)
}

// within is the time that a suite has.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// pair makes two pseudo terminals of which each gets what is sent to the other.
func pair(t *testing.T) (a, b string) {
	one, a := terminal(t)
	other, b := terminal(t)
	for _, way := range [][2]*os.File{{one, other}, {other, one}} {
		go func() { _, _ = io.Copy(way[0], way[1]) }() // ends when the terminals are closed
	}
	return a, b
}

func TestABusOnTerminalsKeepsItsPromises(t *testing.T) {
	line := Line{115200, 8, 'N', 1}
	a, b := pair(t)
	one, err := OpenRS485(a, line, nil)
	require.NoError(t, err)
	defer one.Close()
	other, err := OpenRS485(b, line, nil)
	require.NoError(t, err)
	defer other.Close()
	r, err := haltest.RS485(within(t), one, &haltest.RS485Options{Device: a, Peer: other, Baud: line.Baud, Close: true})
	kept(t, r, err)
}

func TestATextLineOnTerminalsKeepsItsPromises(t *testing.T) {
	line := Line{115200, 8, 'N', 1}
	a, b := pair(t)
	one, err := OpenRS232(a, line)
	require.NoError(t, err)
	defer one.Close()
	other, err := OpenRS232(b, line)
	require.NoError(t, err)
	defer other.Close()
	r, err := haltest.RS232(within(t), one, &haltest.RS232Options{Device: a, Peer: other, Close: true})
	kept(t, r, err)
}

func TestKernelWatchdogsKeepTheirPromises(t *testing.T) {
	bed(t)
	for _, name := range []string{"softdog", "i6300ESB timer"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each is fed for 15 s
			w, err := FindWatchdog(name)
			require.NoError(t, err)
			r, err := haltest.Watchdog(within(t), w, &haltest.WatchdogOptions{Device: name, Timeout: 6 * time.Second})
			kept(t, r, err)
			require.NoError(t, w.Close())
		})
	}
}

func TestKernelDevicesKeepTheirPromises(t *testing.T) {
	bed(t)
	stub(t, "24c02", "0x52", "0-0052/eeprom")
	eeprom, err := OpenFRAM("24c02@0-0052", 8, nil)
	require.NoError(t, err)
	defer eeprom.Close()
	sram, err := OpenFRAM("/dev/mtd0", 8, &FRAMOptions{Backed: true})
	require.NoError(t, err)
	defer sram.Close()
	for name, m := range map[string]hal.FRAM{"24c02": eeprom, "mtdram": sram} {
		r, err := haltest.FRAM(within(t), m, &haltest.FRAMOptions{Device: name})
		kept(t, r, err)
	}

	chip, err := FindRTC("rtc_cmos")
	require.NoError(t, err)
	r, err := haltest.RTC(within(t), chip, &haltest.RTCOptions{Device: "rtc_cmos"})
	kept(t, r, err)
}

func TestKernelSerialPortsKeepTheirPromises(t *testing.T) {
	bed(t)
	line := Line{115200, 8, 'E', 1}
	bus, err := OpenRS485("/dev/ttyS2", line, nil)
	require.NoError(t, err)
	far, err := OpenRS485("/dev/ttyS3", line, nil)
	require.NoError(t, err)
	r, err := haltest.RS485(within(t), bus, &haltest.RS485Options{Device: "ttyS2", Peer: far, Baud: line.Baud, Close: true})
	kept(t, r, err)
	counted, err := far.Counts()
	require.NoError(t, err)
	t.Logf("%+v", counted)
	require.NoError(t, far.Close())

	text, err := OpenRS232("/dev/ttyS2", line)
	require.NoError(t, err)
	end, err := OpenRS232("/dev/ttyS3", line)
	require.NoError(t, err)
	r, err = haltest.RS232(within(t), text, &haltest.RS232Options{Device: "ttyS2", Peer: end, Close: true})
	kept(t, r, err)
	require.NoError(t, end.Close())
}
