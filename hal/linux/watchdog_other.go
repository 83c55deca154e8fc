//go:build !linux

// Systems whose watchdogs are not asked.

package linux

import (
	"errors"
	"syscall"
)

func openDog(string) (dog, error) { return nil, errors.ErrUnsupported }

func isUnknown(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
func isInvalid(err error) bool { return errors.Is(err, syscall.EINVAL) }
func isBusy(err error) bool    { return errors.Is(err, syscall.EBUSY) }
