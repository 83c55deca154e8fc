// The desk: what runners ask, what persons order of equipment, and a log that does not say what became of an operation.

package executive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
)

// listens reads the rulings of a batch until stop is called, which gives them.
func (s *site) listens(c *api.Client, batch string) (stop func() []api.Ruling) {
	ctx, cancel := context.WithCancel(s.ctx)
	var list []api.Ruling
	done := make(chan struct{})
	s.all.Go(func() {
		defer close(done)
		_ = c.Events(ctx, "/v1/rulings?batch="+batch, 5*time.Second, func(event, _ string, data []byte) error {
			var r api.Ruling
			if event == "ruling" && json.Unmarshal(data, &r) == nil {
				list = append(list, r)
			}
			return nil
		})
	})
	time.Sleep(100 * time.Millisecond)
	return func() []api.Ruling {
		time.Sleep(100 * time.Millisecond)
		cancel()
		<-done
		return list
	}
}

func kinds(list []api.Ruling) (words []string) {
	for _, r := range list {
		words = append(words, fmt.Sprintf("%s %d%s", r.Kind, r.ID, r.Key))
	}
	return words
}

func TestARunnerIsToldOfItsClaimsAndAgainWhenItComesBack(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			a, b := s.listens(c, "A"), s.listens(c, "B")
			s.has(c, "A", 1, "U1", "U2")
			s.has(c, "B", 7, "U2")
			s.has(c, "A", 2, "GONE")
			require.Equal(t, []string{"queued 7"}, kinds(b()))
			b = s.listens(c, "B")
			require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 1, Step: "S"}))
			require.Equal(t, []string{"queued 7", "granted 7"}, kinds(b()), "all that stands, then what changes")
			require.Equal(t, []string{"granted 1", "refused 2"}, kinds(a()))
			b = s.listens(c, "B")
			s.has(c, "B", 7, "U2")
			list := b()
			require.Equal(t, []string{"granted 7", "granted 7"}, kinds(list), "what is said again is answered again")
			require.Equal(t, list[0].Token, list[1].Token)
		})
		owners := slices.DeleteFunc(s.records(), func(r string) bool { return !strings.HasPrefix(r, "owner") })
		require.Equal(t, []string{"owner A granted U1", "owner A released U1", "owner B granted U2"}, owners)
	})
}

func TestOfTwoStreamsOfOneBatchTheOlderEnds(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			first := s.listens(c, "A")
			second := s.listens(c, "A")
			s.has(c, "A", 1, "U1")
			require.Empty(t, first())
			require.Len(t, second(), 1)
		})
	})
}

func TestWhoIsNotTheRunnerOfABatchClaimsNothing(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(m *Manager, c *api.Client) {
			require.Equal(t, http.StatusNotFound, status(t, post(c, "/v1/claims", &api.Claim{Batch: "A", ID: 1, Equipment: []string{"U1"}})))
			s.made(c, "A")
			m.mu.Lock()
			m.batches["A"].pid = 1
			m.mu.Unlock()
			s.fake("A").stop()
			<-s.fake("A").ended
			err := post(c, "/v1/claims", &api.Claim{Batch: "A", ID: 1, Equipment: []string{"U1"}})
			require.Equal(t, http.StatusServiceUnavailable, status(t, err), "nobody listens, so nobody is believed")
			require.Empty(t, s.owner(c, "U1").Batch)
		})
	})
}

func TestMessagesPassAndWhoWaitsForABatchThatIsLostIsReleased(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			for _, id := range []string{"A", "B"} {
				require.NoError(t, post(c, "/v1/batches", &api.Create{ID: id, Recipe: "R", Groups: map[string]string{"peer": "XFER-7"}}))
				s.is(c, id, api.Ready)
			}
			b := s.listens(c, "B")
			require.NoError(t, post(c, "/v1/messages", &api.Message{Batch: "A", Do: "post", Group: "XFER-7", Message: "ready", Key: "a1"}))
			require.NoError(t, post(c, "/v1/messages", &api.Message{Batch: "B", Do: "take", Group: "XFER-7", Key: "b1"}))
			require.NoError(t, post(c, "/v1/messages", &api.Message{Batch: "B", Do: "take", Group: "XFER-7", Key: "b1"}))
			require.NoError(t, post(c, "/v1/messages", &api.Message{Batch: "B", Do: "meet", Group: "XFER-7", Message: "m", Partners: 2, Key: "b2"}))
			require.Equal(t, http.StatusBadRequest, status(t, post(c, "/v1/messages", &api.Message{Batch: "B", Do: "shout", Group: "XFER-7", Key: "b3"})))
			s.fake("A").stop()
			s.is(c, "A", api.Lost)
			list := b()
			require.Equal(t, []string{"delivered 0b1", "delivered 0b1", "unanswered 0b2"}, kinds(list))
			require.Equal(t, "A: Lost", list[2].Reason)
		})
	})
}

