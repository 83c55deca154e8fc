// This file measures conditions over a running map: how many are evaluated in a millisecond.

package iomap_test

import (
	"testing"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

// behind is an image that a condition reaches as it reaches that of a batch: one more call away.
type behind struct{ k *iomap.Machine }

func (b behind) Read(id tag.ID, at int64) (int64, tag.Quality) { return b.k.Read(id, at) }

// BenchmarkCondition wants 100 ns or less for what is typical: 10,000 conditions in a millisecond.
func BenchmarkCondition(b *testing.B) {
	m, err := iomap.Parse("map.yaml", []byte(goodMap))
	require.NoError(b, err)
	k := iomap.NewMachine(m)
	for i := range m.Tags {
		k.Step(1, &iomap.Event{Kind: iomap.Sample, Tag: tag.ID(i), Form: m.Tags[i].Form, Quality: tag.Good}, nil)
	}
	for _, c := range []struct{ name, text string }{
		{"comparison", "FT101.total >= 40 kg"},
		{"typical", "FT101.total >= 40 kg and XV101 == open"},
		{"nested", "FT101.total >= 40 kg and not (ZS101 or TT301 < 5 Cel)"},
		{"of", "2 of (FT101.total >= 40 kg, XV101 == open, ZS101)"},
		{"stable", "FT101.total >= 40 kg and stable(TT301, 0.2 Cel, 30 s)"},
		{"elapsed", "FT101.total >= 40 kg and elapsed(30 s)"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := cond.Parse(c.text)
			require.NoError(b, err)
			bound, errs := e.Bind(m, nil)
			require.Nil(b, errs)
			mem := make([]cond.Cell, bound.Cells())
			bound.Begin(1, mem)
			var img cond.Image = behind{k}
			b.ReportAllocs()
			for b.Loop() {
				bound.Eval(img, 1000, mem)
			}
		})
	}
}
