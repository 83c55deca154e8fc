// The file of the tokens: what must not be forgotten about who may write.

package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// Limits of the file: bytes that are read, and lines after which it is written anew.
const (
	maxTokens  = 64 << 20
	tokenLines = 4096
	tokenBytes = 8 << 20 // beyond what one line for each piece has
)

// owner is who may write to a piece of equipment.
type owner struct {
	Equipment string `json:"equipment_id"`
	Token     uint64 `json:"token"`    // the greatest that was seen
	Batch     string `json:"batch_id"` // "": nobody has it under that token
	UID       int    `json:"uid"`      // of the batch's process; -1: not known
	// Outputs are those that the batch is bound to, as its runner has said: what is to be done with them if it does not come back after a start.
	Outputs []Output `json:"outputs,omitempty"`
}

// tokens is that file. Each line is a checksum and an owner as JSON, and the last line of a piece of equipment counts. A line is on disk
// before anything is done under its token; so the last line, where it is torn, is one that nothing was done under. Its methods are called
// under a lock of the caller's.
type tokens struct {
	dir   string
	file  *os.File
	all   map[string]owner
	lines int
	size  int  // bytes
	whole int  // bytes when it was written anew
	torn  bool // the end of the file is not known to be whole: it is written anew before anything is added
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// openTokens reads the file in dir, or makes it.
func openTokens(dir string) (*tokens, error) {
	t := &tokens{dir: dir, all: map[string]owner{}, torn: true}
	f, err := os.Open(t.path())
	if errors.Is(err, os.ErrNotExist) {
		return t, t.rewrite()
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokens+1))
	if err == nil && len(data) > maxTokens {
		err = fmt.Errorf("it has more than %d bytes", maxTokens)
	}
	if err == nil {
		err = t.parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("wire: tokens %s: %w; nothing was changed. Without them a runner of before could write: keep the file, and "+
			"put one in its place only when every runner has ended and the tokens of the manager are above all that were given", t.path(), err)
	}
	return t, t.rewrite()
}

func (t *tokens) path() string { return filepath.Join(t.dir, "tokens") }

// parse reads the lines. What stands behind the last whole line was never acted upon; what is no line and stands before one is damage.
func (t *tokens) parse(data []byte) error {
	bad := 0
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		o, ok := parseOwner(line)
		if !whole || !ok {
			if holdsOwner(line) {
				return fmt.Errorf("line %d is damaged: a whole one stands within it", n)
			}
			if bad == 0 {
				bad = n
			}
			continue
		}
		if bad > 0 {
			return fmt.Errorf("line %d is damaged, and line %d behind it is not", bad, n)
		}
		if o.Token < t.all[o.Equipment].Token {
			return fmt.Errorf("line %d: the token of %q falls from %d to %d", n, o.Equipment, t.all[o.Equipment].Token, o.Token)
		}
		t.all[o.Equipment] = o
	}
	return nil
}

// holdsOwner tells whether a line that is none ends with a whole one: what stands between two was damaged, and not torn off.
func holdsOwner(line []byte) bool {
	for i := range line {
		if i+8 < len(line) && line[i+8] == ' ' {
			if _, ok := parseOwner(line[i:]); ok && i > 0 {
				return true
			}
		}
	}
	return false
}

func parseOwner(line []byte) (o owner, ok bool) {
	if len(line) < 10 || line[8] != ' ' {
		return o, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[9:], crcTable) {
		return o, false
	}
	return o, json.Unmarshal(line[9:], &o) == nil
}

// line is an owner as it stands in the file.
func (o *owner) line() []byte {
	data, _ := json.Marshal(o) // of text and numbers
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(data, crcTable), data)
}

// put makes an owner durable. After an error it may be there or not; nothing may be done under its token.
func (t *tokens) put(o owner) error {
	line := o.line()
	if t.torn || t.lines >= tokenLines+len(t.all) || t.size+len(line) > t.whole+tokenBytes {
		was, had := t.all[o.Equipment]
		t.all[o.Equipment] = o
		err := t.rewrite()
		if err != nil && had {
			t.all[o.Equipment] = was
		} else if err != nil {
			delete(t.all, o.Equipment)
		}
		return err
	}
	_, err := t.file.Write(line)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		t.torn = true
		return fmt.Errorf("wire: tokens: %w", err)
	}
	t.lines++
	t.size += len(line)
	t.all[o.Equipment] = o
	return nil
}

// putAll makes owners durable, all or none. After an error they may be there or not; nothing may be done under their tokens.
func (t *tokens) putAll(list []owner) error {
	if len(list) == 0 {
		return nil
	}
	was := t.all
	t.all = maps.Clone(was)
	for _, o := range list {
		t.all[o.Equipment] = o
	}
	err := t.rewrite()
	if err != nil {
		t.all = was
	}
	return err
}

// rewrite writes the file anew, with one line for each piece of equipment, and puts it in the place of the one that is there.
func (t *tokens) rewrite() error {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
	t.torn = true
	var data []byte
	for _, e := range slices.Sorted(maps.Keys(t.all)) {
		o := t.all[e]
		data = append(data, o.line()...)
	}
	if len(data) > maxTokens-tokenBytes {
		return fmt.Errorf("wire: tokens: %d bytes, which is more than is read again; have less equipment, or less outputs", len(data))
	}
	if err := ledger.Put(t.path(), data); err != nil {
		return fmt.Errorf("wire: tokens: %w", err)
	}
	f, err := os.OpenFile(t.path(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("wire: tokens: %w", err)
	}
	t.file, t.torn, t.lines, t.size, t.whole = f, false, len(t.all), len(data), len(data)
	return nil
}

func (t *tokens) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
