// The claims of memory: found by what it is called, refused where a cut would ruin more than it says, and never written past its
// end.

package linux

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
)

var _ hal.FRAM = (*FRAM)(nil)

// parts is a tree with memory of each sort.
var parts = fstest.MapFS{
	"bus/i2c/devices/1-0050/name":                   {Data: []byte("24c256\n")},
	"bus/i2c/devices/1-0050/eeprom":                 {},
	"bus/i2c/devices/1-0050/of_node/compatible":     {Data: []byte("atmel,24c256\x00at24\x00")},
	"bus/i2c/devices/0-0051/name":                   {Data: []byte("24c256\n")},
	"bus/i2c/devices/0-0051/eeprom":                 {},
	"bus/i2c/devices/1-0068/name":                   {Data: []byte("mcp7941x\n")},
	"bus/spi/devices/spi0.0/modalias":               {Data: []byte("spi:fm25\n")},
	"bus/spi/devices/spi0.0/of_node/compatible":     {Data: []byte("cypress,fm25\x00atmel,at25\x00")},
	"bus/spi/devices/spi0.0/eeprom":                 {},
	"bus/nvmem/devices/mcp794xx_nvram0/nvmem":       {},
	"bus/nvmem/devices/rmem0/type":                  {},
	"bus/nvmem/devices/mtd0/nvmem":                  {},
	"bus/nvmem/devices/fuses0/nvmem":                {},
	"bus/nvmem/devices/fuses0/type":                 {Data: []byte("OTP\n")},
	"class/mtd/mtd0/name":                           {Data: []byte("journal\n")},
	"class/mtd/mtd0/type":                           {Data: []byte("nor\n")},
	"class/mtd/mtd0/flags":                          {Data: []byte("0x1c00\n")},
	"class/mtd/mtd0/size":                           {Data: []byte("524288\n")},
	"class/mtd/mtd0ro/name":                         {Data: []byte("journal\n")},
	"class/mtd/mtd1/name":                           {Data: []byte("w25q64\n")},
	"class/mtd/mtd1/type":                           {Data: []byte("nor\n")},
	"class/mtd/mtd1/flags":                          {Data: []byte("0xc00\n")},
	"class/mtd/mtd1/size":                           {Data: []byte("8388608\n")},
	"class/mtd/mtd2/name":                           {Data: []byte("sram\n")},
	"class/mtd/mtd2/type":                           {Data: []byte("ram\n")},
	"class/mtd/mtd2/flags":                          {Data: []byte("0x1c00\n")},
	"class/mtd/mtd2/size":                           {Data: []byte("4096\n")},
	"class/mtd/mtd3/name":                           {Data: []byte("boot\n")},
	"class/mtd/mtd3/type":                           {Data: []byte("rom\n")},
	"class/mtd/mtd3/flags":                          {Data: []byte("0x1000\n")},
	"class/mtd/mtd3/size":                           {Data: []byte("4096\n")},
	"bus/i2c/devices/i2c-1/name":                    {Data: []byte("bcm2835 (i2c@7e804000)\n")},
	"bus/i2c/drivers/at24/module/version":           {},
	"bus/i2c/devices/1-0050/power/autosuspend_none": {},
}

func TestMemoryIsFoundByWhatItIsCalled(t *testing.T) {
	for name, want := range map[string]string{
		"24c256@1-0050":         "/sys/bus/i2c/devices/1-0050/eeprom",
		"24c256@i2c-0/0x51":     "/sys/bus/i2c/devices/0-0051/eeprom",
		"atmel,24c256":          "/sys/bus/i2c/devices/1-0050/eeprom",
		"fm25":                  "/sys/bus/spi/devices/spi0.0/eeprom",
		"cypress,fm25@spi0.0":   "/sys/bus/spi/devices/spi0.0/eeprom",
		"nvmem:mcp794xx_nvram0": "/sys/bus/nvmem/devices/mcp794xx_nvram0/nvmem",
		"mtd:journal":           "/dev/mtd0",
		"/dev/mtd0":             "/dev/mtd0",
	} {
		d, err := choose("memory", name, memories(parts))
		require.NoError(t, err, name)
		require.Equal(t, want, d.node, name)
	}
	_, err := choose("memory", "24c256", memories(parts))
	require.EqualError(t, err, `linux: memory "24c256": 2 are called so, say which: 24c256@0-0051, 24c256@1-0050`)
	_, err = choose("memory", "fm25@spi1.0", memories(parts))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, `there are: 24c256@0-0051, 24c256@1-0050, fm25@spi0.0, nvmem:mcp794xx_nvram0, mtd:journal (nor, /dev/mtd0), mtd:w25q64`)
}

