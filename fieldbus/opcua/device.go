// Device: a device of a tag map behind an OPC UA server.

package opcua

import (
	"context"
	"errors"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// DeviceOptions of a Device. The zero value, and nil, reach a server without security, as nobody.
type DeviceOptions struct {
	Policy         Policy
	Identity       *Identity // who we are; needed by every Policy but None
	Trust          *Trust    // which servers are believed; needed by every Policy but None
	User, Password string    // "": nobody
}

// Device is one OPC UA server: a line.Device made of a device of a tag map.
type Device struct{}

// NewDevice compiles a device of a tag map; it connects to nothing.
func NewDevice(d *fieldbus.Device, o *DeviceOptions) (*Device, error) {
	return nil, errors.New("opcua: unfinished")
}

// Open implements line.Device: endpoints are "opc.tcp://HOST:PORT" and what the server has behind it.
func (d *Device) Open(ctx context.Context, endpoint string) error { return fieldbus.ErrDown }

// Read implements line.Device.
func (d *Device) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	return fieldbus.ErrDown
}

// Text implements line.Texter.
func (d *Device) Text(ctx context.Context, point *fieldbus.Point) (string, error) {
	return "", fieldbus.ErrDown
}

// Write implements line.Device.
func (d *Device) Write(ctx context.Context, point *fieldbus.Point, form tag.Form, bits uint64) error {
	return fieldbus.ErrDown
}

// Close implements line.Device.
func (d *Device) Close() error { return nil }
