// Tag maps: which channel is which point of which device.

package fieldbus

// Plane is what a poll is for.
type Plane uint8

// The planes (seed 001 H2-10): what is decided by, and what is only watched.
const (
	Control Plane = iota
	Telemetry
)

// Class is a poll class of a tag map.
type Class struct {
	Name  string
	Plane Plane
	Every int64 // ns from one reading to the next
}

// Device is one device of a tag map.
type Device struct {
	Name      string // device_id
	Profile   *Profile
	Endpoints []string // where it is reached, the preferred one first; whoever wires the line may give others
	Unit      uint8    // unit or slave id, of protocols that have one
	Reconnect int64    // ns: declared time within which a link that was lost is up again (reconnect SLA); longer is on record
	Latency   int64    // ns: latency_budget of a control read or write
	// Heartbeat is a point that the line reads, or writes a growing number to if it can be written, every Beat ns; nil: any valid
	// reply is a sign of life.
	Heartbeat *Point
	Beat      int64
	// Identify is a String point that must read Identity before any value counts; nil: nothing is asked.
	Identify *Point
	Identity string
}

// Tag is one channel of a tag map.
type Tag struct {
	Channel    string // physical_channel of the I/O map
	Device     int    // place in TagMap.Devices
	Point      int    // place in its profile's Points
	Class      int    // place in TagMap.Classes
	StaleAfter int64  // ns: stale budget
}

// TagMap is what a controller reaches by its buses: tag_map_version, by version and digest.
type TagMap struct {
	ID       string
	Version  string     // tag_map_version
	Files    []string   // of its profiles, relative to its own
	Kinds    []string   // ID and version of profiles that were not read, in the order in which devices name them; nil where all were
	Profiles []*Profile // in the order of Files
	Devices  []Device
	Classes  []Class
	Tags     []Tag // in the order of the file
	Digest   string
}

// Find gives the device of a name; nil where there is none, or no tag map.
func (m *TagMap) Find(name string) *Device {
	if m == nil {
		return nil
	}
	for i := range m.Devices {
		if m.Devices[i].Name == name {
			return &m.Devices[i]
		}
	}
	return nil
}

// Owner gives the device that a channel is of; nil where none is, or there is no tag map.
func (m *TagMap) Owner(channel string) *Device {
	if m == nil {
		return nil
	}
	for i := range m.Tags {
		if m.Tags[i].Channel == channel {
			return &m.Devices[m.Tags[i].Device]
		}
	}
	return nil
}
