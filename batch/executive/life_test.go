// The lives of batches, in memory.

package executive

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

func status(t *testing.T, err error) int {
	t.Helper()
	var no *api.Error
	require.ErrorAs(t, err, &no)
	return no.Status
}

func TestABatchLivesFromItsCreationToItsRemovalAndEachStepIsOnRecord(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			require.NoError(t, post(c, "/v1/batches", &api.Create{Recipe: "R", Unit: "U1", Order: api.Order{Reason: "wanted"}}))
			s.is(c, "B-0001", api.Ready)
			require.NoError(t, post(c, "/v1/batches/B-0001/commands", &api.Command{Command: "start"}))
			s.is(c, "B-0001", api.Active)
			err := post(c, "/v1/batches/B-0001/removal", &api.Removal{})
			require.Equal(t, http.StatusConflict, status(t, err))
			require.ErrorContains(t, err, "abort it first")
			require.NoError(t, post(c, "/v1/batches/B-0001/commands", &api.Command{Command: "abort"}))
			s.is(c, "B-0001", api.Ended)
			require.NoError(t, post(c, "/v1/batches/B-0001/removal", &api.Removal{Order: api.Order{Reason: "done with it"}}))
			b := api.Batch{}
			require.NoError(t, c.Call(s.ctx, http.MethodGet, "/v1/batches/B-0001", nil, &b))
			require.Equal(t, api.Removing, b.Life, "marked at once")
			s.is(c, "B-0001", api.Removed)
			require.Equal(t, "done with it", s.fake("B-0001").removal.Reason)
			require.Equal(t, "local:"+itoa(os.Getuid()), s.fake("B-0001").removal.Operator)
			var list api.Batches
			require.NoError(t, c.Call(s.ctx, http.MethodGet, "/v1/batches", nil, &list))
			require.Empty(t, list)
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/batches", &api.Create{ID: "B-0001", Recipe: "R"})), "a number is used once")
		})
		require.Equal(t, []string{
			"B-0001 create: none Loading done",
			"B-0001 heard Ready: Loading Ready done",
			"B-0001 heard Active: Ready Active done",
			"B-0001 remove: Active Active refused",
			"B-0001 heard Ended: Active Ended done",
			"B-0001 remove: Ended Removing done",
			"B-0001 exit: Removing Clearing done",
			"B-0001 cleared: Clearing Removed done",
			"B-0001 create: Removed Removed refused",
		}, s.records())
		_, err := os.Stat(filepath.Join(s.dir, "batches", "B-0001", "order.json"))
		require.NoError(t, err, "its directory stays")
		s.with(func(_ *Manager, c *api.Client) {
			s.is(c, "B-0001", api.Removed)
			require.NoError(t, post(c, "/v1/batches", &api.Create{Recipe: "R"}))
			s.is(c, "B-0002", api.Ready)
		})
	})
}

func TestABatchThatCannotBeLoadedSaysWhyAndCanBeRemoved(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.loads = api.LoadFailed
		s.with(func(_ *Manager, c *api.Client) {
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "X", Recipe: "R"}))
			require.Equal(t, "the recipe has an error", s.is(c, "X", api.LoadFailed).Reason)
			require.NoError(t, post(c, "/v1/batches/X/removal", &api.Removal{}))
			s.is(c, "X", api.Removed)
		})
	})
}

func TestARunnerThatDoesNotComeUpIsALoadFailedAndIsEndedByForce(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.silent = true
		s.with(func(m *Manager, c *api.Client) {
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "X", Recipe: "R"}))
			require.Contains(t, s.is(c, "X", api.LoadFailed).Reason, "did not come up within 20s: see the file log")
			require.NoError(t, post(c, "/v1/batches/X/removal", &api.Removal{}))
			s.until(func() bool {
				return s.is(c, "X", api.Removing).Reason == "it has not gone within 10s; remove it by force"
			})
			require.NoError(t, post(c, "/v1/batches/X/removal", &api.Removal{Force: true}))
			s.is(c, "X", api.Removed)
			<-s.fake("X").ended
		})
	})
}