func TestAPersonTakesEquipmentOnlyBehindAFenceAndPutsClaimsToAnotherPlace(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			for _, id := range []string{"A", "B", "C"} {
				s.made(c, id)
				s.has(c, id, 1, "U1")
			}
			require.NoError(t, post(c, "/v1/equipment/U1/queue", &api.Reorder{Batch: "C", Claim: 1, Place: 1}))
			require.Equal(t, "C", s.owner(c, "U1").Waiting[0].Batch)
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/equipment/U1/queue", &api.Reorder{Batch: "C", Claim: 9, Place: 1})))
			had := s.owner(c, "U1").Token
			s.mu.Lock()
			s.ioDown = true
			s.mu.Unlock()
			require.Equal(t, http.StatusServiceUnavailable, status(t, post(c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"})))
			require.Equal(t, "A", s.owner(c, "U1").Batch)
			s.mu.Lock()
			s.ioDown = false
			s.mu.Unlock()
			a := s.listens(c, "A")
			require.NoError(t, post(c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"}))
			require.Len(t, s.fences, 1)
			h := s.owner(c, "U1")
			require.Equal(t, "C", h.Batch)
			require.Greater(t, s.fences[0].Token, had)
			require.Greater(t, h.Token, s.fences[0].Token, "the fence stands below who has it now")
			list := a()
			require.Equal(t, "refused", list[len(list)-1].Kind)
			require.Contains(t, list[len(list)-1].Reason, "stuck")
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/equipment/U2/release", &api.Order{Reason: "x"})), "nobody has it")
		})
		require.Contains(t, s.records(), "owner A taken U1")
		require.Contains(t, s.records(), "owner C put to another place U1")
	})
}

func TestAFenceThatIsBelowWhatTheWireHasSeenIsPutUpAnewAboveIt(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.has(c, "A", 1, "U1", "U2")
			s.secret = 500
			require.NoError(t, post(c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"}))
			require.Len(t, s.fences, 2)
			require.Greater(t, s.fences[1].Token, uint64(500))
			s.secret = 1000
			s.fake("A").stop()
			s.is(c, "A", api.Lost)
			require.NoError(t, post(c, "/v1/batches/A/removal", &api.Removal{Force: true}))
			last := s.fences[len(s.fences)-1]
			require.Equal(t, []string{"U2"}, last.Equipment)
			require.Greater(t, last.Token, uint64(1000))
		})
	})
}

func TestTokensGoOnAboveWhatTheWireHasSeen(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.tokens = 1000
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			time.Sleep(10 * time.Second)
			s.has(c, "A", 1, "U1")
			require.Equal(t, uint64(1001), s.owner(c, "U1").Token)
		})
	})
}

func TestAnOperationOfWhichNobodyKnowsIsReadBackAndCountsOnce(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(m *Manager, c *api.Client) {
			s.made(c, "A")
			fails := 0
			s.log.after = func(uint64) error {
				fails++
				return fmt.Errorf("%w: cable", arbiter.ErrUnknown)
			}
			s.has(c, "A", 1, "U1")
			s.log.after = nil
			require.Equal(t, 1, fails)
			ops := len(s.log.ops)
			s.log.before = func(uint64) error { // another one comes first, once
				s.log.before = nil
				op := arbiter.Op{Kind: arbiter.Floor, Token: 50}
				line, err := op.Append(nil)
				s.log.ops = append(s.log.ops, line)
				return err
			}
			s.has(c, "A", 2, "U2")
			require.Equal(t, ops+2, len(s.log.ops))
			require.Equal(t, uint64(51), s.owner(c, "U2").Token)
			s.log.before = func(uint64) error { return fmt.Errorf("%w: cable", arbiter.ErrUnknown) }
			require.Equal(t, http.StatusServiceUnavailable, status(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 2})))
			s.log.before = func(uint64) error { return errors.New("full") }
			require.Equal(t, http.StatusServiceUnavailable, status(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 2})))
			s.log.before = nil
			require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 2}))
			require.Empty(t, s.owner(c, "U2").Batch)
		})
	})
}

