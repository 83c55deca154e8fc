// Devices that share a line: who opens and closes it, and what a device in doubt and a line that is lost are to the others.

package modbus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// drop is a line of three slaves, and a device for each.
type drop struct {
	far     *bus
	near    *near // of the opening that was last
	opens   int
	devices [3]*Device
}

func newDrop(t *testing.T, ctx context.Context) *drop {
	r := &drop{far: newBus(ctx, 1, char115200, time.Second, 1, 2, 3)}
	b := NewBus(func(_ context.Context, port string, before *Client) (*Client, error) {
		if r.opens++; port != "/dev/ttyS1" {
			return nil, errors.New("no such port")
		}
		r.near = newNear(r.far, 0)
		return NewRTU(r.near, &RTUOptions{Baud: 115200, After: before})
	})
	for i := range r.devices {
		p := plc()
		p.Limits.Response = 2e8
		var err error
		r.devices[i], err = NewDevice(&fieldbus.Device{Name: fmt.Sprint("pump ", i+1), Profile: p, Unit: uint8(i + 1),
			Endpoints: []string{"serial:/dev/ttyS1"}}, &DeviceOptions{Bus: b})
		require.NoError(t, err)
	}
	return r
}

// speed reads the speed of a device.
func (r *drop) speed(ctx context.Context, i int) (fieldbus.Reading, error) {
	out := make([]fieldbus.Reading, 1)
	err := r.devices[i].Read(ctx, named(r.devices[i].profile, "speed"), out)
	return out[0], err
}

// reads holds that a device reads its own speed.
func (r *drop) reads(t *testing.T, ctx context.Context, i int) {
	t.Helper()
	got, err := r.speed(ctx, i)
	require.NoError(t, err)
	require.Equal(t, good(tag.Int, uint64(int64(int16(word(uint8(i+1), readHolding, 10))))), got)
}

// dropped runs a test of a drop.
func dropped(t *testing.T, test func(ctx context.Context, r *drop)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		test(ctx, newDrop(t, ctx))
	})
}

func TestDevicesOnABusShareItsLineAndTheLastOneClosesIt(t *testing.T) {
	dropped(t, func(ctx context.Context, r *drop) {
		require.ErrorContains(t, r.devices[0].Open(ctx, "serial:/dev/ttyS9"), "no such port")
		for i, d := range r.devices {
			require.NoError(t, d.Open(ctx, "serial:/dev/ttyS1"))
			r.reads(t, ctx, i)
		}
		require.Equal(t, 2, r.opens)
		require.NoError(t, r.devices[0].Close())
		r.reads(t, ctx, 1)
		require.ErrorContains(t, r.devices[0].Open(ctx, "serial:/dev/ttyS2"), "give a line of its own a Bus of its own")
		require.ErrorContains(t, r.devices[0].Open(ctx, "tcp://h:1"), "the device is on a Bus")
		require.NoError(t, r.devices[1].Close())
		require.False(t, r.near.closed)
		require.NoError(t, r.devices[2].Close())
		require.True(t, r.near.closed)
		require.NoError(t, r.devices[0].Open(ctx, "serial:/dev/ttyS1"))
		require.Equal(t, 3, r.opens)
		r.reads(t, ctx, 0)
		require.NoError(t, r.devices[0].Close())
	})
}

func TestALineThatWasLostIsOpenedAnewByTheNextThatWantsIt(t *testing.T) {
	dropped(t, func(ctx context.Context, r *drop) {
		for _, d := range r.devices {
			require.NoError(t, d.Open(ctx, "serial:/dev/ttyS1"))
		}
		require.NoError(t, r.near.Close(), "the adapter was unplugged")
		_, err := r.speed(ctx, 0)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrDoubt)
		require.NoError(t, r.devices[0].Close())
		require.NoError(t, r.devices[0].Open(ctx, "serial:/dev/ttyS1"), "though the others have not found out yet")
		require.Equal(t, 2, r.opens)
		r.reads(t, ctx, 0)
		_, err = r.speed(ctx, 1)
		require.ErrorIs(t, err, ErrDown)
		require.NoError(t, r.devices[1].Close())
		r.reads(t, ctx, 0)
		require.NoError(t, r.devices[1].Open(ctx, "serial:/dev/ttyS1"))
		r.reads(t, ctx, 1)
		require.NoError(t, r.devices[0].Close())
		require.NoError(t, r.devices[1].Close())
		require.True(t, r.near.closed)
	})
}

func TestADeviceInDoubtProvesItselfAndTheOthersGoOn(t *testing.T) {
	dropped(t, func(ctx context.Context, r *drop) {
		for i, d := range r.devices {
			require.NoError(t, d.Open(ctx, "serial:/dev/ttyS1"))
			r.reads(t, ctx, i)
		}
		r.far.mu.Lock()
		r.far.ill.lost = 1000
		r.far.mu.Unlock()
		_, err := r.speed(ctx, 1)
		require.ErrorIs(t, err, ErrDoubt)
		r.far.mu.Lock()
		r.far.ill.lost = 0
		r.far.mu.Unlock()
		r.reads(t, ctx, 0)
		_, err = r.speed(ctx, 1)
		require.ErrorIs(t, err, ErrDoubt, "nothing of it counts")
		require.NoError(t, r.devices[1].Prove(ctx))
		r.reads(t, ctx, 1)
		for _, d := range r.devices {
			require.NoError(t, d.Close())
		}
	})
}

func TestWhatASlaveOwesIsRememberedOverAnOpening(t *testing.T) {
	dropped(t, func(ctx context.Context, r *drop) {
		require.NoError(t, r.devices[1].Open(ctx, "serial:/dev/ttyS1"))
		r.reads(t, ctx, 1)
		r.far.mu.Lock()
		r.far.ill.lost = 1000
		r.far.mu.Unlock()
		_, err := r.speed(ctx, 1)
		require.ErrorIs(t, err, ErrDoubt)
		require.NoError(t, r.devices[1].Close())
		require.NoError(t, r.devices[1].Open(ctx, "serial:/dev/ttyS1"))
		_, err = r.speed(ctx, 1)
		require.ErrorIs(t, err, ErrDoubt)
		require.NoError(t, r.devices[1].Close())
	})
}
