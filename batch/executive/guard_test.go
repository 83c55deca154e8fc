// The wire against the book.

package executive

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// takings are the records of what was taken at the wire.
func (s *site) takings() (list []string) {
	_, err := journal.Scan(filepath.Join(s.dir, "manager"), func(_ uint64, body []byte, _ journal.Chain) error {
		r, err := record.Parse(body)
		if err == nil && r.Kind == record.KindFence {
			list = append(list, r.Text(record.Detail))
		}
		return err
	}, &journal.Options{})
	require.NoError(s.t, err)
	return list
}

// wire sets what the I/O process says of U1, and gives the fences that come within some polls.
func (s *site) wire(boot, batch string, token uint64) []api.Fence {
	s.mu.Lock()
	s.boot, s.taker, s.tokens, s.fences = boot, batch, token, nil
	s.mu.Unlock()
	time.Sleep(11 * time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fences
}

func TestWhatIsTakenAtTheWireUnderATokenThatNobodyGaveIsTakenBack(t *testing.T) {
	for _, owner := range []string{"A", ""} {
		inOurTime(t, func(s *site) {
			s.with(func(_ *Manager, c *api.Client) {
				s.made(c, "A")
				if owner != "" {
					s.has(c, "A", 1, "U1")
				}
				fences := s.wire("", "B-0009", 700)
				require.NotEmpty(t, fences)
				require.Greater(t, fences[0].Token, uint64(700))
				require.True(t, fences[0].Safe)
				h := s.owner(c, "U1")
				require.Equal(t, owner, h.Batch)
				if owner != "" {
					require.Equal(t, h.Token, fences[len(fences)-1].Token, "its owner writes on under that")
				}
				require.Equal(t, "equipment U1 was taken at the wire by B-0009 under token 700, which nobody gave", s.takings()[0])
				require.Empty(t, s.wire("", "", h.Token+1000), "a fence is nobody's")
			})
		})
	}
}

func TestAGrantThatTheWireHasNotSeenYetIsNoTheft(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.has(c, "A", 1, "U1")
			require.Empty(t, s.wire("", "A", s.owner(c, "U1").Token))
			require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 1}))
			require.Empty(t, s.wire("", "A", s.owner(c, "U1").Token))
			s.has(c, "B", 1, "U1")
			require.Empty(t, s.wire("", "A", s.owner(c, "U1").Token-1))
			require.Empty(t, s.takings())
		})
	})
}

func TestABatchThatSaysAgainWhatItHasIsNoThief(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.tokens, s.taker = 9, "A" // and the manager has a new ledger and a new log
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			time.Sleep(2 * time.Second)
			s.has(c, "A", 1, "U1")
			require.Empty(t, s.wire("", "A", 9))
			require.Empty(t, s.takings())
			require.Greater(t, s.owner(c, "U1").Token, uint64(9))
		})
	})
}

func TestAnIOProcessThatHasForgottenTokensIsToldThemAfterItsStart(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.has(c, "A", 1, "U1")
			require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 1}))
			s.has(c, "B", 1, "U1")
			token := s.owner(c, "U1").Token
			for _, w := range []struct {
				boot, batch string
				token       uint64
			}{{"2", "A", token - 1}, {"3", "", 0}} {
				fences := s.wire(w.boot, w.batch, w.token)
				require.Len(t, fences, 1, "once in a life: %+v of %d", w, token)
				require.Equal(t, token, fences[0].Token)
				require.False(t, fences[0].Safe)
			}
			require.Empty(t, s.wire("4", "B", token-1), "its own")
			require.Empty(t, s.wire("5", "A", token), "what it knows")
			require.Empty(t, s.takings())
			require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "B", ID: 1}))
			require.Len(t, s.wire("6", "", 0), 1, "nobody has it")
		})
	})
}
