// What the indicator of the load cell says, and its line.

package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/modbus/server"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/timebase/system"
)

func TestAWeightIsSaidInNineCharacters(t *testing.T) {
	for weight, says := range map[int64]string{0: "+00000.00", 7: "+00000.07", -7: "-00000.07", 12_34: "+00012.34", 99_999_99: "+99999.99"} {
		require.Equal(t, "ST,GS,"+says+"kg\r\n", weightFrame(weight, false))
		require.Equal(t, "US,GS,"+says+"kg\r\n", weightFrame(weight, true))
	}
	require.Equal(t, overload, weightFrame(100_000_00, false))
	require.Equal(t, overload, weightFrame(-100_000_00, false))
	require.Len(t, overload, len(weightFrame(0, false)))
}

// onLine puts a plant with an indicator on the network, at a speed of 20, and dials it.
func onLine(t *testing.T) (p *sim.Plant, c *modbus.Client, dir string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a pseudo terminal of Linux is the line")
	}
	dir = t.TempDir()
	home, err := os.OpenRoot(dir)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	p = sim.NewPlant(1)
	b := newBoard(ctx, p, system.NewClock(20), nil, func() {})
	b.home = home
	at := address{}
	stop, err := b.besides(&plantFlags{dir: dir, speed: 20, scale: true}, &at)
	require.NoError(t, err)
	require.True(t, at.Scale)
	s, err := server.Serve("127.0.0.1:0", b)
	require.NoError(t, err)
	c, err = modbus.Dial(ctx, s.Addr(), &modbus.Options{Timeout: 20 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() {
		end()
		require.NoError(t, stop())
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
		_, err := os.Lstat(filepath.Join(dir, fileScale))
		require.ErrorIs(t, err, os.ErrNotExist, "the line goes with the plant")
		require.NoError(t, home.Close())
	})
	return p, c, dir
}

func TestTheIndicatorSaysWhatTheLoadCellShowsUntilItIsUnplugged(t *testing.T) {
	t.Parallel()
	p, c, dir := onLine(t)
	ctx := t.Context()
	time.Sleep(300 * time.Millisecond) // 60 frames that nobody reads
	line, err := os.OpenFile(filepath.Join(dir, fileScale), os.O_RDWR, 0)
	require.NoError(t, err)
	defer line.Close()
	require.NoError(t, line.SetReadDeadline(time.Now().Add(20*time.Second)))
	r := bufio.NewReader(line)
	frame := regexp.MustCompile(`^(ST|US),GS,[+-][0-9]{5}\.[0-9]{2}kg\r\n$`)
	next := func() string {
		text, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Regexp(t, frame, text, "whole frames alone")
		return text
	}
	old := 0
	for begun := time.Now(); time.Since(begun) < 2*time.Millisecond; old++ {
		next()
	}
	require.Less(t, old, 20, "what waited for nobody was thrown away")
	require.NoError(t, c.WriteCoil(ctx, 0, 0, true))
	for weighs := next(); !strings.HasPrefix(weighs, "US,") || weighs[6:] < "+00010."; weighs = next() { // it moves, and has passed 10 kg
	}
	require.NoError(t, c.WriteCoil(ctx, 0, 0, false))
	require.NoError(t, c.WriteCoil(ctx, 0, coilCable, true))
	for err == nil {
		_, err = r.ReadString('\n')
	}
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the line has gone")
	require.NoError(t, c.WriteCoil(ctx, 0, coilCable, false))
	again, err := os.OpenFile(filepath.Join(dir, fileScale), os.O_RDWR, 0)
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, again.SetReadDeadline(time.Now().Add(20*time.Second)))
	r = bufio.NewReader(again)
	next()
	require.NoError(t, p.Fault(sim.Fault{Kind: sim.Bad, Channel: cell, For: time.Hour}))
	for text := ""; text != overload; {
		text, err = r.ReadString('\n')
		require.NoError(t, err)
	}
}
