// The claims of a device: which frames count, and for what.

package scale_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/scale"
	"github.com/batchkit/batchkit/iomap/tag"
)

// spoken has an instrument that talks by itself say something, behind the end of another frame, while a Read waits for it.
func spoken(t *testing.T, p *fieldbus.Profile, text string, names ...string) ([]fieldbus.Reading, error) {
	t.Helper()
	d, s := plugged(t, p, nil)
	go func() {
		time.Sleep(10 * time.Millisecond)
		s.say([]byte("noise\r\n" + text))
	}()
	return read(t.Context(), d, p, names...)
}

func TestAFrameIsReadExactlyAndSaysWhyItIsNoBetter(t *testing.T) {
	p := profile(t, "and-stream")
	for text, want := range map[string][]fieldbus.Reading{
		"ST,GS,+00012.34kg\r\n": {good(1234), good(1234), yes(true), yes(false), yes(false)},
		"ST,GS,-00012.30kg\r\n": {good(-1230), good(-1230), yes(true), yes(false), yes(false)},
		"ST,GS,-    12.3kg\r\n": {good(-1230), good(-1230), yes(true), yes(false), yes(false)},
		"ST,GS,+00000012kg\r\n": {good(1200), good(1200), yes(true), yes(false), yes(false)},
		"ST,GS,+0012.340kg\r\n": {good(1234), good(1234), yes(true), yes(false), yes(false)},
		"ST,GS,+0012.345kg\r\n": {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange), yes(true), yes(false), yes(false)},
		"ST,GS,+99999999kg\r\n": {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange), yes(true), yes(false), yes(false)},
		"US,GS,+00012.34kg\r\n": {bad(fieldbus.StatusWaiting), good(1234), yes(false), yes(false), yes(false)},
		"ST,NT,+00012.34kg\r\n": {bad(fieldbus.StatusConfigurationError), good(1234), yes(true), yes(false), yes(true)},
		"ST,GS,+00012.34lb\r\n": {bad(fieldbus.StatusConfigurationError), bad(fieldbus.StatusConfigurationError), yes(true), yes(false), yes(false)},
		"ST,GS,+00012.34 g\r\n": {bad(fieldbus.StatusConfigurationError), bad(fieldbus.StatusConfigurationError), yes(true), yes(false), yes(false)},
		"OL,GS,+99999.99kg\r\n": {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange), yes(false), yes(true), yes(false)},
		"OL,GS,^^^^^^^^^kg\r\n": {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange), yes(false), yes(true), yes(false)},
		"ST,GS,---------kg\r\n": {bad(fieldbus.StatusSensorFailure), bad(fieldbus.StatusSensorFailure), yes(true), yes(false), yes(false)},
		"ST,GS,         kg\r\n": {bad(fieldbus.StatusSensorFailure), bad(fieldbus.StatusSensorFailure), yes(true), yes(false), yes(false)},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := spoken(t, p, text, "WEIGHT", "SHOWN", "STABLE", "OVERLOAD", "NET")
			require.NoError(t, err, text)
			require.Equal(t, want, got, text)
		})
	}
}

func TestWhatIsNoWholeFrameIsNone(t *testing.T) {
	p := profile(t, "and-stream")
	for _, text := range []string{
		"ST,GS,+00012.34kg", "ST,GS,+0012.34kg\r\n", "ST,GS,+000012.34kg\r\n", "xST,GS,+00012.34kg\r\n", "ST,GS,+00012.34kgx\r\n",
		"ST,GS,+00\x0012.4kg\r\n", "ST,GS,+00\x0012.34kg\r\n", "ST,GS,+00\x8012.4kg\r\n", "ST,GS,+00012,34kg\r\n", "ST,GS,+0001.2.3kg\r\n",
		"ST,GS,+000 12.3kg\r\n", "ST,GS,+-0012.34kg\r\n", "ST,GS,+0012.3e1kg\r\n", "ST,GS,+0x12.34kg\r\n", "ST;GS,+00012.34kg\r\n",
		"ST,GS,+00012.34kg\r", "ST,GS,+00012.34kg\n", "\r\n\r\n\r\n", "ST,GS,+00012\r\n.34kg\r\n", "ST,GS,        +kg\r\n", "ST,GS,        .kg\r\n",
		"ST,GS,+000ST,GS,+00012.34kg\r\n", strings.Repeat("ST,GS,+00012.34kg", 2000) + "\r\n", strings.Repeat("x", 5000),
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := spoken(t, p, text, "SHOWN")
			require.Error(t, err, "%q gave %v", text, got)
			require.NotErrorIs(t, err, fieldbus.ErrDoubt, text)
		})
	}
}

