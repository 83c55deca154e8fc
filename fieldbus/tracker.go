// Tracker: what is told of one point whose quality changes.

package fieldbus

import (
	"math"

	"github.com/batchkit/batchkit/iomap/tag"
)

// pointGap is the time in ns for which a point that was told of waits before it is told of again; each time twice as long, up to
// pointGap << mostOften. What changed meanwhile is counted. A point that was quiet for twice its gap is told of at once.
const (
	pointGap  = 1_000_000_000
	mostOften = 6
)

// Tracker finds out that a point came to be STALE or BAD, or GOOD again, while its link passes values, and makes PointChanged of it: the
// first change at once, the next no more often than somebody can read. The zero value is ready, and takes it that the point is GOOD.
//
// Look is called after each reading, and at Wake. While the link is down, of which LinkChanged tells, it is not called.
type Tracker struct {
	quality tag.Quality // as seen last
	status  Status
	began   bool
	told    tag.Quality
	often   uint8
	at      int64 // when it was told of last
	changes int64 // that were not told
}

// Look takes in a value as it stands at a monotonic time in ns. Where there is something to tell, tell is true, and ev has all but the
// device: From and To are the qualities told last and now, Count the changes between them that were not told, Age and Limit what decides
// STALE.
func (t *Tracker) Look(now int64, v *Value) (ev Event, tell bool) {
	if !t.began {
		t.began, t.quality, t.told, t.at = true, tag.Good, tag.Good, math.MinInt64>>1
	}
	q, status, age := v.At(now)
	if q != t.quality || status != t.status {
		t.quality, t.status = q, status
		t.changes++
	}
	if t.changes == 0 || now < t.due() {
		return Event{}, false
	}
	ev = Event{
		Kind: PointChanged, At: now, Channel: v.Raw.Channel, Status: status, From: t.told.String(), To: q.String(),
		Age: age, Limit: v.Limit, Count: t.changes - 1,
	}
	if now < t.at+2*pointGap<<t.often {
		t.often = min(t.often+1, mostOften)
	} else {
		t.often = 0
	}
	t.told, t.at, t.changes = q, now, 0
	return ev, true
}

// due gives when a change may be told.
func (t *Tracker) due() int64 { return t.at + pointGap<<t.often }

// Wake gives the time at which Look may have something to tell without a new reading: the value becomes STALE, or a change that waits may
// be told. math.MaxInt64: never.
func (t *Tracker) Wake(v *Value) int64 {
	wake := int64(math.MaxInt64)
	if v.Raw.Quality == tag.Good && v.Read != 0 && t.quality != tag.Stale && v.Limit < math.MaxInt64-v.Read {
		wake = v.Read + v.Limit + 1
	}
	if t.changes > 0 {
		wake = min(wake, t.due())
	}
	return wake
}
