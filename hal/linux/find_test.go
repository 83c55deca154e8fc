// The claims of names, whatever a device calls itself: an answer that can be shown, and never another device than the one that is
// named.

package linux

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestTheClockBySystemTimeAndTwoOfADriverAreToldApart(t *testing.T) {
	tree := fstest.MapFS{
		"class/rtc/rtc0/name":    {Data: []byte("rpi-rtc soc@107c000000:rpi_rtc\n")},
		"class/rtc/rtc0/hctosys": {Data: []byte("1\n")},
		"class/rtc/rtc1/name":    {Data: []byte("rtc-ds1307 1-006f\n")},
		"class/rtc/rtc1/hctosys": {Data: []byte("0\n")},
		"class/rtc/rtc2/name":    {Data: []byte("rtc-ds1307 3-0068\n")},
	}
	for name, want := range map[string]string{"hctosys": "/dev/rtc0", "rpi-rtc": "/dev/rtc0", "rtc-ds1307 3-0068": "/dev/rtc2", "/dev/rtc1": "/dev/rtc1"} {
		r, err := findRTC(tree, name)
		require.NoError(t, err, name)
		require.Equal(t, want, r.Device(), name)
	}
	_, err := findRTC(tree, "rtc-ds1307")
	require.EqualError(t, err, `linux: clock chip "rtc-ds1307": 2 are called so, say which: /dev/rtc1 (rtc-ds1307 1-006f), /dev/rtc2 (rtc-ds1307 3-0068)`)
	_, err = findRTC(tree, "rtc-pcf2127")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, `there are: /dev/rtc0 ("rpi-rtc soc@107c000000:rpi_rtc"), hctosys, /dev/rtc1 (rtc-ds1307 1-006f)`)
}

func FuzzWhateverADeviceCallsItselfCanBeShown(f *testing.F) {
	f.Add("24c256", "atmel,24c256\x00at24\x00", "24c256@1-0050")
	f.Add("", "\x00\x00,", "@1-0050")
	f.Add("a\x1b[2Jb", "\xff", "mtd:a\x1b[2Jb")
	f.Fuzz(func(t *testing.T, called, compatible, name string) {
		tree := fstest.MapFS{
			"bus/i2c/devices/1-0050/name":               {Data: []byte(called)},
			"bus/i2c/devices/1-0050/eeprom":             {},
			"bus/i2c/devices/1-0050/of_node/compatible": {Data: []byte(compatible)},
			"class/mtd/mtd0/name":                       {Data: []byte(called)},
			"class/mtd/mtd0/type":                       {Data: []byte(compatible)},
			"class/rtc/rtc0/name":                       {Data: []byte(called)},
			"class/watchdog/watchdog0/identity":         {Data: []byte(called)},
		}
		for _, list := range [][]listed{memories(tree), chips(tree), watchdogs(tree)} {
			for _, c := range words(list) {
				require.True(t, unicode.IsPrint(c), "%q", words(list))
			}
			d, err := choose("device", name, list)
			if err == nil && name != d.node {
				require.Contains(t, d.names, name)
			}
		}
		_, _ = mtdSize(tree, "class/mtd/mtd0", true) // no flags: refused, and no panic
	})
}
