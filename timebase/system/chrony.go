// The reference that chronyd stands for: what it says of its clock, held against when it last heard of its source.

package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// ChronyAddress is where chronyd answers without being configured to.
const ChronyAddress = "127.0.0.1:323"

// maxChronySources is how many sources of chronyd are looked through for the one in use.
const maxChronySources = 64

// hearSlack is added to what silence a reference is allowed: the time that it may itself be late.
const hearSlack = int64(time.Second)

// ChronyOptions are what a reference to chronyd may be told besides; nil is all zero.
type ChronyOptions struct {
	Dir string // where our own socket lies, which chronyd must be able to write to; "": beside chronyd's
}

// Chrony is a reference of kind NTP, told by chronyd over its command protocol, which it need not be configured for. One goroutine
// may use it.
type Chrony struct {
	clock    timebase.Clock
	at       string
	dir      string
	trail    trail
	selected uint32 // index of the source that was in use last
}

// NewChrony makes a reference to the chronyd that answers at host:port by UDP, or at the path of its socket, for which the process must
// be allowed into its directory; "" is ChronyAddress. The clock runs at speed 1.
func NewChrony(clock timebase.Clock, at string, opt *ChronyOptions) *Chrony {
	if at == "" {
		at = ChronyAddress
	}
	c := &Chrony{clock: clock, at: at}
	if opt != nil {
		c.dir = opt.Dir
	}
	return c
}

// Read implements timebase.Reference; it blocks for at most a second. It is good as long as chronyd calls its clock synchronised, has
// a source selected, and was brought up to date by it within three of its polls or three of the intervals it has kept before, of
// which no more than eight polls count, and a second: chronyd itself goes on calling its clock synchronised when its source is lost.
// Heard is that update. Drift is what chronyd gives for the error of its frequency; where it may not steer the clock (-x), the clock
// goes wrong faster.
func (c *Chrony) Read(ctx context.Context) (timebase.Reading, error) {
	l, err := call(ctx, c.at, c.dir)
	if err == nil {
		defer l.close()
		var r timebase.Reading
		if r, err = c.read(l); err == nil {
			return r, nil
		}
	}
	return timebase.Reading{}, fmt.Errorf("system: chronyd at %s: %w; is it running, and may this process ask it?", c.at, err)
}

// read makes one reading over an open line.
func (c *Chrony) read(l *line) (r timebase.Reading, err error) {
	b, err := chronyCall(l, chronyAskTracking, 0, chronyTrackingLen)
	if err != nil {
		return r, err
	}
	t, err := decodeTracking(b)
	if err != nil {
		return r, err
	}
	r.Mono, r.UTC = look(c.clock)
	s, found, err := c.source(l)
	if err != nil {
		return r, err
	}
	r.Offset, r.Bound = -t.correction, max(addBound(t.rootDelay/2, t.rootDispersion), 1)
	r.Drift = max(addBound(max(t.residual, -t.residual), t.skew), 1)
	switch t.leap {
	case 1:
		r.Leap = 1
	case 2:
		r.Leap = -1
	}
	r.Heard = c.trail.heardAt(t.updated, r.Mono, r.UTC-t.updated)
	r.Why = c.why(&t, &s, found, r.Mono-r.Heard)
	r.Good = r.Why == ""
	return r, nil
}

// why says why what chronyd stands for is not good, or nothing.
func (c *Chrony) why(t *chronyTrack, s *chronySeen, found bool, age int64) string {
	if t.leap == chronyUnsynchronised {
		return "chronyd: not synchronised"
	}
	if !found {
		return "chronyd: no source is selected"
	}
	poll := int64(time.Second)
	if s.poll >= 0 {
		poll <<= s.poll
	} else {
		poll >>= -s.poll
	}
	limit := max(3*poll, min(8*poll, 3*min(t.interval, 8*poll))) + hearSlack
	if age > limit {
		return fmt.Sprintf("chronyd: not updated for %s, of %s allowed", short(age), short(limit))
	}
	return ""
}

// source looks for the source that is in use; most often it is the one that was in use before.
func (c *Chrony) source(l *line) (s chronySeen, found bool, err error) {
	b, err := chronyCall(l, chronyAskSources, 0, chronySourcesLen)
	if err != nil {
		return s, false, err
	}
	n, err := decodeSources(b)
	if err != nil {
		return s, false, err
	}
	n = min(n, maxChronySources)
	for i := range n {
		at := (uint32(i) + c.selected) % uint32(n)
		if b, err = chronyCall(l, chronyAskSource, at, chronySourceLen); err != nil {
			return s, false, err
		}
		if s, err = decodeSource(b); err != nil {
			return s, false, err
		}
		if s.state == chronySelected {
			c.selected = at
			return s, true, nil
		}
	}
	return chronySeen{}, false, nil
}

// chronyCall asks once and returns the answer.
func chronyCall(l *line, command uint16, index uint32, answer int) ([]byte, error) {
	sequence := rand.Uint32()
	return l.ask(chronyAsk(command, sequence, index, answer), func(b []byte) bool { return chronyIsFor(b, command, sequence) })
}

// addBound adds two numbers that are not below zero, held at the end of an int64.
func addBound(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return 1<<63 - 1
}

// short writes a span of ns for a person.
func short(ns int64) string {
	d := time.Duration(ns)
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
