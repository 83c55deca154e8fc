// What is made of trees as kernels show them: chips in every state, chips that do not tell, and trees that lie.

package linux

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal"
)

// sysfs makes a tree of lines "path = text" and "path -> target".
func sysfs(lines string) fstest.MapFS {
	tree := fstest.MapFS{}
	for line := range strings.Lines(lines) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			tree[name] = &fstest.MapFile{Data: []byte(text + "\n")}
		} else if name, target, ok := strings.Cut(strings.TrimSpace(line), " -> "); ok {
			tree[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
		}
	}
	return tree
}

const (
	emmc = `
		dev/block/179:2 -> ../../devices/soc/mmc0/block/mmcblk0/mmcblk0p2
		devices/soc/mmc0/block/mmcblk0/mmcblk0p2/partition = 2
		devices/soc/mmc0/block/mmcblk0/stat = 4 0 32 1 900 10 2048 5 0 5 6 0 0 0 0 12 3
		devices/soc/mmc0/block/mmcblk0/device/type = MMC
		devices/soc/mmc0/block/mmcblk0/device/name = BJTD4R
		devices/soc/mmc0/block/mmcblk0/device/cid = 150100424a5444345207f0ee8a1ea5ed
		devices/soc/mmc0/block/mmcblk0/device/life_time = 0x01 0x03
		devices/soc/mmc0/block/mmcblk0/device/pre_eol_info = 0x01
		fs/ext4/mmcblk0p2/lifetime_write_kbytes = 3000
		fs/ext4/mmcblk0p2/errors_count = 0`
	nand = `
		class/ubi/ubi0/max_ec = 4200
		class/ubi/ubi0/bad_peb_count = 5
		class/ubi/ubi0/reserved_for_bad = 35
		class/ubi/ubi0/ro_mode = 0
		class/ubi/ubi0/mtd_num = 3
		class/mtd/mtd3/type = nand
		class/mtd/mtd3/name = data
		class/mtd/mtd3/bad_blocks = 4
		class/mtd/mtd3/ecc_failures = 0
		class/mtd/mtd3/corrected_bits = 0`
)

func TestAnEMMCIsJudgedByItsLifeTimeAndItsSpareBlocks(t *testing.T) {
	for _, c := range []struct {
		life, eol string
		want      hal.Health
		wear      int64
		reason    string
	}{
		{"0x01 0x01", "0x01", hal.HealthGood, 10, "GOOD: mmcblk0: up to 10 % of its life are used up (life_time 0x01 0x01)"},
		{"0x05 0x02", "0x01", hal.HealthGood, 50, ""},
		{"0x01 0x06", "0x01", hal.HealthWatch, 60, ""},
		{"0x07 0x00", "0x01", hal.HealthWatch, 70, ""},
		{"0x08 0x01", "0x01", hal.HealthReplace, 80, ""},
		{"0x0a 0x0a", "0x01", hal.HealthReplace, 100, ""},
		{"0x01 0x0B", "0x01", hal.HealthReplace, 101, "more than the promised life is used up"},
		{"0x01 0x01", "0x02", hal.HealthReplace, 10, "80 % of its spare blocks are used up"},
		{"0x01 0x01", "0x03", hal.HealthReplace, 10, "90 % of its spare blocks are used up"},
		{"0x01 0x01", "0x00", hal.HealthGood, 10, "its spare blocks are not known"},
		{"0x01 0x01", "0x07", hal.HealthUnknown, 10, "none of those that the standard knows"},
		{"0x00 0x00", "0x01", hal.HealthUnknown, hal.Unmeasured, "the chip does not tell"},
		{"0x00 0x00", "0x02", hal.HealthReplace, hal.Unmeasured, "UNKNOWN: mmcblk0: life_time"},
		{"0x0c 0x01", "0x01", hal.HealthUnknown, hal.Unmeasured, "none of those that the standard knows"},
		{"-1 0x01", "0x01", hal.HealthUnknown, hal.Unmeasured, "none of those that the standard knows"},
		{"", "0x01", hal.HealthUnknown, hal.Unmeasured, "the chip does not tell"},
	} {
		tree := sysfs(emmc)
		dir := "devices/soc/mmc0/block/mmcblk0/device/"
		tree[dir+"life_time"].Data, tree[dir+"pre_eol_info"].Data = []byte(c.life), []byte(c.eol)
		h := StorageHealth(tree, Medium{Major: 179, Minor: 2, FS: "ext4", Source: "/dev/mmcblk0p2"}, nil)
		require.Equal(t, c.want, h.State, "%s %s: %q", c.life, c.eol, h.Reasons)
		require.Equal(t, c.wear, h.WearIndex, "%s %s", c.life, c.eol)
		require.Contains(t, strings.Join(h.Reasons, "\n"), c.reason)
		require.Equal(t, "mmcblk0 name BJTD4R cid 150100424a5444345207f0ee8a1ea5ed", h.Medium)
	}
}

