// RTU and others: slaves on libmodbus and pymodbus, and a master of another library on the hostile line, which must be fooled.

package modbus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	other "github.com/goburrow/modbus"
	"github.com/stretchr/testify/require"
)

// run starts a program and waits until it says that it is ready.
func run(t *testing.T, name string, arg ...string) {
	cmd := exec.CommandContext(t.Context(), name, arg...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s has ended", name)
	require.Equal(t, "ready\n", line)
}

// pair joins two pseudo terminals by socat.
func pair(t *testing.T) (near, far string) {
	if _, err := exec.LookPath("socat"); err != nil {
		t.Skip("install socat")
	}
	dir := t.TempDir()
	near, far = filepath.Join(dir, "near"), filepath.Join(dir, "far")
	cmd := exec.CommandContext(t.Context(), "socat", "pty,raw,echo=0,link="+near, "pty,raw,echo=0,link="+far)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		_, one := os.Stat(near)
		_, two := os.Stat(far)
		return one == nil && two == nil
	}, 10*time.Second, 5*time.Millisecond)
	return near, far
}

func TestSlavesOfLibmodbusAreReadAndWritten(t *testing.T) {
	t.Parallel()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libmodbus").Output()
	if err != nil {
		t.Skip("install libmodbus-dev pkg-config gcc: ", err)
	}
	bin := filepath.Join(t.TempDir(), "rtuslave")
	text, err := exec.Command("cc", append([]string{"-o", bin, "testdata/rtuslave.c"}, strings.Fields(string(flags))...)...).CombinedOutput()
	if err != nil {
		t.Skip("install gcc: ", string(text))
	}
	near, far := pair(t)
	run(t, bin, far, "115200")
	every(t, onTerminal(t, near, RTUOptions{Timeout: 5 * time.Second}), false)
}

func TestSlavesOfPymodbusAreReadAndWritten(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import pymodbus.transaction, serial_asyncio; pymodbus.transaction.ModbusRtuFramer").Run(); err != nil {
		t.Skip("install python3-pymodbus python3-serial-asyncio: ", err)
	}
	near, far := pair(t)
	run(t, python, "testdata/rtuslave.py", far, "115200")
	every(t, onTerminal(t, near, RTUOptions{Timeout: 5 * time.Second}), true)
}

// every asks for every function of a slave in which register n holds n and bit n is on where n is odd.
func every(t *testing.T, m *Client, python bool) {
	ctx := t.Context()
	words, bits := make([]uint16, MaxRead), make([]bool, 40)
	for range 20 {
		require.NoError(t, m.ReadHolding(ctx, 1, 100, words))
		require.Equal(t, uint16(224), words[124])
		require.NoError(t, m.ReadInput(ctx, 1, 7, words[:2]))
		require.Equal(t, []uint16{7, 8}, words[:2])
	}
	require.NoError(t, m.ReadCoils(ctx, 1, 1, bits))
	require.Equal(t, []bool{true, false, true}, bits[:3])
	require.NoError(t, m.ReadDiscrete(ctx, 1, 2, bits[:9]))
	require.Equal(t, []bool{false, true, false}, bits[:3])
	require.NoError(t, m.WriteCoil(ctx, 1, 4, true))
	require.NoError(t, m.WriteCoils(ctx, 1, 5, []bool{false, true, true}))
	require.NoError(t, m.ReadCoils(ctx, 1, 4, bits[:4]))
	require.Equal(t, []bool{true, false, true, true}, bits[:4])
	require.NoError(t, m.WriteRegister(ctx, 1, 20, 0xF0F0))
	require.NoError(t, m.WriteRegisters(ctx, 1, 21, []uint16{5, 6}))
	require.NoError(t, m.MaskWrite(ctx, 1, 20, 0x00FF, 0x1200))
	require.NoError(t, m.ReadHolding(ctx, 1, 20, words[:3]))
	require.Equal(t, []uint16{0x12F0, 5, 6}, words[:3])
	require.NoError(t, m.ReadWriteRegisters(ctx, 1, 20, words[:2], 20, []uint16{99}))
	require.Equal(t, []uint16{99, 5}, words[:2])
	require.ErrorIs(t, m.ReadHolding(ctx, 1, 60000, words[:1]), IllegalAddress)
	err := m.WriteRegister(ctx, 1, 60000, 1)
	require.ErrorIs(t, err, ErrRefused)
	if python { // it answers for every unit
		return
	}
	require.NoError(t, m.SetSlave(ctx, 2, Slave{Timeout: 50 * time.Millisecond}))
	require.ErrorIs(t, m.ReadHolding(ctx, 2, 0, words[:1]), ErrDoubt, "nobody has this number")
	_ = m.ReadHolding(ctx, 1, 0, words[:1]) // libmodbus takes this for the answer that the other did not give
	require.NoError(t, m.Prove(ctx, 1))
	require.NoError(t, m.ReadHolding(ctx, 1, 0, words[:1]), "and the others are not concerned")
}

