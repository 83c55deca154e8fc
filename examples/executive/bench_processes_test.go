// What a process for each batch costs: memory, how soon one is Ready, how long a request and a grant take.

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

// maxPSS is the proportional memory of a runner without its declared rings, in KiB.
const maxPSS = 3 << 10

// steady is a recipe that has its unit and goes on until it is stopped; it looks at a level, and so takes a step at each value that comes.
const steady = `recipe: STEADY
version: "1.0"
schema_version: 1
title: Keep the unit

recovery: hold

batch_size: {nominal: 20 kg, min: 20 kg, max: 20 kg}

procedure:
  id: STEADY
  level: operation
  uses: [UNIT]
  timeout: 10 h
  sequence:

    - id: KEEP
      level: phase
      timeout: 9 h
      actions:
        - wait: "WT301 >= 400.00 kg"
`

// many are the names of n units, those of the cell first.
func many(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("R%d", 101+i))
	}
	return list
}

// widen lays out a model of these units, a map for each, and the recipe.
func widen(t *testing.T, dir string, units []string) {
	require.NoError(t, lay(filepath.Join(dir, dirCell, "equipment.yaml"), wide(t, units)))
	require.NoError(t, lay(filepath.Join(dir, dirCell, "recipes", "steady.yaml"), []byte(steady)))
	data, err := files.ReadFile("cell/maps/UNIT.yaml")
	require.NoError(t, err)
	for _, unit := range units {
		require.NoError(t, lay(filepath.Join(dir, dirCell, "maps", unit+".yaml"), bytes.ReplaceAll(data, []byte("{{unit}}"), []byte(unit))))
	}
}

// wide is the model of those units.
func wide(t *testing.T, units []string) []byte {
	data, err := files.ReadFile("cell/equipment.yaml")
	require.NoError(t, err)
	begin := bytes.Index(data, []byte("  - equipment_id: R101"))
	next := bytes.Index(data, []byte("  - equipment_id: R102"))
	skid := bytes.Index(data, []byte("  # The cleaning skid"))
	require.Positive(t, min(begin, next, skid))
	out := slices.Clone(data[:begin])
	for _, unit := range units {
		out = append(out, bytes.ReplaceAll(data[begin:next], []byte("R101"), []byte(unit))...)
	}
	return append(out, data[skid:]...)
}

// polled is a plant of many units that are asked ten times a second: each look shows the newest value of what is new, and a tenth of the units
// is looked at in each hundredth of a second.
type polled struct {
	clock timebase.Clock
	names []string
	units map[string]*sim.Plant
}

func newPolled(clock timebase.Clock, names []string) *polled {
	p := &polled{clock: clock, names: names, units: map[string]*sim.Plant{}}
	for i, name := range names {
		p.units[name] = sim.NewPlant(uint64(i + 1))
	}
	return p
}

// Watch implements tag.Port.
func (p *polled) Watch(ctx context.Context, emit func(tag.Raw)) error {
	at := p.clock.Now()
	for k := 0; ; k++ {
		for i := k % 10; i < len(p.names); i += 10 {
			p.look(p.names[i], at, emit)
		}
		if at += int64(10 * time.Millisecond); p.clock.Wait(ctx, at) != nil {
			return nil
		}
	}
}

func (p *polled) look(name string, at int64, emit func(tag.Raw)) {
	newest := map[string]tag.Raw{}
	p.units[name].Advance(at, func(r tag.Raw) { newest[r.Channel] = r })
	for _, channel := range wired {
		if r, ok := newest[channel]; ok {
			r.Channel, r.At = name+"/"+channel, at
			emit(r)
		}
	}
}

// Write implements tag.Port.
func (p *polled) Write(ctx context.Context, w tag.Write) error {
	name, channel, _ := strings.Cut(w.Channel, "/")
	w.Channel = channel
	done, err := p.units[name].Apply(p.clock.Now(), w)
	return errors.Join(err, p.clock.Wait(ctx, done))
}

