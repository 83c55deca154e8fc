// The claims of a server, against the client of the library that it is made of.

package server

import (
	"errors"
	"testing"
	"time"

	"github.com/simonvetter/modbus"
	"github.com/stretchr/testify/require"
)

// patient is the time-out where an answer must come, however busy the machine is.
const patient = 20 * time.Second

// serve starts a server that ends with the test.
func serve(t *testing.T, m Model) *Server {
	t.Helper()
	s, err := Serve("127.0.0.1:0", m)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// connect connects a client that ends with the test.
func connect(t *testing.T, addr string, timeout time.Duration) *modbus.ModbusClient {
	t.Helper()
	c, err := modbus.NewClient(&modbus.ClientConfiguration{URL: "tcp://" + addr, Timeout: timeout})
	require.NoError(t, err)
	require.NoError(t, c.Open())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAMemoryHoldsWhatWasWrittenInEachOfItsTables(t *testing.T) {
	m := NewMemory()
	c := connect(t, serve(t, m).Addr(), patient)

	require.NoError(t, c.WriteCoils(65_530, []bool{true, false, true}))
	require.NoError(t, c.WriteCoil(65_535, true))
	coils, err := c.ReadCoils(65_530, 6)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true, false, false, true}, coils)
	require.EqualValues(t, 1, m.Get(Coil, 65_532))

	m.Set(Discrete, 8, 1, 0, 7)
	bits, err := c.ReadDiscreteInputs(8, 3)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true}, bits, "any value but 0 is on")

	require.NoError(t, c.WriteRegister(0, 42))
	require.NoError(t, c.WriteRegisters(1, []uint16{43, 44}))
	words, err := c.ReadRegisters(0, 4, modbus.HOLDING_REGISTER)
	require.NoError(t, err)
	require.Equal(t, []uint16{42, 43, 44, 0}, words)

	m.Set(Input, 65_534, 9, 10, 11)
	words, err = c.ReadRegisters(65_533, 3, modbus.INPUT_REGISTER)
	require.NoError(t, err)
	require.Equal(t, []uint16{0, 9, 10}, words, "what does not fit is dropped")
}

// teller is a device that tells what it is asked and answers with an error.
type teller struct {
	asked chan Request
	err   error
	let   chan struct{} // nil: at once
}

func (d *teller) Read(r Request, _ []uint16) error {
	d.asked <- r
	if d.let != nil {
		<-d.let
	}
	return d.err
}

func (d *teller) Write(r Request, values []uint16) error { return d.Read(r, values) }

func TestADeviceIsToldWhoAsksForWhat(t *testing.T) {
	d := &teller{asked: make(chan Request, 1)}
	c := connect(t, serve(t, d).Addr(), patient)
	require.NoError(t, c.SetUnitId(17))
	ask := map[Table]func() error{
		Coil:     func() error { return c.WriteCoil(5, true) },
		Discrete: func() error { _, err := c.ReadDiscreteInput(5); return err },
		Holding:  func() error { return c.WriteRegister(5, 1) },
		Input:    func() error { _, err := c.ReadRegister(5, modbus.INPUT_REGISTER); return err },
	}
	for table, f := range ask {
		require.NoError(t, f())
		r := <-d.asked
		require.Contains(t, r.Client, "127.0.0.1:")
		r.Client = ""
		require.Equal(t, Request{Unit: 17, Table: table, Address: 5}, r)
	}
}

func TestErrorsOfADeviceReachTheClientAsExceptions(t *testing.T) {
	for _, x := range []struct{ err, want error }{
		{Exception(1), modbus.ErrIllegalFunction},
		{Exception(2), modbus.ErrIllegalDataAddress},
		{Exception(3), modbus.ErrIllegalDataValue},
		{Exception(4), modbus.ErrServerDeviceFailure},
		{Exception(5), modbus.ErrAcknowledge},
		{Exception(6), modbus.ErrServerDeviceBusy},
		{Exception(7), modbus.ErrServerDeviceFailure},
		{Exception(8), modbus.ErrMemoryParityError},
		{Exception(10), modbus.ErrGWPathUnavailable},
		{Exception(11), modbus.ErrGWTargetFailedToRespond},
		{errors.New("smoke"), modbus.ErrServerDeviceFailure},
	} {
		c := connect(t, serve(t, &teller{asked: make(chan Request, 9), err: x.err}).Addr(), patient)
		_, err := c.ReadRegister(1, modbus.HOLDING_REGISTER)
		require.ErrorIs(t, err, x.want)
		require.ErrorIs(t, c.WriteCoil(1, true), x.want)
		_, err = c.ReadCoil(1)
		require.ErrorIs(t, err, x.want)
	}
}

func TestADeviceThatBlocksIsSilentAndCloseWaitsForIt(t *testing.T) {
	d := &teller{asked: make(chan Request, 1), let: make(chan struct{})}
	s := serve(t, d)
	c := connect(t, s.Addr(), 500*time.Millisecond) // in which it is sent, however busy the machine is
	require.ErrorIs(t, c.WriteCoil(1, true), modbus.ErrRequestTimedOut)
	<-d.asked
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		require.Fail(t, "Close did not wait for the device")
	case <-time.After(20 * time.Millisecond):
	}
	close(d.let)
	require.NoError(t, <-closed)
}

func TestAServerThatCannotListenSaysWhy(t *testing.T) {
	s := serve(t, NewMemory())
	_, err := Serve(s.Addr(), NewMemory())
	require.ErrorContains(t, err, "server: \""+s.Addr())
	for _, addr := range []string{"", "nowhere", "127.0.0.1"} {
		_, err := Serve(addr, NewMemory())
		require.ErrorContains(t, err, "server: ", addr)
	}
}