// fooled is the RTU master of goburrow/modbus.
type fooled struct {
	handler *other.RTUClientHandler
	client  other.Client
}

func newFooled(device string, timeout time.Duration) fooled {
	h := other.NewRTUClientHandler(device)
	h.BaudRate, h.DataBits, h.Parity, h.StopBits, h.Timeout = paced, 8, "N", 1, timeout
	return fooled{h, other.NewClient(h)}
}

func (f fooled) to(unit uint8) other.Client {
	f.handler.SlaveId = unit
	return f.client
}

// said makes of its errors what ours say; of one that it does not explain, nobody knows whether the write was done.
func said(err error, write bool) error {
	var e *other.ModbusError
	if errors.As(err, &e) {
		err = Exception(e.ExceptionCode)
		if write && Exception(e.ExceptionCode).refuses() {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	if err != nil && write {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

func (f fooled) ReadCoils(_ context.Context, unit uint8, address uint16, out []bool) error {
	b, err := f.to(unit).ReadCoils(address, uint16(len(out)))
	for i := range out {
		out[i] = i/8 < len(b) && b[i/8]>>(i%8)&1 == 1
	}
	return said(err, false)
}

func (f fooled) ReadHolding(_ context.Context, unit uint8, address uint16, out []uint16) error {
	b, err := f.to(unit).ReadHoldingRegisters(address, uint16(len(out)))
	return f.words(b, out, err)
}

func (f fooled) ReadInput(_ context.Context, unit uint8, address uint16, out []uint16) error {
	b, err := f.to(unit).ReadInputRegisters(address, uint16(len(out)))
	return f.words(b, out, err)
}

func (fooled) words(b []byte, out []uint16, err error) error {
	if err == nil && len(b) == 2*len(out) {
		words(b, out)
	} else if err == nil {
		err = errors.New("another length")
	}
	return said(err, false)
}

func (f fooled) WriteCoil(_ context.Context, unit uint8, address uint16, on bool) error {
	value := uint16(0)
	if on {
		value = coilOn
	}
	_, err := f.to(unit).WriteSingleCoil(address, value)
	return said(err, true)
}

func (f fooled) WriteRegister(_ context.Context, unit uint8, address, value uint16) error {
	_, err := f.to(unit).WriteSingleRegister(address, value)
	return said(err, true)
}

func (f fooled) WriteRegisters(_ context.Context, unit uint8, address uint16, values []uint16) error {
	var b []byte
	for _, v := range values {
		b = append(b, byte(v>>8), byte(v))
	}
	_, err := f.to(unit).WriteMultipleRegisters(address, uint16(len(values)), b)
	return said(err, true)
}

func (fooled) Prove(context.Context, uint8) error { return nil }

func TestAnotherMasterIsFooledOnTheLineOnWhichOursIsNot(t *testing.T) {
	t.Parallel()
	const timeout = 80 * time.Millisecond
	line := hostile
	line.slow = 40 * time.Millisecond
	n := long(25)
	b, device := joined(t, 1, timeout, 1, 2, 17)
	b.ill = line
	own := &campaign{bus: b, m: onTerminal(t, device, RTUOptions{Timeout: timeout}), rng: rand.New(rand.NewPCG(1, 2)), alike: true}
	var group sync.WaitGroup
	group.Go(func() { own.run(t.Context(), n) }) // both wait for the most part

	b, device = joined(t, 1, timeout, 1, 2, 17)
	b.ill = line
	m := newFooled(device, timeout)
	require.NoError(t, m.handler.Connect())
	defer func() { _ = m.handler.Close() }()
	c := &campaign{bus: b, m: m, rng: rand.New(rand.NewPCG(1, 2)), alike: true}
	for c.run(t.Context(), n); len(c.wrong) == 0 && c.exchanges < 2000; {
		c.run(t.Context(), c.exchanges+n)
	}
	group.Wait()
	require.NotEmpty(t, c.wrong, "the line fools nobody")
	t.Logf("goburrow/modbus: %s", c.String())
	require.Empty(t, own.wrong, "seed 1")
	t.Logf("this client: %s", own.String())
}
