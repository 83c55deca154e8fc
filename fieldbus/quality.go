// Quality: a value, how old it is, and why it is no better, as OPC UA says it.

package fieldbus

import "github.com/batchkit/batchkit/iomap/tag"

// Status is the cause of a quality, as a status code of OPC UA part 4 (7.39), so that an export loses nothing.
type Status uint32

// The causes that a bus has.
const (
	StatusGood               Status = 0x00000000
	StatusLastUsable         Status = 0x40900000 // UncertainLastUsableValue: STALE
	StatusNotConnected       Status = 0x808A0000 // BadNotConnected
	StatusDeviceFailure      Status = 0x808B0000 // BadDeviceFailure
	StatusSensorFailure      Status = 0x808C0000 // BadSensorFailure
	StatusConfigurationError Status = 0x80890000 // BadConfigurationError
	StatusWaiting            Status = 0x80320000 // BadWaitingForInitialData
	StatusNotReadable        Status = 0x803A0000 // BadNotReadable: the profile has the point write-only
	StatusOutOfRange         Status = 0x803C0000 // BadOutOfRange: what the device has is no value that the form can hold
)

// Reading is what a device gave for a point.
type Reading struct {
	Form    tag.Form
	Bits    uint64
	Quality tag.Quality // Good or Bad
	Status  Status
	// Age is how old the value may have been, in ns, when the read of it was begun: of what a device sends by itself. What was asked for
	// is no older than its request: 0.
	Age int64
}

// Value is one channel as it stands. The zero value was never read.
type Value struct {
	Raw    tag.Raw // At: of the last reading; the quality is that of the reading, never Stale
	Status Status  // of the last reading
	Read   int64   // monotonic ns at which it was read last as GOOD; 0: never
	Limit  int64   // ns: its stale budget
}

// At gives the quality of the value at a monotonic time in ns, its cause, and its age in ns since it was read last as GOOD; -1 where it
// never was. It is STALE one ns after its limit. What is BAD has always a cause: StatusWaiting where nothing came yet. A time before that of
// the reading counts as that of the reading.
func (v *Value) At(now int64) (q tag.Quality, s Status, age int64) {
	age = -1
	if v.Read != 0 {
		age = max(now-v.Read, 0)
	}
	switch {
	case v.Raw.Quality != tag.Good || age < 0:
		if s = v.Status; s == StatusGood {
			s = StatusWaiting
		}
		return tag.Bad, s, age
	case age > v.Limit:
		return tag.Stale, StatusLastUsable, age
	}
	return tag.Good, StatusGood, age
}