func TestBytesWrittenAreTheGreatestCountThatThereIsWithItsBasis(t *testing.T) {
	m := Medium{Major: 179, Minor: 2}
	tree := sysfs(emmc)
	h := StorageHealth(tree, m, nil)
	require.Equal(t, int64(3000<<10), h.BytesWritten)
	require.Contains(t, h.Reasons, "bytes_written_total: by ext4 on mmcblk0p2 since it was made")
	delete(tree, "fs/ext4/mmcblk0p2/lifetime_write_kbytes")
	h = StorageHealth(tree, m, nil)
	require.Equal(t, int64(2048*512), h.BytesWritten)
	require.Contains(t, h.Reasons, "bytes_written_total: to mmcblk0 since the system started")
	tree["fs/f2fs/mmcblk0p2/lifetime_write_kbytes"] = &fstest.MapFile{Data: []byte("9000")}
	require.Equal(t, int64(9000<<10), StorageHealth(tree, m, nil).BytesWritten)
	for _, odd := range []string{"", "x", "-5", "99999999999999999999", fmt.Sprint(int64(1 << 60))} {
		tree["fs/f2fs/mmcblk0p2/lifetime_write_kbytes"].Data = []byte(odd)
		require.Equal(t, int64(2048*512), StorageHealth(tree, m, nil).BytesWritten, odd)
	}
	tree["fs/ext4/mmcblk0p2/errors_count"].Data = []byte("2")
	h = StorageHealth(tree, m, nil)
	require.Equal(t, hal.HealthReplace, h.State)
	require.Contains(t, strings.Join(h.Reasons, "\n"), "ext4 on mmcblk0p2 has found 2 errors")
}

func TestAnSDCardIsUnknownWhateverElseIsThere(t *testing.T) {
	tree := sysfs(emmc)
	tree["devices/soc/mmc0/block/mmcblk0/device/type"].Data = []byte("SD\n")
	h := StorageHealth(tree, Medium{Major: 179, Minor: 2}, nil)
	require.Equal(t, hal.HealthUnknown, h.State)
	require.Equal(t, int64(hal.Unmeasured), h.WearIndex)
	require.Contains(t, strings.Join(h.Reasons, "\n"), "an SD card has no word for its wear")
	require.Equal(t, int64(3000<<10), h.BytesWritten, "what the system counts it counts for a card, too")
	require.Contains(t, h.Medium, "cid 150100424a54")
}

func TestAUBIDeviceIsJudgedByItsErasuresItsBadBlocksAndTheChipUnderIt(t *testing.T) {
	for _, c := range []struct {
		file, text string
		cycles     int64
		want       hal.Health
		wear       int64
	}{
		{"", "", 100_000, hal.HealthGood, 5},
		{"", "", 0, hal.HealthUnknown, hal.Unmeasured},
		{"class/ubi/ubi0/max_ec", "60000", 100_000, hal.HealthWatch, 60},
		{"class/ubi/ubi0/max_ec", "79001", 100_000, hal.HealthReplace, 80},
		{"class/ubi/ubi0/max_ec", "9000000000000000000", 100_000, hal.HealthReplace, 101},
		{"class/ubi/ubi0/max_ec", "", 100_000, hal.HealthUnknown, hal.Unmeasured},
		{"class/ubi/ubi0/bad_peb_count", "60", 100_000, hal.HealthWatch, 5},
		{"class/ubi/ubi0/bad_peb_count", "140", 100_000, hal.HealthReplace, 5},
		{"class/ubi/ubi0/reserved_for_bad", "0", 100_000, hal.HealthReplace, 5},
		{"class/ubi/ubi0/reserved_for_bad", "", 100_000, hal.HealthUnknown, 5},
		{"class/ubi/ubi0/ro_mode", "1", 100_000, hal.HealthFailed, 5},
		{"class/mtd/mtd3/ecc_failures", "1", 100_000, hal.HealthFailed, 5},
		{"class/mtd/mtd3/corrected_bits", "7", 100_000, hal.HealthWatch, 5},
	} {
		tree := sysfs(nand)
		if c.file != "" {
			tree[c.file].Data = []byte(c.text)
		}
		h := StorageHealth(tree, Medium{Minor: 44, FS: "ubifs", Source: "ubi0:data"}, &StorageOptions{Cycles: c.cycles})
		require.Equal(t, c.want, h.State, "%s %s: %q", c.file, c.text, h.Reasons)
		require.Equal(t, c.wear, h.WearIndex, "%s %s", c.file, c.text)
	}
	h := StorageHealth(sysfs(nand), Medium{Minor: 44, FS: "ubifs", Source: "ubi0:data"}, nil)
	require.Equal(t, [2]int64{4200, 5}, [2]int64{h.EraseMax, h.BadBlocks})
	nor := sysfs(nand)
	nor["class/mtd/mtd3/type"].Data = []byte("nor")
	nor["class/ubi/ubi0/reserved_for_bad"].Data = []byte("0")
	h = StorageHealth(nor, Medium{Minor: 44, FS: "ubifs", Source: "/dev/ubi0_0"}, &StorageOptions{Cycles: 100_000})
	require.Equal(t, hal.HealthGood, h.State, "NOR keeps no blocks for bad ones, for it has none: %q", h.Reasons)
}