func TestARunnerThatExitsIsLostAndKeepsItsEquipmentUntilItIsRemoved(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.has(c, "A", 1, "U1")
			s.has(c, "B", 1, "U1")
			s.fake("A").stop()
			require.Contains(t, s.is(c, "A", api.Lost).Reason, "signal: killed")
			time.Sleep(time.Minute)
			h := s.owner(c, "U1")
			require.Equal(t, "A", h.Batch)
			require.True(t, h.Lost)
			require.Equal(t, "B", h.Waiting[0].Batch)
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "hold"})))
			require.Empty(t, s.fences)
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{}))
			s.is(c, "A", api.Removed)
			require.Equal(t, "B", s.owner(c, "U1").Batch)
			require.Len(t, s.fences, 1)
			require.True(t, s.fences[0].Safe)
			require.Greater(t, s.fences[0].Token, h.Token)
			require.Greater(t, s.owner(c, "U1").Token, s.fences[0].Token)
		})
		require.Contains(t, s.records(), "A hold: Lost Lost refused")
	})
}

func TestWhatIsTakenFromABatchAsItIsAboutToBeFencedIsNoTrouble(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(m *Manager, c *api.Client) {
			s.made(c, "A")
			s.has(c, "A", 1, "U1")
			s.fake("A").stop()
			s.is(c, "A", api.Lost)
			s.mu.Lock()
			s.looked = func() { // each time, so that it falls between what the keeper has read and its fence
				_, err := m.desk.do(arbiter.Op{Kind: arbiter.Force, Equipment: []string{"U1"}, Actor: "op1", Role: "operator", Reason: "it is wanted elsewhere"}, nil)
				require.NoError(t, err)
			}
			s.mu.Unlock()
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{}))
			s.is(c, "A", api.Removed)
			require.Empty(t, s.owner(c, "U1").Batch)
		})
	})
}

func TestARunnerThatIsNotHeardIsLostAndComesBackWhenItIsHeard(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			require.NoError(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "start"}))
			s.has(c, "A", 1, "U1")
			s.is(c, "A", api.Active)
			s.set("A", func(f *fake) { f.frozen = true })
			require.Contains(t, s.is(c, "A", api.Lost).Reason, "it does not answer since 2026-")
			time.Sleep(time.Minute)
			s.set("A", func(f *fake) { f.frozen = false })
			s.is(c, "A", api.Active)
			require.Empty(t, s.fences, "it was not fenced and carries on")
			require.Equal(t, []string{"A"}, s.spawned)
		})
	})
}

func TestAManagerThatComesBackAdoptsWhoLivesAndShowsAsLostWhoDoesNot(t *testing.T) {
	inOurTime(t, func(s *site) {
		var token uint64
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.made(c, "C")
			require.NoError(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "start"}))
			s.is(c, "A", api.Active)
			s.has(c, "A", 1, "U1")
			s.has(c, "C", 1, "U1")
			token = s.owner(c, "U1").Token
		})
		s.fake("B").stop()
		s.rest()
		time.Sleep(time.Minute)
		s.with(func(_ *Manager, c *api.Client) {
			s.is(c, "A", api.Active)
			require.Equal(t, "nobody answers at its socket", s.is(c, "B", api.Lost).Reason)
			s.is(c, "C", api.Ready)
			h := s.owner(c, "U1")
			require.Equal(t, "A", h.Batch)
			require.Equal(t, token, h.Token)
			require.Equal(t, "C", h.Waiting[0].Batch, "the queue has its order")
			require.Equal(t, []string{"A", "B", "C"}, s.spawned, "and nobody is started twice")
		})
		require.Contains(t, s.records(), "A adopt: Active Active done")
		require.Contains(t, s.records(), "B exit: Ready Lost done")
	})
}

func TestAManagerThatComesBackSaysOfWhomItHasNotHeardYet(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			require.NoError(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "start"}))
			s.is(c, "A", api.Active)
		})
		s.set("A", func(f *fake) { f.frozen = true })
		s.with(func(_ *Manager, c *api.Client) {
			b := s.is(c, "A", api.Active)
			require.Equal(t, unheard, b.Reason)
			require.Empty(t, b.State+b.Package)
			s.set("A", func(f *fake) { f.frozen = false })
			s.until(func() bool { return s.is(c, "A", api.Active).State != "" })
			require.Empty(t, s.is(c, "A", api.Active).Reason)
		})
	})
}

