// The claims of clock chips, as far as they need no chip.

package linux

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/batchkit/batchkit/hal"
	"github.com/stretchr/testify/require"
)

var _ hal.RTC = (*RTC)(nil)

func TestWhatAChipShowsIsATimeOrARefusal(t *testing.T) {
	good := rtcTime{2026, 2, 28, 23, 59, 58}
	for name, c := range map[string]struct {
		shows  rtcTime
		supply uint32
		lost   bool
		want   string // "": good
	}{
		"a time":                   {shows: good},
		"a cell that gets low":     {shows: good, supply: 1 << 1},
		"a leap day":               {shows: rtcTime{2096, 2, 29, 0, 0, 0}},
		"refused by the driver":    {shows: good, lost: true, want: "its driver says so: hal: clock has lost its time, set it"},
		"supply has failed":        {shows: good, supply: 1, want: "its supply has failed: hal: clock has lost its time, set it"},
		"supply and cell":          {shows: good, supply: 1 | 1<<2, want: "its supply has failed, and its cell is low or empty: hal: clock has lost its time, set it"},
		"never set":                {shows: rtcTime{1970, 1, 1, 0, 0, 5}, want: "it shows the year 1970: hal: clock has lost its time, set it"},
		"beyond its years":         {shows: rtcTime{2100, 1, 1, 0, 0, 0}, want: "it shows the year 2100: hal: clock has lost its time, set it"},
		"a month that there isn't": {shows: rtcTime{2026, 13, 1, 0, 0, 0}, want: "it shows 2026-13-01 00:00:00, which is no time"},
		"a day that there isn't":   {shows: rtcTime{2026, 2, 29, 0, 0, 0}, want: "it shows 2026-02-29 00:00:00, which is no time"},
		"second 60":                {shows: rtcTime{2026, 6, 30, 23, 59, 60}, want: "it shows 2026-06-30 23:59:60, which is no time"},
	} {
		utc, err := c.shows.utc(c.supply, c.lost)
		if c.want == "" {
			require.NoError(t, err, name)
			at := time.Unix(0, utc).UTC()
			require.Equal(t, c.shows, rtcTime{at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), at.Second()}, name)
			continue
		}
		require.EqualError(t, err, c.want, name)
		require.Zero(t, utc, name)
	}
}

func TestAChipThatIsNotThereIsRefusedByName(t *testing.T) {
	r := NewRTC("/dev/no-rtc")
	_, err := r.Read()
	require.ErrorContains(t, err, "linux: clock chip /dev/no-rtc: ")
	if runtime.GOOS == "linux" {
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NotErrorIs(t, err, hal.ErrTimeLost, "nothing was said of its time")
		_, err = NewRTC("/dev/null").Read()
		require.ErrorContains(t, err, "inappropriate ioctl")
	} else {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	require.EqualError(t, r.Set(time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC).UnixNano()),
		"linux: clock chip /dev/no-rtc: year 1999: the chip holds 2000 to 2099")
}

func TestTheChipOfThisMachineIsNearItsWallClock(t *testing.T) {
	const device = "/dev/rtc0"
	if _, err := os.Stat(device); err != nil {
		t.Skip("this machine has no " + device)
	}
	utc, err := NewRTC(device).Read()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, hal.ErrTimeLost) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.InDelta(t, time.Now().UnixNano(), utc, float64(48*time.Hour), "it may keep local time")
}
