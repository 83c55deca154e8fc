// ParseTagMap: a tag map from its file, and the profiles that it names.

package fieldbus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/internal/strictyaml"
)

// ParseTagMap reads a tag map, YAML or its subset JSON; file is the name that errors show. The profiles that it names are asked for by
// the names of their files, which are relative to this one, each once and in their order. What is wrong is returned all at once, each
// error with line, column and the line itself, those of profiles too; then the TagMap is nil. Without profiles (nil) the form alone
// is held: no device has a profile then and no tag a point (-1), which is enough to tell ID, version and files.
//
// Its keys are tag_map (the name), version (tag_map_version), schema_version: 1, profiles (1 to MaxProfiles files), and three lists.
//
// devices, 1 to MaxDevices:
//
//	device          device_id
//	profile         its kind, as ID and version: T301-PLC 1.0
//	endpoints       where it is reached, the preferred one first, such as [tcp://10.0.0.7:502]; no names or passwords. May be left out
//	                where whoever wires the controller says so
//	unit            unit or slave id, 0 to 255, where the protocol has one
//	reconnect       time within which a link that was lost is up again; longer is on record
//	latency_budget  for a control read or write; longer is counted
//	heartbeat       {point: BEAT, every: 1 s}: a number that shows life when it is read, or is counted up there where it can be written
//	identify        {point: SERIAL, is: A-1002}: a string that must read so before any value counts
//
// classes, 1 to MaxClasses poll classes: class (name), plane (control: what is decided by; telemetry: what is only watched), every
// (from one reading to the next).
//
// tags, 1 to MaxTags:
//
//	channel      physical_channel of the I/O map, each once
//	device       one of devices
//	point        of its profile, no string
//	class        one of classes
//	stale_after  age after which its value is STALE; in a control class longer than every. Not of a point that is only written
func ParseTagMap(file string, src []byte, profiles func(name string) (*Profile, error)) (*TagMap, error) {
	doc := strictyaml.Parse(file, src, nil)
	r := mapReader{m: &TagMap{Digest: digestOf(src)}, blind: profiles == nil}
	f := doc.Root().Map()
	r.m.ID, r.m.Version = head(f, "tag_map")
	wrong := r.profiles(f.Req("profiles"), profiles)
	devices, classes, tags := f.Req("devices"), f.Req("classes"), f.Req("tags")
	f.Done()
	seen := map[string]int{}
	for _, n := range some(classes, MaxClasses, "class") {
		r.m.Classes = append(r.m.Classes, classOf(n, seen))
	}
	seen = map[string]int{}
	for _, n := range some(devices, MaxDevices, "device") {
		r.m.Devices = append(r.m.Devices, r.device(n, seen))
	}
	seen = map[string]int{}
	for _, n := range some(tags, MaxTags, "tag") {
		r.m.Tags = append(r.m.Tags, r.tag(n, seen))
	}
	if !r.blind {
		r.spare()
	}
	if err := errors.Join(doc.Err(), wrong); err != nil {
		return nil, err
	}
	return r.m, nil
}

// PointOf gives the point of a tag of the map.
func (m *TagMap) PointOf(t *Tag) *Point { return &m.Devices[t.Device].Profile.Points[t.Point] }

// some reads a list that must not be empty.
func some(n strictyaml.Node, most int, what string) []strictyaml.Node {
	items := n.List(most)
	if n.Kind() == strictyaml.List && len(items) == 0 {
		n.Errorf("a tag map needs a %s", what)
	}
	return items
}

// mapReader fills a TagMap.
type mapReader struct {
	m     *TagMap
	blind bool              // profiles are not read, or not all could be: what needs them is not held against them
	files []strictyaml.Node // by place in m.Profiles
}

// profiles reads the list of profiles; the error is what is wrong within them.
func (r *mapReader) profiles(n strictyaml.Node, read func(name string) (*Profile, error)) (wrong error) {
	seen := map[string]int{}
	for _, item := range some(n, MaxProfiles, "profile") {
		name := item.File()
		item.Once(seen, name, "file")
		if name == "" {
			r.blind = true
			continue
		}
		r.m.Files = append(r.m.Files, name)
		if read == nil {
			continue
		}
		p, err := read(name)
		if err != nil {
			wrong, r.blind = errors.Join(wrong, fmt.Errorf("%w\n%s: it is named there", err, item.Pos())), true
			continue
		}
		if i := slices.IndexFunc(r.m.Profiles, func(q *Profile) bool { return q.ID == p.ID }); i >= 0 {
			item.Errorf("it is profile %s, as is the file in line %d; a tag map has one version of each", p.ID, r.files[i].Pos().Line)
			continue
		}
		r.m.Profiles, r.files = append(r.m.Profiles, p), append(r.files, item)
	}
	return wrong
}

// spare reports profiles that no device has.
func (r *mapReader) spare() {
	for i, p := range r.m.Profiles {
		if !slices.ContainsFunc(r.m.Devices, func(d Device) bool { return d.Profile == p }) {
			r.files[i].Errorf("no device is of profile %s %s; leave the file out", p.ID, p.Version)
		}
	}
}

// classOf reads one poll class.
func classOf(n strictyaml.Node, seen map[string]int) (c Class) {
	f := n.Map()
	name := f.Req("class")
	c.Name = name.Ident()
	name.Once(seen, c.Name, "class")
	if f.Req("plane").OneOf("control", "telemetry") == "telemetry" {
		c.Plane = Telemetry
	}
	c.Every = timeOf(f.Req("every"))
	f.Done()
	return c
}