func TestMemoryThatNeedsNoErasingCountsAsFRAM(t *testing.T) {
	tree := sysfs(`
		dev/block/31:1 -> ../../devices/spi/block/mtdblock1
		devices/spi/block/mtdblock1/stat = 0 0 0 0 0 0 16 0
		class/mtd/mtd1/type = nor
		class/mtd/mtd1/flags = 0x1400`)
	h := StorageHealth(tree, Medium{Major: 31, Minor: 1, FS: "jffs2"}, nil)
	require.Equal(t, hal.HealthGood, h.State, h.Reasons)
	require.Zero(t, h.WearIndex)
	tree["class/mtd/mtd1/flags"].Data = []byte("0x400")
	require.Equal(t, hal.HealthUnknown, StorageHealth(tree, Medium{Major: 31, Minor: 1}, nil).State, "flash of which nobody counts the erasures")
}

func TestOfSeveralDevicesUnderOneFileSystemTheWorstCounts(t *testing.T) {
	tree := sysfs(emmc + `
		dev/block/253:0 -> ../../devices/virtual/block/dm-0
		devices/virtual/block/dm-0/slaves/mmcblk0p2 -> ../../../../soc/mmc0/block/mmcblk0/mmcblk0p2
		devices/virtual/block/dm-0/slaves/mmcblk1 -> ../../../../soc/mmc1/block/mmcblk1
		devices/soc/mmc1/block/mmcblk1/device/type = MMC
		devices/soc/mmc1/block/mmcblk1/device/life_time = 0x06 0x06`)
	h := StorageHealth(tree, Medium{Major: 253, Minor: 0}, nil)
	require.Equal(t, hal.HealthWatch, h.State, h.Reasons)
	require.Equal(t, int64(60), h.WearIndex)
	require.Equal(t, "mmcblk0 name BJTD4R cid 150100424a5444345207f0ee8a1ea5ed, mmcblk1", h.Medium)
	tree["devices/soc/mmc1/block/mmcblk1/device/type"].Data = []byte("SD")
	h = StorageHealth(tree, Medium{Major: 253, Minor: 0}, nil)
	require.Equal(t, hal.HealthUnknown, h.State, "one part is good and the other does not tell")

	ring := sysfs(`
		dev/block/253:0 -> ../../devices/virtual/block/dm-0
		devices/virtual/block/dm-0/slaves/dm-1 -> ../../dm-1
		devices/virtual/block/dm-0/slaves/gone -> ../../gone
		devices/virtual/block/dm-1/slaves/dm-0 -> ../../dm-0
		devices/virtual/block/dm-1/slaves/again -> ../../dm-0`)
	h = StorageHealth(ring, Medium{Major: 253, Minor: 0}, nil)
	require.Equal(t, hal.HealthUnknown, h.State)
	require.LessOrEqual(t, len(h.Reasons), hal.MaxReasons)
}

func TestWhatDoesNotTellIsUnknownWithTheReason(t *testing.T) {
	for _, c := range []struct {
		tree   string
		m      Medium
		reason string
	}{
		{"", Medium{}, `file system "" from "" lies on no device of its own`},
		{"", Medium{Minor: 50, FS: "nfs4", Source: "server:/home"}, `file system "nfs4" from "server:/home" lies on no device of its own`},
		{"", Medium{Major: 8, Minor: 1}, "no device 8:1 is known here"},
		{"", Medium{FS: "ubifs", Source: "ubi3:x"}, "ubi3: it is not there"},
		{"dev/block/8:0 = text", Medium{Major: 8}, "no device 8:0 is known here"},
		{"dev/block/8:0 -> ../../../../../etc", Medium{Major: 8}, "its driver tells nothing of its wear"},
		{"dev/block/8:0 -> ../../d/sda\nd/sda/device/model = X", Medium{Major: 8}, "sda: its driver tells nothing of its wear"},
		{"dev/block/259:0 -> ../../d/nvme0n1", Medium{Major: 259}, "nvme0n1: an NVMe disk tells its wear in its SMART log"},
		{"dev/block/7:0 -> ../../d/loop0\nd/loop0/loop/backing_file = /a/b", Medium{Major: 7}, `loop0 is a file, "/a/b"`},
		{"dev/block/179:0 -> ../../d/mmcblk0", Medium{Major: 179}, `mmcblk0: neither eMMC nor SD: type is ""`},
		{"dev/block/179:0 -> ../../d/mmcblk0\nd/mmcblk0/device/type = MMC", Medium{Major: 179}, "this kernel or chip does not show life_time"},
		{"dev/block/31:7 -> ../../d/mtdblock7", Medium{Major: 31, Minor: 7}, "mtd7: it is not there"},
	} {
		h := StorageHealth(sysfs(c.tree), c.m, nil)
		require.Equal(t, hal.HealthUnknown, h.State, c.reason)
		require.Contains(t, strings.Join(h.Reasons, "\n"), c.reason)
		require.Equal(t, int64(hal.Unmeasured), h.WearIndex)
	}
}