func TestToledoIsReadByItsBitsAndItsCheck(t *testing.T) {
	p := profile(t, "toledo")
	f, err := scale.NewFormat(p)
	require.NoError(t, err)
	make := func(a, b, c byte, weight, tare string) string {
		out, err := f.Append(nil, map[string]string{"a": string(a), "b": string(b), "c": string(c), "weight": weight, "tare": tare})
		require.NoError(t, err)
		return string(out)
	}
	whole := make(0x2C, 0x30, 0x20, "001234", "000010") // two decimals, kg
	low := byte(0)
	for i := range len(whole) {
		low = (low + whole[i]) & 0x7F
	}
	require.Zero(t, low, "seven bits of all bytes add up to nothing")
	broken := []byte(whole)
	broken[7] ^= 1
	for text, want := range map[string][]fieldbus.Reading{
		whole: {good(1234), good(1234), good(10), yes(true), yes(false)},
		make(0x2A, 0x30, 0x20, "   123", "     0"): {good(12300), good(12300), good(0), yes(true), yes(false)},
		make(0x28, 0x30, 0x20, "    12", "     0"): {good(120000), good(120000), good(0), yes(true), yes(false)},
		make(0x2C, 0x32, 0x20, "001234", "000010"): {good(-1234), good(-1234), good(10), yes(true), yes(false)},
		make(0x2C, 0x38, 0x20, "001234", "000010"): {bad(fieldbus.StatusWaiting), good(1234), good(10), yes(false), yes(false)},
		make(0x2C, 0x31, 0x20, "001234", "000010"): {bad(fieldbus.StatusConfigurationError), good(1234), good(10), yes(true), yes(true)},
		make(0x2C, 0x20, 0x20, "001234", "000010"): {bad(fieldbus.StatusConfigurationError), bad(fieldbus.StatusConfigurationError),
			bad(fieldbus.StatusConfigurationError), yes(true), yes(false)},
		make(0x2C, 0x34, 0x20, "      ", "000010"): {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange),
			bad(fieldbus.StatusOutOfRange), yes(true), yes(false)},
		"\x02" + whole:        {good(1234), good(1234), good(10), yes(true), yes(false)},
		whole[:9] + whole:     {good(1234), good(1234), good(10), yes(true), yes(false)},
		string(broken):        nil,
		whole[:17]:            nil,
		whole[1:]:             nil,
		whole[:5] + whole[6:]: nil,
		make(0x6C, 0x30, 0x20, "001234", "000010"): nil, // bit 6 of the first is never set
		make(0x2C, 0x30, 0x30, "001234", "000010"): nil, // ten times as fine
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := spoken(t, p, text, "WEIGHT", "SHOWN", "TARE", "STABLE", "NET")
			if want == nil {
				require.Error(t, err, "%q gave %v", text, got)
				return
			}
			require.NoError(t, err, "%q", text)
			require.Equal(t, want, got, "%q", text)
		})
	}
}

// asking gives the answers of an instrument, in turn, each after a millisecond; the last over and over. "" is none.
func asking(t *testing.T, p *fieldbus.Profile, answers ...string) (d *scale.Device, asked *[]string) {
	t.Helper()
	asked = new([]string)
	var s *socket
	d, s = plugged(t, p, func(b []byte) {
		*asked = append(*asked, string(b))
		say := answers[min(len(*asked), len(answers))-1]
		go func() {
			time.Sleep(time.Millisecond)
			s.say([]byte(say))
		}()
	})
	return d, asked
}

func TestAnInstrumentThatIsAskedAnswersOrSaysWhyNot(t *testing.T) {
	p := profile(t, "sics")
	for text, want := range map[string][]fieldbus.Reading{
		"S S     100.00 g\r\n":  {good(10000), good(10000), yes(true), yes(false)},
		"S D     100.00 g\r\n":  {bad(fieldbus.StatusWaiting), good(10000), yes(false), yes(false)},
		"S S    -100.00 g\r\n":  {good(-10000), good(-10000), yes(true), yes(false)},
		"S S    100.00 kg\r\n":  nil,
		"S S     100.00 kg\r\n": {bad(fieldbus.StatusConfigurationError), bad(fieldbus.StatusConfigurationError), yes(true), yes(false)},
		"S I\r\n": {bad(fieldbus.StatusWaiting), bad(fieldbus.StatusWaiting),
			{Form: tag.Bool, Status: fieldbus.StatusWaiting, Quality: tag.Bad}, {Form: tag.Bool, Status: fieldbus.StatusWaiting, Quality: tag.Bad}},
		"S +\r\n": {bad(fieldbus.StatusOutOfRange), bad(fieldbus.StatusOutOfRange),
			{Form: tag.Bool, Status: fieldbus.StatusOutOfRange, Quality: tag.Bad}, yes(true)},
		"S S     10.00 g\r\n": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			d, asked := asking(t, p, text)
			got, err := read(t.Context(), d, p, "WEIGHT", "SHOWN", "STABLE", "OVERLOAD")
			require.Equal(t, []string{"SI\r\n"}, *asked)
			if want == nil {
				require.ErrorIs(t, err, fieldbus.ErrDoubt, "%q gave %v", text, got)
				return
			}
			require.NoError(t, err, text)
			require.Equal(t, want, got, text)
		})
	}
}

