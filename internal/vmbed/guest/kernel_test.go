//go:build linux

// The bed holds what its tests rely on: asked of the kernel itself, with none of our drivers between.

package guest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func inside(t *testing.T) {
	if !Inside() {
		t.Skip(Elsewhere)
	}
}

func ioctl(t *testing.T, fd int, req uintptr, arg unsafe.Pointer) {
	t.Helper()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
	require.Zero(t, errno, "ioctl %#x", req)
}

// lineRequest, lineConfig and lineEvent are gpio_v2_line_request, gpio_v2_line_config and gpio_v2_line_event.
type lineRequest struct {
	Offsets  [64]uint32
	Consumer [32]byte
	Config   lineConfig
	Lines    uint32
	Buffer   uint32
	_        [5]uint32
	FD       int32
}

type lineConfig struct {
	Flags uint64
	Attrs uint32
	_     [5]uint32
	_     [10][3]uint64
}

type lineEvent struct {
	Mono         uint64
	ID, Offset   uint32
	Seq, LineSeq uint32
	_            [6]uint32
}

const (
	gpioLineRequest = 0xc250b407
	gpioChipInfo    = 0x8044b401
	flagInput       = 1 << 2
	flagRising      = 1 << 4
	flagFalling     = 1 << 5
	rising, falling = 1, 2
)

func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

func TestAnEdgeOfASimulatedLineHasTheKernelsTime(t *testing.T) {
	inside(t)
	c, err := NewChip("bed-lines", "door", "", "valve")
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()

	f, err := os.OpenFile(c.Device(), os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var info struct {
		Name, Label [32]byte
		Lines       uint32
	}
	ioctl(t, int(f.Fd()), gpioChipInfo, unsafe.Pointer(&info))
	require.Equal(t, "bed-lines", unix.ByteSliceToString(info.Label[:]))
	require.EqualValues(t, 3, info.Lines)

	r := lineRequest{Lines: 1, Config: lineConfig{Flags: flagInput | flagRising | flagFalling}}
	ioctl(t, int(f.Fd()), gpioLineRequest, unsafe.Pointer(&r))
	line := os.NewFile(uintptr(r.FD), "line")
	defer line.Close()

	last := monotonic()
	for i, high := range []bool{true, false, true} {
		require.NoError(t, c.Pull(0, high))
		var e lineEvent
		require.NoError(t, binary.Read(line, binary.LittleEndian, &e))
		id := uint32(falling)
		if high {
			id = rising
		}
		require.Equal(t, id, e.ID)
		require.EqualValues(t, i+1, e.Seq)
		require.Greater(t, e.Mono, last)
		last = e.Mono
		level, err := c.Level(0)
		require.NoError(t, err)
		require.Equal(t, high, level)
	}
	require.Less(t, last, monotonic())
}

func TestTheKernelsTimeIsMeasuredByAChipAndNotByABusyHost(t *testing.T) {
	inside(t)
	source, err := read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	require.NoError(t, err)
	require.Equal(t, "hpet", source)
}

func TestAChipThatIsClosedIsGone(t *testing.T) {
	inside(t)
	c, err := NewChip("bed-gone", "a")
	require.NoError(t, err)
	_, err = NewChip("bed-gone", "a")
	require.ErrorIs(t, err, os.ErrExist)
	require.NoError(t, c.Close())
	c, err = NewChip("bed-gone", "a")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = os.Stat(c.Device())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnEEPROMOnTheSimulatedBusKeepsWhatIsWritten(t *testing.T) {
	inside(t)
	p, err := NewPart("24c02", 0x50)
	require.NoError(t, err)
	path := filepath.Join(p.Dir(), "eeprom")
	want := bytes.Repeat([]byte("batch 01"), 32)
	require.NoError(t, os.WriteFile(path, want, 0))
	require.NoError(t, p.Close())
	p, err = NewPart("24c02", 0x50)
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, p.Close())
	_, err = NewPart("no-such-part", 0x51)
	require.ErrorContains(t, err, "no driver of this kernel takes it")
}

func TestTheClockChipTicks(t *testing.T) {
	inside(t)
	fd, err := unix.Open("/dev/rtc0", unix.O_RDWR, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	ioctl(t, fd, unix.RTC_UIE_ON, nil)
	var last time.Time
	for range 2 {
		var word [8]byte
		_, err := unix.Read(fd, word[:]) // until its second turns
		require.NoError(t, err)
		r, err := unix.IoctlGetRTCTime(fd)
		require.NoError(t, err)
		now := time.Date(int(r.Year)+1900, time.Month(r.Mon+1), int(r.Mday), int(r.Hour), int(r.Min), int(r.Sec), 0, time.UTC)
		require.True(t, now.After(last))
		last = now
	}
}

func TestFlashIsErasedAndWritten(t *testing.T) {
	inside(t)
	f, err := os.OpenFile("/dev/mtd0", os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var info struct {
		Type  uint8
		Flags uint32
		Size  uint32
		Erase uint32
		Write uint32
		OOB   uint32
		_     uint64
	}
	ioctl(t, int(f.Fd()), unix.MEMGETINFO, unsafe.Pointer(&info))
	require.EqualValues(t, 1<<20, info.Size)
	require.EqualValues(t, 64<<10, info.Erase)
	block := struct{ At, Len uint32 }{0, info.Erase}
	ioctl(t, int(f.Fd()), unix.MEMERASE, unsafe.Pointer(&block))
	_, err = f.WriteAt([]byte("here"), 0)
	require.NoError(t, err)
	got := make([]byte, 6)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, []byte("here\xff\xff"), got)
}

func TestBothEndsOfTheSerialPairHearEachOther(t *testing.T) {
	inside(t)
	a, b := SerialPair()
	var fds []int
	for _, name := range []string{a, b} {
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		require.NoError(t, err)
		tio.Iflag, tio.Oflag, tio.Lflag = 0, 0, 0
		tio.Cflag |= unix.CLOCAL | unix.CREAD
		tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 4, 0
		require.NoError(t, unix.IoctlSetTermios(fd, unix.TCSETS, tio))
		fds = append(fds, fd)
	}
	for i, said := range []string{"ping", "\x00\xff\r\n"} {
		_, err := unix.Write(fds[i], []byte(said))
		require.NoError(t, err)
		heard := make([]byte, 8)
		n, err := unix.Read(fds[1-i], heard)
		require.NoError(t, err)
		require.Equal(t, said, string(heard[:n]))
	}
}

func TestAWatchdogTellsItsTimeOut(t *testing.T) {
	inside(t)
	for _, name := range []string{"/dev/watchdog0", "/dev/watchdog1"} {
		fd, err := unix.Open(name, unix.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, 20))
		got, err := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT)
		require.NoError(t, err)
		require.Equal(t, 20, got)
		_, err = unix.Write(fd, []byte("V"))
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
	}
}