// device reads one device.
func (r *mapReader) device(n strictyaml.Node, seen map[string]int) (d Device) {
	f := n.Map()
	name := f.Req("device")
	d.Name = name.Ident()
	name.Once(seen, d.Name, "device")
	d.Profile = r.profile(f.Req("profile"))
	if v, ok := f.Opt("endpoints"); ok {
		d.Endpoints = endpointsOf(v)
	}
	unit, _ := f.Opt("unit")
	reconnect, _ := f.Opt("reconnect")
	latency, _ := f.Opt("latency_budget")
	heartbeat, beats := f.Opt("heartbeat")
	identify, identified := f.Opt("identify")
	f.Done()
	d.Unit = uint8(unit.Int(0, 255))
	d.Reconnect, d.Latency = timeOf(reconnect), timeOf(latency)
	if beats {
		f := heartbeat.Map()
		at := f.Req("point")
		d.Heartbeat, d.Beat = r.point(at, d.Profile), timeOf(f.Req("every"))
		f.Done()
		switch p := d.Heartbeat; {
		case p == nil:
		case p.Type == String:
			at.Errorf("%s is a string; a heartbeat is a number or a bool", p.Name)
		case p.Access != ReadOnly && (p.Type == Bool || p.Type == Float32 || p.Type == Float64):
			at.Errorf("%s is %s and would be counted up; a heartbeat that is written is a whole number", p.Name, p.Type)
		}
	}
	if identified {
		f := identify.Map()
		at, is := f.Req("point"), f.Req("is")
		f.Done()
		d.Identify, d.Identity = r.point(at, d.Profile), textOf(is, "an identity", "A-1002")
		switch p := d.Identify; {
		case p == nil:
		case p.Type != String:
			at.Errorf("%s is %s; a device is identified by a string", p.Name, p.Type)
		case len(d.Identity) > p.Length:
			is.Errorf("%q has %d bytes, and %s has %d", d.Identity, len(d.Identity), p.Name, p.Length)
		}
	}
	return d
}

// profile reads which kind a device is of; nil where that is refused or nobody knows.
func (r *mapReader) profile(n strictyaml.Node) *Profile {
	text := n.Str()
	id, version, ok := strings.Cut(text, " ")
	if text != "" && (!ok || id == "" || version == "" || strings.Contains(version, " ")) {
		n.Errorf("%q is no profile; write its ID and version, such as T301-PLC 1.0", text)
		return nil
	}
	if text == "" {
		return nil
	}
	var known []string
	for _, p := range r.m.Profiles {
		if p.ID == id && p.Version == version {
			return p
		}
		known = append(known, p.ID+" "+p.Version)
	}
	if !r.blind {
		n.Errorf("%q is none of the profiles of this map, which are %s", text, strings.Join(known, ", "))
	}
	r.m.Kinds = appendNew(r.m.Kinds, text)
	return nil
}

// appendNew appends a text that is not there yet.
func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// endpointsOf reads where a device is reached.
func endpointsOf(n strictyaml.Node) (list []string) {
	seen := map[string]int{}
	for _, item := range n.List(MaxEndpoints) {
		text := textOf(item, "an endpoint", "tcp://10.0.0.7:502")
		item.Once(seen, text, "endpoint")
		if strings.Contains(text, "@") {
			item.Errorf("an endpoint holds no name or password: this file goes into the evidence; whoever wires the controller gives them")
		}
		list = append(list, text)
	}
	return list
}

// point reads a point of a profile; nil where it is refused, or the profile is not known.
func (r *mapReader) point(n strictyaml.Node, of *Profile) *Point {
	name := n.Ident()
	if name == "" || of == nil {
		return nil
	}
	p := of.Find(name)
	if p == nil {
		n.Errorf("profile %s %s has no point %q", of.ID, of.Version, name)
	}
	return p
}

// tag reads one tag.
func (r *mapReader) tag(n strictyaml.Node, seen map[string]int) Tag {
	f := n.Map()
	channel, device, point, class := f.Req("channel"), f.Req("device"), f.Req("point"), f.Req("class")
	stale, aged := f.Opt("stale_after")
	f.Done()
	t := Tag{Channel: channelOf(channel), Point: -1}
	channel.Once(seen, t.Channel, "channel")
	t.Device = placeOf(device, r.m.Devices, "device", func(d *Device) string { return d.Name })
	t.Class = placeOf(class, r.m.Classes, "class", func(c *Class) string { return c.Name })
	var p *Point
	if t.Device >= 0 {
		p = r.point(point, r.m.Devices[t.Device].Profile)
	} else {
		point.Ident()
	}
	t.StaleAfter = timeOf(stale)
	switch {
	case p == nil:
	case p.Type == String:
		point.Errorf("%s is a string, which identifies a device and is no tag", p.Name)
	case p.Access == WriteOnly && aged:
		stale.Errorf("%s is only written: no value of it can be STALE; leave stale_after out", p.Name)
	case p.Access != WriteOnly && !aged:
		n.Errorf("key \"stale_after\" is missing: %s is read", p.Name)
	}
	if p != nil {
		t.Point = p.Index
	}
	if t.Class >= 0 && t.StaleAfter != 0 {
		if c := &r.m.Classes[t.Class]; c.Plane == Control && c.Every >= t.StaleAfter {
			stale.Errorf("class %s reads it every %s, and it is STALE after %s: between two readings it would pass no gate; make it longer",
				c.Name, span(c.Every), span(t.StaleAfter))
		}
	}
	return t
}

// placeOf finds the place of what a node names in a list; -1 where it is refused.
func placeOf[T any](n strictyaml.Node, list []T, what string, name func(*T) string) int {
	text := n.Ident()
	if text == "" {
		return -1
	}
	for i := range list {
		if name(&list[i]) == text {
			return i
		}
	}
	n.Errorf("there is no %s %q in this map", what, text)
	return -1
}
