// Commands that are illegal in their state, and people who say to be others, at the socket of a runner itself.

//go:build linux

package main

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/sequencer"
)

// besieged is a batch at whose own socket somebody tries what he may not.
type besieged struct {
	*rig
	id      string
	tried   int
	journal int // results that say refused
	life    int // in the ledger of the runner: refused since the batch does not stand so
	access  int // likewise: since he may not
}

// try tries one thing. The answer is a refusal; on a busy machine it may come before the record, and then says only that it was taken in.
func (b *besieged) try(what string, status int, in api.Body) {
	b.t.Helper()
	b.tried++
	err := b.s.ask(b.t.Context(), b.id, "POST", "/v1/batches/"+b.id+"/"+what, in, &api.Accepted{})
	var e *api.Error
	if status == http.StatusConflict && err == nil {
		return
	}
	require.True(b.t, errors.As(err, &e), "%v", err)
	require.Equal(b.t, status, e.Status, e.Message)
	require.NotEmpty(b.t, e.Message)
}

// orders are commands that no batch of the cell could carry out in any state: what they name is not there.
func (b *besieged) orders(counted *int) {
	b.t.Helper()
	for c := sequencer.Start; c <= sequencer.ResetSafeState; c++ {
		b.try("commands", http.StatusConflict, &api.Command{Order: because, Command: c.String(), Step: "NOWHERE", Target: "NOWHERE", Name: "NOTHING", Value: "1"})
		*counted++
	}
}

// illegal tries commands of a step, "" for the batch, that are not legal as it stands.
func (b *besieged) illegal(step string, commands ...string) {
	b.t.Helper()
	for _, c := range commands {
		b.try("commands", http.StatusConflict, &api.Command{Order: because, Command: c, Step: step})
		b.journal++
	}
}

// forged tries what a person may who is not there.
func (b *besieged) forged(counted *int) {
	b.t.Helper()
	for _, o := range []api.Order{{Operator: "boss"}, {Role: "supervisor"}, {Operator: "boss", Role: "operator"}, {Operator: "local:12345"}} {
		o.Reason = "let me"
		for _, c := range []string{"start", "hold", "stop", "abort", "comment"} {
			b.try("commands", http.StatusForbidden, &api.Command{Order: o, Command: c})
			*counted++
		}
		b.try("answers", http.StatusForbidden, &api.PromptAnswer{Order: o, Prompt: 1, Value: "yes"})
		b.try("removal", http.StatusForbidden, &api.Removal{Order: o})
		b.access += 2
	}
}

func TestTwoHundredIllegalCommandsAndForgedActorsAreRefusedAndOnRecordAndTheBatchGoesOn(t *testing.T) {
	if aside(t) {
		return
	}
	b := &besieged{rig: newRig(t)}
	var a api.Accepted
	require.NoError(t, b.ask("POST", "/v1/batches", &api.Create{Order: because, Recipe: "CHARGE", Unit: "R101"}, &a))
	b.id = a.Batch
	b.is(b.id, api.Ready, "")
	pid := b.batch(b.id).PID

	b.orders(&b.journal)
	b.illegal("", "pause", "resume", "hold", "restart", "stop", "abort", "reset", "hard_abort", "release")
	b.illegal("DISCHARGE", "start", "pause", "resume", "hold", "restart", "stop", "abort", "reset", "force")
	b.forged(&b.journal)
	require.Equal(t, api.Ready, b.batch(b.id).Life)
	b.tell(b.id, "start")
	b.until("a valve is open", func() bool { return len(b.plant.on("R101")) > 0 })

	b.orders(&b.journal)
	b.illegal("", "reset", "release")
	b.illegal("DISCHARGE", "start", "pause", "resume", "hold", "restart", "stop", "reset", "force")
	for range 2 {
		b.forged(&b.journal)
	}
	b.try("removal", http.StatusConflict, &api.Removal{Order: because})
	b.try("removal", http.StatusConflict, &api.Removal{Order: because, Force: true})
	b.life += 2
	b.is(b.id, api.Ended, "Complete")
	require.Equal(t, pid, b.batch(b.id).PID)
	sealed := b.journal
	b.orders(&b.life)
	b.try("answers", http.StatusConflict, &api.PromptAnswer{Order: because, Prompt: 1, Value: "yes"})
	b.life++
	b.forged(&b.access) // the journal is closed
	require.GreaterOrEqual(t, b.tried, 200)

	dir := "batches/" + b.id
	require.Equal(t, sealed, b.count(dir+"/evidence", "command_result", "result", "refused"))
	require.Equal(t, sealed+1, b.count(dir+"/evidence", "command", "", ""), "those, and start")
	require.Equal(t, b.life, b.count(dir+"/ledger", "batch_life", "result", "refused"))
	require.Equal(t, b.access, b.count(dir+"/ledger", "access_refused", "", ""))
	for _, state := range []string{"Pausing", "Holding", "Stopping", "Aborting"} {
		require.Zero(t, b.count(dir+"/evidence", "batch_state", "batch_state", state), state)
	}
	t.Logf("%d tried: %d refused in the journal, %d and %d in the ledger of the runner", b.tried, sealed, b.life, b.access)
	b.clear()
	b.log()
	require.Equal(t, 1, b.evidence())
}
