// A server that means ill, or is broken, costs its session and nothing else.

package opcua

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
	"github.com/batchkit/batchkit/iomap/tag"
)

// u32 gives four bytes.
func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// head is that of an answer of a type that is in order.
func head(kind uint16) []byte {
	b := append([]byte{1, 0, byte(kind), byte(kind >> 8)}, make([]byte, 16)...)
	return append(b, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0)
}

// value is an answer to a Read of one value, of which the variant is given.
func value(variant ...byte) []byte {
	b := append(head(id.ReadResponse_Encoding_DefaultBinary), 1, 0, 0, 0, 1)
	return append(append(b, variant...), 0xFF, 0xFF, 0xFF, 0xFF)
}

// panics tells whether the library's own decoder does not bear something.
func panics(body []byte) (p bool) {
	defer func() { p = recover() != nil }()
	_, _, _ = ua.DecodeService(body)
	return false
}

func TestWhatEndsTheLibraryIsAnErrorHere(t *testing.T) {
	n := 0
	for name, body := range map[string][]byte{
		"an array of less than nothing":              value(0x80|6, 0xFE, 0xFF, 0xFF, 0xFF),
		"an array of nothings":                       value(append([]byte{0x80}, u32(1<<20)...)...),
		"an array longer than the message":           value(append([]byte{0x80 | 6}, u32(60_000)...)...),
		"dimensions without values":                  value(0x40|6, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F),
		"many dimensions":                            value(slices.Concat([]byte{0xC0 | 6}, u32(0), u32(1<<30))...),
		"a kind that there is not":                   value(0x3F, 1),
		"values in values":                           value(bytes.Repeat([]byte{24}, 500)...),
		"diagnostics in diagnostics":                 append(head(id.ReadResponse_Encoding_DefaultBinary)[:20], bytes.Repeat([]byte{0x40}, 500)...),
		"data values in data values":                 value(bytes.Repeat([]byte{23, 1}, 500)...),
		"a text longer than the message":             value(12, 0xFF, 0xFF, 0xFF, 0x7E),
		"a node id that there is not":                value(17, 9, 9, 9, 9, 9, 9, 9),
		"more values than were asked for":            append(head(id.ReadResponse_Encoding_DefaultBinary), bytes.Repeat([]byte{2, 0, 0, 0}, 3)...),
		"as many values as there are numbers":        append(head(id.ReadResponse_Encoding_DefaultBinary), 0xFF, 0xFF, 0xFF, 0x7F),
		"nothing":                                    nil,
		"a type alone":                               {1, 0, 119, 2},
		"a data value of unknown parts":              append(head(id.ReadResponse_Encoding_DefaultBinary), 1, 0, 0, 0, 0xC0, 0, 0, 0, 0),
		"a service fault that says that all is well": head(id.ServiceFault_Encoding_DefaultBinary),
	} {
		var v [1]dataValue
		err := readAnswer(body, v[:])
		if err == nil { // it can be skipped, and is no value
			p := place{typ: fieldbus.Int32}
			require.Equal(t, fieldbus.StatusConfigurationError, p.reading(&v[0]).Status, name)
		}
		if panics(body) {
			n++
			t.Logf("the library's decoder panics at %s", name)
		}
	}
	t.Logf("%d of these end a process that decodes them in a goroutine without recover", n)
	require.NotZero(t, n, "else this package need not read by itself")
}

