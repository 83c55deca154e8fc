// Whose a file is, where the system says so.

//go:build unix

package host

import (
	"fmt"
	"os"
	"syscall"
)

// own refuses a file that belongs to another user than this process, or has more names than one.
func own(f os.FileInfo) error {
	if st, ok := f.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != os.Getuid() || st.Nlink != 1) {
		return fmt.Errorf("it belongs to user %d under %d names, and not to the manager alone; remove the batch", st.Uid, st.Nlink)
	}
	return nil
}
