// Claims about the difference of two versions: it is told in words, and nothing of a tag map or a profile is left out of it.

package fieldbus_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/stretchr/testify/require"
)

// lines are things on lines of their own.
func lines[T interface{ String() string }](list []T) []byte {
	var text strings.Builder
	for _, c := range list {
		text.WriteString(c.String() + "\n")
	}
	return []byte(text.String())
}

func TestADifferenceIsToldInWords(t *testing.T) {
	a, b := readMap(t, "testdata/versions", "old.yaml"), readMap(t, "testdata/versions", "new.yaml")
	golden.Check(t, "testdata/versions/forward.golden", lines(fieldbus.Diff(a, b)))
	golden.Check(t, "testdata/versions/back.golden", lines(fieldbus.Diff(b, a)))
	golden.Check(t, "testdata/versions/profile.golden", lines(fieldbus.DiffProfile(a.Profiles[0], b.Profiles[0])))
	require.Empty(t, fieldbus.Diff(a, readMap(t, "testdata/versions", "old.yaml")))
	require.Empty(t, fieldbus.DiffProfile(b.Profiles[0], b.Profiles[0]))
}

// full is a map that shows each field. Its pointers point into it.
func full() *fieldbus.TagMap {
	p := &fieldbus.Profile{ID: "P", Settings: []fieldbus.Setting{{Key: "k", Text: "t"}}, Limits: fieldbus.Limits{Absent: []string{"a"}}, Points: []fieldbus.Point{{Name: "A", Type: fieldbus.String, Length: 9},
		{Index: 1, Name: "B", Type: fieldbus.Int16, Unit: "kg", Scale: fieldbus.Scaling{Gain: q("1 kg"), Offset: q("0 kg"), Given: true}}}}
	return &fieldbus.TagMap{ID: "M", Files: []string{"p"}, Profiles: []*fieldbus.Profile{p},
		Devices: []fieldbus.Device{{Name: "D", Profile: p, Endpoints: []string{"x"}, Heartbeat: &p.Points[1], Beat: 1, Identify: &p.Points[0], Identity: "I"},
			{Name: "E", Profile: p}},
		Classes: []fieldbus.Class{{Name: "C", Every: 1}, {Name: "S", Plane: fieldbus.Telemetry, Every: 1}},
		Tags:    []fieldbus.Tag{{Channel: "c", Point: 1, StaleAfter: 1}}}
}

// followed are fields that follow from others, or from how a file is laid out, or by which an item is known. What a device points to is
// changed where it lies, and by the test below.
var followed = map[string]bool{"TagMap.Kinds": true, "TagMap.Digest": true, "Profile.Digest": true, "Point.Index": true,
	"Device.Profile": true, "Device.Heartbeat": true, "Device.Identify": true}

func TestEveryFieldOfATagMapAndItsProfilesIsCompared(t *testing.T) {
	var paths []string
	each(reflect.ValueOf(full()).Elem(), "", func(path string, _ reflect.Value) { paths = append(paths, path) })
	require.Greater(t, len(paths), 35)
	told := func(path string, m *fieldbus.TagMap) {
		forth, back := fieldbus.Diff(full(), m), fieldbus.Diff(m, full())
		require.NotEmpty(t, forth, "nobody is told that %s is another", path)
		require.NotEmpty(t, back, "nobody is told that %s is another", path)
	}
	for _, path := range paths {
		m := full()
		each(reflect.ValueOf(m).Elem(), "", func(p string, v reflect.Value) {
			if p == path {
				another(v)
			}
		})
		told(path, m)
	}
	m := full()
	m.Devices[0].Heartbeat = nil
	told("heartbeat", m)
	m = full()
	m.Devices[0].Identify = nil
	told("identify", m)
	m = full()
	m.Devices[0].Profile = &fieldbus.Profile{ID: "Q", Points: m.Profiles[0].Points}
	told("profile", m)
}

// each calls fn for the leaves of a value; of a list only for those of one item.
func each(v reflect.Value, path string, fn func(string, reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[quantity.Quantity]():
		fn(path, v)
	case v.Kind() == reflect.Pointer:
		each(v.Elem(), path, fn)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !followed[v.Type().Name()+"."+f.Name] {
				each(v.Field(i), path+"/"+v.Type().Name()+"."+f.Name, fn)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.String:
		i := 0
		if v.Type().Elem() == reflect.TypeFor[fieldbus.Point]() {
			i = 1 // which has what numbers have
		}
		each(v.Index(i), path, fn)
	default:
		fn(path, v)
	}
}

// another gives a leaf another value that is one.
func another(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.SetString(v.String() + "x"); v.Type() == reflect.TypeFor[quantity.Unit]() {
			v.SetString("m")
		}
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64: // a place in a list goes to the other of two
		v.SetInt(v.Int() ^ 1)
	case reflect.Uint8:
		v.SetUint(v.Uint() ^ 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.ValueOf("more")))
	case reflect.Struct: // a quantity
		v.FieldByName("Coef").SetInt(7)
	}
}
