// The lines of the package comment, run by awk and by Python over sample files: the same last digit as the machine.

package metering_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/stretchr/testify/require"
)

// script is the program of the package comment whose first line begins like this.
func script(t *testing.T, first string) string {
	src, err := os.ReadFile("metering.go")
	require.NoError(t, err)
	_, from, ok := strings.Cut(string(src), "//\t# "+first)
	require.True(t, ok, first)
	text, _, _ := strings.Cut("//\t# "+first+from, "\n//\n")
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n//\t", "\n"), "//\t", "")
}

// byHand is a window whose lines are added up by others.
type byHand struct {
	method string
	meter  metering.Meter
	lap    int64
}

func TestAwkAndPythonComeToTheSameLastDigit(t *testing.T) {
	dir := t.TempDir()
	for _, tool := range []string{"python3", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not there; install it: apt-get install python3 mawk", tool)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, tool), []byte(script(t, tool)+"\n"), 0o600))
	}
	const seed = 20261130
	for _, h := range []byHand{
		{"pulses", metering.Meter{Method: metering.Pulses, Bits: 16, K: factor(4, 3)}, 1 << 16},
		{"pulses", metering.Meter{Method: metering.Pulses, Bits: 32, K: factor(1, 2)}, 1 << 32},
		{"totalizer", metering.Meter{Method: metering.Totalizer, K: factor(401, 400)}, 0},
		{"totalizer", metering.Meter{Method: metering.Totalizer, Modulus: 1_000_000, Most: 20_000, K: factor(1, 1)}, 1_000_000},
		{"rectangle", metering.Meter{Method: metering.Flow, K: factor(1, 3_600_000_000)}, 0},
		{"trapezoid", metering.Meter{Method: metering.Flow, Trapezoid: true, K: factor(1, 7_200_000_000)}, 0},
		{"weight", metering.Meter{Method: metering.Weight, K: factor(1, 2)}, 0},
		{"weight", metering.Meter{Method: metering.Weight, Loss: true, K: factor(5, 2)}, 0},
	} {
		for n := range uint64(6) {
			h.run(t, dir, rand.New(rand.NewPCG(seed, n)), fmt.Sprintf("seed %d, %d: %s", seed, n, h.method), n == 0)
		}
	}
}

func (h *byHand) run(t *testing.T, dir string, d *rand.Rand, name string, python bool) {
	p := &profile{d: d}
	m := metering.NewMachine([]metering.Meter{h.meter}, []metering.Window{{}})
	p.at = 10_000_000_000
	level := int64(60_000)
	m.Step(p.at, &metering.Event{Kind: metering.Reading, Role: metering.Identity, Quality: tag.Good}, nil)
	m.Step(p.at, &metering.Event{Kind: metering.Open, Raw: level, RawAt: p.at - 40_000_000, Quality: tag.Good}, nil)
	p.start, p.now, p.line = p.at, tag.Good, p.at-40_000_000
	p.write(p.line, level, "GOOD")
	for range 200 {
		p.at += 100_000_000 + d.Int64N(5_000_000)
		ev := metering.Event{Kind: metering.Reading, RawAt: p.at - d.Int64N(2_000_000), Quality: tag.Good}
		level += d.Int64N(1000)
		if ev.Raw = level; h.lap > 0 {
			ev.Raw %= h.lap
		}
		if h.meter.Method >= metering.Flow {
			ev.Raw += d.Int64N(100) - 50
		}
		switch d.IntN(40) {
		case 0:
			ev.Quality = tag.Quality(d.IntN(2))
			p.write(ev.RawAt, 0, ev.Quality.String())
		case 1:
			p.at = d.Int64N(1_000_000_000)
			ev.Kind = metering.Cut
			p.write(p.at, 0, "CUT")
		case 2:
			ev.Role = metering.Identity
			if p.named != ev.Raw {
				p.write(ev.RawAt, 0, "NEW")
			}
			p.named = ev.Raw
		default:
			p.write(ev.RawAt, ev.Raw, "GOOD")
		}
		m.Step(p.at, &ev, nil)
	}
	p.at += 50_000_000
	m.Step(p.at, &metering.Event{Kind: metering.Close}, nil)
	want := strconv.FormatInt(m.Total(0).Value, 10)

	samples := filepath.Join(dir, "samples.tsv")
	require.NoError(t, os.WriteFile(samples, []byte(p.lines.String()), 0o600))
	k := h.meter.K
	if h.meter.Loss {
		k = factor(-k.Num(), k.Den())
	}
	run := func(cmd *exec.Cmd) string {
		in, err := os.Open(samples)
		require.NoError(t, err)
		defer in.Close()
		cmd.Stdin = in
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		return strings.TrimSpace(string(out))
	}
	start, end, lap := strconv.FormatInt(p.start, 10), strconv.FormatInt(p.at, 10), strconv.FormatInt(h.lap, 10)
	if python { // which takes long to start
		require.Equal(t, want, run(exec.Command("python3", filepath.Join(dir, "python3"), h.method, start, end, k.String(), lap)), name)
	}
	require.Equal(t, want, run(exec.Command("awk", "-v", "method="+h.method, "-v", "start="+start, "-v", "end="+end,
		"-v", fmt.Sprint("num=", k.Num()), "-v", fmt.Sprint("den=", k.Den()), "-v", "lap="+lap, "-f", filepath.Join(dir, "awk"))), name)
}

func TestTheKOfTheCommentIsThatOfABoundMeter(t *testing.T) {
	src, err := os.ReadFile("metering.go")
	require.NoError(t, err)
	require.Contains(t, string(src), "// 100 {pulse}/kg over 0.01 kg is 1, and 0.01 kg/min by 1 ns over 0.001 kg is 1/6000000000, or 1/12000000000 for a trapezoid.\n")
	cal := &metering.Calibration{Factors: []metering.Factor{{Meter: "P", K: quantityOf("100 {pulse}/kg")}}}
	for _, c := range []struct {
		meter           string
		m               metering.Meter
		one, resolution string
		want            string
	}{
		{"P", metering.Meter{Method: metering.Pulses, Bits: 32}, "1 {pulse}", "0.01 kg", "1"},
		{"F", metering.Meter{Method: metering.Flow}, "0.01 kg/min", "0.001 kg", "1/6000000000"},
		{"F", metering.Meter{Method: metering.Flow, Trapezoid: true}, "0.01 kg/min", "0.001 kg", "1/12000000000"},
	} {
		require.NoError(t, cal.Bind(&c.m, c.meter, quantityOf(c.one), quantityOf(c.resolution)))
		require.Equal(t, c.want, c.m.K.String())
	}
}
