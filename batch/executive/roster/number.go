// The numbers of batches: each is used once.

package roster

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxID is how many bytes a number may have: it is the name of a directory and of a socket.
const MaxID = 40

// Reserved are the names of processes that are there once; no batch has one.
func Reserved(id string) bool {
	return id == "manager" || id == "runtime" || id == "io" || id == "bus" || id == "production"
}

// CheckID refuses what is no number of a batch: letters, digits, - _ and . in it, MaxID bytes at most.
func CheckID(id string) error {
	switch {
	case id == "" || len(id) > MaxID:
		return fmt.Errorf("roster: batch_id %q: it has %d bytes; give 1 to %d", id, len(id), MaxID)
	case Reserved(id):
		return fmt.Errorf("roster: batch_id %q: a process of the executive has that name; give another", id)
	}
	for i, c := range []byte(id) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fmt.Errorf("roster: batch_id %q: give letters, digits, - _ and . that do not stand first", id)
		}
	}
	return nil
}

// Numbers gives out B-0001 and on. The zero value has given none.
type Numbers struct {
	last uint64
}

// Used says that a number was used, whoever chose it.
func (n *Numbers) Used(id string) {
	digits, ok := strings.CutPrefix(id, "B-")
	if v, err := strconv.ParseUint(digits, 10, 48); ok && err == nil {
		n.last = max(n.last, v)
	}
}

// Given is the greatest number that was used.
func (n *Numbers) Given() uint64 { return n.last }

// Next gives the next number; it is given again until it is Used.
func (n *Numbers) Next() string { return fmt.Sprintf("B-%04d", n.last+1) }
