//go:build !linux

// Systems that do not tell of steps of the wall clock.

package system

import (
	"context"
	"errors"
)

func steps(context.Context, func()) error { return errors.ErrUnsupported }
