// Claims about the difference of two versions of a map: it is told in words, and nothing of a map is left out of it.

package iomap_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/cond"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

func version(t *testing.T, name string) *iomap.Map {
	src, err := os.ReadFile("testdata/versions/" + name)
	require.NoError(t, err)
	m, err := iomap.Parse(name, src)
	require.NoError(t, err)
	return m
}

func TestADifferenceIsToldInWords(t *testing.T) {
	older, newer := version(t, "old.yaml"), version(t, "new.yaml")
	for file, changes := range map[string][]iomap.Change{"forward.golden": iomap.Diff(older, newer), "back.golden": iomap.Diff(newer, older)} {
		var text strings.Builder
		for _, c := range changes {
			text.WriteString(c.String() + "\n")
		}
		golden.Check(t, "testdata/versions/"+file, []byte(text.String()))
	}
	require.Empty(t, iomap.Diff(older, older))
	require.Empty(t, iomap.Diff(newer, version(t, "new.yaml")))
}

// bases are maps of which one or the other shows each field.
func bases() []*iomap.Map {
	sw := iomap.Tag{Name: "A", Channel: "1", Output: true, Words: [2]string{"off", "on"}, StaleAfter: 1, Display: iomap.Display{Unit: "kg"}}
	num := iomap.Tag{Name: "B", Channel: "2", Type: iomap.Number, Form: tag.Int, Resolution: q("1 kg"), Gain: q("1 kg"), Offset: q("0 kg"), Unit: "kg",
		Min: 1, Max: 5, Output: true, Display: iomap.Display{Unit: "kg"}}
	num.Faults.Policy[iomap.SafetyTrip] = iomap.FaultPolicy{State: iomap.DropState, Value: 5, Given: true}
	var maps []*iomap.Map
	for _, f := range []iomap.Filter{{Type: iomap.MedianFilter, Samples: 3}, {Type: iomap.DeviceFilter, Delay: 1}, {Type: iomap.ExponentialFilter, Time: 1}} {
		in := iomap.Tag{Name: "C", Channel: "3", Type: iomap.Number, Form: tag.Int, Resolution: q("1 kg"), Filter: f}
		meter := iomap.Meter{Name: "M", Source: 0, Totalizer: 1, Identity: 1, Historian: 1, Resolution: q("1 kg"), Tolerance: q("1 kg"), Filter: f,
			Second: iomap.Second{Source: 1}, Tare: metering.Tare{Limited: true}, Display: iomap.Display{Unit: "kg"}}
		maps = append(maps, &iomap.Map{Tags: []iomap.Tag{sw, num, in}, Meters: []iomap.Meter{meter},
			Units: []iomap.Unit{{Name: "U", Capabilities: []iomap.Capability{{Name: "v", Quantity: q("1 L")}}, Tags: []iomap.UnitTag{{Name: "T", Tag: 0}},
				Meters: []iomap.UnitMeter{{Name: "M"}}}},
			Interlocks: []iomap.Interlock{{ID: "I", Text: "A", Gates: []tag.ID{0}, Vote: 1, Filter: cond.Filter{Window: 1}}},
			Alarms: []iomap.Alarm{{ID: "R", Of: 0, Interlock: 0}, {ID: "Q", Fault: iomap.FaultQuality, Of: 0, Interlock: -1},
				{ID: "S", Fault: iomap.FaultInterlock, Of: tag.None}},
			Resources: []iomap.Resource{{Name: "L", Owners: 1}},
			Trip:      &iomap.Trip{Tag: 0, Confirm: cond.Cond{{}}},
			Overrides: []iomap.Override{{ID: "O", When: cond.Cond{{}}}}})
	}
	return maps
}

// derived are fields that follow from others, which are compared, or by which an item is known.
var derived = map[string]bool{"Tag.Name": true, "Tag.Scale": true, "Meter.Name": true, "Unit.Name": true, "Interlock.ID": true, "Interlock.When": true,
	"Interlock.Used": true, "Filter.Off": true, "Filter.Need": true, "Alarm.ID": true, "Alarm.When": true, "Alarm.Used": true, "Resource.Name": true, "Trip.Confirm": true,
	"Override.ID": true, "Override.When": true, "Override.Used": true}

func TestEveryFieldOfAMapIsCompared(t *testing.T) {
	seen, all := map[string]bool{}, map[string]bool{}
	for i := range bases() {
		paths(reflect.ValueOf(bases()[i]).Elem(), "", func(path string) {
			if path == "/Map.Alarms/Alarm.Filter/Filter.Window" { // an alarm has no vote
				return
			}
			all[path] = true
			changed := bases()[i]
			change(reflect.ValueOf(changed).Elem(), "", path)
			if len(iomap.Diff(bases()[i], changed)) > 0 && len(iomap.Diff(changed, bases()[i])) > 0 {
				seen[path] = true
			}
		})
	}
	require.Greater(t, len(all), 90)
	for path := range all {
		require.True(t, seen[path], "nobody is told that %s is another", path)
	}
}

// paths calls fn for each leaf of a value: list items by the type alone.
func paths(v reflect.Value, path string, fn func(string)) {
	walk(v, path, func(p string, v reflect.Value) { fn(p) })
}

// change makes the leaves at a path others than they are.
func change(v reflect.Value, path, at string) {
	walk(v, path, func(p string, v reflect.Value) {
		if p == at {
			another(v)
		}
	})
}

func walk(v reflect.Value, path string, fn func(string, reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[quantity.Quantity]():
		fn(path, v)
	case v.Kind() == reflect.Pointer:
		walk(v.Elem(), path, fn)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !derived[v.Type().Name()+"."+f.Name] {
				walk(v.Field(i), path+"/"+v.Type().Name()+"."+f.Name, fn)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			walk(v.Index(i), path, fn)
		}
	case v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Struct:
		walk(v.Index(v.Len()-1), path, fn)
	default:
		fn(path, v)
	}
}

// another gives a leaf another value.
func another(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.SetString(v.String() + "x"); v.Type() == reflect.TypeFor[quantity.Unit]() {
			v.SetString("m")
		}
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint32, reflect.Uint16:
		v.SetUint(v.Uint() ^ 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		another(v.Index(v.Len() - 1))
	case reflect.Array:
		another(v.Index(0))
	case reflect.Struct: // a quantity
		another(v.FieldByName("Coef"))
	}
}
