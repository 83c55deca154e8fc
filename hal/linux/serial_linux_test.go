// The claims of serial ports, on pseudo terminals: what comes in is read at once, nothing blocks for ever, and a line that has
// gone says so.

package linux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/batchkit/batchkit/hal"
)

var usual = Line{4_000_000, 8, 'N', 1}

// terminal makes a pseudo terminal: what a test holds, and the name of what a port opens.
func terminal(t *testing.T) (held *os.File, device string) {
	held, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = held.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(held.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetUint32(int(held.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	return held, "/dev/pts/" + strconv.Itoa(int(n))
}

// open opens a port of each sort.
func open(t *testing.T, device string, bus bool) interface {
	hal.RS485
	Discard() error
	Counts() (SerialCounts, error)
} {
	if bus {
		p, err := OpenRS485(device, usual, nil)
		require.NoError(t, err)
		require.Equal(t, device, p.Device())
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	p, err := OpenRS232(device, usual)
	require.NoError(t, err)
	require.Equal(t, device, p.Device())
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// sorts runs a claim on each sort of port.
func sorts(t *testing.T, claim func(t *testing.T, bus bool)) {
	for name, bus := range map[string]bool{"RS-485": true, "RS-232": false} {
		t.Run(name, func(t *testing.T) { claim(t, bus) })
	}
}

func TestWhatIsSentAndWhatComesInIsAllOfIt(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		held, device := terminal(t)
		p := open(t, device, bus)
		all := make([]byte, 256) // also those that a terminal would take for orders
		for i := range all {
			all[i] = byte(i)
		}
		n, err := p.Write(all)
		require.NoError(t, err)
		require.Equal(t, len(all), n)
		got := make([]byte, len(all))
		_, err = io.ReadFull(held, got)
		require.NoError(t, err)
		require.Equal(t, all, got)

		_, err = held.Write(all)
		require.NoError(t, err)
		var in []byte
		for len(in) < len(all) {
			n, err := p.Read(t.Context(), got[:100])
			require.NoError(t, err)
			require.Positive(t, n)
			in = append(in, got[:n]...)
		}
		require.Equal(t, all, in)
		n, err = p.Read(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n, "an empty read returns at once")
	})
}

func TestAReadEndsWithItsContextAndGivesWhatHasArrivedAllTheSame(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		held, device := terminal(t)
		p := open(t, device, bus)
		b := make([]byte, 8)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := p.Read(ended, b)
		require.ErrorIs(t, err, context.Canceled)
		short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		n, err := p.Read(short, b)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, n)
		_, err = held.Write([]byte("late"))
		require.NoError(t, err)
		n, err = p.Read(context.Background(), b) // until it has come through
		require.NoError(t, err)
		require.Equal(t, "late", string(b[:n]))
		_, err = held.Write([]byte("there"))
		require.NoError(t, err)
		waitFor(t, device, 5)
		n, err = p.Read(ended, b)
		require.NoError(t, err, "it was there")
		require.Equal(t, "there", string(b[:n]))
	})
}

// waitFor waits until a tty has so many bytes for its reader.
func waitFor(t *testing.T, device string, n int) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer f.Close()
	require.Eventually(t, func() bool {
		got, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
		return err == nil && got >= n
	}, 20*time.Second, time.Millisecond)
}

func TestCloseEndsAReadThatWaitsForEver(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		_, device := terminal(t)
		p := open(t, device, bus)
		ended := make(chan error)
		go func() {
			_, err := p.Read(context.Background(), make([]byte, 8))
			ended <- err
		}()
		require.NoError(t, p.Close())
		require.ErrorIs(t, <-ended, os.ErrClosed)
		require.NoError(t, p.Close(), "once more")
		_, err := p.Read(t.Context(), make([]byte, 8))
		require.ErrorIs(t, err, os.ErrClosed)
		_, err = p.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrClosed)
		require.ErrorIs(t, p.Discard(), os.ErrClosed)
		_, err = p.Counts()
		require.ErrorIs(t, err, os.ErrClosed)
	})
}