func TestALostBatchIsTakenUpWarmUnderNewTokens(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			require.NoError(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "start"}))
			s.is(c, "A", api.Active)
			s.has(c, "A", 1, "U1")
			token := s.owner(c, "U1").Token
			old := s.fake("A")
			s.set("A", func(f *fake) { f.frozen = true })
			s.is(c, "A", api.Lost)
			require.NoError(t, post(c, "/v1/batches/A/restart", &api.Restart{Order: api.Order{Reason: "again"}}))
			s.until(func() bool { return s.fake("A") != old })
			require.Equal(t, "Held", s.is(c, "A", api.Active).State)
			<-old.ended
			require.True(t, s.fake("A").warm)
			h := s.owner(c, "U1")
			require.Equal(t, "A", h.Batch)
			require.Greater(t, h.Token, token)
			require.Equal(t, h.Token, s.fences[0].Token)
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/batches/A/restart", &api.Restart{})))
		})
	})
}

func TestALostBatchIsBegunAnewColdAndTheOldOneGoes(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(m *Manager, c *api.Client) {
			s.made(c, "A")
			s.has(c, "A", 1, "U1")
			s.fake("A").stop()
			s.is(c, "A", api.Lost)
			var as api.Accepted
			require.NoError(t, c.Call(s.ctx, http.MethodPost, "/v1/batches/A/restart", &api.Restart{Cold: true}, &as))
			require.Equal(t, "B-0001", as.Batch)
			s.is(c, "B-0001", api.Ready)
			s.is(c, "A", api.Removed)
			require.Empty(t, s.owner(c, "U1").Batch)
			m.mu.Lock()
			defer m.mu.Unlock()
			require.Equal(t, "A", m.batches["B-0001"].order.RestartOf)
		})
	})
}

func TestEquipmentIsGivenOnOnlyWhenItsOutputsAreConfirmedSafe(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.has(c, "A", 1, "U1")
			s.has(c, "B", 1, "U1")
			s.mu.Lock()
			s.ioDown = true
			s.mu.Unlock()
			err := post(c, "/v1/batches/A/removal", &api.Removal{Force: true})
			require.Equal(t, http.StatusGatewayTimeout, status(t, err))
			require.ErrorContains(t, err, "the I/O process does not confirm")
			require.Equal(t, "A", s.owner(c, "U1").Batch)
			s.mu.Lock()
			s.ioDown, s.open = false, []string{"DO1: reads 1"}
			s.mu.Unlock()
			s.until(func() bool {
				return s.is(c, "A", api.Removing).Reason == "its outputs are not confirmed safe, so its equipment is kept: DO1: reads 1"
			})
			<-s.fake("A").ended
			require.Equal(t, "A", s.owner(c, "U1").Batch, "it is ended, and keeps it all the same")
			s.mu.Lock()
			s.open = nil
			s.mu.Unlock()
			s.is(c, "A", api.Removed)
			require.Equal(t, "B", s.owner(c, "U1").Batch)
		})
		require.Contains(t, s.records(), "A fence: Clearing Clearing unconfirmed")
	})
}

func TestARunnerThatRefusesToGoStaysWhatItIs(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.set("A", func(f *fake) { f.stays, f.b.Life = true, api.Active })
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{}))
			s.is(c, "A", api.Active)
		})
	})
}

func TestABatchThatIsCreatedToStartIsStartedOnce(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "A", Recipe: "R", Start: true}))
			s.is(c, "A", api.Active)
			time.Sleep(time.Minute)
			require.Len(t, s.fake("A").orders, 1)
		})
	})
}

func TestABatchThatIsCreatedToStartIsStartedByTheManagerThatSeesItReady(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.loads = api.Loading
		s.with(func(_ *Manager, c *api.Client) {
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "A", Recipe: "R", Start: true, Order: api.Order{Reason: "plan"}}))
			s.until(func() bool { return s.fake("A") != nil })
		})
		s.set("A", func(f *fake) { f.b.Life = api.Ready })
		s.with(func(_ *Manager, c *api.Client) {
			s.is(c, "A", api.Active)
			s.set("A", func(f *fake) { f.b.Life, f.b.State = api.Ready, "Idle" }) // as if it had not begun, for the next one
		})
		s.with(func(*Manager, *api.Client) { time.Sleep(time.Minute) })
		require.Len(t, s.fake("A").orders, 1)
		require.Equal(t, api.Order{Operator: "local:" + itoa(os.Getuid()), Role: s.fake("A").orders[0].Role, Reason: "plan"}, s.fake("A").orders[0].Order)
	})
}