func TestARunnerProcessIsSmallAndSoonThere(t *testing.T) {
	n := 4
	if long() {
		n = 500
	}
	if v, err := strconv.Atoi(os.Getenv("BATCHKIT_RUNNERS")); err == nil {
		n = v
	}
	n = max(n, len(units))
	t.Setenv("GODEBUG", "memprofilerate=0") // as in the program, which has nothing that reads profiles: that is known too late in this one
	wider := many(n)
	all := append(wider[:n:n], "S901")
	r := newRigOn(t, all, func(clock timebase.Clock) tag.Port { return newPolled(clock, all) }, func(dir string) { widen(t, dir, wider) })
	var ready []time.Duration
	var ids []string
	for _, unit := range wider {
		begin := time.Now()
		var a api.Accepted
		require.NoError(t, r.ask("POST", "/v1/batches", &api.Create{Order: because, Recipe: "STEADY", Unit: unit}, &a))
		for r.batch(a.Batch).Life != api.Ready {
			require.NotEqual(t, api.LoadFailed, r.batch(a.Batch).Life, r.batch(a.Batch).Reason)
			require.Less(t, time.Since(begin), time.Minute, a.Batch)
			time.Sleep(2 * time.Millisecond)
		}
		ready, ids = append(ready, time.Since(begin)), append(ids, a.Batch)
	}
	for _, id := range ids {
		r.tell(id, "start")
	}
	for _, id := range ids {
		r.is(id, api.Active, "Running")
	}
	time.Sleep(30 * time.Second) // as they are when nothing is new
	var through, direct []time.Duration
	for i := range 500 {
		id := ids[i%len(ids)]
		through = append(through, timed(t, func() error { return r.s.ask(t.Context(), api.Manager, "GET", "/v1/batches/"+id, nil, &api.Batch{}) }))
		direct = append(direct, timed(t, func() error { return r.s.ask(t.Context(), id, "GET", "/v1/batches/"+id, nil, &api.Batch{}) }))
	}
	var pss []int64 // in KiB
	var sum, own, late int64
	for _, b := range r.batches() {
		kib := rollup(t, b.PID, "Pss:")
		pss, sum, own, late = append(pss, kib), sum+kib, own+rollup(t, b.PID, "Private_Dirty:"), late+b.Late
	}
	slices.Sort(pss)
	grants := r.grants()
	t.Logf("%d runners: PSS mean %d KiB, p50 %d, max %d, private dirty mean %d KiB; late ticks %d; create to Ready %s; GET at the runner %s; of the manager %s; request to grant %s",
		n, sum/int64(n), pss[len(pss)/2], pss[len(pss)-1], own/int64(n), late, quantiles(ready), quantiles(direct), quantiles(through), quantiles(grants))
	if long() {
		require.Less(t, sum/int64(n), int64(maxPSS))
	}
	r.clear()
}

func timed(t *testing.T, do func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	require.NoError(t, do())
	return time.Since(begin)
}

// quantiles says p50 and p99.
func quantiles(list []time.Duration) string {
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	return fmt.Sprintf("p50 %s p99 %s", list[len(list)/2].Round(time.Microsecond), list[len(list)*99/100].Round(time.Microsecond))
}

// rollup is a figure of the memory of a process in KiB.
func rollup(t *testing.T, pid int, what string) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, what); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(t, err)
			return kib
		}
	}
	require.Fail(t, "no "+what)
	return 0
}

// grants are the times from a request to its grant, as the journals of the batches have them.
func (r *rig) grants() (all []time.Duration) {
	r.t.Helper()
	dirs, err := os.ReadDir(filepath.Join(r.s.dir, "batches"))
	require.NoError(r.t, err)
	for _, d := range dirs {
		asked := map[int64]uint64{}
		_, err := journal.Scan(filepath.Join(r.s.dir, "batches", d.Name(), "evidence", "journal"), func(_ uint64, body []byte, _ journal.Chain) error {
			p, err := record.Parse(body)
			if err != nil {
				return err
			}
			switch p.Kind {
			case record.KindResourceRequest:
				asked[p.Int(record.RequestID)] = p.Count(record.TsMonoNS)
			case record.KindResourceGranted:
				if at, ok := asked[p.Int(record.RequestID)]; ok {
					all = append(all, time.Duration(p.Count(record.TsMonoNS)-at))
					delete(asked, p.Int(record.RequestID))
				}
			}
			return nil
		}, nil)
		require.NoError(r.t, err)
	}
	return all
}
