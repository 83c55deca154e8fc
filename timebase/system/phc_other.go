//go:build !linux

// Systems on which no clock of a network interface is asked.

package system

import "errors"

func phcOf(string) (string, error) { return "", errors.ErrUnsupported }

func phcGap(string) (gap, error) { return gap{}, errors.ErrUnsupported }
