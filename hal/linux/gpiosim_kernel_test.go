//go:build linux

// Simulated chips of the kernel (gpio-sim), for tests that run in the bed.

package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// simChip is a chip of gpio-sim. What hangs on its lines is what a test pulls.
type simChip struct {
	config, dir string
}

// newSimChip makes a chip with lines of these names. It skips where there is no bed.
func newSimChip(t testing.TB, label string, names ...string) *simChip {
	if os.Getenv("BATCHKIT_BED") == "" {
		t.Skip("runs in the kernel of internal/vmbed, which has gpio-sim")
	}
	c := &simChip{config: filepath.Join("/sys/kernel/config/gpio-sim", label)}
	put := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(c.config, name), []byte(text), 0))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(c.config, "bank0"), 0o755))
	t.Cleanup(c.remove)
	put("bank0/num_lines", fmt.Sprint(len(names)))
	put("bank0/label", label)
	for i, name := range names {
		if name != "" {
			line := fmt.Sprintf("bank0/line%d", i)
			require.NoError(t, os.Mkdir(filepath.Join(c.config, line), 0o755))
			put(line+"/name", name)
		}
	}
	put("live", "1")
	device, err := os.ReadFile(filepath.Join(c.config, "dev_name"))
	require.NoError(t, err)
	chip, err := os.ReadFile(filepath.Join(c.config, "bank0/chip_name"))
	require.NoError(t, err)
	c.dir = filepath.Join("/sys/devices/platform", strings.TrimSpace(string(device)), strings.TrimSpace(string(chip)))
	return c
}

// unplug takes the chip away, whoever holds its lines.
func (c *simChip) unplug() error { return os.WriteFile(filepath.Join(c.config, "live"), []byte("0"), 0) }

func (c *simChip) remove() {
	_ = c.unplug()
	lines, _ := filepath.Glob(filepath.Join(c.config, "bank0/line*"))
	for _, one := range append(lines, filepath.Join(c.config, "bank0"), c.config) {
		_ = os.Remove(one)
	}
}

// pull pulls a line from outside.
func (c *simChip) pull(line int, high bool) error {
	to := "pull-down"
	if high {
		to = "pull-up"
	}
	return os.WriteFile(filepath.Join(c.dir, fmt.Sprintf("sim_gpio%d/pull", line)), []byte(to), 0)
}

// value reads a line from outside.
func (c *simChip) value(line int) (bool, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, fmt.Sprintf("sim_gpio%d/value", line)))
	if err == nil && len(b) == 0 {
		err = errors.New("no value")
	}
	return err == nil && b[0] == '1', err
}
