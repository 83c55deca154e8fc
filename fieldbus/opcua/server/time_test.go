// What has its time: connections, messages, tokens and sessions, in virtual time.

package server

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

func TestWhoDoesNotComeInIsLetGo(t *testing.T) {
	meet(t)
	for _, c := range []struct {
		name string
		do   func(f *foe)
	}{
		{"says nothing", func(*foe) {}},
		{"says half a word", func(f *foe) { f.raw([]byte("HEL")) }},
		{"promises a hello", func(f *foe) { f.raw(headOf("HELF", 60, 1, 2, 3)) }},
		{"says hello only", func(f *foe) { f.hello() }},
		{"opens a channel only", func(f *foe) { _ = f.hello().as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue) }},
		{"makes a session only", func(f *foe) {
			_ = f.hello().as(opcua.None, nil).open(ua.SecurityTokenRequestTypeIssue)
			_, _ = f.create()
		}},
		{"goes again", func(f *foe) { _, _ = f.come(opcua.None).ask(&ua.CloseSessionRequest{}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, dial := serveVirtual(t, nil)
				f := newFoe(t, dial(), s)
				began := time.Now()
				c.do(f)
				require.Equal(t, ua.StatusBadTimeout, f.end())
				took := time.Since(began)
				require.True(t, took >= 10*time.Second && took <= 12*time.Second, "%s", took)
				synctest.Wait()
				require.Zero(t, s.Stats().Connections+s.Stats().Sessions)
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestADiscovererThatAsksOnAndOnIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, nil)
		f := newFoe(t, dial(), s).hello().as(opcua.None, nil)
		require.NoError(t, f.open(ua.SecurityTokenRequestTypeIssue))
		began := time.Now()
		var err error
		for err == nil {
			_, err = f.ask(&ua.GetEndpointsRequest{})
			time.Sleep(100 * time.Millisecond)
		}
		require.Less(t, time.Since(began), 13*time.Second)
		require.NoError(t, s.Close())
	})
}

func TestAMessageThatDripsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, nil)
		f := newFoe(t, dial(), s).come(opcua.None)
		time.Sleep(time.Minute - time.Second) // a session may be silent for as long as it was granted
		require.NoError(t, f.nc.SetDeadline(time.Now().Add(time.Minute)))
		require.NoError(t, f.read())
		began := time.Now()
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for _, b := range f.chunksOf(reading("i=2259"))[0] {
				if _, err := f.nc.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		require.Equal(t, ua.StatusBadTimeout, f.end())
		dripping.Wait()
		require.LessOrEqual(t, time.Since(began), 11*time.Second)
		require.NoError(t, s.Close())
	})
}

func TestWhoDoesNotReadIsLetGoAndHoldsLittle(t *testing.T) {
	for name, limit := range map[string]int{"small": 256 << 10, "large": 4 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, dial := serveVirtual(t, &Options{Limits: Limits{Message: limit}})
				f := newFoe(t, dial(), s).come(opcua.None)
				began, asked := time.Now(), 0
				for {
					if _, err := f.nc.Write(f.chunksOf(reading("s=long"))[0]); err != nil {
						break
					}
					asked++
					time.Sleep(time.Millisecond)
				}
				require.LessOrEqual(t, asked, limit/200000+3, "no more is read than was sent")
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestAnAnswerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, nil)
		var calls []*call
		s.table[id.PublishRequest_Encoding_DefaultBinary] = func(c *call, _ ua.Request) (ua.Response, error) {
			calls = append(calls, c)
			return nil, nil
		}
		f := newFoe(t, dial(), s).come(opcua.None)
		for range 3000 {
			f.say(&ua.PublishRequest{})
		}
		synctest.Wait()
		require.Len(t, calls, 3000)
		answer := func(c *call) bool {
			return c.sess.answer(c.id, c.hdr, &ua.PublishResponse{
				ResponseHeader: responseHeader(c.hdr, ua.StatusOK), AvailableSequenceNumbers: make([]uint32, 1000),
				NotificationMessage: &ua.NotificationMessage{}, Results: []ua.StatusCode{}, DiagnosticInfos: []*ua.DiagnosticInfo{},
			})
		}
		began, sent := time.Now(), 0
		for _, c := range calls {
			if answer(c) {
				sent++
			}
		}
		require.Zero(t, time.Since(began), "a client that does not read holds nobody up")
		require.InDelta(t, (1<<20)/4000, sent, 30, "and no more than a message's room is kept for it")
		require.False(t, answer(calls[0]), "an answer is given once")
		time.Sleep(2 * time.Second)
		require.Zero(t, s.Stats().Connections)
		require.NoError(t, s.Close())
	})
}