func TestTheLogIsTrimmedAndTheBookIsTheSame(t *testing.T) {
	inOurTime(t, func(s *site) {
		m, err := New(s.dir, s.net, s.log, s, &Options{Whole: 10})
		require.NoError(t, err)
		require.NoError(t, m.stock(&s.model))
		for i := range uint32(40) {
			_, err = m.desk.do(arbiter.Op{Kind: arbiter.Request, Batch: "A", ID: 2*i + 1, Step: "S", Equipment: []string{"U1"}}, nil)
			require.NoError(t, err)
			_, err = m.desk.do(arbiter.Op{Kind: arbiter.Release, Batch: "A", ID: 2*i + 1}, nil)
			require.NoError(t, err)
		}
		require.Nil(t, s.log.ops[50], "trimmed")
		want := m.desk.holdings()
		require.NoError(t, m.Close())
		m, err = New(s.dir, s.net, s.log, s, nil)
		require.NoError(t, err)
		require.Equal(t, want, m.desk.holdings())
		require.NoError(t, m.Close())
	})
}

func TestTheEquipmentOfTheModelIsWhatCanBeHad(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(m *Manager, c *api.Client) {
			require.Len(t, m.desk.holdings(), 2)
			s.mu.Lock()
			s.model.Version, s.model.Items = 2, append(s.model.Items, api.Equipment{ID: "P1", Level: "equipment_module", Owners: 2})
			s.model.Items[0].Retired = true
			s.mu.Unlock()
			s.until(func() bool { return len(m.desk.holdings()) == 3 })
			s.made(c, "A")
			a := s.listens(c, "A")
			require.Equal(t, []bool{false, true, false}, []bool{s.owner(c, "P1").Retired, s.owner(c, "U1").Retired, s.owner(c, "U2").Retired})
			s.has(c, "A", 1, "U1")
			s.has(c, "A", 2, "P1")
			require.Equal(t, []string{"refused 1", "granted 2"}, kinds(a()))
		})
	})
}

func TestTwoHundredOrdersThatAreIllegalInTheirStateAreRefusedAndOnRecord(t *testing.T) {
	inOurTime(t, func(s *site) {
		asked := 0
		refused := func(err error) {
			t.Helper()
			require.Equal(t, http.StatusConflict, status(t, err))
			asked++
		}
		commands := []string{"start", "hold", "restart", "pause", "resume", "stop", "abort", "skip", "to_manual", "to_auto"}
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "READY")
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "ACTIVE", Recipe: "R", Start: true}))
			s.is(c, "ACTIVE", api.Active)
			s.made(c, "LOST")
			s.has(c, "LOST", 1, "U1")
			s.fake("LOST").stop()
			s.is(c, "LOST", api.Lost)
			s.made(c, "GONE")
			require.NoError(t, post(c, "/v1/batches/GONE/removal", &api.Removal{}))
			s.is(c, "GONE", api.Removed)
			s.made(c, "GOING")
			s.set("GOING", func(f *fake) { f.hangs = true })
			require.NoError(t, post(c, "/v1/batches/GOING/removal", &api.Removal{}))
			require.NoError(t, post(c, "/v1/batches", &api.Create{ID: "ENDED", Recipe: "R", Start: true}))
			s.is(c, "ENDED", api.Active)
			require.NoError(t, post(c, "/v1/batches/ENDED/commands", &api.Command{Command: "abort"}))
			s.is(c, "ENDED", api.Ended)
			for range 4 {
				for _, command := range commands {
					for _, id := range []string{"LOST", "GONE", "GOING", "ENDED"} {
						refused(post(c, "/v1/batches/"+id+"/commands", &api.Command{Command: command}))
					}
				}
				for _, id := range []string{"LOST", "GONE", "GOING"} {
					refused(post(c, "/v1/batches/"+id+"/answers", &api.PromptAnswer{Prompt: 1, Value: "yes"}))
				}
				for _, id := range []string{"READY", "ACTIVE", "GONE", "GOING", "ENDED"} {
					refused(post(c, "/v1/batches/"+id+"/restart", &api.Restart{}))
					refused(post(c, "/v1/batches/"+id+"/restart", &api.Restart{Cold: true}))
				}
				for _, id := range []string{"ACTIVE", "GONE", "GOING"} {
					refused(post(c, "/v1/batches/"+id+"/removal", &api.Removal{}))
				}
				refused(post(c, "/v1/batches/GONE/removal", &api.Removal{Force: true}))
				for _, id := range []string{"READY", "ACTIVE", "LOST", "GONE", "GOING", "ENDED"} {
					refused(post(c, "/v1/batches", &api.Create{ID: id, Recipe: "R"}))
				}
			}
			for _, id := range []string{"READY", "ACTIVE", "LOST", "GOING", "ENDED"} {
				require.NoError(t, post(c, "/v1/batches/"+id+"/removal", &api.Removal{Force: true}))
				s.is(c, id, api.Removed)
			}
		})
		recorded := slices.DeleteFunc(s.records(), func(r string) bool { return !strings.HasSuffix(r, " refused") })
		require.Len(t, recorded, asked)
		require.GreaterOrEqual(t, asked, 200)
	})
}

