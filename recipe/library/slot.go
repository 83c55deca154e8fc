// Slots: the two files of a governed object that say in turn which version is active, and their form.

package library

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// maxSlot is the greatest length of a slot file in bytes.
const maxSlot = 4096

// Slot is one of the two places of a governed object in which an active version is named. The zero value is no slot.
type Slot uint8

// The slots.
const (
	SlotNone Slot = iota
	SlotA
	SlotB
)

// String gives the name that stands in records as active_slot, "" for what is no slot.
func (s Slot) String() string {
	if s > SlotB {
		return ""
	}
	return [...]string{"", "A", "B"}[s]
}

// other is the slot that an activation writes while s is active.
func (s Slot) other() Slot {
	if s == SlotA {
		return SlotB
	}
	return SlotA
}

// slotHead is the first line of a slot file. The lines after it are a name and a value each; the last one is the SHA-256 of all
// before it, so that a slot which a disk has spoilt is told from one of which no record speaks.
const slotHead = "batchkit slot 1"

var slotNames = [...]string{"object_kind", "object_id", "object_version", "digest", "approval_id", "generation", "sum"}

// slotBytes gives the slot file of an activation.
func slotBytes(a *Active) []byte {
	values := [...]string{a.Kind, a.ID, a.Version, a.Digest, a.ApprovalID, strconv.FormatUint(a.Generation, 10)}
	var b bytes.Buffer
	b.WriteString(slotHead + "\n")
	for i, v := range values {
		b.WriteString(slotNames[i] + " " + v + "\n")
	}
	fmt.Fprintf(&b, "%s %s\n", slotNames[len(values)], digestOf(b.Bytes()))
	return b.Bytes()
}

// readSlot is the inverse of slotBytes; it accepts exactly what that writes.
func readSlot(data []byte) (a Active, err error) {
	lines := strings.Split(string(data), "\n")
	if len(data) > maxSlot || len(lines) != len(slotNames)+2 || lines[0] != slotHead {
		return Active{}, fmt.Errorf("not a slot of this format: it does not begin with %q and %d lines", slotHead, len(slotNames))
	}
	var values [len(slotNames)]string
	for i, name := range slotNames {
		var ok bool
		if values[i], ok = strings.CutPrefix(lines[i+1], name+" "); !ok {
			return Active{}, fmt.Errorf("line %d does not begin with %s", i+2, name)
		}
	}
	a = Active{Kind: values[0], ID: values[1], Version: values[2], Digest: values[3], ApprovalID: values[4]}
	a.Generation, err = strconv.ParseUint(values[5], 10, 64)
	switch {
	case err != nil || a.Generation == 0:
		return Active{}, fmt.Errorf("generation %q is no number from 1 on", values[5])
	case !isKind(a.Kind) || !isName(a.ID) || !isName(a.Version) || !isDigest(a.Digest):
		return Active{}, fmt.Errorf("it does not name a version")
	case !bytes.Equal(slotBytes(&a), data):
		return Active{}, fmt.Errorf("its sum is wrong")
	}
	return a, nil
}

// digestOf is the SHA-256 of some bytes in the form in which it stands in names and records.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
