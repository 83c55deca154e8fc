// An answer that the server breaks off says nothing about what became of the question.

package opcua

import (
	"slices"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

func TestAWriteWhoseAnswerIsBrokenOffIsUnknownWhateverTheServerSaysOfIt(t *testing.T) {
	for _, code := range []ua.StatusCode{ua.StatusGood, ua.StatusGoodClamped, ua.StatusBadTCPMessageTooLarge, ua.StatusBadUserAccessDenied, ua.StatusBadTimeout} {
		f := newFake(t)
		d := fakeDevice(t, 20*time.Second)
		require.NoError(t, d.Open(t.Context(), f.endpoint()))
		f.set(func() {
			f.spoil = func(_ ua.Request, frame []byte) []byte {
				return slices.Concat([]byte("MSGA"), u32(32), frame[8:24], u32(uint32(code)), u32(1<<32-1))
			}
		})
		err := d.Write(t.Context(), d.profile.Find("Rate"), tag.Float64, 0)
		require.ErrorIs(t, err, fieldbus.ErrUnknown, "%v", code)
		require.NotErrorIs(t, err, fieldbus.ErrRefused, "%v", code)
		require.ErrorIs(t, d.Read(t.Context(), named(d.profile, "Rate"), make([]fieldbus.Reading, 1)), fieldbus.ErrDown, "the session is over")
	}
}