func TestALineThatHasGoneSaysSoAndDoesNotSpin(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		held, device := terminal(t)
		p := open(t, device, bus)
		_, err := held.Write([]byte("last"))
		require.NoError(t, err)
		waitFor(t, device, 4)
		require.NoError(t, held.Close())
		b := make([]byte, 8)
		for range 3 {
			if _, err = p.Read(t.Context(), b); err != nil {
				break // some kernels give the last bytes, others throw them away
			}
		}
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, "the line has gone; was its adapter pulled out?")
		_, err = p.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		err = p.Discard() // asks nobody whether the line is there, as the end of a Write does not
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, "the line has gone; was its adapter pulled out?")
	})
}

func TestALineThatTakesNothingIsGivenUpAndNothingComesOutLater(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		_, device := terminal(t)
		p := open(t, device, bus)
		n, err := p.Write(bytes.Repeat([]byte("x"), 1<<16))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "and no more")
		require.Positive(t, n)
		require.Less(t, n, 1<<16)
		require.NoError(t, p.Close())
	})
}

func TestWhatCameTooLateIsThrownAway(t *testing.T) {
	sorts(t, func(t *testing.T, bus bool) {
		held, device := terminal(t)
		p := open(t, device, bus)
		_, err := held.Write([]byte("late answer"))
		require.NoError(t, err)
		waitFor(t, device, 11)
		require.NoError(t, p.Discard())
		_, err = held.Write([]byte("answer"))
		require.NoError(t, err)
		b := make([]byte, 32)
		n, err := p.Read(t.Context(), b)
		require.NoError(t, err)
		require.Equal(t, "answer", string(b[:n]))
	})
}

func TestWhatATerminalCannotDoIsRefusedAndNotPretended(t *testing.T) {
	_, device := terminal(t)
	_, err := OpenRS485(device, usual, &RS485Options{Kernel: true})
	require.True(t, isUnknown(err), err)
	require.ErrorContains(t, err, "its driver does not turn the bus round")
	sorts(t, func(t *testing.T, bus bool) {
		p := open(t, device, bus)
		_, err := p.Counts()
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, "its driver counts nothing")
		_, err = OpenRS232(device, usual)
		require.ErrorContains(t, err, "another process has", "one user at a time")
		require.NoError(t, p.Close())
	})
	_, err = OpenRS485(device, Line{31250, 8, 'N', 1}, nil)
	require.ErrorContains(t, err, "31250")
	_, err = OpenRS485("/dev/null", usual, nil)
	require.ErrorContains(t, err, "it is no serial port")
	_, err = OpenRS232("/dev/no-tty", usual)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "there are: ")
}

func TestABusThatWouldNotBeTurnedRoundAsAskedIsRefused(t *testing.T) {
	require.Equal(t, uintptr(32), unsafe.Sizeof(busSetting{}), "as in linux/serial.h")
	for name, c := range map[string]struct {
		got  busSetting
		o    RS485Options
		says string // "": it serves
	}{
		"as asked":           {got: busSetting{flags: rs485On | rs485SendHi}},
		"the other way":      {got: busSetting{flags: rs485On | rs485AfterHi}, o: RS485Options{SendLow: true}},
		"waits longer":       {got: busSetting{flags: rs485On | rs485SendHi, after: 2}, o: RS485Options{After: time.Millisecond}},
		"off":                {got: busSetting{flags: rs485SendHi}, says: "and does not do it"},
		"hears itself":       {got: busSetting{flags: rs485On | rs485SendHi | rs485Hears}, says: "hears what it sends (flags 0x13)"},
		"inverted":           {got: busSetting{flags: rs485On | rs485AfterHi}, says: "asked for flags 0x3, it has 0x5"},
		"never on":           {got: busSetting{flags: rs485On}, o: RS485Options{SendLow: true}, says: "asked for flags 0x5, it has 0x1"},
		"does not wait":      {got: busSetting{flags: rs485On | rs485SendHi}, o: RS485Options{After: 1e6}, says: "waits 0s before and 0s after"},
		"terminates as well": {got: busSetting{flags: rs485On | rs485SendHi | 1<<5}},
	} {
		err := c.got.serves(c.o)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
	}
}

