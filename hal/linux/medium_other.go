// MediumOf where there is no Linux.

//go:build !linux

package linux

import (
	"errors"
	"fmt"
)

// MediumOf finds the device on which a file or directory lies. Here it cannot; the error is errors.ErrUnsupported.
func MediumOf(name string) (Medium, error) {
	return Medium{}, fmt.Errorf("linux: medium of %s: this system is no Linux: %w", name, errors.ErrUnsupported)
}
