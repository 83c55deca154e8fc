// A small virtual shell for the tests: it advances a plant, writes to it and keeps what it emits.

package sim

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

const (
	ms     = int64(time.Millisecond)
	second = int64(time.Second)
	epoch  = 7 * second // when the plants of these tests begin
)

// rig drives one plant in virtual time.
type rig struct {
	t    *testing.T
	p    *Plant
	now  int64
	raws []tag.Raw
}

func newRig(t *testing.T, seed uint64) *rig {
	r := &rig{t: t, p: NewPlant(seed), now: epoch}
	r.run(0)
	return r
}

// run lets d ns pass.
func (r *rig) run(d int64) {
	r.now += d
	r.p.Advance(r.now, r.keep)
}

func (r *rig) keep(raw tag.Raw) { r.raws = append(r.raws, raw) }

// write asks for a value now and wants it carried out.
func (r *rig) write(channel string, v int64) {
	r.t.Helper()
	_, err := r.p.Apply(r.now, writeOf(channel, v, 0))
	require.NoError(r.t, err)
}

func (r *rig) fault(text string) {
	r.t.Helper()
	words := strings.Fields(text)
	f, err := ParseFault(words[0], words[1:])
	require.NoError(r.t, err)
	require.NoError(r.t, r.p.Fault(f))
}

// since returns what the channel emitted from time at on.
func (r *rig) since(at int64, channel string) (found []tag.Raw) {
	for _, raw := range r.raws {
		if raw.At >= at && raw.Channel == channel {
			found = append(found, raw)
		}
	}
	return found
}

// last returns the newest value of a channel.
func (r *rig) last(channel string) tag.Raw {
	r.t.Helper()
	all := r.since(0, channel)
	require.NotEmpty(r.t, all, channel)
	return all[len(all)-1]
}

func (r *rig) celsius() float64 { return r.float("ai/4") }

func (r *rig) float(channel string) float64 {
	r.t.Helper()
	return float64(math.Float32frombits(uint32(r.last(channel).Bits)))
}

func writeOf(channel string, v, deadline int64) tag.Write {
	form := tag.Bool
	if channel == "ao/1" {
		form = tag.Int
	}
	return tag.Write{Channel: channel, Form: form, Bits: uint64(v), Deadline: deadline}
}

// act is one thing that is done to a plant; a text of one word and a number is a write.
type act struct {
	at   int64 // ns after the epoch
	text string
}

func (a act) do(t *testing.T, p *Plant) {
	t.Helper()
	words, now := strings.Fields(a.text), epoch+a.at
	switch {
	case words[0] == "cut":
		p.PowerCut(now)
	case words[0] == "boot":
		p.Boot(now)
	case channelOf(words[0]) >= 0:
		v := int64(0)
		_, err := fmt.Sscan(words[1], &v)
		require.NoError(t, err)
		_, _ = p.Apply(now, writeOf(words[0], v, 0)) // a refusal is part of some stories
	default:
		f, err := ParseFault(words[0], words[1:])
		require.NoError(t, err)
		f.At = now
		require.NoError(t, p.Fault(f))
	}
}

// story is a run in which everything happens that a plant can do, most of it at odd times.
var story = []act{
	{0, "do/1 1"}, {3 * ms, "do/2 1"}, {500 * ms, "do/6 1"}, {500 * ms, "ao/1 605"},
	{1234567890, "do/3 1"}, {2 * second, "leak B 4s"}, {2500 * ms, "do/3 0"}, {3333 * ms, "silent ctr/1 3s"},
	{4 * second, "stuck ai/4 3s"}, {5 * second, "do/5 1"}, {6 * second, "block A 1500ms"}, {8 * second, "bad ai/3 2s"},
	{9 * second, "do/1 0"}, {9 * second, "do/2 0"}, {10 * second, "refuse do/8 2s"}, {11 * second, "do/8 1"},
	{12 * second, "slow do/8 500ms 2s"}, {12100 * ms, "do/8 1"}, {12200 * ms, "do/8 0"}, {15 * second, "stuck do/7 2s"},
	{15 * second, "do/7 1"}, {19 * second, "do/7 0"}, {20 * second, "frozen 1500ms"}, {20100 * ms, "do/4 1"},
	{25 * second, "estop 2s"}, {26 * second, "do/1 1"}, {28 * second, "do/1 1"}, {30 * second, "nopower 1s"},
	{33 * second, "do/3 1"}, {34 * second, "stuck di/2 3s"}, {35 * second, "do/3 0"}, {40 * second, "do/3 1"},
	{40100 * ms, "do/1 1"}, {41 * second, "cut"}, {43123 * ms, "boot"}, {44 * second, "do/3 1"}, {44 * second, "do/1 1"},
}

// play runs the story in steps of chunk and returns all that was emitted. With stop, the plant is advanced to each act first.
func play(t *testing.T, seed uint64, chunk, length int64, stop bool) string {
	t.Helper()
	var out strings.Builder
	emit := func(r tag.Raw) {
		fmt.Fprintf(&out, "%d %s %s %x %s\n", r.At, r.Channel, r.Form, r.Bits, r.Quality)
	}
	p, next := NewPlant(seed), 0
	for i := int64(0); (i-1)*chunk < length; i++ {
		now := epoch + min(i*chunk, length)
		for ; next < len(story) && epoch+story[next].at <= now; next++ {
			if stop || next == 0 {
				p.Advance(epoch+story[next].at, emit)
			}
			story[next].do(t, p)
		}
		p.Advance(now, emit)
	}
	return out.String()
}

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
