// What a model knows of material.

package unitrun_test

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/unitrun"
)

// material takes in that a material is somewhere else.
func (w *world) material(f *unitrun.Effect) {
	m := w.mats[f.Material]
	next := func(unit string) modelVisit {
		w.names++
		return modelVisit{unit, w.names}
	}
	switch f.Kind {
	case unitrun.Registered, unitrun.Arrived:
		if m == nil {
			m = &modelMaterial{way: []modelVisit{next("")}}
			w.mats[f.Material] = m
		}
		if require.Equal(w, "", m.here().unit); f.Kind == unitrun.Arrived {
			m.way = append(m.way, next(f.Unit))
		}
	case unitrun.Moved:
		require.Equal(w, f.From, m.here().unit)
		m.way = append(m.way, next(f.Unit))
	case unitrun.SplitOff:
		of := w.mats[f.Other]
		require.Nil(w, m)
		m = &modelMaterial{}
		for _, v := range of.way {
			m.way = append(m.way, next(v.unit))
		}
		w.mats[f.Material] = m
		of.splits++
	case unitrun.Merging:
		m.exited = true
		made := w.mats[f.Other]
		if made == nil {
			made = &modelMaterial{}
			for _, v := range m.way {
				made.way = append(made.way, next(v.unit))
			}
			w.mats[f.Other] = made
		}
		if !slices.EqualFunc(made.way, m.way, func(a, b modelVisit) bool { return a.unit == b.unit }) {
			made.way = []modelVisit{next(m.here().unit)}
		}
	case unitrun.Merged:
		require.Equal(w, f.Unit, m.here().unit)
	case unitrun.Exited:
		require.Equal(w, f.From, m.here().unit)
		m.exited = true
	case unitrun.MovedBack:
		w.movedBack(m, f)
	default:
		require.Fail(w, "effect", "%v", f)
	}
}

// movedBack takes in that a material is again where it was.
func (w *world) movedBack(m *modelMaterial, f *unitrun.Effect) {
	if !m.exited {
		require.Equal(w, f.From, m.here().unit)
		m.way = m.way[:len(m.way)-1]
	}
	if f.Run != "" {
		require.False(w, m.exited)
		delete(w.due, f.Material)
		require.Equal(w, f.Unit, m.here().unit, "a cancel takes it back by one place")
		require.Contains(w, w.runs[f.Run].links, f.Material)
	}
	for m.exited = false; m.here().unit != f.Unit; {
		m.way = m.way[:len(m.way)-1]
	}
}

// came tells whether a visit is on the way by which a material came.
func (m *modelMaterial) came(visit int) bool {
	return slices.ContainsFunc(m.way, func(v modelVisit) bool { return v.no == visit })
}
