// Calls: one method for each function of the protocol.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// ReadCoils fills out with the coils from address on, by function 1: 1 to MaxCoils of them. Out is unchanged after an error.
func (c *Client) ReadCoils(ctx context.Context, unit uint8, address uint16, out []bool) error {
	return c.readBits(ctx, query{unit: unit, function: readCoils, address: address, count: uint16(len(out))}, out)
}

// ReadDiscrete fills out with the discrete inputs from address on, by function 2: 1 to MaxCoils of them. Out is unchanged after an
// error.
func (c *Client) ReadDiscrete(ctx context.Context, unit uint8, address uint16, out []bool) error {
	return c.readBits(ctx, query{unit: unit, function: readDiscrete, address: address, count: uint16(len(out))}, out)
}

// ReadHolding fills out with the holding registers from address on, by function 3: 1 to MaxRead of them. Out is unchanged after an
// error.
func (c *Client) ReadHolding(ctx context.Context, unit uint8, address uint16, out []uint16) error {
	return c.readWords(ctx, query{unit: unit, function: readHolding, address: address, count: uint16(len(out))}, out)
}

// ReadInput fills out with the input registers from address on, by function 4: 1 to MaxRead of them. Out is unchanged after an
// error.
func (c *Client) ReadInput(ctx context.Context, unit uint8, address uint16, out []uint16) error {
	return c.readWords(ctx, query{unit: unit, function: readInput, address: address, count: uint16(len(out))}, out)
}

// WriteCoil switches one coil by function 5 and returns nil when the device has confirmed it. What an error means for the coil is
// told by ErrRefused and ErrUnknown; with neither of them, nothing was sent.
func (c *Client) WriteCoil(ctx context.Context, unit uint8, address uint16, on bool) error {
	q := query{unit: unit, function: writeCoil, address: address}
	if on {
		q.value = coilOn
	}
	return c.write(ctx, q, 1, 1)
}

// WriteRegister writes one holding register by function 6. Errors are those of WriteCoil.
func (c *Client) WriteRegister(ctx context.Context, unit uint8, address, value uint16) error {
	return c.write(ctx, query{unit: unit, function: writeRegister, address: address, value: value}, 1, 1)
}

// WriteCoils switches 1 to MaxWriteCoils coils from address on by function 15. Errors are those of WriteCoil. A device need not
// switch all of them at one moment.
func (c *Client) WriteCoils(ctx context.Context, unit uint8, address uint16, on []bool) error {
	q := query{unit: unit, function: writeCoils, address: address, count: uint16(len(on)), bits: on}
	return c.write(ctx, q, len(on), MaxWriteCoils)
}

// WriteRegisters writes 1 to MaxWrite holding registers from address on by function 16. Errors are those of WriteCoil. A device
// need not take all of them over at one moment.
func (c *Client) WriteRegisters(ctx context.Context, unit uint8, address uint16, values []uint16) error {
	q := query{unit: unit, function: writeRegisters, address: address, count: uint16(len(values)), words: values}
	return c.write(ctx, q, len(values), MaxWrite)
}

// MaskWrite changes bits of one holding register by function 22: bits that are set in and stay, the others become those of or.
// Errors are those of WriteCoil.
func (c *Client) MaskWrite(ctx context.Context, unit uint8, address, and, or uint16) error {
	return c.write(ctx, query{unit: unit, function: maskWrite, address: address, value: and, or: or}, 1, 1)
}

// ReadWriteRegisters writes 1 to MaxReadWrite holding registers from address to on, and then fills out with those from address on, 1
// to MaxRead of them, by function 23. Out is unchanged after an error. Errors are those of WriteCoil.
func (c *Client) ReadWriteRegisters(ctx context.Context, unit uint8, address uint16, out []uint16, to uint16, values []uint16) error {
	q := query{unit: unit, function: readWrite, address: address, count: uint16(len(out)), to: to, words: values}
	if err := within(to, len(values), MaxReadWrite); err != nil {
		return c.failed(&q, fmt.Errorf("written: %w", err))
	}
	return c.readWords(ctx, q, out)
}

