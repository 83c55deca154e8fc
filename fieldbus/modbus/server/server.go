// Package server answers for Modbus TCP devices: simulated ones, and one that shows the tags of a batch to other systems.
//
// Start with [Serve], which puts a [Model] on the network; [Memory] is one that is nothing but registers, and [Tags] one that shows
// tags, read-only. What a Model does slowly, the server answers late; where it blocks, the server is silent; and its errors become
// exceptions.
//
// The rule that must not be broken: a reply is a right one. What spoils replies stands before a server and is no part of it.
//
// The server is that of github.com/simonvetter/modbus. It closes the connection where the protocol has exception 3 (a quantity of 0
// or too large), knows functions 1 to 6, 15 and 16, answers for every unit id unless the Model looks at it, and starts goroutines,
// which end with Close. The package itself starts none.
package server

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/simonvetter/modbus"
)

// MaxClients is how many connections a server has at a time; one more is closed as soon as it was accepted.
const MaxClients = 64

// idle is how long a connection without requests is kept. A Model that takes longer is never heard.
const idle = 24 * time.Hour

// Table is one of the four address spaces of a device.
type Table uint8

// The tables. Addresses within each count from 0.
const (
	Coil     Table = iota + 1 // bits that can be written
	Discrete                  // bits
	Holding                   // registers that can be written
	Input                     // registers
)

// Request tells a Model what is asked of it.
type Request struct {
	Client  string // address of who asks
	Unit    uint8
	Table   Table
	Address uint16 // of the first value
}

// Model is what a server shows. Read fills out with as many values as it has room for, Write takes over the values; a bit is a
// value of 0 or 1. Addresses up to 65535 are asked for and never beyond.
//
// Both are called by one goroutine for each connection, and answer for as long as they run. An [Exception] reaches the client as
// it is, any other error as code 4. Neither slice may be kept.
type Model interface {
	Read(r Request, out []uint16) error
	Write(r Request, values []uint16) error
}

// Exception is an error of a Model that its server passes on as this code: 1 to 6, 8, 10 or 11; any other becomes 4.
type Exception uint8

// Error gives the code.
func (e Exception) Error() string { return "server: exception " + strconv.Itoa(int(e)) }

// Server is a Modbus TCP server.
type Server struct {
	addr    string
	ms      *modbus.ModbusServer
	handler *handler
}

// Serve puts m on the network at addr, such as "127.0.0.1:0" for a free port of this machine, and returns when clients can
// connect.
func Serve(addr string, m Model) (*Server, error) {
	for tries := 16; ; tries-- {
		at, free, err := pick(addr)
		if err != nil {
			return nil, fmt.Errorf("server: %q: %w", addr, err)
		}
		s := &Server{addr: at, handler: &handler{model: m}}
		conf := modbus.ServerConfiguration{
			URL: "tcp://" + at, Timeout: idle, MaxClients: MaxClients,
			Logger: log.New(io.Discard, "", 0), // else it writes to standard output
		}
		if s.ms, err = modbus.NewServer(&conf, s.handler); err == nil {
			err = s.ms.Start()
		}
		if err == nil {
			return s, nil
		}
		if !free || tries == 0 {
			return nil, fmt.Errorf("server: %q: %w", addr, err)
		}
	}
}

// pick replaces a port of 0 by one that is free at this moment: the server under this one does not tell which it was given.
func pick(addr string) (at string, free bool, err error) {
	if _, port, err := net.SplitHostPort(addr); err != nil || port != "0" {
		return addr, false, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", false, err
	}
	return l.Addr().String(), true, l.Close()
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// Close closes the listener and all connections, and waits for the calls of the Model that are under way; there are none
// afterwards. A Model that blocks must be let go first.
func (s *Server) Close() error {
	err := s.ms.Stop()
	s.handler.mu.Lock()
	defer s.handler.mu.Unlock()
	s.handler.closed = true
	return err
}

// handler passes requests on to the model.
type handler struct {
	model  Model
	mu     sync.RWMutex // read-locked by every call of the model
	closed bool
}

// codes are the exceptions that the server under this one can send.
var codes = map[Exception]error{
	1: modbus.ErrIllegalFunction, 2: modbus.ErrIllegalDataAddress, 3: modbus.ErrIllegalDataValue, 4: modbus.ErrServerDeviceFailure,
	5: modbus.ErrAcknowledge, 6: modbus.ErrServerDeviceBusy, 8: modbus.ErrMemoryParityError,
	10: modbus.ErrGWPathUnavailable, 11: modbus.ErrGWTargetFailedToRespond,
}

// call calls the model, unless the server is closed.
func (h *handler) call(f func(Request, []uint16) error, r Request, values []uint16) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return modbus.ErrServerDeviceFailure
	}
	err := f(r, values)
	if e, ok := errors.AsType[Exception](err); ok && codes[e] != nil {
		return codes[e]
	}
	return err
}

// bits reads n bits.
func (h *handler) bits(r Request, n uint16) ([]bool, error) {
	values, err := h.registers(r, n)
	out := make([]bool, len(values))
	for i, v := range values {
		out[i] = v != 0
	}
	return out, err
}

func (h *handler) registers(r Request, n uint16) ([]uint16, error) {
	out := make([]uint16, n)
	return out, h.call(h.model.Read, r, out)
}

// HandleCoils serves functions 1, 5 and 15.
func (h *handler) HandleCoils(q *modbus.CoilsRequest) ([]bool, error) {
	r := Request{q.ClientAddr, q.UnitId, Coil, q.Addr}
	if !q.IsWrite {
		return h.bits(r, q.Quantity)
	}
	values := make([]uint16, len(q.Args))
	for i, on := range q.Args {
		if on {
			values[i] = 1
		}
	}
	return nil, h.call(h.model.Write, r, values)
}

// HandleDiscreteInputs serves function 2.
func (h *handler) HandleDiscreteInputs(q *modbus.DiscreteInputsRequest) ([]bool, error) {
	return h.bits(Request{q.ClientAddr, q.UnitId, Discrete, q.Addr}, q.Quantity)
}

// HandleHoldingRegisters serves functions 3, 6 and 16.
func (h *handler) HandleHoldingRegisters(q *modbus.HoldingRegistersRequest) ([]uint16, error) {
	r := Request{q.ClientAddr, q.UnitId, Holding, q.Addr}
	if q.IsWrite {
		return nil, h.call(h.model.Write, r, q.Args)
	}
	return h.registers(r, q.Quantity)
}

// HandleInputRegisters serves function 4.
func (h *handler) HandleInputRegisters(q *modbus.InputRegistersRequest) ([]uint16, error) {
	return h.registers(Request{q.ClientAddr, q.UnitId, Input, q.Addr}, q.Quantity)
}
