// What was heard of the board last, channel by channel: what is captured, and what signals are made of.

package production

import (
	"sync"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/metering/quantity"
)

// Qualities of a reading.
const (
	goodValue  = "GOOD"
	staleValue = "STALE" // it was GOOD, and nobody says that it is so still
	badValue   = "BAD"
)

// reading is a channel as it was heard last.
type reading struct {
	value   string // as the board said it
	quality string
	heard   bool // since the stream began last
}

// readings are all channels of a board. The zero value has heard nothing. Its methods may be called from any goroutine.
type readings struct {
	mu   sync.Mutex
	list map[string]reading
}

// heard takes what the board says. Of channels beyond the most that a board may have nothing is kept.
func (r *readings) heard(v *api.Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[string]reading{}
	}
	if _, known := r.list[v.Channel]; !known && len(r.list) >= maxReadings {
		return
	}
	r.list[v.Channel] = reading{v.Value, v.Quality, true}
}

// maxReadings is of how many channels the newest value is kept.
const maxReadings = 1 << 16

// lose says that nothing is heard any more: what was GOOD is STALE until it is heard again.
func (r *readings) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for channel, was := range r.list {
		was.heard = false
		r.list[channel] = was
	}
}

// of gives a channel times a gain as a decimal, with its quality: "-" and BAD for one that has never been heard, "-" and its
// quality where its value is no number.
func (r *readings) of(channel string, gain quantity.Quantity, places int) (value, quality string) {
	r.mu.Lock()
	was, known := r.list[channel]
	r.mu.Unlock()
	if !known {
		return "-", badValue
	}
	if quality = was.quality; quality == goodValue && !was.heard {
		quality = staleValue
	}
	value, ok := decimal(was.value, gain, places)
	if !ok {
		return "-", badValue
	}
	return value, quality
}
