// Reading what the medium holds, where the system can be asked to.

package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCache makes later reads of a flushed file come from the medium. After a
// failed flush the kernel keeps pages that never reached it and calls them
// clean; recovery must not take those for evidence.
func dropCache(f *os.File) error {
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
