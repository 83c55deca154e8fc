// What systems other than Linux offer no call for.

//go:build !linux

package journal

import "os"

func openFile(name string, flags int, mode os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flags, mode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// dropCache does nothing here: after a flush that failed, reads of this file
// may show bytes that never reached the medium until the system restarts.
func dropCache(*os.File) error { return nil }
