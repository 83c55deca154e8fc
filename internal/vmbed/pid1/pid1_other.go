//go:build !linux

// The package on systems that have no such process: it is empty.

package pid1