// Read is one read of ReadAll.
type Read struct {
	Unit    uint8
	Table   Table
	Address uint16   // of the first value
	Out     []uint16 // is filled with registers, or with bits as 0 and 1; its length says how many. It means nothing after an error
	Err     error    // set by ReadAll: nil, or why Out was not filled
}

// ReadAll does several reads, of which as many are under way at a time as the device was said to bear (Options.InFlight). It sets Err
// of each. Its own error is the first of those that is no [Exception], so nil means that every read was answered. A read that cannot
// be is not sent, and does not keep the others from it. Where several may be under way and one is lost or answered by anything else,
// all that were sent have failed.
func (c *Client) ReadAll(ctx context.Context, reads []Read) error {
	if err := c.begin(ctx); err != nil {
		err = fmt.Errorf("modbus: device %q: %d reads: not begun: %w", c.name, len(reads), err)
		for i := range reads {
			reads[i].Err = err
		}
		return err
	}
	defer c.end()
	c.queries, c.places, c.reads, c.first = c.queries[:0], c.places[:0], reads, nil
	for i := range reads {
		r := &reads[i]
		q := query{unit: r.Unit, function: uint8(r.Table), address: r.Address, count: uint16(len(r.Out))}
		c.queries, c.places = append(c.queries, q), append(c.places, i)
		if err := r.check(); err != nil {
			c.taken(len(c.queries)-1, nil, err)
			c.queries, c.places = c.queries[:len(c.queries)-1], c.places[:len(c.places)-1]
		}
	}
	c.line.many(ctx, c.queries, c.take)
	first := c.first
	c.reads, c.first = nil, nil
	return first
}

// check refuses a read that cannot be.
func (r *Read) check() error {
	switch r.Table {
	case Coil, Discrete:
		return within(r.Address, len(r.Out), MaxCoils)
	case Holding, Input:
		return within(r.Address, len(r.Out), MaxRead)
	}
	return fmt.Errorf("%v is none of coil, discrete, holding and input", r.Table)
}

// taken takes in what came of query i of those that ReadAll asked.
func (c *Client) taken(i int, pdu []byte, err error) {
	r := &c.reads[c.places[i]]
	r.Err = nil
	if err != nil {
		r.Err = c.failed(&c.queries[i], err)
		if _, answered := errors.AsType[Exception](err); !answered && c.first == nil {
			c.first = r.Err
		}
		return
	}
	body := pdu[valuesAt:]
	if r.Table == Holding || r.Table == Input {
		words(body, r.Out)
		return
	}
	for k := range r.Out {
		r.Out[k] = uint16(body[k/8] >> (k % 8) & 1)
	}
}

func (c *Client) readBits(ctx context.Context, q query, out []bool) error {
	pdu, err := c.call(ctx, q, len(out), MaxCoils)
	if err != nil {
		return err
	}
	defer c.end()
	for i := range out {
		out[i] = pdu[valuesAt+i/8]>>(i%8)&1 == 1
	}
	return nil
}

func (c *Client) readWords(ctx context.Context, q query, out []uint16) error {
	pdu, err := c.call(ctx, q, len(out), MaxRead)
	if err != nil {
		return err
	}
	defer c.end()
	words(pdu[valuesAt:], out)
	return nil
}

// words makes registers of bytes.
func words(body []byte, out []uint16) {
	for i := range out {
		out[i] = binary.BigEndian.Uint16(body[2*i:])
	}
}

func (c *Client) write(ctx context.Context, q query, n, limit int) error {
	_, err := c.call(ctx, q, n, limit)
	if err == nil {
		c.end()
	}
	return err
}

// call carries out one exchange about n values, of which limit are allowed. With a nil error the caller has the turn, and must end
// it when it is done with the answer.
func (c *Client) call(ctx context.Context, q query, n, limit int) (pdu []byte, err error) {
	if err = within(q.address, n, limit); err == nil {
		err = c.begin(ctx)
	}
	if err != nil {
		return nil, c.failed(&q, err)
	}
	c.query = q
	if pdu, err = c.line.do(ctx, &c.query); err != nil {
		err = c.failed(&c.query, err)
		c.end()
	}
	return pdu, err
}

// failed says of which device and query an error is.
func (c *Client) failed(q *query, err error) error {
	return fmt.Errorf("modbus: device %q: %s: %w", c.name, q.String(), err)
}