func TestWhatAConnectionHasAskedItsSuccessorIsNotTold(t *testing.T) {
	_, client, _, _ := meet(t)
	o := secured(t)
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, o)
		var calls []*call
		s.table[id.PublishRequest_Encoding_DefaultBinary] = func(c *call, _ ua.Request) (ua.Response, error) {
			calls = append(calls, c)
			return nil, nil
		}
		first := newFoe(t, dial(), s).hello().as(opcua.Basic256Sha256, client)
		require.NoError(t, first.open(ua.SecurityTokenRequestTypeIssue))
		made, err := first.create()
		require.NoError(t, err)
		resp, err := first.ask(first.activation(made.ServerNonce))
		require.NoError(t, err)
		first.say(&ua.PublishRequest{})
		synctest.Wait()
		second := newFoe(t, dial(), s).hello().as(opcua.Basic256Sha256, client)
		require.NoError(t, second.open(ua.SecurityTokenRequestTypeIssue))
		second.token = first.token
		_, err = second.ask(second.activation(resp.(*ua.ActivateSessionResponse).ServerNonce))
		require.NoError(t, err)
		require.False(t, calls[0].sess.answer(calls[0].id, calls[0].hdr, &ua.PublishResponse{}))
		require.NoError(t, second.read())
		require.NoError(t, s.Close())
	})
}

func TestASessionEndsByItsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, &Options{Limits: Limits{Idle: time.Minute}})
		for _, c := range []struct {
			asked float64
			want  time.Duration
		}{{2000, 2 * time.Second}, {1e12, time.Minute}, {0, time.Minute}, {-5, time.Minute}, {0.5, time.Second}} {
			require.Equal(t, c.want, timeoutOf(c.asked, time.Minute))
		}
		f := newFoe(t, dial(), s).come(opcua.None)
		for range 5 {
			time.Sleep(50 * time.Second)
			require.NoError(t, f.nc.SetDeadline(time.Now().Add(5*time.Minute)))
			require.NoError(t, f.read())
		}
		time.Sleep(62 * time.Second)
		require.Zero(t, s.Stats().Sessions)
		require.Equal(t, ua.StatusBadSessionIDInvalid, f.read())
		require.Equal(t, ua.StatusBadTimeout, f.end(), "a connection without a session has its time, too")
		require.NoError(t, s.Close())
	})
}

