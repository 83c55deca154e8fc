// Outputs that are parts of what batches share, where a run ends without evidence.

package runner

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

const partsMap = `mapping: IO
version: "1"
schema_version: 1
device_id: C
equipment_id: T1
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, type: switch, words: [closed, open], safe_value: closed, resource: UNIT}
  - {logical_tag: XV2, physical_channel: do/2, direction: out, type: switch, words: [closed, open], safe_value: closed, resource: LINE}
  - {logical_tag: XV3, physical_channel: do/3, direction: out, type: switch, words: [closed, open], safe_value: closed}
resources: [{resource_id: UNIT, between_batches: true}, {resource_id: LINE, between_batches: true}]
`

const partsRecipe = `recipe: R
version: "1"
schema_version: 1
title: T
batch_size: {nominal: 1 kg, min: 1 kg, max: 1 kg}
recovery: resume
procedure: {id: P, level: procedure, uses: [UNIT], timeout: 1 h, sequence: [{id: A, level: phase, timeout: 1 h, actions: [{set: {XV1: open}}, {delay: 1 min}]}]}
`

// scribe is a port that reads nothing back and notes what is written.
type scribe struct {
	mu  sync.Mutex
	did []string
}

func (p *scribe) Watch(ctx context.Context, _ func(tag.Raw)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (p *scribe) Write(_ context.Context, w tag.Write) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, fmt.Sprintf("%s=%d", w.Channel, w.Bits))
	return nil
}

func (p *scribe) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.did)
}

func TestWithoutABatchNobodyKnowsWhoseAPartIsAndItIsLeftAlone(t *testing.T) {
	m, err := iomap.Parse("map.yaml", []byte(partsMap))
	require.NoError(t, err)
	channels := func(list []tag.Write) (names []string) {
		for _, w := range list {
			names = append(names, w.Channel)
		}
		return names
	}
	require.Equal(t, []string{"do/3"}, channels(safeWrites(m, false, nil)))
	require.Equal(t, []string{"do/1", "do/3"}, channels(safeWrites(m, false, func(id tag.ID) bool { return id != 0 })))
	port := &scribe{}
	require.NoError(t, MakeSafe(t.Context(), m, Rig{Port: port}))
	require.Equal(t, []string{"do/3=0"}, port.list())
}

// shared runs a batch that opens XV1, which is a part of UNIT, on a clock of its own.
func shared(t *testing.T, a Arbiter, port tag.Port, opt *Options) (Result, error) {
	plan, err := batch.Load(fstest.MapFS{"recipe.yaml": {Data: []byte(partsRecipe)}, "map.yaml": {Data: []byte(partsMap)}}, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-1", "", batch.Unapproved, nil)
	require.NoError(t, err)
	clock := system.NewClock(1)
	opt.Storage = newMemory()
	return Run(t.Context(), b, Rig{Port: port, Dir: "memory", Clock: clock, Arbiter: a, Wall: wallFunc(func() timebase.Observation {
		now := clock.Now()
		return seeded{virtualUTC, &now}.Observe()
	})}, opt)
}

func TestARunWritesPartsOnlyWhileItHasThemAndGivesThemBackSafe(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		d, port, asked := &desk{}, &scribe{}, 0
		d.Request(Claim{Batch: "B-9", ID: 1, Step: "P", Resources: []string{"UNIT"}}, func(Ruling) {})
		var released []string
		res, err := shared(t, both{d, func() { released = port.list() }}, port, &Options{Record: func(k record.Kind, _ []byte) {
			if k == record.KindResourceQueue {
				asked++
				require.Equal(t, []string{"do/3=0"}, port.list(), "another has it")
				d.Release(Claim{Batch: "B-9", ID: 1, Step: "P"})
			}
		}})
		require.NoError(t, err)
		require.Equal(t, sequencer.Complete, res.State)
		require.Equal(t, 1, asked)
		require.Equal(t, []string{"do/3=0", "do/1=0", "do/1=1", "do/1=0"}, port.list())
		require.Equal(t, port.list(), released, "it is given back when it is safe")
		require.Empty(t, d.book)
	})
}

// both is an arbiter whose releases somebody sees.
type both struct {
	*desk
	seen func()
}

func (b both) Release(c Claim) {
	b.seen()
	b.desk.Release(c)
}

func TestWhenEvidenceFailsTheBatchDrivesWhatItHoldsAndNothingElse(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		port, broken := &scribe{}, false
		_, err := shared(t, &desk{}, port, &Options{Record: func(record.Kind, []byte) {
			if slices.Contains(port.list(), "do/1=1") && !broken {
				broken = true
				panic("the record cannot be kept")
			}
		}})
		require.Error(t, err)
		require.Equal(t, []string{"do/3=0", "do/1=0", "do/1=1", "do/1=0", "do/3=0"}, port.list())
	})
}
