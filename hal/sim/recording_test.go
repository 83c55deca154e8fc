// The claims of recorder and playback: what was recorded is played, byte for byte, and the reader trusts nothing.

package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase"
)

// drive steps a port for a while, writing a little, and returns all that it emitted and answered.
func drive(p Stepped, until int64) (seen []string) {
	emit := func(r tag.Raw) { seen = append(seen, fmt.Sprint(r)) }
	now := int64(1)
	p.Advance(now, emit)
	writes := []tag.Write{{Channel: "do/1", Bits: 1}, {Channel: "do/6", Bits: 1}, {Channel: "ao/1", Form: tag.Int, Bits: 415}, {Channel: "do/99", Bits: 1},
		{Channel: "do/1", Deadline: 5}}
	for ; now < until; now = max(now+1, min(p.Next(), until)) {
		p.Advance(now, emit)
		for len(writes) > 0 && now > int64(6-len(writes))*second {
			w := writes[0]
			writes = writes[1:]
			done, err := p.Apply(now, w)
			seen = append(seen, fmt.Sprint(w.Channel, done, err))
		}
	}
	return seen
}

// alike compares without printing all of it.
func alike(t *testing.T, want, got []string) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i], got[i], i)
	}
}

// recorded is what a plant was recorded as.
func recorded(t *testing.T, until int64) (seen []string, file []byte) {
	var out bytes.Buffer
	r := NewSteppedRecorder(NewPlant(5), &out, 0)
	seen = drive(r, until)
	require.NoError(t, r.Close())
	return seen, out.Bytes()
}

func TestAPlaybackEmitsAndAnswersWhatWasRecorded(t *testing.T) {
	seen, file := recorded(t, 8*second)
	rec, err := ReadRecording("run.rec", file)
	require.NoError(t, err)
	require.True(t, rec.Whole)
	require.False(t, rec.Full)
	require.Len(t, rec.Channels(), channelCount+1, "and the one that there is not")
	require.Equal(t, 5, rec.Writes())
	require.Greater(t, rec.Values(), 1000)

	p := NewPlayback(rec, 1)
	alike(t, seen, drive(p, 8*second))
	require.Empty(t, p.Differences())
	require.True(t, p.Over())
}

func TestAPlaybackTellsWhichWritesDiffer(t *testing.T) {
	_, file := recorded(t, 4*second)
	rec, err := ReadRecording("run.rec", file)
	require.NoError(t, err)
	p := NewPlayback(rec, int64(10*time.Millisecond))
	p.Advance(1, nil)
	for _, w := range []tag.Write{{Channel: "do/1", Bits: 0}, {Channel: "do/8", Bits: 1}, {Channel: "do/6", Bits: 1}} {
		p.Advance(p.Next(), nil)
		_, err := p.Apply(3*second, w)
		require.NoError(t, err)
	}
	var words []string
	for _, d := range p.Differences() {
		words = append(words, d.String())
	}
	require.Equal(t, []string{
		`write 1 to "do/1" at 3000000000: 0, where 1 was recorded`,
		`write 1 to "do/8" at 3000000000: 1, which was not recorded`,
		`write 1 to "do/6" at 3000000000: 1, as recorded, but 999.999999ms late`,
		`write 1 to "ao/1" at 3000000001: not made; 415 was recorded`,
	}, words)
}

// What a bus says of a write decides what a batch does: a playback says it, too.
func TestAPlaybackSaysOfAWriteWhatThePortSaid(t *testing.T) {
	both := fmt.Errorf("no reply: %w, %w", tag.ErrRefused, tag.ErrUnknown)
	for _, c := range []struct {
		err             error
		line            string
		refused, unsure bool
	}{
		{nil, "ok", false, false}, {errors.New("no ack"), `error "no ack"`, false, false}, {both, `unknown "no reply: write refused, outcome of the write unknown"`, false, true},
		{fmt.Errorf("line: its link is DOWN: %w", tag.ErrRefused), `refused "line: its link is DOWN: write refused"`, true, false},
	} {
		var out bytes.Buffer
		r := NewSteppedRecorder(telling{NewPlant(1), c.err}, &out, 0)
		_, _ = r.Apply(20, tag.Write{Channel: "do/1"})
		require.NoError(t, r.Close())
		require.Contains(t, out.String(), " "+c.line+"\n")
		rec, err := ReadRecording("run.rec", out.Bytes())
		require.NoError(t, err)
		_, err = NewPlayback(rec, 0).Apply(20, tag.Write{Channel: "do/1"})
		require.Equal(t, c.err == nil, err == nil)
		require.Equal(t, c.refused, errors.Is(err, tag.ErrRefused))
		require.Equal(t, c.unsure, errors.Is(err, tag.ErrUnknown))
		if err != nil {
			require.Equal(t, c.err.Error(), err.Error())
		}
	}
}

