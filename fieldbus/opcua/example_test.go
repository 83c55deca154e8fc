// How a device is made: of a profile and a tag map, with a server that is trusted.

package opcua_test

import (
	"fmt"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/fieldbus/opcua"
)

const profile = `profile: FLOW-PLC
version: "1.0"
schema_version: 1
protocol: opcua
settings: {read: subscribe, publishing_interval: 100 ms}
limits: {response: 500 ms}
points:
  - {point: flow, at: "nsu=http://maker/flow;s=Flow", type: float64, unit: kg/min}
  - {point: valve, at: "nsu=http://maker/flow;s=Valve", type: bool, access: rw}
`

const tagMap = `tag_map: plant
version: "1"
schema_version: 1
profiles: [flow.yaml]
devices:
  - {device: PLC-1, profile: FLOW-PLC 1.0, endpoints: ["opc.tcp://10.0.0.7:4840/plc"], reconnect: 5 s}
classes:
  - {class: fast, plane: control, every: 100 ms}
tags:
  - {channel: plc/flow, device: PLC-1, point: flow, class: fast, stale_after: 1 s}
  - {channel: plc/valve, device: PLC-1, point: valve, class: fast, stale_after: 1 s}
`

// A device of a tag map becomes the driver of a line. In a plant Policy, Identity (LoadIdentity) and Trust (LoadTrust) are given, too.
func ExampleNewDevice() {
	p, err := fieldbus.ParseProfile("flow.yaml", []byte(profile))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := fieldbus.ParseTagMap("map.yaml", []byte(tagMap), func(string) (*fieldbus.Profile, error) { return p, nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	driver, err := opcua.NewDevice(&m.Devices[0], &opcua.DeviceOptions{Policy: opcua.None})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := line.New(m, []line.Attached{{Device: "PLC-1", Driver: driver, Longest: 1_000_000_000}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.State()[0].Device, l.State()[0].Link) // Watch connects it
	// Output:
	// PLC-1 DOWN
}

// An identity is made once and saved; the server is told to trust its certificate, and we to trust the server's.
func ExampleNewIdentity() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	id, err := opcua.NewIdentity("mixer 1", "urn:plant:mixer-1", []string{"10.0.0.5"}, now, now.AddDate(5, 0, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	trust, err := opcua.NewTrust(id.Certificate)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trust.Check(id.Certificate, "urn:plant:mixer-1", "", now))
	fmt.Println(trust.Check(id.Certificate, "urn:plant:mixer-2", "", now) != nil)
	// Output:
	// <nil>
	// true
}

// What a profile has and OPC UA does not is refused, all at once.
func ExampleNewDevice_wrong() {
	_, err := opcua.NewDevice(&fieldbus.Device{Name: "PLC-1", Profile: &fieldbus.Profile{
		ID: "FLOW-PLC", Version: "1.0", Protocol: opcua.Protocol, Limits: fieldbus.Limits{ReadRegisters: 20},
		Points: []fieldbus.Point{{Name: "flow", At: "holding 40", Type: fieldbus.Float32}},
	}}, nil)
	fmt.Println(err)
	// Output:
	// opcua: profile "FLOW-PLC" 1.0: limit read_registers: OPC UA has nothing that it could limit, and a server says itself what it bears; leave it out
	// opcua: profile "FLOW-PLC" 1.0: point "flow": address "holding 40": it has no identifier; write it such as "ns=2;s=Flow", "i=2258" or "nsu=http://maker/device;s=Flow"
}
