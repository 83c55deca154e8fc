//go:build !linux

// Systems that have no lines of GPIO.

package linux

import (
	"errors"

	"github.com/batchkit/batchkit/hal"
)

type kernel struct{}

func (kernel) chips() ([]Chip, error) { return nil, errors.ErrUnsupported }

func (kernel) lines(Chip) ([]LineInfo, error) { return nil, errors.ErrUnsupported }

func requestInput(LineAt, *InputOptions, func(hal.Edge)) (wire, error) {
	return nil, errors.ErrUnsupported
}

func requestOutput(LineAt, bool, *OutputOptions) (wire, error) { return nil, errors.ErrUnsupported }