func TestRenewalLosesNothing(t *testing.T) {
	for _, p := range allPolicies {
		t.Run(p.String(), func(t *testing.T) {
			o := secured(t)
			synctest.Test(t, func(t *testing.T) {
				s, dial := serveVirtual(t, o)
				f := newFoe(t, dial(), s)
				f.life = 2000
				f.come(p)
				for range 5 {
					require.NoError(t, f.open(ua.SecurityTokenRequestTypeRenew))
					require.NoError(t, f.read(), "by the old token, before the new one was used")
					f.renewed()
					require.NoError(t, f.read(), "by the new one")
					time.Sleep(1500 * time.Millisecond)
					require.NoError(t, f.nc.SetDeadline(time.Now().Add(time.Minute)))
				}
				f.say(reading("i=2259")) // on their way, while the key changes
				f.say(reading("i=2259"))
				r := f.opening(ua.SecurityTokenRequestTypeRenew)
				f.raw(must(f.c.lock(f.c.ch, f.number(), f.encode(r))))
				for range 2 {
					_, err := f.heard()
					require.NoError(t, err)
				}
				require.NoError(t, f.opened(r))
				f.renewed()
				require.NoError(t, f.read())
				f.renewed()
				f.say(reading("i=2259"))
				require.Equal(t, ua.StatusBadSecureChannelTokenUnknown, f.end(), "the old one is of no use once the new one was used")
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestATokenLapses(t *testing.T) {
	o := secured(t)
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, o)
		f := newFoe(t, dial(), s)
		f.life = 4000
		f.come(opcua.Basic256Sha256)
		time.Sleep(4900 * time.Millisecond)
		require.NoError(t, f.read(), "a quarter longer than it was granted")
		time.Sleep(200 * time.Millisecond)
		f.say(reading("i=2259"))
		require.Equal(t, ua.StatusBadSecureChannelTokenUnknown, f.end())

		f = newFoe(t, dial(), s)
		f.life = 4000
		f.come(opcua.Basic256Sha256)
		require.Equal(t, ua.StatusBadTimeout, f.end(), "a channel that nobody renews is closed")
		require.NoError(t, s.Close())
	})
}

func TestAFloodOfOpeningsIsSlow(t *testing.T) {
	o := secured(t)
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, o)
		f := newFoe(t, dial(), s).come(opcua.Basic256Sha256)
		began := time.Now()
		for range 8 {
			require.NoError(t, f.open(ua.SecurityTokenRequestTypeRenew))
		}
		require.GreaterOrEqual(t, time.Since(began), 7*renewPause)
		f.renewed()
		require.NoError(t, f.read(), "the last token is the one that counts")
		require.NoError(t, s.Close())
	})
}

func TestThoseWithoutASessionGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dial := serveVirtual(t, &Options{Limits: Limits{Connections: 8}})
		good := newFoe(t, dial(), s).come(opcua.None)
		var silent []*foe
		for range 7 {
			silent = append(silent, newFoe(t, dial(), s))
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		_, _, err := newFoe(t, dial(), s).next()
		require.Equal(t, ua.StatusBadTCPServerTooBusy, err, "all are young")
		time.Sleep(young)
		late := newFoe(t, dial(), s).come(opcua.None)
		require.Equal(t, ua.StatusBadTCPServerTooBusy, silent[0].end(), "the oldest has given way")
		for range 6 {
			time.Sleep(young)
			newFoe(t, dial(), s).come(opcua.None)
		}
		require.Equal(t, 8, s.Stats().Connections)
		time.Sleep(young)
		_, _, err = newFoe(t, dial(), s).next()
		require.Equal(t, ua.StatusBadTCPServerTooBusy, err, "who has a session stays")
		require.NoError(t, good.read())
		require.NoError(t, late.read())
		require.NoError(t, s.Close())
	})
}

func TestCloseEndsAll(t *testing.T) {
	o := secured(t)
	synctest.Test(t, func(t *testing.T) { // it would not end with a goroutine left
		s, dial := serveVirtual(t, o)
		var calls []*call
		s.table[id.PublishRequest_Encoding_DefaultBinary] = func(c *call, _ ua.Request) (ua.Response, error) {
			calls = append(calls, c)
			return nil, nil
		}
		f := newFoe(t, dial(), s).come(opcua.Basic256Sha256)
		newFoe(t, dial(), s).hello()
		newFoe(t, dial(), s)
		f.say(&ua.PublishRequest{})
		synctest.Wait()
		began := time.Now()
		require.NoError(t, errors.Join(s.Close(), s.Close()))
		require.Less(t, time.Since(began), 2*time.Second)
		require.Equal(t, Stats{Requests: s.Stats().Requests, Refused: s.Stats().Refused}, s.Stats())
		require.False(t, calls[0].sess.answer(calls[0].id, calls[0].hdr, &ua.PublishResponse{}))
		<-calls[0].sess.closed
		require.Equal(t, errGone, f.end())
	})
}
