// Tag maps and device profiles before they are approved: read, shown, compared, and held against the I/O maps of their channels.

package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/iomap"
)

// tagMap reads a tag map and the profiles that it names, beside it.
func tagMap(name string) (*fieldbus.TagMap, error) {
	src, err := readFile(name)
	if err != nil {
		return nil, err
	}
	name = filepath.ToSlash(name)
	return fieldbus.ParseTagMap(name, src, func(file string) (*fieldbus.Profile, error) {
		return readAs(filepath.FromSlash(path.Join(path.Dir(name), file)), fieldbus.ParseProfile)
	})
}

// drivers hold a device and its profile against their protocol, by its name. They connect to nothing.
var drivers = map[string]func(d *fieldbus.Device) error{
	modbus.Protocol: func(d *fieldbus.Device) error {
		o := &modbus.DeviceOptions{}
		if slices.ContainsFunc(d.Endpoints, func(e string) bool { return strings.HasPrefix(e, "serial:") }) {
			o.Bus = modbus.NewBus(nil) // which is never opened
		}
		_, err := modbus.NewDevice(d, o)
		return err
	},
	opcua.Protocol: func(d *fieldbus.Device) error {
		_, err := opcua.NewDevice(d, nil)
		return err
	},
	scale.Protocol: func(d *fieldbus.Device) error {
		_, err := scale.NewDevice(d, nil)
		return err
	},
}

// spoken holds devices and their profiles against their protocol: addresses, types, limits and endpoints. Of a protocol that is not
// known here it says so.
func spoken(devices []fieldbus.Device, stdout io.Writer) error {
	var errs []error
	said := map[string]bool{} // devices share profiles
	for i := range devices {
		d := &devices[i]
		hold, known := drivers[d.Profile.Protocol]
		if !known {
			p := d.Profile
			note := fmt.Sprintf("note: profile %s %s: protocol %q is not known here; see its driver for addresses and limits", p.ID, p.Version, p.Protocol)
			if !said[note] {
				fmt.Fprintln(stdout, evidence.Plain(note))
			}
			said[note] = true
			continue
		}
		err := hold(d)
		if err == nil {
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !said[line] {
				errs = append(errs, errors.New(line))
			}
			said[line] = true
		}
	}
	return errors.Join(errs...)
}

// checkBus shows one tag map, and what is found between it and the I/O maps that name none.
func checkBus(name string, maps []string, stdout io.Writer) error {
	t, err := tagMap(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s: %s, %s, %s\n", t.ID, t.Version, some(len(t.Devices), "device"), some(len(t.Profiles), "profile"), some(len(t.Tags), "tag"))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "devices:")
	for i := range t.Devices {
		d, n := &t.Devices[i], 0
		for k := range t.Tags {
			if t.Tags[k].Device == i {
				n++
			}
		}
		fmt.Fprintf(w, "  %s\t%s %s\t%s\t%s\n", d.Name, d.Profile.ID, d.Profile.Version, some(n, "tag"), strings.Join(d.Endpoints, " "))
	}
	fmt.Fprintln(w, "classes:")
	for i := range t.Classes {
		c := &t.Classes[i]
		fmt.Fprintf(w, "  %s\t%s\tevery %s\n", c.Name, c.Plane, time.Duration(c.Every))
	}
	errs := []error{w.Flush(), spoken(t.Devices, stdout)}
	for _, file := range maps {
		m, err := readAs(file, iomap.Parse)
		if err == nil && m.TagMap != "" {
			continue // it is held against the one that it names
		}
		if err == nil {
			err = findings(file, fieldbus.Check(t, m, nil), stdout)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// bound holds an I/O map against the tag map that it names.
func bound(name string, m *iomap.Map, stdout io.Writer) error {
	if m.TagMap == "" {
		return nil
	}
	t, err := tagMap(filepath.FromSlash(path.Join(path.Dir(filepath.ToSlash(name)), m.TagMap)))
	if err != nil {
		return fmt.Errorf("%s: its tag map: %w", name, err)
	}
	return errors.Join(spoken(t.Devices, stdout), findings(name, fieldbus.Check(t, m, nil), stdout))
}

// checkProfile shows one device profile.
func checkProfile(name string, stdout io.Writer) error {
	p, err := readAs(name, fieldbus.ParseProfile)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s: %s, %s\n", p.ID, p.Version, p.Protocol, some(len(p.Points), "point"))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for i := range p.Points {
		v := &p.Points[i]
		scale := ""
		if v.Scale.Given {
			scale = "gain " + v.Scale.Gain.String() + ", offset " + v.Scale.Offset.String()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.At, v.Type, v.Access, v.Unit, scale)
	}
	return errors.Join(w.Flush(), spoken([]fieldbus.Device{{Name: p.ID, Profile: p}}, stdout))
}
