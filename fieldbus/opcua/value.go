// Values: how what a server says becomes the reading of a point, and how a value is written.

package opcua

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Causes of OPC UA that package fieldbus has no name for.
var (
	statusNoCommunication = fieldbus.Status(ua.StatusBadNoCommunication)
	statusOutOfService    = fieldbus.Status(ua.StatusBadOutOfService)
	statusNodeUnknown     = fieldbus.Status(ua.StatusBadNodeIDUnknown)
)

// cause gives why a value is BAD that came with a status; StatusGood: it is GOOD. Bad codes are kept. An Uncertain one becomes the
// Bad code that says the same, and so does a value that somebody has forced.
func cause(status uint32) fieldbus.Status {
	code := status & 0xFFFF_0000
	switch {
	case ua.StatusCode(code) == ua.StatusGoodLocalOverride:
		return statusOutOfService
	case code>>30 == 0:
		return fieldbus.StatusGood
	case code>>31 == 1:
		return fieldbus.Status(code)
	}
	switch ua.StatusCode(code) {
	case ua.StatusUncertainNoCommunicationLastUsableValue, ua.StatusUncertainLastUsableValue:
		return statusNoCommunication
	case ua.StatusUncertainSensorNotAccurate, ua.StatusUncertainEngineeringUnitsExceeded, ua.StatusUncertainSubNormal:
		return fieldbus.StatusSensorFailure
	case ua.StatusUncertainInitialValue:
		return fieldbus.StatusWaiting
	case ua.StatusUncertainSubstituteValue:
		return statusOutOfService
	}
	return fieldbus.StatusDeviceFailure
}

// reading makes a reading of a value. It converts nothing: another type than the profile has is BAD.
func (p *place) reading(v *dataValue) fieldbus.Reading {
	if why := cause(v.status); why != fieldbus.StatusGood {
		return p.bad(why)
	}
	if v.kind == kindNull {
		return p.bad(fieldbus.StatusWaiting)
	}
	bits, ok := p.value(v)
	switch {
	case !ok:
		return p.bad(fieldbus.StatusConfigurationError)
	case p.typ == fieldbus.Uint64 && bits > math.MaxInt64:
		return p.bad(fieldbus.StatusOutOfRange)
	}
	return fieldbus.Reading{Form: p.form, Bits: bits, Quality: tag.Good}
}

// bad is the reading of a place of which nothing is known.
func (p *place) bad(s fieldbus.Status) fieldbus.Reading {
	return fieldbus.Reading{Form: p.form, Quality: tag.Bad, Status: s}
}

// value gives the bits of a value that has the type of the place. Byte and SByte, which profiles do not have, count as uint16 and int16.
func (p *place) value(v *dataValue) (bits uint64, ok bool) {
	c := cursor{b: v.body}
	switch {
	case v.kind == kindByte && p.typ == fieldbus.Uint16:
		return uint64(c.u8()), !c.bad
	case v.kind == kindSByte && p.typ == fieldbus.Int16:
		return uint64(int64(int8(c.u8()))), !c.bad
	case v.kind != kinds[p.typ] || p.typ == fieldbus.String:
		return 0, false
	}
	switch p.typ {
	case fieldbus.Bool:
		if c.u8() != 0 {
			bits = 1
		}
	case fieldbus.Int16:
		bits = uint64(int64(int16(c.u16())))
	case fieldbus.Uint16:
		bits = uint64(c.u16())
	case fieldbus.Int32:
		bits = uint64(int64(int32(c.u32())))
	case fieldbus.Uint32, fieldbus.Float32:
		bits = uint64(c.u32())
	default:
		bits = c.u64()
	}
	return bits, !c.bad
}

// lag gives by how much the source's time lies behind the server's, or ahead of it: from neither follows that it is new. It is not
// known where one of them is missing.
func (v *dataValue) lag() (time.Duration, bool) {
	if v.source <= 0 || v.server <= 0 {
		return 0, false
	}
	ticks := max(v.server-v.source, v.source-v.server)
	if ticks > int64(longestWait)*10/100 {
		return 10 * longestWait, true // longer than anything that is asked for
	}
	return time.Duration(ticks * 100), true
}

