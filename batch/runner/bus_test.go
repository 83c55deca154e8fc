// Claims about batches that are bound to a tag map: a changed one serves new batches only.

package runner

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	busline "github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/iomap/tag"
)

// busBatch binds the demo with its tag map, with one text of one file replaced.
func busBatch(t *testing.T, name, old, text string) *batch.Batch {
	t.Helper()
	dir, files := os.DirFS("../../examples/controller/demo"), fstest.MapFS{}
	for _, file := range [...]string{"recipe.yaml", "map.yaml", "calibration.yaml", "bus.yaml", "plc.yaml"} {
		data, err := fs.ReadFile(dir, file)
		require.NoError(t, err)
		src := string(data)
		if file == name {
			require.Contains(t, src, old)
			src = strings.Replace(src, old, text, 1)
		}
		files[file] = &fstest.MapFile{Data: []byte(src)}
	}
	p, err := batch.Load(files, "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := p.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: 1})
	require.NoError(t, err)
	return b
}

func TestAChangedTagMapOrProfileServesNewBatchesOnly(t *testing.T) {
	run := func(b *batch.Batch, disk *memory) error {
		_, err := Run(t.Context(), b, Rig{Port: sim.NewPlant(1), Dir: "x"}, &Options{Virtual: &Virtual{Sync: true}, Storage: disk, Manual: true})
		return err
	}
	begun := func() *memory {
		disk := newMemory()
		require.ErrorIs(t, run(busBatch(t, "", "", ""), disk), ErrNobody)
		return disk
	}
	for _, c := range [][3]string{
		{"bus.yaml", "tag_map: T301-BUS", "tag_map: T302-BUS"}, {"bus.yaml", `version: "1.0"`, `version: "1.1"`},
		{"bus.yaml", "every: 50 ms", "every: 60 ms"}, {"bus.yaml", "# Tank.", "# The tank."},
		{"plc.yaml", "response: 500 ms", "response: 2 s"}, {"plc.yaml", "input 14", "input 22"},
	} {
		err := run(busBatch(t, c[0], c[1], c[2]), begun())
		require.ErrorIs(t, err, ErrUsed, c[2])
		require.ErrorContains(t, err, "bound to something else than this batch", c[2])
		require.ErrorIs(t, run(busBatch(t, c[0], c[1], c[2]), newMemory()), ErrNobody, "a new batch begins on it")
	}
	require.ErrorIs(t, run(busBatch(t, "", "", ""), begun()), ErrNobody, "the same one is continued")
}

func TestABatchIsRefusedOnALineOfAnotherTagMapOrProfile(t *testing.T) {
	bound := busBatch(t, "", "", "")
	on := func(b *batch.Batch) tag.Port {
		l, err := busline.New(b.Plan.TagMap, []busline.Attached{{Device: "PLC-301", Driver: silent{}, Endpoints: []string{"tcp://127.0.0.1:502"}}}, nil)
		require.NoError(t, err)
		whole, err := Join(Part{Name: "bus", Port: l, Channels: []string{"do/1"}})
		require.NoError(t, err)
		return whole
	}
	_, err := New(bound, Rig{Port: on(bound), Dir: "x"}, nil)
	require.NoError(t, err)
	_, err = New(bound, Rig{Port: on(busBatch(t, "bus.yaml", "every: 50 ms", "every: 60 ms")), Dir: "x"}, nil)
	require.ErrorContains(t, err, "runner: the port is made of tag map T301-BUS 1.0, sha256 ")
	_, err = New(bound, Rig{Port: on(busBatch(t, "plc.yaml", "input 14", "input 22")), Dir: "x"}, nil)
	require.ErrorContains(t, err, "runner: the port is made of profile T301-PLC 1.0, sha256 ")
}

// silent is a driver of a device that nobody asks.
type silent struct{}

func (silent) Open(context.Context, string) error                                { return nil }
func (silent) Read(context.Context, []*fieldbus.Point, []fieldbus.Reading) error { return nil }
func (silent) Write(context.Context, *fieldbus.Point, tag.Form, uint64) error    { return nil }
func (silent) Close() error                                                      { return nil }
