// The claims of watchdogs, on drivers as they are known to behave: none has a time-out longer than asked, and none is stopped in
// words alone.

package linux

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
)

var _ hal.Watchdog = (*Watchdog)(nil)

// driver is a watchdog's driver: which time-outs it takes, and what it makes of them.
type driver struct {
	identity string
	options  uint32
	takes    func(s int) (int, error)
	stops    error // what it says to being stopped
	boot     uint32
	running  bool
	open     bool
	has      int
	fed      int
	released bool
}

func (d *driver) support() (string, uint32, error) { return d.identity, d.options, nil }
func (d *driver) timeout() (int, error)            { return d.has, nil }
func (d *driver) bootStatus() (uint32, error)      { return d.boot, nil }
func (d *driver) feed() error                      { d.fed++; d.released = false; return nil }
func (d *driver) release() error                   { d.released = true; return nil }

func (d *driver) setTimeout(s int) error {
	n, err := d.takes(s)
	if err == nil {
		d.has = n
	}
	return err
}

func (d *driver) stop() error {
	if d.stops == nil {
		d.running = false
	}
	return d.stops
}

// close stops it where the word was given. As in the kernel, the word lasts where it was stopped before.
func (d *driver) close() error {
	d.open = false
	if d.released && d.running && !errors.Is(d.stops, syscall.EBUSY) {
		d.running, d.released = false, false
	}
	return nil
}

func exact(s int) (int, error) { return s, nil }

// dogOf makes a watchdog of a driver, with what sysfs says of it.
func dogOf(t *testing.T, d *driver, sysfs map[string]string) *Watchdog {
	tree := fstest.MapFS{"class/watchdog/watchdog0/identity": {Data: []byte(d.identity + "\n")}}
	for name, text := range sysfs {
		tree["class/watchdog/watchdog0/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	w, err := findWatchdog(tree, "/dev/watchdog0", func(string) (dog, error) {
		d.running, d.open = true, true // opening starts it
		return d, nil
	})
	require.NoError(t, err)
	require.Equal(t, "/dev/watchdog0", w.Device())
	require.False(t, d.open, "finding it does not open it")
	return w
}