// text makes a text of a String, as package modbus does: without what fills it up, and printable ASCII, since it is compared with what
// a tag map has.
func (p *place) text(v *dataValue) (string, error) {
	if why := cause(v.status); why != fieldbus.StatusGood {
		return "", fmt.Errorf("%w: %v", fieldbus.ErrPoint, ua.StatusCode(why))
	}
	if p.typ != fieldbus.String || v.kind != kindString {
		return "", fmt.Errorf("%w: it is no string there; look at its address and type", fieldbus.ErrPoint)
	}
	c := cursor{b: v.body}
	s := strings.TrimRight(string(c.bytes()), " \x00")
	if len(s) > p.length {
		return "", fmt.Errorf("%w: it has %d bytes, and its length is %d", fieldbus.ErrPoint, len(s), p.length)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", fmt.Errorf("%w: text %q: byte %d is not printable ASCII", fieldbus.ErrPoint, s, i)
		}
	}
	return s, nil
}

// writable refuses what would come out as another value, or is not to be written.
func (p *place) writable(form tag.Form, bits uint64) error {
	least, most := p.typ.Range()
	switch v := int64(bits); {
	case p.access == fieldbus.ReadOnly:
		return fmt.Errorf("%w: the profile has it read-only", fieldbus.ErrRefused)
	case p.typ == fieldbus.String:
		return fmt.Errorf("%w: it is a string", fieldbus.ErrRefused)
	case form != p.form:
		return fmt.Errorf("%w: value of form %v for a point of form %v", fieldbus.ErrRefused, form, p.form)
	case v < least || v > most:
		return fmt.Errorf("%w: value %d: the point holds %d to %d", fieldbus.ErrRefused, v, least, most)
	}
	return nil
}

// appendValue appends a DataValue that has a value and nothing else: many servers take no times and no status from others.
func (p *place) appendValue(b []byte, bits uint64) []byte {
	b = append(b, 1, kinds[p.typ])
	switch p.typ.Bits() {
	case 1:
		return append(b, byte(bits))
	case 16:
		return binary.LittleEndian.AppendUint16(b, uint16(bits))
	case 32:
		return binary.LittleEndian.AppendUint32(b, uint32(bits))
	}
	return binary.LittleEndian.AppendUint64(b, bits)
}

// wrote says what the status of a write means.
func wrote(status uint32) error {
	code := ua.StatusCode(status & 0xFFFF_0000)
	switch code {
	case ua.StatusGoodCompletesAsynchronously, ua.StatusBadTimeout, ua.StatusBadRequestTimeout, ua.StatusBadUnexpectedError,
		ua.StatusBadInternalError, ua.StatusBadCommunicationError, ua.StatusBadNoCommunication, ua.StatusBadDeviceFailure, ua.StatusBadShutdown,
		ua.StatusBadNotConnected, ua.StatusBadDisconnect, ua.StatusBadConnectionClosed, ua.StatusBadSecureChannelClosed, ua.StatusBadSessionClosed,
		ua.StatusBadWaitingForResponse, ua.StatusBadOperationAbandoned, ua.StatusBadRequestCancelledByClient, ua.StatusBadRequestCancelledByRequest,
		ua.StatusBadEncodingError, ua.StatusBadEncodingLimitsExceeded, ua.StatusBadResponseTooLarge, ua.StatusBadTCPInternalError:
		return fmt.Errorf("%w: the server says %v", fieldbus.ErrUnknown, code) // what is behind it may have it
	case ua.StatusGoodClamped:
		return fmt.Errorf("%w: the server has written another value, the nearest that it takes: %v", fieldbus.ErrUnknown, code)
	}
	switch status >> 30 {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: the server says %v", fieldbus.ErrUnknown, code)
	}
	return fmt.Errorf("%w: the server says %v", fieldbus.ErrRefused, code)
}