func TestTimeAndMemoryFollowTheBytesThatCame(t *testing.T) {
	body := value(append([]byte{0x80 | 24}, append(u32(200_000), bytes.Repeat([]byte{0x80, 0, 0, 0, 0x7F}, 200_000)...)...)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var v [1]dataValue
	require.Error(t, readAnswer(body, v[:]))
	many := make([]byte, maxMessage)
	copy(many, append(head(id.GetEndpointsResponse_Encoding_DefaultBinary), u32(maxMessage/41)...))
	_, _ = offersAnswer(many)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}

// fakeDevice is a device at a server that is made up.
func fakeDevice(t testing.TB, response time.Duration, settings ...fieldbus.Setting) *Device {
	p := plantProfile(settings...)
	p.Limits.Response = int64(response)
	return device(t, p, nil)
}

// spoilers make of an answer what cannot be.
func spoilers() map[string]func(f []byte) []byte {
	number := func(f []byte) []byte { return f[20:24] }
	return map[string]func(f []byte) []byte{
		"a message of eight bytes":  func([]byte) []byte { return append([]byte("MSGF"), 8, 0, 0, 0) },
		"a message of no bytes":     func([]byte) []byte { return append([]byte("MSGF"), 0, 0, 0, 0) },
		"a message without end":     func([]byte) []byte { return append([]byte("MSGF"), 0xFF, 0xFF, 0xFF, 0xFF) },
		"a head without a body":     func([]byte) []byte { return append([]byte("MSGF"), 12, 0, 0, 0, 5, 0, 0, 0) },
		"no message":                func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
		"a chunk that there is not": func(f []byte) []byte { f[3] = 'X'; return f },
		"another channel":           func(f []byte) []byte { f[8]++; return f },
		"another token":             func(f []byte) []byte { f[12]++; return f },
		"a number left out":         func(f []byte) []byte { f[16]++; return f },
		"a number twice":            func(f []byte) []byte { return slices.Concat(f, f) },
		"the end of a connection": func([]byte) []byte {
			return slices.Concat([]byte("ERRF"), u32(16), u32(uint32(ua.StatusBadTCPInternalError)), u32(math.MaxUint32))
		},
		"an acknowledgement": func([]byte) []byte { return slices.Concat([]byte("ACKF"), u32(28), make([]byte, 20)) },
		"an abort": func(f []byte) []byte {
			return slices.Concat([]byte("MSGA"), u32(32), f[8:24], u32(uint32(ua.StatusBadTimeout)), u32(math.MaxUint32))
		},
		"chunks of two requests": func(f []byte) []byte {
			g := slices.Clone(f)
			f[3] = 'C'
			g[16]++
			number(g)[0]++
			return slices.Concat(f, g)
		},
		"a channel that nobody asked for": func(f []byte) []byte {
			c := fakeConn{seq: binary.LittleEndian.Uint32(f[16:]) - 1}
			return c.frame("OPNF", 99, coded(&ua.OpenSecureChannelResponse{ResponseHeader: okay(), SecurityToken: &ua.ChannelSecurityToken{ChannelID: 5, TokenID: 10, RevisedLifetime: 9999}}))
		},
		"a channel of another policy": func([]byte) []byte {
			b := slices.Concat([]byte("OPNF"), u32(0), u32(5))
			b = chunk.AppendBytes(chunk.AppendBytes(chunk.AppendBytes(b, []byte(ua.SecurityPolicyURIBasic256)), nil), nil)
			binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
			return b
		},
		"chunks without end": func(f []byte) []byte {
			f[3] = 'C'
			var all []byte
			for range maxChunks + 1 {
				all = append(all, f...)
				f = slices.Clone(f)
				binary.LittleEndian.PutUint32(f[16:], binary.LittleEndian.Uint32(f[16:])+1)
			}
			return all
		},
	}
}

func TestAMessageThatCannotBeEndsTheSession(t *testing.T) {
	for name, spoil := range spoilers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			d := fakeDevice(t, 20*time.Second)
			require.NoError(t, d.Open(t.Context(), f.endpoint()))
			points, out := named(d.profile, "Rate"), make([]fieldbus.Reading, 1)
			require.NoError(t, d.Read(t.Context(), points, out))
			require.Equal(t, tag.Good, out[0].Quality)
			f.set(func() {
				f.spoil = func(req ua.Request, frame []byte) []byte {
					if _, ok := req.(*ua.ReadRequest); ok {
						return spoil(frame)
					}
					return frame
				}
			})
			err := d.Read(t.Context(), points, out)
			if name == "a number twice" && err == nil { // the first is an answer
				require.Eventually(t, func() bool { return d.Read(t.Context(), points, out) != nil }, 20*time.Second, time.Millisecond)
				return
			}
			require.ErrorIs(t, err, fieldbus.ErrDown)
			require.ErrorIs(t, d.Read(t.Context(), points, out), fieldbus.ErrDown, "it is over")
			f.set(func() { f.spoil = nil })
			require.NoError(t, d.Open(t.Context(), f.endpoint()))
			require.NoError(t, d.Read(t.Context(), points, out))
		})
	}
}

