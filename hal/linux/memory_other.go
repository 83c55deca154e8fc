//go:build !linux

// Systems without memory of the kernel's.

package linux

import (
	"errors"
	"os"
)

func onSysfs(*os.File) error { return errors.ErrUnsupported }
