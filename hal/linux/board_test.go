// The claims of the board file.

package linux

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// whole has everything that a board file may have.
const whole = `board: bench-pi4
version: "1.0"
schema_version: 1
resend: 200 ms
outputs:
  - {channel: do/1, chip: pinctrl-bcm2711, line: 17, safe: low}
  - {channel: do/2, chip: pinctrl-bcm2711, line: RELAY_2, safe: high, active: low, drive: open_drain}
inputs:
  - {channel: di/1, chip: pinctrl-bcm2711, line: 27, bias: pull_up, debounce: 2 ms, active: low}
  - {channel: di/2, line: ESTOP}
counters:
  - {channel: ctr/1, chip: pinctrl-bcm2711, line: 22, edge: falling, max_rate: 200}
power_fail: {chip: pinctrl-bcm2711, line: 4, failing: low, hold_up: 15 ms}
rtc: {device: rtc-ds1307}
fram: {device: fm25@spi0.0, tear: 1}
watchdog: {device: bcm2835-wdt, timeout: 10 s}
serial:
  - {name: meters, kind: rs485, device: /dev/ttyAMA3, mode: 19200 8E1, direction: kernel, send_low: true}
  - {name: scale, kind: rs232, device: /dev/ttyUSB0, mode: 9600 8N1}
tpm: {device: /dev/tpmrm0}
`

func TestABoardFileSaysWhatABoardHas(t *testing.T) {
	b, err := ParseBoard("board.yaml", []byte(whole))
	require.NoError(t, err)
	require.Equal(t, "board bench-pi4 1.0: 2 outputs, 2 inputs, 1 counters, 2 serial ports", b.String())
	require.Equal(t, []string{"do/1", "do/2", "di/1", "di/2", "ctr/1"}, b.Channels())
	require.Equal(t, 200*time.Millisecond, b.Resend)
	require.Equal(t, LineAt{Chip: "pinctrl-bcm2711", Offset: 17}, b.Outputs[0].At)
	require.Equal(t, LineAt{Name: "ESTOP"}, b.Inputs[1].At)
	require.Equal(t, InputOptions{PullUp, true, 2 * time.Millisecond, false}, b.Inputs[0].Options)
	require.Equal(t, InputOptions{ActiveLow: true, Rising: true}, b.Counters[0].Options)
	require.Equal(t, 15*time.Millisecond, b.Power.Holdup)
	require.True(t, b.Serial[0].Kernel && b.Serial[0].SendLow && b.Serial[0].RS485 && !b.Serial[1].RS485)
	require.Equal(t, "board.yaml:7:5", b.Outputs[1].Where())
}

func TestTheSafeLevelIsThatOfThePin(t *testing.T) {
	for _, c := range []struct {
		safe, low bool
		bit       uint64
	}{{false, false, 0}, {true, false, 1}, {false, true, 1}, {true, true, 0}} {
		o := BoardOutput{Safe: c.safe, Options: OutputOptions{ActiveLow: c.low}}
		require.Equal(t, c.bit, o.SafeBit(), "%+v", c)
	}
}

