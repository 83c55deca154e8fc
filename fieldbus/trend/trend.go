// Package trend keeps what passes on a bus in a bounded ring on disk, and sends it to where trends are kept, through outages.
//
// Start with [Open], which makes a [Ring]; [NewTap] puts it behind a port, and [Sender] empties it into a [Sink], such as [Lines].
//
// The rule that must not be broken: every sample has a number, numbers only grow, and none stands for two samples, whatever was cut
// when. So a sink that remembers the greatest number that it has takes nothing twice, and a number that is missing is a loss that
// somebody can see: taken = acknowledged + dropped + buffered.
//
// Samples are sent in order, so one that is new waits behind those that were held up; what a control loop reads goes another way,
// and the rate of a catch-up is bounded so that it leaves the line to that.
//
// It is not evidence. The ring drops its oldest samples when it is full, a sample may be lost before it reached the disk, and
// nothing is signed or chained; package journal/export sends evidence. The package starts no goroutine: [Sender.Run] does all that
// takes time.
package trend

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// MaxChannel is the greatest length of the name of a channel, in bytes.
const MaxChannel = 128

// ErrSample is wrapped by the error for a sample that cannot be.
var ErrSample = errors.New("sample cannot be kept")

// Sample is one value as it passed.
type Sample struct {
	Seq     uint64 // its number, from 1; Ring.Put gives it
	Channel string // 1 to MaxChannel bytes of UTF-8
	Form    tag.Form
	Bits    uint64
	Quality tag.Quality
	Status  fieldbus.Status
	Mono    int64 // monotonic ns at which it was true, on the clock of the rig
	UTC     int64 // ns since 1970; 0: not known
}

// check finds what cannot be kept.
func (s *Sample) check() error {
	switch {
	case s.Channel == "" || len(s.Channel) > MaxChannel || !utf8.ValidString(s.Channel):
		return fmt.Errorf("trend: sample of channel %.40q: %w: a channel has 1 to %d bytes of UTF-8", s.Channel, ErrSample, MaxChannel)
	case s.Form > tag.Float64 || s.Quality > tag.Good:
		return fmt.Errorf("trend: sample of channel %q: %w: form %d, quality %d: there are none such", s.Channel, ErrSample, s.Form, s.Quality)
	}
	return nil
}