func TestAPortIsOpenedUnderNoOtherNumberThanItsLibraryBears(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < lastSelectable+100 {
		t.Skipf("a process may open %d files here; the claim wants %d", limit.Cur, lastSelectable+100)
	}
	_, device := terminal(t)
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for len(files) == 0 || files[len(files)-1].Fd() <= lastSelectable {
		f, err := os.Open("/dev/null")
		require.NoError(t, err)
		files = append(files, f)
	}
	_, err := OpenRS485(device, usual, nil)
	require.ErrorContains(t, err, "open the serial ports first")
	p, err := OpenRS232(device, usual)
	require.NoError(t, err, "the other library does not mind, and the refused one is closed")
	require.NoError(t, p.Close())
}

func TestTheWireIsBusyForAsLongAsAWriteTakes(t *testing.T) {
	_, device := terminal(t)
	p, err := OpenRS485(device, Line{9600, 8, 'E', 1}, nil)
	require.NoError(t, err)
	defer p.Close()
	begin := time.Now()
	_, err = p.Write(make([]byte, 16))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 16*11*time.Second/9600, "no less than the bits need")
}

func TestPortsThatHaveAPartAreListed(t *testing.T) {
	list := ttys(fstest.MapFS{
		"class/tty/ttyAMA0/type":          {Data: []byte("32\n")},
		"class/tty/ttyAMA0/device/driver": {Data: []byte("../../drivers/uart-pl011"), Mode: fs.ModeSymlink},
		"class/tty/ttyS0/type":            {Data: []byte("0\n")},
		"class/tty/ttyS0/device/uevent":   {},
		"class/tty/ttyUSB0/device/driver": {Data: []byte("../../drivers/ftdi_sio"), Mode: fs.ModeSymlink},
		"class/tty/tty1/dev":              {},
	})
	require.Equal(t, "/dev/ttyAMA0 (uart-pl011), /dev/ttyUSB0 (ftdi_sio)", words(list))
}

func TestAWriteToABusAllocatesNothingOfItsOwn(t *testing.T) {
	held, device := terminal(t)
	p, err := OpenRS485(device, usual, nil)
	require.NoError(t, err)
	defer p.Close()
	question, b := []byte{1, 3, 0, 0, 0, 10, 0xc5, 0xcd}, make([]byte, 16)
	round := func() {
		_, err := p.Write(question)
		require.NoError(t, err)
		_, err = held.Write(question)
		require.NoError(t, err)
		_, err = held.Read(b)
		require.NoError(t, err)
		for n := 0; n < len(question); {
			m, err := p.Read(context.Background(), b)
			require.NoError(t, err)
			n += m
		}
	}
	require.LessOrEqual(t, testing.AllocsPerRun(20, round), 2.0, "the libraries may; the port does not")
}

func TestAReadEndsAtATimeAndGivesWhatHasArrivedAllTheSame(t *testing.T) {
	held, device := terminal(t)
	p, err := OpenRS485(device, usual, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	b := make([]byte, 8)
	for _, ctx := range []context.Context{context.Background(), t.Context()} {
		end := time.Now().Add(30 * time.Millisecond)
		n, err := p.ReadUntil(ctx, b, end)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Zero(t, n)
		require.False(t, time.Now().Before(end), "not before its time")
		_, err = held.Write([]byte("late"))
		require.NoError(t, err)
		waitFor(t, device, 4)
		n, err = p.ReadUntil(ctx, b, end)
		require.NoError(t, err, "it was there")
		require.Equal(t, "late", string(b[:n]))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.ReadUntil(ended, b, time.Now().Add(time.Hour))
	require.ErrorIs(t, err, context.Canceled)
}