func TestEveryErrorOfABoardFileIsSaidAtOnceWithItsPlace(t *testing.T) {
	_, err := ParseBoard("board.yaml", []byte(`board: x
version: "1"
schema_version: 2
resend: 1 h
outputs:
  - {channel: do/1, chip: gpiochip4, line: 17, safe: low}
  - {channel: do/1, line: 18, safe: off}
  - {channel: do/3, chip: pinctrl-rp1, line: 17, safe_value: closed}
inputs:
  - {channel: di/1, chip: pinctrl-rp1, line: 17, bias: up}
counters:
  - {channel: ctr/1, chip: pinctrl-rp1, line: 5, max_rate: 5000}
power_fail: {chip: pinctrl-rp1, line: 6, failing: low, hold_up: 15 ms, debounce: 20 ms}
serial:
  - {name: a, kind: rs232, device: /dev/ttyS0, mode: fast, direction: kernel}
fram: {device: fm25}
watchdog: {device: softdog, timeout: 0 s}
leds: 3
`))
	require.Error(t, err)
	for _, want := range []string{
		`board.yaml:3:17: "schema_version" must be a whole number from 1 to 1`,
		`board.yaml:4:9: resend must be a time from 10 ms to 10 s, in us, ms or s, is "1 h"`,
		`board.yaml:6:27: chip "gpiochip4" is a number that changes from kernel to kernel; give the label of the chip`,
		`board.yaml:7:15: channel "do/1" stands at board.yaml:6:15 already; a channel is one line`,
		`board.yaml:7:27: line 18 is a number, and every chip has one of it; give the chip too`,
		`board.yaml:7:37: "safe" must be one of low, high, is "off"`,
		`board.yaml:8:5: item 3 of "outputs": key "safe" is missing`,
		`no key "safe_value"; safe is the level at the pin`,
		`board.yaml:10:46: line 17 of chip "pinctrl-rp1" stands at board.yaml:8:46 already; a line is one channel`,
		`must be one of as_is, pull_up, pull_down, none, is "up"`,
		`max_rate 5000: edges of GPIO can be counted up to 500 a second; read the meter's own total, or use a counter chip`,
		`power_fail: debounce 20ms leaves nothing of the hold_up of 15ms`,
		`board.yaml:15:54: mode: `,
		`direction: RS-232 has none; leave it out`,
		`key "tear" is missing`,
		`timeout must be a time from 1 s to 600 s, in us, ms or s`,
		`unknown key "leds"`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestAnErrorOfABoardFileBringsNoSecondOneThatMisleads(t *testing.T) {
	_, err := ParseBoard("board.yaml", []byte(`board: x
version: "1"
schema_version: 1
inputs:
  - {channel: di/1, chip: /dev/gpiochip0, line: 17}
serial:
  - {name: a, kind: rs484, device: /dev/ttyS0, mode: 9600 8N1, direction: kernel}
`))
	require.ErrorContains(t, err, `board.yaml:5:27: chip "/dev/gpiochip0" is a number that changes from kernel to kernel; give the label of the chip`)
	require.ErrorContains(t, err, `must be one of rs485, rs232, is "rs484"`)
	require.NotContains(t, err.Error(), "RS-232 has none", "nobody knows yet that it is one")
}

func TestASerialPortOrATPMThatIsNotThereSaysWhatIs(t *testing.T) {
	b, err := ParseBoard("board.yaml", []byte(`board: x
version: "1"
schema_version: 1
serial:
  - {name: a, kind: rs232, device: /dev/serial/by-path/none, mode: 9600 8N1}
tpm: {device: /dev/no-tpm}
`))
	require.NoError(t, err)
	found := b.Probe()
	require.Len(t, found, 2)
	for _, f := range found {
		require.ErrorIs(t, f.Err, fs.ErrNotExist, f)
		require.ErrorContains(t, f.Err, "; there are: ", f)
	}
}

func TestABoardFileThatIsTooLargeOrTooLongIsRefused(t *testing.T) {
	_, err := ParseBoard("b", []byte(whole+strings.Repeat("#", MaxBoardFile)))
	require.ErrorContains(t, err, "more than the limit of 262144")
	_, err = ParseBoard("b", []byte("board: b\nversion: \"1\"\nschema_version: 1\ninputs: ["+strings.Repeat("{line: A},", MaxLines+1)+"]\n"))
	require.ErrorContains(t, err, "129 entries, more than the limit of 128")
}

func TestTheBoardFilesOfTheExamplesParse(t *testing.T) {
	for _, file := range []string{"../../examples/controller/board/pi4.yaml", "../../examples/controller/board/bed.yaml"} {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = ParseBoard(file, src)
		require.NoError(t, err)
	}
}

func FuzzParseBoard(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("board: x\noutputs: [{channel: do/1, chip: a, line: -1, safe: low}]"))
	f.Add([]byte("serial: [{name: [], mode: {}}]\nfram: []\ninputs: 5\nresend: [1 s]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := ParseBoard("f", src)
		if (b == nil) != (err != nil) {
			t.Fatalf("board %v, error %v", b, err)
		}
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, c := range b.Channels() {
			if c == "" || seen[c] {
				t.Fatalf("channel %q twice, or empty", c)
			}
			seen[c] = true
		}
		for i := range b.Counters {
			if r := b.Counters[i].MaxRate; r < 1 || r > MaxRate {
				t.Fatalf("rate %d", r)
			}
		}
	})
}