func TestAServerThatCannotBeEnteredSaysWhy(t *testing.T) {
	for want, set := range map[string]func(f *fake){
		"to hello it says":               func(f *fake) { f.hello = func(b []byte) []byte { b[12], b[13] = 1, 0; return b } },
		"a message begins with \"SSH-\"": func(f *fake) { f.hello = func([]byte) []byte { return []byte("SSH-2.0-OpenSSH") } },
		"keys that live less than a second": func(f *fake) {
			f.opens = func(c *fakeConn, b []byte) []byte {
				c.seq--
				return c.frame("OPNF", 1, coded(&ua.OpenSecureChannelResponse{ResponseHeader: okay(), SecurityToken: &ua.ChannelSecurityToken{ChannelID: 5, TokenID: 9, RevisedLifetime: 999}}))
			}
		},
		"no other is taken in its place": func(f *fake) {
			f.answer = func(req ua.Request) ua.Response {
				if _, ok := req.(*ua.GetEndpointsRequest); ok {
					return &ua.GetEndpointsResponse{ResponseHeader: okay()}
				}
				return nil
			}
		},
		"forgets a session after NaN ms": func(f *fake) {
			f.answer = func(req ua.Request) ua.Response {
				if _, ok := req.(*ua.CreateSessionRequest); ok {
					return &ua.CreateSessionResponse{ResponseHeader: okay(), SessionID: ua.NewNumericNodeID(1, 1), AuthenticationToken: ua.NewNumericNodeID(0, 7),
						RevisedSessionTimeout: math.NaN(), ServerSignature: &ua.SignatureData{}}
				}
				return nil
			}
		},
	} {
		f := newFake(t)
		set(f)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		require.ErrorContains(t, fakeDevice(t, 20*time.Second).Open(ctx, f.endpoint()), want)
		cancel()
	}
}

func TestAServerThatBearsLessThanItSaysIsAskedForLess(t *testing.T) {
	f := newFake(t)
	f.answer = func(req ua.Request) ua.Response {
		if r, ok := req.(*ua.ReadRequest); ok && len(r.NodesToRead) > 10 {
			return &ua.ServiceFault{ResponseHeader: &ua.ResponseHeader{ServiceResult: ua.StatusBadTooManyOperations, ServiceDiagnostics: &ua.DiagnosticInfo{}}}
		}
		return nil
	}
	d := fakeDevice(t, 20*time.Second)
	require.NoError(t, d.Open(t.Context(), f.endpoint()))
	var points []*fieldbus.Point
	for i := range d.profile.Points {
		points = append(points, &d.profile.Points[i])
	}
	require.Len(t, d.Plan(points), 1)
	out := make([]fieldbus.Reading, len(points))
	var err error
	for range 10 {
		if err = d.Read(t.Context(), points, out); err == nil {
			break
		}
		require.ErrorIs(t, err, fieldbus.ErrPlan)
	}
	require.NoError(t, err)
	require.Greater(t, len(d.Plan(points)), 14)
}

func TestASessionLeavesNothingBehind(t *testing.T) {
	f := newFake(t)
	d := fakeDevice(t, 20*time.Second)
	for range 20 {
		require.NoError(t, d.Open(t.Context(), f.endpoint()))
		require.NoError(t, d.Read(t.Context(), named(d.profile, "Rate"), make([]fieldbus.Reading, 1)))
	}
	require.NoError(t, d.Close())
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	require.Zero(t, strings.Count(string(stacks), "opcua.(*contact)"), "Close waits for all that a session has started")
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	f := newFake(t)
	d := fakeDevice(t, time.Minute)
	var wg sync.WaitGroup
	defer wg.Wait()
	end := func() { wg.Go(func() { _ = d.Close() }) }
	f.hello = func([]byte) []byte { end(); return nil } // it says nothing
	require.Error(t, d.Open(t.Context(), f.endpoint()), "an Open")
	for _, call := range []struct {
		name string
		do   func() error
		want error
	}{
		{"a Read", func() error { return d.Read(t.Context(), named(d.profile, "Rate"), make([]fieldbus.Reading, 1)) }, fieldbus.ErrDown},
		{"a Write, which was sent", func() error { return d.Write(t.Context(), d.profile.Find("Rate"), tag.Float64, 0) }, fieldbus.ErrUnknown},
	} {
		f.set(func() { f.hello, f.spoil = nil, nil })
		require.NoError(t, d.Open(t.Context(), f.endpoint()))
		var once sync.Once
		f.set(func() {
			f.spoil = func(req ua.Request, _ []byte) []byte {
				if _, bye := req.(*ua.CloseSessionRequest); !bye { // that of the session before may come late, and must not end this one
					once.Do(end)
				}
				return nil
			}
		})
		require.ErrorIs(t, call.do(), call.want, call.name)
	}
}