func TestWhoMayNotAndWhoSaysToBeAnotherIsRefusedAndOnRecord(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.model.Rights = api.Rights{Local: map[string]string{"*": "viewer"}, Roles: map[string][]string{"viewer": {api.MayCreate}}}
		me := "local:" + itoa(os.Getuid())
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			require.Equal(t, http.StatusForbidden, status(t, post(c, "/v1/batches/A/removal", &api.Removal{Force: true})))
			require.Equal(t, http.StatusForbidden, status(t, post(c, "/v1/batches/A/commands", &api.Command{Command: "start", Order: api.Order{Operator: "boss", Role: "chief"}})))
			require.Empty(t, s.fake("A").orders)
		})
		require.Contains(t, s.records(), "access "+me+"  force_remove")
		require.Contains(t, s.records(), "access "+me+" boss as chief command")
	})
}

func TestWhileTheRuntimeServerHasNeverAnsweredNobodyMayAnything(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, err := New(s.dir, &api.Memory{}, s.log, s, nil)
		require.NoError(t, err)
		_, err = m.allow(&http.Request{}, &api.Order{}, api.MayCreate, "")
		require.Equal(t, http.StatusServiceUnavailable, status(t, err))
		require.NoError(t, m.Close())
		s.with(func(*Manager, *api.Client) {})
		m, err = New(s.dir, &api.Memory{}, s.log, s, nil)
		require.NoError(t, err)
		require.NotNil(t, m.model, "what was heard once is kept")
		require.NoError(t, m.Close())
	})
}

func TestAWatcherIsToldOfAllThatIsThereAndThenOfWhatChanges(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			var told []string
			ctx, cancel := context.WithCancel(s.ctx)
			ended := make(chan error, 1)
			s.all.Go(func() {
				ended <- c.Events(ctx, "/v1/events", 3*time.Second, func(event, _ string, data []byte) error {
					if event != "" {
						told = append(told, event)
					}
					if event == "removed" {
						return errors.New(string(data))
					}
					return nil
				})
			})
			time.Sleep(10 * time.Second)
			s.has(c, "A", 1, "U2")
			time.Sleep(10 * time.Second)
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{}))
			require.EqualError(t, <-ended, `"A"`)
			cancel()
			require.Equal(t, []string{"batch", "equipment", "equipment", "equipment"}, told[:4])
		})
	})
}

func TestARunnerThatIsAGoroutineRunsInWaitAndHarmsNobody(t *testing.T) {
	g := Goroutines{Run: func(ctx context.Context, batch, _ string) error {
		if batch == "BAD" {
			panic("oh")
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	p, err := g.Spawn("BAD", "")
	require.NoError(t, err)
	require.EqualError(t, p.Wait(context.Background()), "its runner panicked: oh")
	p, err = g.Spawn("GOOD", "")
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	require.ErrorIs(t, p.Wait(context.Background()), context.Canceled)
	require.Equal(t, os.Getpid(), p.PID())
	_, err = g.Adopt("GOOD", 1)
	require.Error(t, err)
}

func TestWhoIsRefusedTheSameAgainAndAgainIsOnRecordOnceASecond(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.model.Rights = api.Rights{}
		s.with(func(_ *Manager, c *api.Client) {
			for range 50 {
				require.Equal(t, http.StatusForbidden, status(t, post(c, "/v1/batches", &api.Create{Recipe: "R"})))
				time.Sleep(100 * time.Millisecond)
			}
		})
		require.Len(t, s.records(), 5)
	})
}

func TestAManagerWhoseLedgerIsGoneFindsWhatLives(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.has(c, "A", 1, "U1")
			s.made(c, "B")
		})
		s.fake("B").stop()
		s.rest() // nobody is at its socket any more
		require.NoError(t, os.Rename(filepath.Join(s.dir, "manager"), filepath.Join(s.dir, "aside")))
		s.with(func(_ *Manager, c *api.Client) {
			s.is(c, "A", api.Ready)
			require.Equal(t, "A", s.owner(c, "U1").Batch)
			require.Contains(t, s.is(c, "B", api.Lost).Reason, "nobody answers for it")
			require.Equal(t, http.StatusBadGateway, status(t, c.Call(s.ctx, http.MethodGet, "/v1/batches/B/records", nil, nil)))
		})
	})
}

func TestAPlainRemovalOfARunnerThatHangsIsFinishedByForce(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.set("A", func(f *fake) { f.hangs = true })
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{}))
			s.until(func() bool { return s.is(c, "A", api.Removing).Reason != "" })
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/batches/A/removal", &api.Removal{})), "it is asked already")
		})
		s.with(func(_ *Manager, c *api.Client) {
			s.is(c, "A", api.Removing)
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{Force: true}))
			s.is(c, "A", api.Removed)
		})
	})
}
