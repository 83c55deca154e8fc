// Both ends of the wire: the device profile of the demo says what the plant has.

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase/system"
)

func TestTheProfileOfTheDemoIsWhatThePlantHas(t *testing.T) {
	t.Parallel()
	m, err := demoBus("")
	require.NoError(t, err)
	at := map[string]string{}
	for _, p := range points {
		at[p.Channel] = fmt.Sprintf("%v %d, %d registers, %v", modbus.Table(p.Table), p.Address, max(p.Words, 1), p.Form)
	}
	profile := m.Devices[0].Profile
	var all []*fieldbus.Point
	for _, tag := range m.Tags {
		p := &profile.Points[tag.Point]
		size, form := 1, "int"
		switch kind := p.Type; {
		case kind == fieldbus.Bool:
			form = "bool"
		case kind == fieldbus.Float32:
			size, form = 2, "float32"
		case kind == fieldbus.Int32 || kind == fieldbus.Uint32:
			size = 2
		}
		require.Equal(t, at[tag.Channel], fmt.Sprintf("%s, %d registers, %s", p.At, size, form), tag.Channel)
		delete(at, tag.Channel)
		all = append(all, p)
	}
	require.Empty(t, at, "channels of the plant that the map does not have")

	s, err := server.Serve("127.0.0.1:0", newBoard(t.Context(), sim.NewPlant(1), system.NewClock(1), nil, func() {}))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	d, err := modbus.NewDevice(&m.Devices[0], nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := &bustest.Options{Device: m.Devices[0].Name, Endpoint: "tcp://" + s.Addr(), Points: all, Within: 10 * time.Second}
	for _, p := range all {
		if strings.HasPrefix(p.At, "coil") {
			o.Outputs = append(o.Outputs, bustest.Output{Point: p})
		}
	}
	_, err = bustest.Check(ctx, d, o)
	require.NoError(t, err)
	groups := d.Plan(all)
	require.Len(t, groups, 3, "coils, the set point, and all inputs at once")
}