func TestALateAnswerIsNeverTakenForAnother(t *testing.T) {
	p := profile(t, "sics")
	synctest.Test(t, func(t *testing.T) {
		d, asked := asking(t, p, "", "S S       1.00 g\r\nI4 A \"77\"\r\n", "S S       2.00 g\r\n")
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.Len(t, *asked, 1, "in doubt nothing is sent")
		require.NoError(t, d.Prove(t.Context())) // the late answer comes before that to the proof
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(200), got[0])
		require.Equal(t, []string{"SI\r\n", "I4\r\n", "SI\r\n"}, *asked)
	})
}

func TestWithNothingToAskOnlyTimeEndsADoubt(t *testing.T) {
	p := profile(t, "sbi")
	synctest.Test(t, func(t *testing.T) {
		d, asked := asking(t, p, "", "+    12.34 g  \r\n")
		begin := time.Now()
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		for err = d.Prove(t.Context()); err != nil; err = d.Prove(t.Context()) {
			require.ErrorIs(t, err, fieldbus.ErrDoubt)
			require.Less(t, time.Since(begin), 10*time.Second)
		}
		require.Greater(t, time.Since(begin), 3*time.Second)
		require.Len(t, *asked, 1)
		got, err := read(t.Context(), d, p, "WEIGHT", "STABLE")
		require.NoError(t, err)
		require.Equal(t, []fieldbus.Reading{good(1234), yes(true)}, got)
	})
}

func TestWhatMayAnswerAnyQuestionIsTakenForTheAnswerToTheOldest(t *testing.T) {
	p := profile(t, "sics")
	synctest.Test(t, func(t *testing.T) {
		// The answers to the weight and to the first proof come with the second; that to the second, an error, when a weight is asked for
		// again; and the answer to that only later.
		d, asked := asking(t, p, "", "", "S S       1.00 g\r\nI4 A \"77\"\r\n", "ES\r\n", "S S       2.00 g\r\nI4 A \"77\"\r\n", "S S       3.00 g\r\n")
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.ErrorIs(t, d.Prove(t.Context()), fieldbus.ErrDoubt)
		require.NoError(t, d.Prove(t.Context()))
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt, "the error was the answer to the proof")
		require.NoError(t, d.Prove(t.Context()))
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(300), got[0])
		require.Equal(t, []string{"SI\r\n", "I4\r\n", "I4\r\n", "SI\r\n", "I4\r\n", "SI\r\n"}, *asked)
	})
}

func TestADoubtOutlivesTheSession(t *testing.T) {
	p := profile(t, "sics")
	synctest.Test(t, func(t *testing.T) {
		d, _ := asking(t, p, "", "I4 A \"77\"\r\n", "S S       2.00 g\r\n")
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.NoError(t, d.Open(t.Context(), "serial:/dev/ttyS1"))
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.NoError(t, d.Prove(t.Context()))
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
	})
}

func TestAWeightThatNobodyAskedForIsADoubt(t *testing.T) {
	p := profile(t, "sics")
	synctest.Test(t, func(t *testing.T) {
		var s *socket
		asked := 0
		d, s := plugged(t, p, func(b []byte) {
			asked++
			if string(b) == "I4\r\n" {
				s.say([]byte("I4 A \"77\"\r\n"))
			} else {
				s.say([]byte("S S       2.00 g\r\n"))
			}
		})
		s.say([]byte("S S       9.00 g\r\n"))
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorIs(t, err, fieldbus.ErrDoubt)
		require.Zero(t, asked)
		require.NoError(t, d.Prove(t.Context()))
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(200), got[0])
		s.say([]byte("S S       2.00 g\r\n")) // the line has doubled it
		_, err = read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
	})
}

