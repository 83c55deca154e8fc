// The receiver: samples as fieldbus/trend posts them, each number taken once.

package scada

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of what the receiver takes.
const (
	maxBody     = 4 << 20
	maxLine     = 2 << 10
	maxChannels = iomap.MaxTags
	maxClock    = 1<<62 - 1   // ns, of a monotonic time and of UTC
	maxAhead    = time.Minute // that the clock of a sender counts as being ahead of the one here
)

// sample is the newest value of a channel.
type sample struct {
	trend.Sample
	came time.Time
	lag  time.Duration // how old it was then, as far as is known
}

// receiver keeps the newest value of each channel. What it has is in memory alone: after a restart the next value of a channel is the
// first, and nothing is asked for again, since a window shows what is and keeps no history.
type receiver struct {
	mu       sync.Mutex
	busy     bool
	last     uint64 // the greatest number that was taken
	newest   int64  // the greatest UTC of a sample, as far as it is no more than maxAhead in the future
	ahead    int64  // the greatest of mono less arrival, ns: by which a clock that tells no UTC is read
	mono     int64
	channels map[string]sample
	count    tally
	heard    time.Time
	now      func() time.Time
}

// tally is what the receiver has done.
type tally struct {
	Taken   uint64 // samples
	Again   uint64 // samples that came again and were passed over
	Missing uint64 // numbers that never came
	Beyond  uint64 // samples of channels for which there was no room
	Refused uint64 // requests
	Rings   uint64 // times that another ring began, whose numbers begin anew
}

func newReceiver(now func() time.Time) *receiver {
	return &receiver{channels: map[string]sample{}, now: now}
}

// errRefused says that a request is not what trend.Lines posts.
var errRefused = errors.New("scada: samples refused")

// ServeHTTP takes the lines of trend.Lines. It answers 204 when it has all of them, and else it has none of them: 400 or 413 where they are
// not what trend.Lines posts, 403 where a page in a browser posts them, which reaches loopback, too, 503 while another request is read. It
// blocks for the network.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, err := v.post(w, r)
	if err != nil {
		v.mu.Lock()
		v.count.Refused++
		v.mu.Unlock()
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (v *receiver) post(w http.ResponseWriter, r *http.Request) (code int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, fmt.Errorf("%w: %.20q: post lines as fieldbus/trend does", errRefused, r.Method)
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return http.StatusForbidden, fmt.Errorf("%w: a browser posts them for a page; post lines as fieldbus/trend does", errRefused)
	}
	v.mu.Lock()
	busy := v.busy
	v.busy = true
	v.mu.Unlock()
	if busy {
		return http.StatusServiceUnavailable, fmt.Errorf("%w: another sender is being read; one sender has one window", errRefused)
	}
	defer func() {
		v.mu.Lock()
		v.busy = false
		v.mu.Unlock()
	}()
	list, err := readLines(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, fmt.Errorf("%w: more than %d bytes; post fewer samples at a time", errRefused, maxBody)
	case err != nil:
		return http.StatusBadRequest, err
	}
	v.take(list)
	return 0, nil
}

// wireSample is one line.
type wireSample struct {
	Seq     uint64 `json:"seq"`
	Channel string `json:"channel"`
	Form    string `json:"form"`
	Bits    string `json:"bits"`
	Quality string `json:"quality"`
	Status  uint32 `json:"status"`
	Mono    string `json:"mono_ns"`
	UTC     string `json:"utc_ns"`
}

// readLines reads all lines, or refuses all of them.
func readLines(body io.Reader) (list []trend.Sample, err error) {
	in := bufio.NewScanner(body)
	in.Buffer(make([]byte, 0, maxLine), maxLine)
	for n := 1; in.Scan(); n++ {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		s, err := readLine(in.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errRefused, n, err)
		}
		if len(list) == trend.MaxBatch {
			return nil, fmt.Errorf("%w: more than %d samples; post fewer at a time", errRefused, trend.MaxBatch)
		}
		if len(list) > 0 && s.Seq <= list[len(list)-1].Seq {
			return nil, fmt.Errorf("%w: line %d: sample %d follows %d; numbers only grow", errRefused, n, s.Seq, list[len(list)-1].Seq)
		}
		list = append(list, s)
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: line %d has more than %d bytes", errRefused, len(list)+1, maxLine)
	}
	return list, in.Err()
}

