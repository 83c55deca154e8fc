// Campaigns: instruments on lines that spoil what they say in each way that was thought of. No wrong weight is accepted, of any.

package scale_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/iomap/tag"
)

// long gives how much is done: ten times as much in long campaigns.
func long(n int) int {
	if os.Getenv("BATCHKIT_LONG") == "1" {
		return 10 * n
	}
	return n
}

// seed gives the seed of a campaign, which is printed.
func seed(t *testing.T) (*rand.Rand, uint64) {
	s := uint64(os.Getpid())<<32 ^ uint64(time.Now().UnixNano())
	if given := os.Getenv("BATCHKIT_SCALE_SEED"); given != "" {
		var err error
		s, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	return rand.New(rand.NewPCG(s, 1)), s
}

// weighed is what a simulated instrument has really said, by the weight that says it: no weight is said twice.
type weighed struct {
	mu sync.Mutex
	at map[int64]time.Time
}

func (w *weighed) note(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[int64]time.Time{}
	}
	w.at[n] = time.Now()
}

func (w *weighed) when(n int64) (at time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok = w.at[n]
	return at, ok
}

// talker is an instrument that talks by itself over a line that spoils some of it.
type talker struct {
	rng     *rand.Rand
	socket  *socket
	frame   func(n int64, mood int) []byte // mood 0: in order; 1 moving, 2 another unit, 3 overload, 4 net
	flips   bool                           // the frame has a check, which shows a byte that was changed
	said    weighed
	spoiled atomic.Int64
	frames  atomic.Int64
}

// say says one frame, whole or not, in pieces or not, and returns when the line is at rest.
func (k *talker) say(n int64) {
	k.frames.Add(1)
	mood := 0
	if k.rng.IntN(4) == 0 {
		mood = 1 + k.rng.IntN(4)
	}
	b := k.frame(n, mood)
	times, whole := 1, bytes.Clone(b)
	ill := k.rng.IntN(24)
	if k.flips && ill == 0 {
		b[k.rng.IntN(len(b))] ^= 1 << k.rng.IntN(7)
	}
	if ill < 9 {
		k.spoiled.Add(1)
	}
	at := 1 + k.rng.IntN(len(b)-1)
	switch ill {
	case 0:
		if !k.flips {
			b[at] = 0 // as a line with parity shows it
		}
	case 1:
		b = b[:at]
	case 2:
		b = b[at:]
	case 3:
		b = bytes.Join([][]byte{b[:at], {byte(k.rng.Uint32())}, b[at:]}, nil)
	case 4:
		b = append(b[:at:at], b[at+1:]...)
	case 5:
		noise := make([]byte, k.rng.IntN(40))
		for i := range noise {
			noise[i] = byte(k.rng.Uint32())
		}
		b = append(noise, b...)
	case 6:
		b = bytes.Repeat([]byte("9"), 3000+k.rng.IntN(3000))
	case 7:
		times = 2
	case 8:
		b = append(b[:at:at], b...) // a half before a whole one
	}
	for range times {
		from := bytes.LastIndex(b, whole) // noise may be what was lost
		for sent := 0; len(b) > 0; {
			piece := b[:min(len(b), 1+k.rng.IntN(len(b)))]
			if from >= sent && from < sent+len(piece) && mood == 0 {
				k.said.note(n)
			}
			k.socket.say(piece)
			sent += len(piece)
			if b = b[len(piece):]; len(b) > 0 {
				time.Sleep(time.Duration(k.rng.IntN(16)) * time.Millisecond / 4)
			}
		}
		b = k.frame(n, mood)
	}
}