func TestOrdersAreConfirmedRefusedOrUnknown(t *testing.T) {
	p := profile(t, "sics")
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"confirmed": {"Z A\r\n", nil}, "refused": {"Z I\r\n", fieldbus.ErrRefused}, "unknown": {"", fieldbus.ErrUnknown},
		"garbage": {"Z Q Q\r\n", fieldbus.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, asked := asking(t, p, c.answer)
				err := d.Write(t.Context(), p.Find("ZERO"), tag.Bool, 1)
				require.ErrorIs(t, err, c.want)
				require.Equal(t, []string{"Z\r\n"}, *asked)
				require.NoError(t, d.Write(t.Context(), p.Find("ZERO"), tag.Bool, 0))
				require.ErrorIs(t, d.Write(t.Context(), p.Find("WEIGHT"), tag.Int, 0), fieldbus.ErrRefused)
				require.ErrorIs(t, d.Write(t.Context(), p.Find("ZERO"), tag.Int, 1), fieldbus.ErrRefused)
				if c.want == fieldbus.ErrUnknown {
					require.ErrorIs(t, d.Write(t.Context(), p.Find("ZERO"), tag.Bool, 1), fieldbus.ErrRefused, "its answer is owed")
				}
				require.Len(t, *asked, 1)
			})
		})
	}
}

func TestALineThatHasGoneOrSaysNothingEndsTheSession(t *testing.T) {
	for _, name := range []string{"and-stream", "sics"} {
		synctest.Test(t, func(t *testing.T) {
			p := profile(t, name)
			d, s := plugged(t, p, nil)
			go func() {
				time.Sleep(100 * time.Millisecond)
				s.now().pull()
			}()
			_, err := read(t.Context(), d, p, "WEIGHT")
			require.ErrorIs(t, err, fieldbus.ErrDown)
			require.NotErrorIs(t, err, fieldbus.ErrDoubt)
			require.NoError(t, d.Close())
			_, err = read(t.Context(), d, p, "WEIGHT")
			require.ErrorIs(t, err, fieldbus.ErrDown)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := profile(t, "and-stream")
		d, _ := plugged(t, p, nil)
		begin := time.Now()
		_, err := read(t.Context(), d, p, "WEIGHT")
		require.ErrorContains(t, err, "nothing was said that is a frame within 1s; 0 bytes came: look at cable and rate")
		require.Less(t, time.Since(begin), 1500*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		begin = time.Now()
		_, err = read(ctx, d, p, "WEIGHT")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Millisecond, time.Since(begin))
	})
}

func TestWhatWasSaidBeforeTheReadDoesNotCount(t *testing.T) {
	p := profile(t, "and-stream")
	synctest.Test(t, func(t *testing.T) {
		d, s := plugged(t, p, nil)
		s.say([]byte("\r\nST,GS,+00001.00kg\r\nST,GS,+00002.00kg\r\nST,GS,+0"))
		go func() {
			time.Sleep(10 * time.Millisecond)
			s.say([]byte("0003.00kg\r\nST,GS,+0")) // begun too soon
			time.Sleep(10 * time.Millisecond)
			s.say([]byte("0004.00kg\r"))
			time.Sleep(10 * time.Millisecond)
			s.say([]byte("\n"))
		}()
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(400), got[0])
	})
}

func TestAFrameWithAHoleInItIsNone(t *testing.T) {
	p := profile(t, "and-stream")
	synctest.Test(t, func(t *testing.T) {
		d, s := plugged(t, p, nil)
		go func() {
			time.Sleep(10 * time.Millisecond)
			s.say([]byte("\r\nST,GS,+000"))
			time.Sleep(200 * time.Millisecond) // the plug was out: the end is that of another
			s.say([]byte("99.00kg\r\n"))
			time.Sleep(20 * time.Millisecond)
			s.say([]byte("ST,GS,+00002.00kg\r\n"))
		}()
		got, err := read(t.Context(), d, p, "WEIGHT")
		require.NoError(t, err)
		require.Equal(t, good(200), got[0])
	})
}

func TestAUnitThatChangesInMidStreamIsBadUntilItIsBack(t *testing.T) {
	p := profile(t, "and-stream")
	synctest.Test(t, func(t *testing.T) {
		d, s := plugged(t, p, nil)
		stop := make(chan struct{})
		go func() {
			for i := range 100 {
				unit := "kg"
				if i/20 == 2 {
					unit = "lb"
				}
				s.say([]byte("ST,GS,+00001.00" + unit + "\r\n"))
				time.Sleep(100 * time.Millisecond)
			}
			close(stop)
		}()
		var seen []fieldbus.Status
		for range 80 {
			got, err := read(t.Context(), d, p, "WEIGHT")
			require.NoError(t, err)
			if n := len(seen); n == 0 || seen[n-1] != got[0].Status {
				seen = append(seen, got[0].Status)
			}
		}
		require.Equal(t, []fieldbus.Status{fieldbus.StatusGood, fieldbus.StatusConfigurationError, fieldbus.StatusGood}, seen)
		<-stop
	})
}