func TestMemoryThatIsNoFRAMIsRefusedWithWhatItIsFor(t *testing.T) {
	for name, c := range map[string]struct {
		backed bool
		want   string // "": its size is known
	}{
		"mtd0": {},
		"mtd1": {want: "must be erased before it is written"},
		"mtd2": {want: "it is RAM, which forgets without supply"},
		"mtd3": {want: "it cannot be written (type rom)"},
		"mtd9": {want: "no MTD device that sysfs shows"},
		"none": {backed: true, want: "no MTD device that sysfs shows"},
	} {
		size, err := mtdSize(parts, "class/mtd/"+name, c.backed)
		if c.want == "" {
			require.NoError(t, err, name)
			require.Equal(t, int64(524288), size)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}
	size, err := mtdSize(parts, "class/mtd/mtd2", true)
	require.NoError(t, err)
	require.Equal(t, int64(4096), size)
	_, err = OpenFRAM("mtd:w25q64", 0, nil)
	require.ErrorContains(t, err, "say from the data sheet how many: 1 for FRAM")
	if runtime.GOOS == "linux" {
		file := filepath.Join(t.TempDir(), "eeprom")
		require.NoError(t, os.WriteFile(file, make([]byte, 64), 0o600))
		_, err = OpenFRAM(file, 1, nil)
		require.ErrorContains(t, err, "it is an ordinary file, which is put back with its disk")
	}
}

// cells opens a file in the place of one of sysfs.
func cells(t *testing.T, size int) *FRAM {
	file := filepath.Join(t.TempDir(), "eeprom")
	require.NoError(t, os.WriteFile(file, make([]byte, size), 0o600))
	m, err := openFRAM(fstest.MapFS{}, file, 8, nil, func(*os.File) error { return nil })
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestMemoryIsReadAndWrittenWithinItsBounds(t *testing.T) {
	m := cells(t, 64)
	require.Equal(t, int64(64), m.Size())
	require.Equal(t, hal.Model{Tear: 8, Apart: true}, m.Model())
	n, err := m.WriteAt([]byte("abcd"), 60)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	b := make([]byte, 8)
	n, err = m.ReadAt(b, 60)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "abcd", string(b[:n]))
	n, err = m.ReadAt(b, 64)
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, n)
	for _, off := range []int64{-1, 61, 64, 1 << 62} {
		n, err = m.WriteAt([]byte("zzzz"), off)
		require.ErrorContains(t, err, "outside of 64 bytes", off)
		require.Zero(t, n)
	}
	_, err = m.ReadAt(b, -1)
	require.ErrorContains(t, err, "outside of 64 bytes")
	n, err = m.ReadAt(b[:4], 60)
	require.NoError(t, err)
	require.Equal(t, "abcd", string(b[:n]), "what was refused was refused whole")
	require.NoError(t, m.Close())
	_, err = m.WriteAt([]byte("z"), 0)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestMemoryThatDoesNotTakeAWriteIsFoundOut(t *testing.T) {
	m := cells(t, 64)
	_, err := m.WriteAt([]byte{7}, 3)
	require.NoError(t, err)
	require.NoError(t, m.f.Truncate(2)) // the part forgets its end
	b := make([]byte, 4)
	_, err = m.ReadAt(b, 0)
	require.ErrorContains(t, err, "read of 4 bytes at 0: it gave 2")
}