func TestAMountIsFoundByTheLongestPointAndTheLastOfThem(t *testing.T) {
	const mounts = `22 1 0:5 / / rw shared:1 - overlay overlay rw
23 22 179:2 / /data rw - ext4 /dev/mmcblk0p2 rw
24 22 179:3 / /data rw - ext4 /dev/mmcblk0p3 rw
25 22 0:44 / /data/ubi\040dir rw shared:2 master:3 - ubifs ubi0:data rw
odd line
26 22 x:y / /bad rw - ext4 /dev/x rw
`
	for at, want := range map[string]Medium{
		"/":                   {Minor: 5, FS: "overlay", Source: "overlay"},
		"/database":           {Minor: 5, FS: "overlay", Source: "overlay"},
		"/bad/file":           {Minor: 5, FS: "overlay", Source: "overlay"},
		"/data":               {Major: 179, Minor: 3, FS: "ext4", Source: "/dev/mmcblk0p3"},
		"/data/out/B-0001":    {Major: 179, Minor: 3, FS: "ext4", Source: "/dev/mmcblk0p3"},
		"/data/ubi dir/a":     {Minor: 44, FS: "ubifs", Source: "ubi0:data"},
		"/data/ubi directory": {Major: 179, Minor: 3, FS: "ext4", Source: "/dev/mmcblk0p3"},
	} {
		m, err := mountOf(mounts, at)
		require.NoError(t, err)
		require.Equal(t, want, m, at)
	}
	_, err := mountOf("", "/data")
	require.EqualError(t, err, "linux: no mount holds /data")
}

func TestTheNumberOfAUBIDeviceIsReadFromWhatWasMounted(t *testing.T) {
	for source, want := range map[string]int{"ubi0:data": 0, "ubi12_3": 12, "/dev/ubi1_0": 1, "ubi:data": 0, "ubi2": 2, "ubi4!x": 4,
		"ubi": -1, "ubifs": -1, "ubi_1": -1, "": -1, "/dev/sda1": -1, "ubi99999999": -1, "ubi1x": -1} {
		n, ok := ubiNumber(source)
		require.Equal(t, want >= 0, ok, source)
		require.Equal(t, max(want, 0), n, source)
	}
}

func FuzzWhateverAKernelWritesHasAnAnswer(f *testing.F) {
	f.Add("0x01 0x02", "0x01", "4200", "5", "35", "ubi0:data", uint32(0))
	f.Add("0x0b", "0x03", "0", "", "-1", "/dev/mmcblk0p2", uint32(179))
	f.Fuzz(func(t *testing.T, life, eol, ec, bad, left, source string, major uint32) {
		tree := sysfs(emmc + nand)
		for name, text := range map[string]string{"class/ubi/ubi0/max_ec": ec, "class/ubi/ubi0/bad_peb_count": bad, "class/ubi/ubi0/reserved_for_bad": left,
			"devices/soc/mmc0/block/mmcblk0/device/life_time": life, "devices/soc/mmc0/block/mmcblk0/device/pre_eol_info": eol,
			"devices/soc/mmc0/block/mmcblk0/stat": left, "fs/ext4/mmcblk0p2/errors_count": bad} {
			tree[name].Data = []byte(text)
		}
		h := StorageHealth(tree, Medium{Major: major, Minor: 2, Source: source}, &StorageOptions{Cycles: int64(major) << 32})
		require.NotEmpty(t, h.Reasons)
		require.LessOrEqual(t, len(h.Reasons), hal.MaxReasons)
		for _, n := range []int64{h.BytesWritten, h.EraseMax, h.BadBlocks, h.WearIndex} {
			require.GreaterOrEqual(t, n, int64(hal.Unmeasured))
		}
		require.LessOrEqual(t, h.WearIndex, int64(101))
	})
}