// telling is a plant whose writes come to an error.
type telling struct {
	*Plant
	err error
}

func (p telling) Apply(now int64, _ tag.Write) (int64, error) { return now + 1, p.err }

func TestARecordingThatWasCutOffIsReadAsFarAsItsLastWholeLine(t *testing.T) {
	_, file := recorded(t, 2*second)
	whole, err := ReadRecording("run.rec", file)
	require.NoError(t, err)
	for _, n := range []int{len(file) - 1, len(file) / 2, len(recordingHead) + 1} {
		rec, err := ReadRecording("run.rec", file[:n])
		require.NoError(t, err)
		require.False(t, rec.Whole)
		require.LessOrEqual(t, rec.Values(), whole.Values())
	}
	_, err = ReadRecording("run.rec", file[:5])
	require.EqualError(t, err, `sim: run.rec: no recording: the first line is to be "batchkit recording 1"`)
}

func TestARecordingHasALimitAndSaysThatItIsFull(t *testing.T) {
	var out bytes.Buffer
	r := NewSteppedRecorder(NewPlant(5), &out, 4096)
	seen := drive(r, 3*second)
	require.NoError(t, r.Close())
	alike(t, drive(NewPlant(5), 3*second), seen)
	require.LessOrEqual(t, out.Len(), 4096)
	rec, err := ReadRecording("run.rec", out.Bytes())
	require.NoError(t, err)
	require.True(t, rec.Full)
	require.True(t, rec.Whole)

	wrong := errors.New("disk full")
	r = NewSteppedRecorder(NewPlant(5), refusing{wrong}, 0)
	alike(t, seen, drive(r, 3*second))
	require.ErrorIs(t, r.Flush(), wrong)
	require.ErrorIs(t, r.Close(), wrong)
}

// refusing is a disk that is full.
type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }

func TestWhatNoRecorderWritesIsRefusedWithItsLine(t *testing.T) {
	head := recordingHead + "\nchannel 0 bool \"do/1\"\nwatch 10\n"
	for line, want := range map[string]string{
		"x":                               `run.rec:4: begins with "x": want channel, watch, v, w, left, full or end`,
		"v 20 1 0 G 0":                    "run.rec:4: channel 1: it was not named before",
		"v 20 0 g G 0":                    `run.rec:4: "g": want a value of at most 64 bits, hexadecimal`,
		"v 20 0 0 X 0":                    `quality "X": want G, S or B`,
		"v 020 0 0 G 0":                   `written otherwise than a recorder does: want "v 20 0 0 G 0"`,
		"v 20 0 0 G 0 ":                   `written otherwise than a recorder does`,
		"v 20 0 0 G 0\r":                  `want a whole number from 0 to`,
		"v -1 0 0 G 0":                    `"-1": want a whole number from 0 to`,
		"v 20 0 0 G":                      `"": want a whole number`,
		"v 9223372036854775807 0 0 G 0":   `time 9223372036854775807: want at most`,
		"channel 2 bool \"a\"":            "channel 2: want number 1",
		"channel 1 byte \"a\"":            `form "byte": want bool, int, float32 or float64`,
		"channel 1 bool a":                `"a": want a text in double quotes, of at most 256 bytes`,
		"channel 1 bool \"\"":             "a channel without a name",
		"w 20 19 0 0 0 ok":                "a write that was answered at 19, before it was asked for at 20",
		"w 20 21 0 0 0 error \"\"":        "an error without a text",
		"w 20 21 0 0 0 perhaps":           `"perhaps": want ok or error or refused or unknown`,
		"left 20 refused \"x\"":           `"refused": want ok or error`,
		"end 7":                           "the end counts 7 lines, and there are 3",
		"end 3\nwatch 20":                 "run.rec:5: more behind the end",
		"v 20 0 0 G 0\nv 19 0 0 G 0":      "run.rec:5: a value at 19, behind one at 20",
		"v 2" + strings.Repeat("0", 3000): "3003 bytes, more than the limit of 2048",
	} {
		_, err := ReadRecording("run.rec", []byte(head+line+"\n"))
		require.ErrorContains(t, err, want, line)
	}
	_, err := ReadRecording("run.rec", []byte(recordingHead+"\nchannel 0 bool \"a\"\nv 1 0 0 G 0\n"))
	require.ErrorContains(t, err, "a value before the first watch")
	_, err = ReadRecording("run.rec", make([]byte, MaxRecording+1))
	require.ErrorContains(t, err, "more than the limit of 67108864")
}