func TestASessionThatIsNotUsedIsKeptAlive(t *testing.T) {
	f := newFake(t)
	f.answer = func(req ua.Request) ua.Response {
		if _, ok := req.(*ua.CreateSessionRequest); ok {
			return &ua.CreateSessionResponse{ResponseHeader: okay(), SessionID: ua.NewNumericNodeID(1, 1), AuthenticationToken: ua.NewNumericNodeID(0, 7),
				RevisedSessionTimeout: 1000, ServerSignature: &ua.SignatureData{}}
		}
		return nil
	}
	d := fakeDevice(t, 20*time.Second)
	require.NoError(t, d.Open(t.Context(), f.endpoint()))
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.reads > 2
	}, 20*time.Second, 5*time.Millisecond, "by a Read each third of what the server gives it")
}

// still is a connection that has what came, and takes what is sent.
type still struct {
	net.Conn
	in *bytes.Reader
}

func (s still) Read(b []byte) (int, error) { return s.in.Read(b) }

func FuzzChannel(f *testing.F) {
	c := fakeConn{}
	f.Add(c.frame("MSGF", 1, value(6, 1, 0, 0, 0)), uint8(0))
	f.Add(c.frame("OPNF", 1, head(id.OpenSecureChannelResponse_Encoding_DefaultBinary)), uint8(1))
	f.Add(append(c.frame("MSGC", 1, nil), c.frame("MSGA", 1, []byte{0, 0, 1, 0x80})...), uint8(2))
	own, err := us()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte, policy uint8) {
		sec := security{policy: Policy(policy % 5), own: own, peer: own.Certificate, key: &own.Key.PublicKey}
		algo, err := sec.asymmetric()
		require.NoError(t, err)
		ch := &channel{conn: still{in: bytes.NewReader(b)}, sec: sec, asym: algo, id: 5}
		ch.in = newReader(ch.conn)
		ch.taken[0] = keys{token: 9, until: time.Now().Add(time.Hour)}
		ch.taken[0].algo, err = symmetric(sec.policy, make([]byte, 32), make([]byte, 32))
		require.NoError(t, err)
		for {
			_, body, opn, err := ch.receive()
			if _, ok := err.(fault); err != nil && !ok {
				return
			}
			if opn {
				_ = ch.adopt(body)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(value(6, 1, 0, 0, 0))
	f.Add(published(1, false, map[uint32]*ua.DataValue{1: {Value: ua.MustVariant(int16(5))}}))
	f.Add(coded((&fake{}).respond(&ua.GetEndpointsRequest{})))
	f.Add(coded((&fake{}).respond(&ua.CreateSessionRequest{})))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v [3]dataValue
		for n := range v {
			if readAnswer(b, v[:n]) == nil {
				for i := range v[:n] {
					for typ := fieldbus.Bool; typ <= fieldbus.String; typ++ {
						p := place{typ: typ, form: typ.Form(), length: 10}
						r := p.reading(&v[i])
						require.Equal(t, r.Status == 0, r.Quality == tag.Good)
						_, _ = p.text(&v[i])
					}
					_ = v[i].strings()
					_, _ = v[i].lag()
				}
			}
		}
		_, _ = statusAnswer(b, id.WriteResponse_Encoding_DefaultBinary)
		_, _ = offersAnswer(b)
		_, _ = createdAnswer(b)
		_, _ = newFeed().take(b, 7, time.Unix(1000, 0))
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ns=2;s=Flow", "i=2258", "nsu=urn:x;g=09087e75-8e5e-499b-954f-f2a9603db28a", "b=AQID"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, at string) {
		var p place
		if p.locate(at) != nil {
			return
		}
		if b := p.node([]string{"", "urn:x"}); b != nil {
			c := cursor{b: b}
			require.Equal(t, b, c.nodeID(), "what is asked for is a node id, and nothing is behind it")
			require.Empty(t, c.b)
		}
	})
}
