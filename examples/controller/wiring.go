// How the plant of the demo is reached: which tag map stands in the place of bus.yaml, and what the flags of that go with.

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// The endings of the tag maps that stand in the place of bus.yaml: bus-opcua.yaml, bus-scale.yaml, bus-opcua-scale.yaml.
const (
	byOPCUA = "-opcua"
	byScale = "-scale"
)

// wires adds the flags of how the plant is reached.
func (f *flags) wires(set *flag.FlagSet) {
	set.StringVar(&f.bus, "bus", modbus.Protocol, "`PROTOCOL` by which the demo's plant is reached: modbus, or opcua, signed and encrypted; a batch that was cut short goes on as it is bound")
	set.BoolVar(&f.scale, "scale", false, "the load cell of the demo's plant has an indicator of its own, on an RS-232 line: a pseudo terminal, of Linux alone")
}

// wiring is the ending of the tag map that the flags ask for; "" is that of bus.yaml.
func (f *flags) wiring() (ending string) {
	if f.bus == opcua.Protocol {
		ending = byOPCUA
	}
	if f.scale {
		ending += byScale
	}
	return ending
}

// rewired names the flags of the wiring that stand on the command line; "" where none does.
func (f *flags) rewired() string {
	switch bus, scale := f.given["bus"], f.given["scale"]; {
	case bus && scale:
		return "-bus and -scale"
	case bus:
		return "-bus"
	case scale:
		return "-scale"
	}
	return ""
}

// miswired says what is wrong with the flags of the wiring, or nothing.
func (f *flags) miswired() string {
	switch which := f.rewired(); {
	case which == "":
		return ""
	case f.bus != modbus.Protocol && f.bus != opcua.Protocol:
		return fmt.Sprintf("-bus %q: %s or %s is wanted", f.bus, modbus.Protocol, opcua.Protocol)
	case f.scale && runtime.GOOS != "linux":
		return fmt.Sprintf("-scale: a pseudo terminal of Linux stands in for the RS-232 line, and this is %s; leave it out", runtime.GOOS)
	case f.virtual:
		return which + " and -virtual: in virtual time no wire leads to the plant; leave one out"
	case f.board != "":
		return which + " and -board: it is of the simulated plant; leave one out"
	case f.mapping != "" && f.mapping != "demo:map.yaml":
		return which + " and -map: the tag map that a map names says how its devices are reached; leave one out"
	}
	return ""
}

// demoBus is a tag map of the demo, with its profiles: that with an ending.
func demoBus(ending string) (*fieldbus.TagMap, error) {
	name := "bus" + ending + ".yaml"
	src, err := demo.ReadFile("demo/" + name)
	if err != nil {
		return nil, err
	}
	return fieldbus.ParseTagMap(name, src, func(name string) (*fieldbus.Profile, error) {
		src, err := demo.ReadFile("demo/" + name)
		if err != nil {
			return nil, err
		}
		return fieldbus.ParseProfile(name, src)
	})
}

// sameWiring refuses flags of the wiring that say otherwise than the tag map that a batch is bound to for ever.
func (f *flags) sameWiring(b *batch.Batch) error {
	which := f.rewired()
	if which == "" {
		return nil
	}
	m, err := demoBus(f.wiring())
	if err != nil {
		return err
	}
	is := "no tag map"
	if bound := b.Plan.TagMap; bound != nil && bound.Digest == m.Digest {
		return nil
	} else if bound != nil {
		is = "tag map " + bound.ID + " " + bound.Version
	}
	return fmt.Errorf("controller: batch %s was cut short and is bound to %s, and not to %s %s; leave out -bus and -scale to continue it as it is wired",
		b.ID, is, m.ID, m.Version)
}

// isDemo tells whether a file is one of the demo's own, byte for byte.
func isDemo(f *batch.File) bool {
	names, err := fs.Glob(demo, "demo/*.yaml")
	if err != nil {
		return false
	}
	for _, name := range names {
		if data, err := demo.ReadFile(name); err == nil && string(data) == string(f.Data) {
			return true
		}
	}
	return false
}