// FuzzReadRecording holds that the reader takes what it is given without harm, and that what it takes can be played.
func FuzzReadRecording(f *testing.F) {
	var out bytes.Buffer
	r := NewSteppedRecorder(NewPlant(4), &out, 6000)
	drive(r, second)
	_ = r.Close()
	f.Add(out.Bytes())
	f.Add([]byte(recordingHead + "\nchannel 0 float32 \"a\\x00\"\nwatch 5\nv 9 0 7fc00000 B 3\nw 9 11 0 1 0 error \"no\"\nleft 12 error \"gone\"\nfull 13\nend 7\n"))
	f.Add([]byte(recordingHead + "\nwatch 9\nend 2\nx"))
	f.Fuzz(func(t *testing.T, src []byte) {
		rec, err := ReadRecording("f", src)
		if err != nil {
			return
		}
		p := NewPlayback(rec, 1)
		values := 0
		for i := 0; !p.Over() && i < 100_000; i++ {
			p.Advance(p.Next(), func(r tag.Raw) {
				values++
				require.GreaterOrEqual(t, r.At, int64(0))
				require.NotEmpty(t, r.Channel)
			})
		}
		require.Equal(t, rec.Values(), values)
		for i := range rec.writes {
			_, _ = p.Apply(1, tag.Write{Channel: rec.channels[rec.writes[i].channel].name})
		}
		_ = p.Differences()
	})
}

// ticking is a clock on the time of a bubble.
type ticking struct{ base time.Time }

func (c ticking) Now() int64 { return int64(time.Since(c.base)) + 1 }

func (c ticking) Wait(ctx context.Context, until int64) error {
	timer := time.NewTimer(time.Duration(until - c.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (c ticking) Alarm(func()) timebase.Alarm { return nil }

func TestAPortInRealTimeIsRecordedAndPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := ticking{time.Now()}
		run := func(p tag.Port, until time.Duration) (seen []string) {
			ctx, cancel := context.WithTimeout(t.Context(), until)
			defer cancel()
			done := make(chan error)
			begin := clock.Now()
			go func() {
				done <- p.Watch(ctx, func(r tag.Raw) {
					r.At -= begin
					seen = append(seen, fmt.Sprint(r))
				})
			}()
			time.Sleep(until / 2)
			require.NoError(t, p.Write(ctx, tag.Write{Channel: "do/6", Bits: 1}))
			require.Error(t, p.Write(ctx, tag.Write{Channel: "di/1", Bits: 1}))
			require.NoError(t, <-done)
			return seen
		}
		var out bytes.Buffer
		r := NewRecorder(NewPlant(2).On(clock), clock, &out, 0)
		seen := run(r, 2025*time.Millisecond)
		require.NoError(t, r.Flush())
		time.Sleep(time.Hour)
		require.NoError(t, r.Close())
		require.Contains(t, out.String(), "\nleft 2025000001 ok\nend ")
		rec, err := ReadRecording("run.rec", out.Bytes())
		require.NoError(t, err)
		p := NewPlayback(rec, 1).On(clock)
		alike(t, seen, run(p, 2025*time.Millisecond))
		require.Empty(t, p.Differences())

		n := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, p.Watch(ctx, func(tag.Raw) { n++ }))
		require.Equal(t, channelCount, n, "a second Watch begins with the newest of each")
	})
}
