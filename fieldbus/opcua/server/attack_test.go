// Attacks by bytes: what is no message, is too long, comes twice or is for somebody else.

package server

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// headOf makes a chunk's head that promises a size.
func headOf(kind string, size uint32, rest ...byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(kind), size), rest...)
}

func TestWhatIsNoMessageCostsItsConnectionAlone(t *testing.T) {
	o := secured(t)
	s := serve(t, o)
	good := dialFoe(t, s).come(opcua.Basic256Sha256)
	noise := make([]byte, 4000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	hel := func(recv, send uint32, url string) []byte {
		return frame("HELF", must((&uacp.Hello{ReceiveBufSize: recv, SendBufSize: send, EndpointURL: url}).Encode()))
	}
	for _, c := range []struct {
		name    string
		hello   bool
		channel bool
		bytes   []byte
		want    ua.StatusCode
	}{
		{"noise", false, false, noise, ua.StatusBadTCPMessageTypeInvalid},
		{"HTTP", false, false, []byte("GET / HTTP/1.1\r\nHost: here\r\n\r\n"), ua.StatusBadTCPMessageTypeInvalid},
		{"a message of 8 bytes", true, true, headOf("MSGF", 8), ua.StatusBadTCPMessageTooLarge},
		{"a hello of 8 bytes", false, false, headOf("HELF", 8), ua.StatusBadTCPMessageTooLarge},
		{"a size of nothing", true, true, headOf("MSGF", 0), ua.StatusBadTCPMessageTooLarge},
		{"a size of four gigabytes", true, true, headOf("MSGF", 0xffffffff), ua.StatusBadTCPMessageTooLarge},
		{"a size of a byte too many", true, true, headOf("MSGF", maxChunk+1), ua.StatusBadTCPMessageTooLarge},
		{"a chunk of a kind that is none", true, true, headOf("MSGX", 24), ua.StatusBadTCPMessageTypeInvalid},
		{"an opening that is not whole", true, false, headOf("OPNC", 24, make([]byte, 16)...), ua.StatusBadTCPMessageTypeInvalid},
		{"a hello that is cut off", false, false, headOf("HELF", 12, 0, 0, 0, 0), ua.StatusBadDecodingError},
		{"a hello with a URL of its word alone", false, false,
			headOf("HELF", 32, append(bytes.Repeat([]byte{0, 0, 1, 0}, 5), 0xff, 0xff, 0xff, 0x7f)...), ua.StatusBadDecodingError},
		{"small buffers", false, false, hel(8191, 8192, ""), ua.StatusBadConnectionRejected},
		{"buffers of nothing", false, false, hel(0, 0, ""), ua.StatusBadConnectionRejected},
		{"a long URL", false, false, hel(maxChunk, maxChunk, string(make([]byte, 5000))), ua.StatusBadTCPMessageTooLarge},
		{"a second hello", true, false, hel(maxChunk, maxChunk, ""), ua.StatusBadTCPMessageTypeInvalid},
		{"an opening before the hello", false, false, headOf("OPNF", 24, make([]byte, 16)...), ua.StatusBadTCPMessageTypeInvalid},
		{"a message before the opening", true, false, headOf("MSGF", 24, make([]byte, 16)...), ua.StatusBadTCPSecureChannelUnknown},
		{"an opening of nothing", true, false, headOf("OPNF", 24, make([]byte, 16)...), ua.StatusBadSecurityPolicyRejected},
		{"an opening with a certificate of its word alone", true, false,
			headOf("OPNF", 24, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0), ua.StatusBadDecodingError},
		{"somebody's channel", true, true, headOf("MSGF", 24, make([]byte, 16)...), ua.StatusBadTCPSecureChannelUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := dialFoe(t, s)
			if c.hello {
				f.hello()
			}
			if c.channel {
				require.NoError(t, f.as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue))
			}
			require.Equal(t, c.want, f.raw(c.bytes).end())
		})
	}
	require.NoError(t, good.read())
	alive(t, s)
}

func TestAMessageWithoutEndEnds(t *testing.T) {
	s := serve(t, &Options{Limits: Limits{Message: 256 << 10}})
	endless := func(f *foe, size int) (sent int, err error) {
		done := make(chan error, 1)
		go func() { done <- f.end() }()
		for {
			select {
			case err := <-done:
				return sent, err
			default:
			}
			ch := f.c.ch
			b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(headOf("MSGC", uint32(24+size)), ch.id), ch.cur.id)
			f.raw(append(ch.number(b, 7), make([]byte, size)...))
			sent += size
		}
	}
	for _, size := range []int{0, 1, 8192, 60000} {
		f := dialFoe(t, s).hello().as(opcua.None, nil)
		require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
		_, err := endless(f, size)
		require.Equal(t, ua.StatusBadTCPMessageTooLarge, err)
		f = dialFoe(t, s).come(opcua.None)
		_, err = endless(f, size)
		require.Equal(t, ua.StatusBadTCPMessageTooLarge, err)
	}
	f := dialFoe(t, s).come(opcua.None)
	chunks := f.chunksOf(reading("i=2259"))
	abort := bytes.Clone(chunks[0])
	abort[3] = 'A'
	f.raw(abort)
	require.NoError(t, f.read(), "what is given up is passed over")
	alive(t, s)
}

func TestAMessageIsTakenOnceAndAsItWasSent(t *testing.T) {
	s := serve(t, secured(t))
	for _, p := range allPolicies {
		other := dialFoe(t, s).come(p)
		for _, c := range []struct {
			name string
			do   func(f *foe, chunk []byte) []byte
			want ua.StatusCode
		}{
			{"twice", func(f *foe, chunk []byte) []byte { return append(bytes.Clone(chunk), chunk...) }, ua.StatusBadSequenceNumberInvalid},
			{"with one missing", func(f *foe, _ []byte) []byte { return f.chunksOf(reading("i=2259"))[0] }, ua.StatusBadSequenceNumberInvalid},
			{"by another channel", func(*foe, []byte) []byte { return other.chunksOf(reading("i=2259"))[0] }, ua.StatusBadTCPSecureChannelUnknown},
			{"by a token that is none", func(_ *foe, b []byte) []byte { b[12]++; return b }, ua.StatusBadSecureChannelTokenUnknown},
			{"with a bit changed", func(_ *foe, b []byte) []byte { b[len(b)-40] ^= 1; return b }, ua.StatusBadSecurityChecksFailed},
			{"with its signature cut off", func(_ *foe, b []byte) []byte {
				b = b[:20]
				binary.LittleEndian.PutUint32(b[4:], 20)
				return b
			}, ua.StatusBadSecurityChecksFailed},
		} {
			if p == opcua.None && c.want == ua.StatusBadSecurityChecksFailed {
				continue
			}
			f := dialFoe(t, s).come(p)
			f.raw(c.do(f, f.chunksOf(reading("i=2259"))[0]))
			require.Equal(t, c.want, f.end(), "%s, %s", c.name, p)
		}
		require.NoError(t, other.nc.Close())
	}
	alive(t, s)
}

func TestAFaultOfAServiceCostsItsConnectionAlone(t *testing.T) {
	s := serve(t, secured(t))
	good, bad := dialFoe(t, s).come(opcua.Basic256Sha256), dialFoe(t, s).come(opcua.Basic256Sha256)
	bad.say(&ua.WriteRequest{NodesToWrite: []*ua.WriteValue{}})
	require.Equal(t, ua.StatusBadInternalError, bad.end())
	require.NoError(t, good.read())
	alive(t, s)
	require.NotZero(t, s.Stats().Refused)
}
