// The claims of serial ports that need no port: how a line is written down, and for how long characters are on it.

package linux

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALineIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]Line{
		"19200 8E1": {19200, 8, 'E', 1}, "9600 7O2": {9600, 7, 'O', 2}, "115200 8N1": {115200, 8, 'N', 1},
	} {
		l, err := ParseLine(text)
		require.NoError(t, err)
		require.Equal(t, want, l)
		require.Equal(t, text, l.String())
	}
	for text, want := range map[string]string{
		"":                 "want the rate and the frame, such as 19200 8E1",
		"9600":             "want the rate and the frame",
		"9600  8N1":        "want the rate and the frame",
		"9600 8N1 ":        "want the rate and the frame",
		"-9600 8N1":        "-9600 Bd: 50 to 4000000 are known",
		"9600 9N1":         "9 data bits: want 7 or 8",
		"9600 8M1":         "parity 'M': want N, E or O",
		"9600 8N3":         "3 stop bits: want 1 or 2",
		"9e3 8N1":          "want the rate and the frame",
		"4000001 8N1":      "4000001 Bd",
		"19200 \x008\xff1": "want the rate and the frame",
	} {
		_, err := ParseLine(text)
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"19200 8E1", "9600 7O2", " ", "9600 8N", "0 000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLine(text)
		if err != nil {
			return
		}
		again, err := ParseLine(l.String())
		require.NoError(t, err)
		require.Equal(t, l, again)
		require.Positive(t, l.takes(1))
	})
}

func TestCharactersTakeTheirBitsOfTime(t *testing.T) {
	require.Equal(t, 11*time.Second/19200, Line{19200, 8, 'E', 1}.takes(1))
	require.Equal(t, 256*10*time.Second/9600, Line{9600, 8, 'N', 1}.takes(256))
	require.Equal(t, 12*time.Second/50, Line{50, 8, 'O', 2}.takes(1))
}

func TestWhatAPortIsToDoIsCheckedBeforeItIsOpened(t *testing.T) {
	line := Line{19200, 8, 'E', 1}
	for want, o := range map[string]RS485Options{
		"want whole milliseconds, at most 100ms": {Kernel: true, Before: 1500 * time.Microsecond},
		"a delay of 101ms":                       {Kernel: true, After: 101 * time.Millisecond},
		"a delay of -1ms":                        {Kernel: true, After: -time.Millisecond},
		"are for the kernel, which is not asked": {SendLow: true},
	} {
		_, err := OpenRS485("/dev/no-tty", line, &o)
		require.ErrorContains(t, err, want)
	}
	_, err := OpenRS485("/dev/no-tty", line, nil)
	require.ErrorContains(t, err, "linux: RS-485 port /dev/no-tty: ")
	_, err = OpenRS232("/dev/no-tty", line)
	require.ErrorContains(t, err, "linux: RS-232 port /dev/no-tty: ")
	if runtime.GOOS != "linux" {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}