func TestEquipmentThatChangesHandsUnderTheFenceIsNotTakenFromWhoHasItThen(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.made(c, "B")
			s.has(c, "A", 1, "U1")
			s.has(c, "B", 1, "U1")
			s.step = func(what string) bool {
				if what == "fence" { // A gives it back just now, and B gets it above the fence
					s.step = func(string) bool { return true }
					require.NoError(t, post(c, "/v1/releases", &api.Claim{Batch: "A", ID: 1}))
				}
				return true
			}
			require.Equal(t, http.StatusConflict, status(t, post(c, "/v1/equipment/U1/release", &api.Order{Reason: "stuck"})))
			h := s.owner(c, "U1")
			require.Equal(t, "B", h.Batch)
			require.Greater(t, h.Token, s.fences[0].Token, "so the fence does not keep it out")
		})
	})
}

func TestALogThatLacksWhatTheLedgerHasIsRefused(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			s.made(c, "A")
			s.has(c, "A", 1, "U1")
		})
		whole := s.log.ops
		s.log.ops = whole[:len(whole)-1] // such as a file of yesterday
		_, err := New(s.dir, s.net, s.log, s, nil)
		require.ErrorContains(t, err, "it ends with operation 1, and the ledger has what became of operation 2", "another operation 2 would be on no record")
		s.log.ops = whole
		s.with(func(_ *Manager, c *api.Client) { require.Equal(t, "A", s.owner(c, "U1").Batch) })
	})
}

func TestWhoWritesTheModelThatTheManagerKeepsGetsNoRights(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.model.Rights = api.Rights{Roles: map[string][]string{}}
		s.with(func(_ *Manager, c *api.Client) {
			require.ErrorContains(t, post(c, "/v1/batches", &api.Create{ID: "A", Recipe: "R", Unit: "U1"}), "no permission create")
		})
		open := func() *Manager {
			m, err := New(s.dir, s.net, s.log, s, nil)
			require.NoError(t, err)
			require.NoError(t, m.Close())
			return m
		}
		require.NotNil(t, open().model, "a manager that comes up alone knows who may do what")
		path := filepath.Join(s.dir, modelFile)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		m := s.model
		m.Rights = api.LocalRights()
		raised, err := json.Marshal(&m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, raised, 0o640))
		require.Nil(t, open().model)
		require.NoError(t, os.WriteFile(path, kept, 0o640))
		require.Empty(t, open().model.Rights.Roles)
	})
}

func TestWhoIsRefusedUnderEverNewNamesFillsNoDisk(t *testing.T) {
	inOurTime(t, func(s *site) {
		s.with(func(_ *Manager, c *api.Client) {
			for i := range 1000 {
				require.Error(t, post(c, "/v1/batches", &api.Create{Order: api.Order{Operator: fmt.Sprint("op", i)}, Recipe: "R"}))
			}
			time.Sleep(2 * denialGap)
			require.Error(t, post(c, "/v1/batches", &api.Create{Order: api.Order{Operator: "late"}, Recipe: "R"}))
		})
		require.Len(t, slices.DeleteFunc(s.records(), func(r string) bool { return !strings.HasPrefix(r, "access ") }), maxSecond+2)
	})
}
