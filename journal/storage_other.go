// What systems other than Linux offer no call for.

//go:build !linux

package journal

import "os"

func openFile(name string) (File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
}

// dropCache does nothing here: after a flush that failed, reads of this file
// may show bytes that never reached the medium until the system restarts.
func dropCache(*os.File) error { return nil }
