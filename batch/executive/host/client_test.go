// What clients of a runner are answered: streams, refusals, and who they are.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

var errEnough = errors.New("enough")

func TestRecordsAreStreamedFromWhereAClientStopped(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		c := s.net.Dial(s.order.Batch)
		defer c.Close()
		next := uint64(1)
		read := func(until uint64) {
			err := c.Events(s.ctx, fmt.Sprintf("/v1/batches/B-0001/records?after=%d", next-1), 5*time.Second, func(event, id string, data []byte) error {
				if event == "" {
					return nil
				}
				r, err := record.Parse(data)
				require.NoError(t, err)
				require.Equal(t, next, r.Seq())
				require.Equal(t, fmt.Sprint(next), id)
				if next++; next > until {
					return errEnough
				}
				return nil
			})
			require.ErrorIs(t, err, errEnough)
		}
		read(3)
		s.tell("start")
		b := s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 && b.Records > 20 })
		read(b.Records)
		s.post("answers", &api.PromptAnswer{Prompt: b.Prompts[0].ID, Value: "ok"})
		read(s.lives(api.Ended).Records)
		s.removed()
	})
}

func TestABatchTellsWhatBecomesOfItUntilItIsRemoved(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		var seen []string
		c := s.net.Dial(s.order.Batch)
		defer c.Close()
		heard := make(chan error, 1)
		go func() {
			heard <- c.Events(s.ctx, "/v1/events", 3*time.Second, func(event, _ string, data []byte) error {
				var b api.Batch
				if event == "batch" && json.Unmarshal(data, &b) == nil && (len(seen) == 0 || seen[len(seen)-1] != string(b.Life)) {
					seen = append(seen, string(b.Life))
				}
				if event == "removed" {
					seen = append(seen, string(data))
				}
				return nil
			})
		}()
		s.lives(api.Ready)
		time.Sleep(10 * time.Second) // a sign of life each second keeps the stream
		s.removed()
		require.Error(t, <-heard)
		require.Equal(t, "Ready", seen[len(seen)-3])
		require.Equal(t, []string{"Removing", `"B-0001"`}, seen[len(seen)-2:])
	})
}

func TestWhatIsIllegalInAStateIsRefusedAndOnRecord(t *testing.T) {
	inBubble(t, func(s *site) {
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		refused := 0
		try := func() {
			for c := sequencer.Start; c <= sequencer.ResetSafeState; c++ {
				in := api.Command{Command: c.String(), Step: "NOWHERE", Order: api.Order{Reason: "test"}}
				status, words := s.post("commands", &in)
				require.NotZero(t, status, "%s: %s", c, words)
				require.Less(t, status, 500, "%s: %s", c, words)
				refused++
			}
		}
		try()
		s.tell("start")
		s.until(func(b api.Batch) bool { return len(b.Prompts) > 0 })
		try()
		s.tell("abort")
		b := s.lives(api.Ended)
		ended := refused
		try()
		s.removed()
		results := 0
		for _, r := range s.records("evidence/journal", record.KindCommandResult) {
			if r.Text(record.Result) == "refused" {
				results++
			}
		}
		require.Equal(t, ended, results, "each is in the journal of the batch that was under way: %d records", b.Records)
		life := s.records("ledger", record.KindBatchLife)
		require.Len(t, life, refused-ended+1, "and the others are in the ledger, with the removal")
	})
}

func TestWhoNamesAnOperatorHeMayNotIsRefusedAndOnRecord(t *testing.T) {
	inBubble(t, func(s *site) {
		s.runtime()
		s.begin() // no manager listens: nobody is believed
		s.lives(api.Ready)
		forged := api.Order{Operator: "boss", Role: "supervisor", Reason: "let me"}
		for range 3 {
			status, words := s.post("commands", &api.Command{Command: "start", Order: forged})
			require.Equal(t, http.StatusForbidden, status, words)
		}
		status, words := s.post("removal", &api.Removal{Order: forged})
		require.Equal(t, http.StatusForbidden, status, words)
		status, words = s.post("answers", &api.PromptAnswer{Prompt: 1, Order: forged})
		require.Equal(t, http.StatusForbidden, status, words)
		time.Sleep(time.Second)
		require.Equal(t, api.Ready, s.batch().Life)
		commands := s.records("evidence/journal", record.KindCommand)
		require.Len(t, commands, 3)
		require.Equal(t, "boss as supervisor", commands[0].Text(record.ClaimedActor))
		require.Contains(t, commands[0].Text(record.OperatorID), "local:")
		require.Len(t, s.records("ledger", record.KindAccessRefused), 2)

		s.manager() // whoever is the process of the manager is
		status, words = s.post("commands", &api.Command{Command: "comment", Order: forged})
		require.Zero(t, status, words)
		commands = s.records("evidence/journal", record.KindCommand)
		require.Equal(t, "boss", commands[len(commands)-1].Text(record.OperatorID))
		s.removed()
	})
}

func TestARoleWithoutThePermissionIsRefused(t *testing.T) {
	inBubble(t, func(s *site) {
		s.bound.Rights = api.Rights{Local: map[string]string{"*": "guest"}, Roles: map[string][]string{"guest": {api.MayAnswer}}}
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		status, words := s.tell("start")
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, words, "may not command")
		status, _ = s.post("removal", &api.Removal{})
		require.Equal(t, http.StatusForbidden, status)
		s.quit()
		<-s.ended
		require.ErrorIs(t, s.err, context.Canceled)
	})
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	inBubble(t, func(s *site) {
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		c := s.net.Dial(s.order.Batch)
		defer c.Close()
		for path, status := range map[string]int{"/v1/batches/B-0001/records?after=x": 400, "/v1/batches/B-9": 404, "/v1/model": 404} {
			var refused *api.Error
			require.ErrorAs(t, c.Call(s.ctx, "GET", path, nil, nil), &refused)
			require.Equal(t, status, refused.Status, path)
		}
		status, _ := s.post("commands", &api.Command{Command: "dance"})
		require.Equal(t, 400, status)
		status, _ = s.post("removal", &api.Removal{Force: true})
		require.Equal(t, 409, status)
		s.removed()
	})
}
