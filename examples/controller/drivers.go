// The drivers of the devices that a tag map has, each on a line of its own, and who they are to each other.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/fieldbus"
	busline "github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/modbus"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// wants says by what a plant is to be reached beside Modbus, so that the devices of the tag map of f are there. A tag map with devices
// that the plant is not is refused.
func (f *plantFlags) wants() error {
	if f.bus == nil {
		return nil
	}
	has := map[string]string{}
	for i := range f.bus.Devices {
		d := &f.bus.Devices[i]
		switch protocol := d.Profile.Protocol; {
		case has[protocol] != "":
			return fmt.Errorf("controller: tag map %s has devices %s and %s of protocol %s, and the plant is one of each; leave out the others",
				f.bus.ID, has[protocol], d.Name, protocol)
		case protocol == modbus.Protocol:
		case protocol == opcua.Protocol:
			f.opcua = true
		case protocol == scale.Protocol:
			f.scale = true
		default:
			return fmt.Errorf("controller: tag map %s: device %s: protocol %q: the plant speaks %s, %s and %s", f.bus.ID, d.Name, protocol,
				modbus.Protocol, opcua.Protocol, scale.Protocol)
		}
		has[d.Profile.Protocol] = d.Name
	}
	return nil
}

// portTo is a port over the devices of the tag map of f, at a plant; without a tag map it is that of the demo. They share nothing, and
// so none waits for another.
func portTo(at address, f *plantFlags, clock timebase.Clock) (tag.Port, error) {
	m := f.bus
	if m == nil {
		var err error
		if m, err = demoBus(""); err != nil {
			return nil, err
		}
	}
	var parts []runner.Part
	for i := range m.Devices {
		d := &m.Devices[i]
		driver, endpoint, err := driverOf(d, at, f.dir)
		if err != nil {
			return nil, err
		}
		// It is looked for often enough to be back within the time that is declared.
		on := busline.Attached{Device: d.Name, Driver: driver, Endpoints: []string{endpoint}, Longest: d.Reconnect / 2}
		l, err := busline.New(m, []busline.Attached{on}, &busline.Options{Clock: clock, Seed: f.seed})
		if err != nil {
			return nil, err
		}
		part := runner.Part{Name: d.Name, Port: l}
		for k := range m.Tags {
			if m.Tags[k].Device == i {
				part.Channels = append(part.Channels, m.Tags[k].Channel)
			}
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return parts[0].Port, nil
	}
	return runner.Join(parts...)
}

// driverOf makes the driver of a device that a plant is, and says where that is.
func driverOf(d *fieldbus.Device, at address, dir string) (driver busline.Device, endpoint string, err error) {
	switch d.Profile.Protocol {
	case opcua.Protocol:
		o := &opcua.DeviceOptions{Policy: opcua.Basic256Sha256}
		if o.Identity, err = identity(dir, pkiController); err == nil {
			o.Trust, err = opcua.LoadTrust(filepath.Join(dir, filePKI, pkiPlant))
		}
		if err != nil {
			return nil, "", fmt.Errorf("controller: plant in %s: %w", dir, err)
		}
		driver, err = opcua.NewDevice(d, o)
		return driver, at.OPCUA, err
	}
	if d.Profile.Protocol == scale.Protocol {
		driver, err = scale.NewDevice(d, &scale.DeviceOptions{Open: func(_ context.Context, path string) (hal.RS232, error) { return openLine(d, path, dir) }})
		return driver, "serial:" + filepath.Join(dir, fileScale), err
	}
	driver, err = modbus.NewDevice(d, nil)
	return driver, "tcp://" + at.Address, err
}

// openLine opens the line of a scale of the plant in a directory. Of a plant that was killed the link may lead to a terminal that is by now
// somebody else's.
func openLine(d *fieldbus.Device, path, dir string) (hal.RS232, error) {
	if _, living := findPlant(dir); !living {
		return nil, errors.New("the plant does not run")
	}
	line, err := linux.ParseLine(d.Profile.Setting("line"))
	if err != nil {
		return nil, err
	}
	return linux.OpenRS232(path, line)
}

// Who talks OPC UA: below filePKI each has a directory with its certificate, which the other trusts and nothing else, and a key beside
// that.
const (
	filePKI       = "pki"
	pkiController = "controller"
	pkiPlant      = "plant"
	pkiTime       = 10 * 365 * 24 * time.Hour // for which a certificate is valid
)

// introduce makes both identities, so that each finds whom it is to trust: before the plant is started, since two keys take seconds on a
// small or busy machine, and a start may not.
func introduce(dir string) error {
	for _, who := range [...]string{pkiController, pkiPlant} {
		if _, err := identity(dir, who); err != nil {
			return fmt.Errorf("controller: plant in %s: %w", dir, err)
		}
	}
	return nil
}

// identity gives one of the two its certificate and key. They are made where they are not there, or not whole, or no longer valid; that
// takes some tenths of a second.
func identity(dir, who string) (*opcua.Identity, error) {
	cert, key := filepath.Join(dir, filePKI, who, "cert.pem"), filepath.Join(dir, filePKI, who+".key")
	now := time.Now()
	if id, err := opcua.LoadIdentity(cert, key); err == nil {
		self, err := opcua.NewTrust(id.Certificate)
		if err == nil && self.Check(id.Certificate, id.URI, "", now) == nil {
			return id, nil
		}
	}
	for _, old := range [...]string{cert, key} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(cert), 0o750); err != nil {
		return nil, err
	}
	id, err := opcua.NewIdentity("T301 "+who, "urn:batchkit:T301:"+who, []string{"127.0.0.1"}, now, now.Add(pkiTime))
	if err != nil {
		return nil, err
	}
	return id, id.Save(cert, key)
}
