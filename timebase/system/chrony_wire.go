// The command protocol of chronyd, version 6: two requests and the answers to them, as candm.h of chrony 2.0 to 4.x lays them out.

package system

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The protocol: big-endian; a request begins with 20 bytes, an answer with 28, and a request is as long as its answer may be.
const (
	chronyVersion     = 6
	chronyRequest     = 1
	chronyAnswer      = 2
	chronyRequestHead = 20
	chronyAnswerHead  = 28

	chronyAskSources  = 14
	chronyAskSource   = 15
	chronyAskTracking = 33

	chronySources  = 2
	chronySource   = 3
	chronyTracking = 5

	chronySourcesLen  = 4
	chronySourceLen   = 48
	chronyTrackingLen = 76
)

// The words of the protocol that decide.
const (
	chronyUnsynchronised = 3 // leap status
	chronySelected       = 0 // state of a source
)

// chronyTrack is what chronyd says of the clock it keeps.
type chronyTrack struct {
	leap                      int
	updated                   int64 // UTC, ns, of its wall clock, when it was last brought nearer to its reference
	correction                int64 // ns that the wall clock is behind
	residual, skew            int64 // of the frequency, parts per 10^9
	rootDelay, rootDispersion int64 // ns
	interval                  int64 // ns between its last two updates
}

// chronySeen is what chronyd says of one of its sources.
type chronySeen struct {
	poll  int // log2 of the seconds between polls
	state int
}

// chronyAsk lays out a request of one number, or of none.
func chronyAsk(command uint16, sequence, index uint32, answer int) []byte {
	b := make([]byte, max(chronyAnswerHead+answer, chronyRequestHead+4))
	b[0], b[1] = chronyVersion, chronyRequest
	binary.BigEndian.PutUint16(b[4:], command)
	binary.BigEndian.PutUint32(b[8:], sequence)
	binary.BigEndian.PutUint32(b[20:], index)
	return b
}

// chronyIsFor tells whether a datagram is an answer to the request of that command and sequence number.
func chronyIsFor(b []byte, command uint16, sequence uint32) bool {
	return len(b) >= chronyAnswerHead && b[1] == chronyAnswer && binary.BigEndian.Uint16(b[4:]) == command &&
		binary.BigEndian.Uint32(b[16:]) == sequence
}

// chronyBody checks an answer and returns what stands behind its head.
func chronyBody(b []byte, form uint16, length int) ([]byte, error) {
	switch {
	case len(b) < chronyAnswerHead:
		return nil, fmt.Errorf("answer of %d bytes: too short", len(b))
	case b[0] != chronyVersion:
		return nil, fmt.Errorf("answer in version %d of the protocol: only %d, of chrony 2.0 and later, is understood", b[0], chronyVersion)
	}
	if status := binary.BigEndian.Uint16(b[8:]); status != 0 {
		return nil, fmt.Errorf("refused with status %d", status)
	}
	if got := binary.BigEndian.Uint16(b[6:]); got != form {
		return nil, fmt.Errorf("answer of form %d: %d is wanted", got, form)
	}
	if len(b) < chronyAnswerHead+length {
		return nil, fmt.Errorf("answer of %d bytes: %d are wanted", len(b), chronyAnswerHead+length)
	}
	return b[chronyAnswerHead : chronyAnswerHead+length], nil
}

// decodeTracking reads the answer to a request of tracking.
func decodeTracking(b []byte) (t chronyTrack, err error) {
	b, err = chronyBody(b, chronyTracking, chronyTrackingLen)
	if err != nil {
		return t, err
	}
	word := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	t.leap = int(binary.BigEndian.Uint16(b[26:]))
	high := word(28)
	if high == math.MaxInt32 { // the mark of a 32-bit time
		high = 0
	}
	seconds, parts := int64(high)<<32|int64(word(32)), int64(word(36))
	if seconds < 0 || seconds > math.MaxInt64/1_000_000_000-1 || parts > 999_999_999 {
		return t, fmt.Errorf("reference time %d s + %d ns: not a time", seconds, parts)
	}
	t.updated = seconds*1_000_000_000 + parts
	t.correction = chronyFloat(word(40), 1_000_000_000)
	t.residual, t.skew = chronyFloat(word(56), 1000), chronyFloat(word(60), 1000)
	t.rootDelay, t.rootDispersion = chronyFloat(word(64), 1_000_000_000), chronyFloat(word(68), 1_000_000_000)
	t.interval = chronyFloat(word(72), 1_000_000_000)
	if t.leap > chronyUnsynchronised {
		return t, fmt.Errorf("leap status %d: there are 0 to 3", t.leap)
	}
	if t.rootDelay < 0 || t.rootDispersion < 0 || t.skew < 0 {
		return t, fmt.Errorf("root delay %d ns, root dispersion %d ns, skew %d ppb: below zero", t.rootDelay, t.rootDispersion, t.skew)
	}
	return t, nil
}

// decodeSources reads the answer to a request of the number of sources.
func decodeSources(b []byte) (int64, error) {
	b, err := chronyBody(b, chronySources, chronySourcesLen)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(b)), nil
}

// decodeSource reads the answer to a request of the data of a source.
func decodeSource(b []byte) (s chronySeen, err error) {
	b, err = chronyBody(b, chronySource, chronySourceLen)
	if err != nil {
		return s, err
	}
	s = chronySeen{poll: int(int16(binary.BigEndian.Uint16(b[20:]))), state: int(binary.BigEndian.Uint16(b[24:]))}
	if s.poll < -16 || s.poll > 24 {
		return s, fmt.Errorf("poll interval 2^%d s: 2^-16 to 2^24 are known", s.poll)
	}
	return s, nil
}

// chronyFloat reads a number of 7 bits of exponent and 25 of coefficient, both signed, as value * unit, cut off towards zero below 1
// and held at the ends of an int64. unit is at most 10^9.
func chronyFloat(raw uint32, unit int64) int64 {
	exponent := int(int32(raw)>>25) - 25
	value := int64(int32(raw<<7)>>7) * unit // 25 bits and 30
	switch {
	case value == 0 || exponent <= -63:
		return 0
	case exponent < 0:
		return value / (int64(1) << -exponent)
	}
	for range exponent {
		if value > math.MaxInt64/2 || value < math.MinInt64/2 {
			if value > 0 {
				return math.MaxInt64
			}
			return -math.MaxInt64
		}
		value *= 2
	}
	return value
}
