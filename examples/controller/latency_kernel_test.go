// How long it takes from an edge at an input to the write of an output, through the whole stack and without it.

package main

import (
	"context"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/internal/vmbed/guest"
	"github.com/batchkit/batchkit/timebase/system"
)

// echo is a recipe whose output follows an input, 60 times to and fro.
var echo = fstest.MapFS{
	"map.yaml": {Data: []byte(`mapping: ECHO-IO
version: "1"
schema_version: 1
device_id: CTRL-02
equipment_id: E1
tags:
  - {logical_tag: I, physical_channel: di/1, direction: in, type: switch, words: ["off", "on"], stale_after: 20 s}
  - {logical_tag: O, physical_channel: do/1, direction: out, type: switch, words: ["off", "on"], safe_value: "off", stale_after: 20 s}
`)},
	"recipe.yaml": {Data: []byte(`recipe: ECHO
version: "1"
schema_version: 1
title: An output follows an input
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
procedure:
  id: ROUNDS
  level: operation
  repeat:
    at_most: 60
    sequence:
      - id: ECHO
        level: phase
        timeout: 5 min
        actions:
          - wait: "I == on"
          - set: {O: "on"}
          - wait: "I == off"
          - set: {O: "off"}
`)},
}

const echoBoard = `board: echo
version: "1"
schema_version: 1
outputs: [{channel: do/1, chip: echo-gpio, line: 0, safe: low}]
inputs: [{channel: di/1, chip: echo-gpio, line: 1}]
`

// echoes measures, for as many edges as there are in a run, how long the output takes to follow.
func echoes(b *testing.B, c *guest.Chip, edges int) []time.Duration {
	var took []time.Duration
	for i := range edges {
		time.Sleep(120 * time.Millisecond) // rounds of a repeat begin 100 ms apart
		want := i%2 == 0
		begin := linux.Monotonic()
		require.NoError(b, c.Pull(1, want))
		for until := begin + 5e9; ; {
			high, err := c.Level(0)
			require.NoError(b, err)
			if high == want {
				break
			}
			require.Less(b, linux.Monotonic(), until, "the output does not follow")
			time.Sleep(20 * time.Microsecond)
		}
		took = append(took, time.Duration(linux.Monotonic()-begin))
	}
	slices.Sort(took)
	return took
}

// BenchmarkKernelEdgeToWrite reports the medians and 99th percentiles of the whole way - line, port, loop, journal, gate, port, line - and
// of the bare one, by a program that does nothing but set the output when the input has an edge; and how many percent of the whole
// median are ours. The observer polls, which is in both. The write waits for its record on the disk of the working directory.
func BenchmarkKernelEdgeToWrite(b *testing.B) {
	if !guest.Inside() {
		b.Skip(guest.Elsewhere)
	}
	c, err := guest.NewChip("echo-gpio", "OUT", "IN")
	require.NoError(b, err)
	defer c.Close()
	require.NoError(b, c.Pull(1, false))
	board, err := linux.ParseBoard("echo.yaml", []byte(echoBoard))
	require.NoError(b, err)
	d, err := board.Open()
	require.NoError(b, err)
	defer d.Close()
	plan, err := batch.Load(echo, "recipe.yaml", "map.yaml", nil)
	require.NoError(b, err)
	for b.Loop() {
		bare := bareEchoes(b, c, d)
		one, err := plan.Bind("ECHO", "1 kg", batch.Unapproved, nil)
		require.NoError(b, err)
		clock := system.NewClock(1)
		done := make(chan error, 1)
		go func() {
			_, err := runner.Run(b.Context(), one, runner.Rig{Port: d.Port(clock.Now), Clock: clock, Dir: b.TempDir()}, nil)
			done <- err
		}()
		time.Sleep(2 * time.Second)
		whole := echoes(b, c, 120)
		require.NoError(b, <-done)
		report := func(name string, all []time.Duration, share int) {
			b.ReportMetric(float64(all[len(all)*share/100].Microseconds()), name)
		}
		report("p50-us", whole, 50)
		report("p99-us", whole, 99)
		report("bare-p50-us", bare, 50)
		report("bare-p99-us", bare, 99)
		b.ReportMetric(100-100*float64(bare[len(bare)/2])/float64(whole[len(whole)/2]), "ours-%")
	}
}

// bareEchoes is echoes without the stack.
func bareEchoes(b *testing.B, c *guest.Chip, d *linux.Devices) []time.Duration {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- d.Inputs[0].Watch(ctx, func(e hal.Edge) { _ = d.Outputs[0].Set(e.High) }) }()
	bare := echoes(b, c, 120)
	cancel()
	require.NoError(b, <-done)
	return bare
}
