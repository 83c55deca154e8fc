// Flash: what eMMC, UBI and MTD tell of themselves, and what it means.

package linux

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/hal"
)

// noErase is the flag of an MTD device whose cells need no erasing (MTD_NO_ERASE), such as MRAM and FRAM.
const noErase = 0x1000

// mmc takes in a card or chip behind the MMC driver.
func (h *health) mmc(dir, name string) {
	h.named(dir, name)
	switch kind, _ := h.text(path.Join(dir, "type")); kind {
	case "MMC":
		h.lifeTime(dir, name)
		h.preEOL(dir, name)
	case "SD":
		h.Judge(hal.HealthUnknown, name+": an SD card has no word for its wear; replace it by plan")
	default:
		h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: neither eMMC nor SD: type is %q", name, kind))
	}
}

// lifeTime takes in DEVICE_LIFE_TIME_EST of an eMMC (JESD84-B51): for each of two kinds of its memory 1 means that up to 10 % of
// its life are used up, 10 that up to 100 % are, 11 that more is. The upper end of a step counts.
func (h *health) lifeTime(dir, name string) {
	s, ok := h.text(path.Join(dir, "life_time"))
	worst := int64(0)
	for _, f := range strings.Fields(s) {
		n, err := strconv.ParseInt(f, 0, 64)
		if err != nil || n < 0 || n > 11 {
			h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: life_time %q is none of those that the standard knows", name, s))
			return
		}
		worst = max(worst, n)
	}
	switch {
	case !ok:
		h.Judge(hal.HealthUnknown, name+": this kernel or chip does not show life_time")
	case worst == 0:
		h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: life_time is %q: the chip does not tell", name, s))
	case worst == 11:
		h.JudgeWear(101, fmt.Sprintf("%s: more than the promised life is used up (life_time %s)", name, s))
	default:
		h.JudgeWear(10*worst, fmt.Sprintf("%s: up to %d %% of its life are used up (life_time %s)", name, 10*worst, s))
	}
}

// preEOL takes in PRE_EOL_INFO of an eMMC: how many of its spare blocks are used up.
func (h *health) preEOL(dir, name string) {
	switch n, ok := h.number(path.Join(dir, "pre_eol_info")); {
	case !ok || n == 0:
		h.Note(name + ": pre_eol_info is not there; its spare blocks are not known")
	case n == 1:
		h.Judge(hal.HealthGood, name+": less than 80 % of its spare blocks are used up")
	case n == 2:
		h.Judge(hal.HealthReplace, name+": 80 % of its spare blocks are used up (pre_eol_info 2, warning)")
	case n == 3:
		h.Judge(hal.HealthReplace, name+": 90 % of its spare blocks are used up (pre_eol_info 3, urgent)")
	default:
		h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: pre_eol_info %d is none of those that the standard knows", name, n))
	}
}

// ubiNumber finds the number of a UBI device in what is mounted: ubi0:data, ubi0_1, /dev/ubi0_1 and ubi:data, which means ubi0.
func ubiNumber(source string) (int, bool) {
	s, ok := strings.CutPrefix(strings.TrimPrefix(source, "/dev/"), "ubi")
	if !ok {
		return 0, false
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	switch rest := s[digits:]; {
	case rest != "" && !strings.ContainsAny(rest[:1], ":_!"):
		return 0, false
	case digits == 0:
		return 0, strings.HasPrefix(rest, ":") // of the first device
	}
	n, err := strconv.ParseUint(s[:digits], 10, 16)
	if err != nil {
		return 0, false
	}
	return int(n), true
}

// ubi takes in a UBI device and the flash under it.
func (h *health) ubi(number int) {
	name := fmt.Sprintf("ubi%d", number)
	dir := path.Join("class/ubi", name)
	ec, ok := h.number(path.Join(dir, "max_ec"))
	if !ok {
		h.Judge(hal.HealthUnknown, name+": it is not there, or does not show max_ec")
		return
	}
	h.EraseMax = max(h.EraseMax, ec)
	if h.cycles > 0 {
		percent := min((min(ec, 1<<53)*100+h.cycles-1)/h.cycles, 101) // rounded up; 101 is all that is more
		h.JudgeWear(percent, fmt.Sprintf("%s: its block most erased was erased %d times, of %d that are promised", name, ec, h.cycles))
	} else {
		h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: its block most erased was erased %d times, of how many is not said", name, ec))
	}
	if ro, ok := h.number(path.Join(dir, "ro_mode")); ok && ro != 0 {
		h.Judge(hal.HealthFailed, name+": it went read-only after an error, and takes no more")
	}
	mtd, known := h.number(path.Join(dir, "mtd_num"))
	kind := ""
	if known {
		kind, _ = h.text(fmt.Sprintf("class/mtd/mtd%d/type", mtd))
	}
	bad, okBad := h.number(path.Join(dir, "bad_peb_count"))
	left, okLeft := h.number(path.Join(dir, "reserved_for_bad"))
	if okBad {
		h.BadBlocks = max(h.BadBlocks, bad)
	}
	switch total := bad + left; {
	case !strings.Contains(kind, "nand"): // NOR has no bad blocks, and UBI reserves none for them
	case !okBad || !okLeft || bad > 1<<31 || left > 1<<31:
		h.Judge(hal.HealthUnknown, name+": how many of its blocks are bad, or kept for such, is not shown")
	case left == 0:
		h.Judge(hal.HealthReplace, fmt.Sprintf("%s: %d blocks are bad, and none is left to take the place of another", name, bad))
	case bad*100 >= total*hal.ReplaceWear:
		h.Judge(hal.HealthReplace, fmt.Sprintf("%s: %d blocks are bad, and %d are left to take the place of others", name, bad, left))
	case bad*100 >= total*hal.WatchWear:
		h.Judge(hal.HealthWatch, fmt.Sprintf("%s: %d blocks are bad, and %d are left to take the place of others", name, bad, left))
	default:
		h.Judge(hal.HealthGood, fmt.Sprintf("%s: %d blocks are bad, and %d are left to take the place of others", name, bad, left))
	}
	if known {
		h.mtd(strconv.FormatInt(mtd, 10), false)
	}
}

// mtd takes in a flash chip. Alone says that nothing lies on it that counts its erasures.
func (h *health) mtd(number string, alone bool) {
	name := "mtd" + number
	dir := path.Join("class/mtd", name)
	kind, ok := h.text(path.Join(dir, "type"))
	if !ok {
		h.Judge(hal.HealthUnknown, name+": it is not there")
		return
	}
	h.named(dir, name)
	if n, ok := h.number(path.Join(dir, "bad_blocks")); ok {
		h.BadBlocks = max(h.BadBlocks, n)
	}
	if n, ok := h.number(path.Join(dir, "ecc_failures")); ok && n > 0 {
		h.Judge(hal.HealthFailed, fmt.Sprintf("%s: it has lost data, %d times since the system started", name, n))
	}
	if n, ok := h.number(path.Join(dir, "corrected_bits")); ok && n > 0 {
		h.Judge(hal.HealthWatch, fmt.Sprintf("%s: %d bits were corrected since the system started", name, n))
	}
	if !alone {
		return
	}
	if flags, ok := h.number(path.Join(dir, "flags")); ok && flags&noErase != 0 {
		h.JudgeWear(0, name+": its cells need no erasing; it counts as FRAM")
		return
	}
	h.Judge(hal.HealthUnknown, fmt.Sprintf("%s: nobody counts the erasures of this %q", name, kind))
}
