//go:build !linux

// Systems whose serial ports are not opened.

package linux

import (
	"context"
	"errors"
	"time"
)

// port is none.
type port struct{ device string }

func openBus(string, Line, RS485Options) (*port, error) { return nil, errors.ErrUnsupported }
func openText(string, Line) (*port, error)              { return nil, errors.ErrUnsupported }

func (*port) write([]byte, bool) (int, error) { return 0, errors.ErrUnsupported }
func (*port) read(context.Context, []byte, time.Time) (int, error) {
	return 0, errors.ErrUnsupported
}
func (*port) discard() error                { return errors.ErrUnsupported }
func (*port) counts() (SerialCounts, error) { return SerialCounts{}, errors.ErrUnsupported }
func (*port) close() error                  { return errors.ErrUnsupported }
