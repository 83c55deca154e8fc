// Calls: one method for each function of the protocol.

package modbus

import (
	"context"
	"encoding/binary"
	"fmt"
)

// ReadCoils fills out with the coils from address on: 1 to MaxCoils of them. Out is unchanged after an error.
func (c *Client) ReadCoils(ctx context.Context, unit uint8, address uint16, out []bool) error {
	q := request{unit: unit, function: readCoils, address: address, value: uint16(len(out))}
	body, err := c.do(ctx, &q, nil, len(out), MaxCoils)
	if err != nil {
		return err
	}
	defer c.end()
	for i := range out {
		out[i] = body[i/8]>>(i%8)&1 == 1
	}
	return nil
}

// ReadHolding fills out with the holding registers from address on: 1 to MaxRead of them. Out is unchanged after an error.
func (c *Client) ReadHolding(ctx context.Context, unit uint8, address uint16, out []uint16) error {
	return c.read(ctx, &request{unit: unit, function: readHolding, address: address}, out)
}

// ReadInput fills out with the input registers from address on: 1 to MaxRead of them. Out is unchanged after an error.
func (c *Client) ReadInput(ctx context.Context, unit uint8, address uint16, out []uint16) error {
	return c.read(ctx, &request{unit: unit, function: readInput, address: address}, out)
}

// WriteCoil switches one coil and returns nil when the device has confirmed it. What an error means for the coil is told by
// ErrRefused and ErrUnknown; with neither of them, nothing was sent.
func (c *Client) WriteCoil(ctx context.Context, unit uint8, address uint16, on bool) error {
	q := request{unit: unit, function: writeCoil, address: address}
	if on {
		q.value = coilOn
	}
	return c.write(ctx, &q, nil, 1)
}

// WriteRegister writes one holding register by function 6. Errors are those of WriteCoil.
func (c *Client) WriteRegister(ctx context.Context, unit uint8, address, value uint16) error {
	return c.write(ctx, &request{unit: unit, function: writeRegister, address: address, value: value}, nil, 1)
}

// WriteRegisters writes 1 to MaxWrite holding registers from address on by function 16. Errors are those of WriteCoil. A device
// need not take all of them over at one moment.
func (c *Client) WriteRegisters(ctx context.Context, unit uint8, address uint16, values []uint16) error {
	q := request{unit: unit, function: writeRegisters, address: address, value: uint16(len(values))}
	return c.write(ctx, &q, values, len(values))
}

func (c *Client) read(ctx context.Context, q *request, out []uint16) error {
	q.value = uint16(len(out))
	body, err := c.do(ctx, q, nil, len(out), MaxRead)
	if err != nil {
		return err
	}
	defer c.end()
	for i := range out {
		out[i] = binary.BigEndian.Uint16(body[2*i:])
	}
	return nil
}

func (c *Client) write(ctx context.Context, q *request, words []uint16, n int) error {
	_, err := c.do(ctx, q, words, n, MaxWrite)
	if err == nil {
		c.end()
	}
	return err
}

// do carries out one exchange about n values, of which limit are allowed. With a nil error the caller has the turn, and must end
// it when it is done with the values.
func (c *Client) do(ctx context.Context, q *request, words []uint16, n, limit int) (values []byte, err error) {
	if err = q.allowed(n, limit); err == nil {
		err = c.begin(ctx)
	}
	if err == nil {
		if values, err = c.exchange(ctx, q, words); err == nil {
			return values, nil
		}
		c.end()
	}
	return nil, fmt.Errorf("modbus: device %q: %s: %w", c.addr, q.String(), err)
}