// readLine reads one line. Keys that are not known are passed over, as those of a later version are.
func readLine(line []byte) (s trend.Sample, err error) {
	var w wireSample
	if err := json.Unmarshal(line, &w); err != nil {
		return s, fmt.Errorf("not a JSON object of trend.Lines: %w", err)
	}
	s = trend.Sample{Seq: w.Seq, Channel: w.Channel, Status: fieldbus.Status(w.Status)}
	if w.Seq == 0 || w.Channel == "" || len(w.Channel) > trend.MaxChannel || !utf8.ValidString(w.Channel) {
		return s, fmt.Errorf("seq %d, channel %.40q: a number from 1 and 1 to %d bytes are wanted", w.Seq, w.Channel, trend.MaxChannel)
	}
	for s.Form = tag.Bool; s.Form.String() != w.Form; s.Form++ {
		if s.Form == tag.Float64 {
			return s, fmt.Errorf("form %.20q: bool, int, float32 or float64 is wanted", w.Form)
		}
	}
	for s.Quality = tag.Bad; s.Quality.String() != w.Quality; s.Quality++ {
		if s.Quality == tag.Good {
			return s, fmt.Errorf("quality %.20q: GOOD, STALE or BAD is wanted", w.Quality)
		}
	}
	if s.Bits, err = strconv.ParseUint(w.Bits, 16, 64); err != nil {
		return s, fmt.Errorf("bits %.20q: hexadecimal digits of 64 bits are wanted", w.Bits)
	}
	for _, t := range [...]struct {
		text string
		to   *int64
	}{{w.Mono, &s.Mono}, {w.UTC, &s.UTC}} {
		if *t.to, err = strconv.ParseInt(t.text, 10, 64); err != nil || *t.to < 0 || *t.to > maxClock {
			return s, fmt.Errorf("mono_ns %.24q, utc_ns %.24q: decimal numbers from 0 to %d are wanted", w.Mono, w.UTC, int64(maxClock))
		}
	}
	return s, nil
}

// take takes samples in. One whose number was taken already has come again, unless it is younger than all that ever came: then it is of
// another ring, whose numbers begin anew. A time in the far future does not count: one sample with it would shut out all others for good.
func (v *receiver) take(list []trend.Sample) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	for _, s := range list {
		switch {
		case s.Seq > v.last:
			if v.last > 0 {
				v.count.Missing += s.Seq - v.last - 1
			}
		case s.UTC > v.newest:
			v.count.Rings++
		default:
			v.count.Again++
			continue
		}
		v.last, v.newest = s.Seq, max(v.newest, min(s.UTC, now.Add(maxAhead).UnixNano()))
		v.count.Taken++
		if _, known := v.channels[s.Channel]; !known && len(v.channels) >= maxChannels {
			v.count.Beyond++
			continue
		}
		v.channels[s.Channel] = sample{Sample: s, came: now, lag: v.lag(&s, now)}
		v.heard = now
	}
}

// lag is how old a sample is as it comes: by UTC where that is known, and else by how much it is behind the one that came soonest after its
// time. A clock that was set back by more than a second is another one.
func (v *receiver) lag(s *trend.Sample, now time.Time) time.Duration {
	ahead := s.Mono - now.UnixNano()
	if s.Mono < v.mono-int64(time.Second) || v.mono == 0 || ahead > v.ahead {
		v.ahead = ahead
	}
	v.mono = s.Mono
	if s.UTC != 0 {
		return time.Duration(max(now.UnixNano()-s.UTC, 0))
	}
	return time.Duration(v.ahead - ahead)
}

// look gives the newest value of a channel.
func (v *receiver) look(channel string) (s sample, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok = v.channels[channel]
	return s, ok
}

// stats gives the tally, and when a sample came last.
func (v *receiver) stats() (tally, time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count, v.heard
}