// run says frames until stop, and now and then nothing for a while.
func (k *talker) run(stop chan struct{}) {
	for n := int64(1); ; n++ {
		k.say(n)
		pause := 60*time.Millisecond + time.Duration(k.rng.IntN(40))*time.Millisecond
		if k.rng.IntN(200) == 0 {
			pause += 3 * time.Second
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// streaming reads what a talker says, and holds each weight against what was said.
func streaming(t *testing.T, rng *rand.Rand, name string, flips bool, frame func(n int64, mood int) []byte, frames int) string {
	p := profile(t, name)
	d, s := plugged(t, p, nil)
	k := &talker{rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), socket: s, frame: frame, flips: flips}
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() { k.run(stop); close(done) }()
	accepted, refused, over := 0, 0, 0
	for int(k.frames.Load()) < frames {
		begin := time.Now()
		got, err := read(t.Context(), d, p, "WEIGHT", "SHOWN", "STABLE")
		switch {
		case err != nil:
			over++
			require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
		case got[0].Quality != tag.Good:
			refused++
		default:
			accepted++
			at, ok := k.said.when(int64(got[0].Bits))
			require.True(t, ok, "the weight %d was never said whole and in order; %d frames were", int64(got[0].Bits), k.frames.Load())
			require.False(t, at.Before(begin), "the weight %d is %v older than the read", int64(got[0].Bits), begin.Sub(at))
			require.Equal(t, got[0].Bits, got[1].Bits)
			require.Equal(t, uint64(1), got[2].Bits)
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
	require.Greater(t, accepted, frames/8)
	require.Positive(t, refused)
	require.Positive(t, over)
	return fmt.Sprintf("%s: %d frames, %d of them spoiled: %d weights accepted, 0 wrong, %d BAD, %d sessions over", name, k.frames.Load(), k.spoiled.Load(),
		accepted, refused, over)
}

func TestNoWrongWeightIsAcceptedFromWhatTalksByItself(t *testing.T) {
	t.Parallel()
	rng, s := seed(t)
	format, err := scale.NewFormat(profile(t, "toledo"))
	require.NoError(t, err)
	for name, frame := range map[string]func(n int64, mood int) []byte{
		"and-stream": func(n int64, mood int) []byte {
			return fmt.Appendf(nil, "%s,%s,%+09.2f%s\r\n", []string{"ST", "US", "ST", "OL", "ST"}[mood], []string{"GS", "GS", "GS", "GS", "NT"}[mood],
				float64(n)/100, []string{"kg", "kg", "lb", "kg", "kg"}[mood])
		},
		"toledo": func(n int64, mood int) []byte {
			b := []byte{0x30, 0x38, 0x20, 0x34, 0x31}[mood]
			out, _ := format.Append(nil, map[string]string{"a": "\x2c", "b": string(b), "c": " ", "weight": strconv.FormatInt(n, 10), "tare": "0"})
			return out
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Log("seed", s, streaming(t, rng, name, name == "toledo", frame, long(5000)))
			})
		})
	}
}

// answerer is an instrument that is asked over a line on which answers are late, lost, doubled and spoiled.
type answerer struct {
	rng     *rand.Rand
	socket  *socket
	said    weighed // when it was asked for that weight
	asked   int64
	ill     int
	naps    time.Time // it does not answer before
	respond time.Duration
}

// hear takes in a question. It answers in the order in which it was asked.
func (a *answerer) hear(b []byte) {
	a.asked++
	var answer []byte
	switch string(b) {
	case "SI\r\n":
		a.said.note(a.asked)
		answer = fmt.Appendf(nil, "S S %10.2f g\r\n", float64(a.asked)/100)
	case "I4\r\n":
		answer = []byte("I4 A \"77\"\r\n")
	default:
		answer = []byte("ES\r\n")
	}
	delay := time.Duration(a.rng.IntN(10)) * time.Millisecond
	ill := a.rng.IntN(60)
	if ill < 10 {
		a.ill++
	}
	switch ill {
	case 0, 1:
		delay += a.respond + time.Duration(a.rng.IntN(3000))*time.Millisecond
	case 2:
		answer = nil
	case 3:
		answer = append(answer, answer...)
	case 4:
		answer = []byte("S I\r\n")
	case 5:
		answer = answer[:a.rng.IntN(len(answer))]
	case 6:
		answer[a.rng.IntN(len(answer))] = 0
	case 7:
		answer = append([]byte("\x00\xffnoise\r\n"), answer...)
	case 8:
		answer = bytes.Replace(answer, []byte(" g"), []byte(" kg"), 1)
	case 9:
		delay += a.respond + straggles
	}
	at := time.Now().Add(delay)
	if at.Before(a.naps) {
		at = a.naps
	}
	a.naps = at.Add(time.Microsecond)
	go func() {
		time.Sleep(time.Until(at))
		a.socket.say(answer) // in the next session, too: a device server keeps what it owes
	}()
}

const straggles = 100 * time.Millisecond // about when a Read gives up

// asks reads weights of an answerer, and counts those that are not of a question that was asked in that Read.
func asks(t *testing.T, rng *rand.Rand, reads int, next func(d *scale.Device) error) (good, doubts, wrong, ill int) {
	p := profile(t, "sics")
	a := &answerer{rng: rng, respond: 500 * time.Millisecond}
	d, s := plugged(t, p, a.hear)
	a.socket = s
	for range reads {
		begin := time.Now()
		got, err := read(t.Context(), d, p, "WEIGHT")
		switch {
		case errors.Is(err, fieldbus.ErrDoubt):
			doubts++
			if err := next(d); err != nil && rng.IntN(4) == 0 {
				require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
			}
			time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
			continue
		case err != nil:
			require.NoError(t, err)
		case got[0].Quality == tag.Good:
			good++
			if at, ok := a.said.when(int64(got[0].Bits)); !ok || at.Before(begin) {
				wrong++
			}
		}
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
	}
	time.Sleep(time.Minute) // until nothing is owed
	return good, doubts, wrong, a.ill
}

func TestNoWrongWeightIsAcceptedFromWhatIsAsked(t *testing.T) {
	t.Parallel()
	rng, s := seed(t)
	synctest.Test(t, func(t *testing.T) {
		reads := long(10000)
		good, doubts, wrong, ill := asks(t, rng, reads, func(d *scale.Device) error { return d.Prove(t.Context()) })
		t.Logf("seed %d: %d reads, %d answers spoiled, late or lost: %d weights accepted, %d wrong, %d doubts", s, reads, ill, good, wrong, doubts)
		require.Zero(t, wrong)
		require.Greater(t, good, reads/2)
		require.Positive(t, doubts)
		good, _, wrong, _ = asks(t, rng, reads/4, func(d *scale.Device) error { d.Forget(); return nil })
		t.Logf("as a control, one that asks again without a proof: of %d weights %d are of an earlier question", good, wrong)
		require.Positive(t, wrong)
	})
}