func TestATimeOutIsNeverLongerThanAskedForAndReadBack(t *testing.T) {
	const able = setsTimeout | magicClose
	for name, c := range map[string]struct {
		d     driver
		sysfs map[string]string
		ask   time.Duration
		want  time.Duration // 0: refused
		says  string
	}{
		"exact":                    {d: driver{takes: exact}, ask: 10 * time.Second, want: 10 * time.Second},
		"parts of a second":        {d: driver{takes: exact}, ask: 2900 * time.Millisecond, want: 2 * time.Second},
		"less than a second":       {d: driver{takes: exact}, ask: 999 * time.Millisecond, says: "1 s at least"},
		"less than it has":         {d: driver{takes: exact}, sysfs: map[string]string{"min_timeout": "4"}, ask: 3 * time.Second, says: "4 s at least"},
		"more than it has":         {d: driver{takes: exact}, sysfs: map[string]string{"max_timeout": "30"}, ask: time.Minute, want: 30 * time.Second},
		"a Raspberry Pi":           {d: driver{identity: "Broadcom BCM2835 Watchdog timer", takes: exact}, ask: time.Minute, want: 15 * time.Second},
		"coarse, rounds up":        {d: driver{takes: func(s int) (int, error) { return (s + 7) / 8 * 8, nil }}, ask: 21 * time.Second, want: 16 * time.Second},
		"coarse, all too long":     {d: driver{takes: func(int) (int, error) { return 60, nil }}, ask: 20 * time.Second, says: "no time-out of 20 s or less"},
		"refuses what is too long": {d: driver{takes: atMost(15)}, ask: 60 * time.Second, want: 13 * time.Second},
		"fixed, short enough":      {d: driver{has: 5, takes: fixed}, ask: 10 * time.Second, want: 5 * time.Second},
		"fixed, too long":          {d: driver{has: 60, takes: fixed}, ask: 10 * time.Second, says: "cannot be set"},
		"takes it and keeps its own": {d: driver{has: 60, takes: func(int) (int, error) { return 60, nil }}, ask: time.Minute - 1,
			says: "no time-out of 59 s or less: it last said 60 s"},
	} {
		d := c.d
		d.options = able
		w := dogOf(t, &d, c.sysfs)
		actual, err := w.Arm(c.ask)
		if c.says == "" {
			require.NoError(t, err, name)
			require.Equal(t, c.want, actual, name)
			require.True(t, d.running && d.fed == 1, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
		require.False(t, d.running || d.open, "%s: left as it was", name)
		require.ErrorContains(t, w.Feed(), "it is not armed; call Arm first", name)
	}
}

func atMost(n int) func(int) (int, error) {
	return func(s int) (int, error) {
		if s > n {
			return 0, syscall.EINVAL
		}
		return s, nil
	}
}

func fixed(int) (int, error) { return 0, fixedError() }

// fixedError is what a driver says to a request that it does not know.
func fixedError() error {
	if runtime.GOOS == "linux" {
		return syscall.ENOTTY
	}
	return errors.ErrUnsupported
}

func TestAnotherTimeOutThatIsRefusedLeavesTheOldOne(t *testing.T) {
	d := &driver{options: setsTimeout | magicClose, takes: func(s int) (int, error) { return max(s, 8), nil }}
	w := dogOf(t, d, nil)
	actual, err := w.Arm(9 * time.Second)
	require.NoError(t, err)
	require.Equal(t, 9*time.Second, actual)
	_, err = w.Arm(3 * time.Second)
	require.ErrorContains(t, err, "no time-out of 3 s or less: it last said 8 s")
	require.Equal(t, 9, d.has)
	require.True(t, d.running && d.open)
}

func TestAWatchdogThatCannotBeStoppedSaysSoAndIsFedOn(t *testing.T) {
	d := &driver{options: setsTimeout | magicClose, takes: exact, stops: syscall.EBUSY}
	w := dogOf(t, d, map[string]string{"nowayout": "1"})
	_, err := w.Arm(5 * time.Second)
	require.NoError(t, err)
	require.ErrorIs(t, w.Disarm(), hal.ErrStays)
	require.True(t, d.running && d.open)
	require.NoError(t, w.Feed())
	require.NoError(t, w.Close())
	require.True(t, d.running && !d.open && !d.released, "closed without the word that stops it")
	require.ErrorIs(t, w.Feed(), os.ErrClosed)
	require.ErrorIs(t, w.Disarm(), os.ErrClosed)
	require.NoError(t, w.Close(), "once more")
}

func TestAWatchdogIsStoppedAndCanBeArmedAgain(t *testing.T) {
	d := &driver{options: setsTimeout | magicClose, takes: exact}
	w := dogOf(t, d, nil)
	require.NoError(t, w.Disarm(), "it was not armed")
	for range 2 {
		_, err := w.Arm(5 * time.Second)
		require.NoError(t, err)
		require.NoError(t, w.Disarm())
		require.False(t, d.running || d.open)
	}
}

func TestAWatchdogThatOthersLetGoOfIsStillArmedAfterItsProcessHasDied(t *testing.T) {
	d := &driver{options: setsTimeout | magicClose, takes: exact, released: true}
	w := dogOf(t, d, nil)
	for range 2 {
		_, err := w.Arm(5 * time.Second)
		require.NoError(t, err)
		require.NoError(t, w.Disarm())
	}
	_, err := w.Arm(5 * time.Second)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.True(t, d.running)

	old := &driver{options: setsTimeout | magicClose, takes: exact, stops: fixedError()}
	w = dogOf(t, old, nil)
	_, err = w.Arm(5 * time.Second)
	require.NoError(t, err)
	require.NoError(t, w.Disarm(), "by the word, where the driver knows no other")
	require.False(t, old.running)
}

func TestAWatchdogThatStopsWithItsProcessIsRefused(t *testing.T) {
	d := &driver{options: setsTimeout, takes: exact}
	_, err := dogOf(t, d, nil).Arm(5 * time.Second)
	require.ErrorContains(t, err, "it would watch nothing; load the driver with nowayout=1")
	require.False(t, d.running)
	_, err = dogOf(t, d, map[string]string{"nowayout": "1"}).Arm(5 * time.Second)
	require.NoError(t, err)
}

func TestWhyTheBoardCameUpIsToldByWhatTheDriverSaysAndNotGuessed(t *testing.T) {
	for boot, want := range map[string]struct {
		cause hal.ResetCause
		how   string
	}{
		"32":   {hal.ResetWatchdog, "/dev/watchdog0: boot status 0x20: it has bitten"},
		"0x30": {hal.ResetWatchdog, "/dev/watchdog0: boot status 0x30: it has bitten"},
		"16":   {hal.ResetPower, "/dev/watchdog0: boot status 0x10: the supply was too low"},
		"1":    {hal.ResetUnknown, "/dev/watchdog0: boot status 0x1: neither the watchdog nor the supply"},
		"0":    {hal.ResetUnknown, "/dev/watchdog0: boot status 0: it has not bitten, or its driver does not tell"},
		"soon": {hal.ResetUnknown, "/dev/watchdog0: the kernel shows no boot status of it"},
	} {
		cause, how, err := dogOf(t, &driver{}, map[string]string{"bootstatus": boot}).LastReset()
		require.NoError(t, err)
		require.Equal(t, want.cause, cause, boot)
		require.Equal(t, want.how, how)
	}
	d := &driver{options: setsTimeout | magicClose, takes: exact, boot: resetByWatchdog}
	w := dogOf(t, d, nil)
	_, err := w.Arm(time.Second)
	require.NoError(t, err)
	cause, _, err := w.LastReset()
	require.NoError(t, err)
	require.Equal(t, hal.ResetWatchdog, cause, "asked of the open device")
}

func TestAWatchdogIsFoundByIdentityOrDriverAndAWrongNameIsToldWhatThereIs(t *testing.T) {
	tree := fstest.MapFS{
		"class/watchdog/watchdog0/identity":      {Data: []byte("Software Watchdog\n")},
		"class/watchdog/watchdog1/identity":      {Data: []byte("Broadcom BCM2835 Watchdog timer\n")},
		"class/watchdog/watchdog1/device/driver": {Data: []byte("../../../../bus/platform/drivers/bcm2835-wdt"), Mode: fs.ModeSymlink},
	}
	for name, want := range map[string]string{"softdog": "/dev/watchdog0", "Software Watchdog": "/dev/watchdog0",
		"bcm2835-wdt": "/dev/watchdog1", "/dev/watchdog1": "/dev/watchdog1", "Broadcom BCM2835 Watchdog timer": "/dev/watchdog1"} {
		w, err := findWatchdog(tree, name, nil)
		require.NoError(t, err, name)
		require.Equal(t, want, w.Device(), name)
	}
	_, err := findWatchdog(tree, "gpio-wdt", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, `linux: watchdog "gpio-wdt": file does not exist; there are: /dev/watchdog0 ("Software Watchdog", driver softdog), `+
		`/dev/watchdog1 ("Broadcom BCM2835 Watchdog timer", driver bcm2835-wdt)`)
	_, err = findWatchdog(fstest.MapFS{}, "/dev/watchdog7", nil)
	require.EqualError(t, err, `linux: watchdog "/dev/watchdog7": file does not exist; there are: none`)
}
