// The notes of signed heads and the public keys of a package: their names, and how they are written.

package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal"
)

// Where notes and keys lie in a package, and how many there may be.
const (
	notesDir   = "notes"
	keysDir    = "keys"
	noteSuffix = ".note"
	keySuffix  = ".pem"
	maxNotes   = 50_000 // signed heads of a journal: eleven months at one in 10 min
	maxKeys    = 64
)

// noteName is the name of the note of the head that covers records 1 to size.
func noteName(size uint64) string { return notesDir + "/" + strconv.FormatUint(size, 10) + noteSuffix }

// isNoteName tells whether a name is that of a note.
func isNoteName(name string) bool {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, notesDir+"/"), noteSuffix)
	size, err := strconv.ParseUint(digits, 10, 64)
	return err == nil && noteName(size) == name
}

func keyName(id string) string { return keysDir + "/" + id + keySuffix }

// isKeyName tells whether a name is that of a key.
func isKeyName(name string) bool {
	id := strings.TrimSuffix(strings.TrimPrefix(name, keysDir+"/"), keySuffix)
	return len(id) == 8 && strings.Trim(id, "0123456789abcdef") == "" && keyName(id) == name
}

// HasNote tells whether the note of the head that covers records 1 to size lies below dir.
func HasNote(dir string, size uint64) bool {
	info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(noteName(size))))
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// WriteNote writes the note of the head that covers records 1 to size below dir, which must exist, and makes it durable. The last
// head of a journal cannot be in its own chain: its note lies here, beside the journal, from before the package is made. One that
// lies here already stays as it is, and fs.ErrExist is returned.
func WriteNote(dir string, size uint64, text string) error {
	if _, err := journal.ReadNote(text); err != nil {
		return fmt.Errorf("evidence: note of %d records: %w", size, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer root.Close()
	if HasNote(dir, size) {
		return fmt.Errorf("evidence: %s: %w", filepath.Join(dir, noteName(size)), fs.ErrExist)
	}
	if err := root.MkdirAll(notesDir, 0o750); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return errors.Join(replace(root, noteName(size), []byte(text)), syncDirs(root, notesDir, "."))
}
