// What clients order: who they are, whether they may, and what becomes of it.

package host

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// answerTime is how long a client is kept waiting for what has become of its command.
const answerTime = time.Second

// told is a command, or an answer, of which the records have said nothing yet.
type told struct {
	c      runner.Command
	prompt uint32 // of an answer
	seq    uint64 // its record; 0: it was not numbered yet
	at     uint64 // the record of its result, likewise
	done   chan struct{}
	result string // of command_result; "" where the run has ended first
	detail string
}

// who is who orders, and in which role: whom the manager names, whom an edge names, or whom the kernel does. An error is an *api.Error, and actor
// and role are then those to be on record for it.
func (h *host) who(r *http.Request, o *api.Order, permission string) (actor, role string, err error) {
	p := api.PeerOf(r)
	if p.PID > 0 && (o.Operator != "" || o.Role != "") {
		if far, err := h.manager.Far(r.Context()); err == nil && far.PID == p.PID && far.UID == p.UID && o.Operator != "" {
			return o.Operator, o.Role, nil // it has looked at his rights
		}
	}
	h.mu.Lock()
	rights, known := h.bound.Rights, h.bound.known
	h.mu.Unlock()
	if !known {
		return p.Actor(), "", &api.Error{Status: http.StatusForbidden, Message: "host: the batch has loaded no rights; order it by the manager"}
	}
	if actor, role, err = rights.Actor(p, o); err != nil {
		return actor, role, err
	}
	if !rights.May(role, permission) {
		return actor, role, &api.Error{Status: http.StatusForbidden, Message: fmt.Sprintf("host: %s as %q may not %s; ask for the permission, or somebody who has it", actor, role, permission)}
	}
	return actor, role, nil
}

// claimed is whom somebody said to be who may not, "" where he named nobody.
func claimed(actor string, o *api.Order) string {
	switch {
	case o.Operator == "" && o.Role == "", o.Operator == actor && o.Role == "":
		return ""
	case o.Role == "":
		return batch.Clean(o.Operator)
	}
	return batch.Clean(o.Operator + " as " + o.Role)
}

// conflict refuses what is not legal now.
func conflict(format string, args ...any) error {
	return &api.Error{Status: http.StatusConflict, Message: fmt.Sprintf(format, args...)}
}

// command carries out a command of a client, or refuses it, on record.
func (h *host) command(r *http.Request, in *api.Command) (*api.Accepted, error) {
	cmd, ok := sequencer.ParseCommand(in.Command)
	if !ok {
		return nil, &api.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("host: there is no command %q; %s", in.Command, h.possible())}
	}
	actor, role, err := h.who(r, &in.Order, api.MayCommand)
	c := runner.Command{Command: cmd, Step: in.Step, Target: in.Target, Name: in.Name, Value: in.Value, Operator: actor, Role: role, Reason: in.Reason}
	if err != nil {
		if as := claimed(actor, &in.Order); !h.onRecord(c, err.Error(), as) {
			err = errors.Join(err, h.book.access(r, actor, role, in.Command, err.Error(), as))
		}
		return nil, err
	}
	run, err := h.runs(&c)
	if err != nil {
		return nil, errors.Join(err, h.book.life(actor, role, in.Reason, in.Command, string(h.lives()), string(h.lives()), err.Error()))
	}
	t := &told{c: c, done: make(chan struct{})}
	return h.carried(r, t, actor, func() error { return run.Tell(c) })
}

// runs gives the run that takes a command; where none does, the error says why.
func (h *host) runs(c *runner.Command) (*runner.Runner, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what := "an answer"
	if c != nil {
		what = c.Command.String()
	}
	switch {
	case h.life == api.Removing:
		return nil, conflict("host: batch %s is being removed, and takes no %s", h.o.Batch, what)
	case h.run == nil || h.life == api.Loading:
		return nil, conflict("host: batch %s is %s, and takes no %s", h.o.Batch, h.life, what)
	}
	return h.run, nil
}

// onRecord has a refused command recorded in the journal of the batch; it is false where that does not run, or has no room.
func (h *host) onRecord(c runner.Command, why, claimed string) bool {
	h.mu.Lock()
	run := h.run
	if h.life == api.Loading {
		run = nil
	}
	h.mu.Unlock()
	c.Refused, c.Claimed = why, claimed
	return run != nil && run.Tell(c) == nil
}

// carried gives a command to the run and waits for what the records say of it, for answerTime at most.
func (h *host) carried(r *http.Request, t *told, actor string, tell func() error) (*api.Accepted, error) {
	start := t.c.Command == sequencer.Start
	h.mu.Lock()
	if h.life == api.Removing { // meanwhile
		h.mu.Unlock()
		return nil, conflict("host: batch %s is being removed", h.o.Batch)
	}
	if err := tell(); err != nil { // it does not block, and is recorded on another goroutine
		h.mu.Unlock()
		if errors.Is(err, runner.ErrBusy) {
			return nil, &api.Error{Status: http.StatusServiceUnavailable, Message: err.Error()}
		}
		return nil, &api.Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	h.asked = append(h.asked, t)
	if start {
		h.starting++
	}
	h.mu.Unlock()
	limit := time.NewTimer(answerTime)
	defer limit.Stop()
	select {
	case <-t.done:
	case <-limit.C:
		return &api.Accepted{Batch: h.o.Batch, As: actor}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if t.result == sequencer.Refused.String() {
		return nil, conflict("host: batch %s: %s: %s; %s", h.o.Batch, cmdName(t), t.detail, h.possible())
	}
	return &api.Accepted{Batch: h.o.Batch, As: actor}, nil
}

// possible says what the batch is, and what it takes.
func (h *host) possible() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.view.legal()
	if len(list) == 0 {
		return fmt.Sprintf("it is %s, and takes no command", h.life)
	}
	return fmt.Sprintf("it is %s, and takes %s", h.view.state, strings.Join(list, ", "))
}

func cmdName(t *told) string {
	if t.prompt != 0 {
		return "answer"
	}
	return t.c.Command.String()
}

// heard looks whether a record is that of a command that was given, or says what has become of one. The caller holds mu.
func (h *host) heard(k record.Kind, body []byte) {
	if len(h.asked) == 0 || k != record.KindCommand && k != record.KindPromptAnswer && k != record.KindCommandResult {
		return
	}
	r, err := record.Parse(body)
	if err != nil {
		return
	}
	if k != record.KindCommandResult {
		for _, t := range h.asked {
			if t.seq == 0 && t.is(k, r) {
				t.seq = r.Seq()
				return
			}
		}
		return
	}
	i := slices.IndexFunc(h.asked, func(t *told) bool { return t.seq != 0 && t.at == 0 && slices.Contains(r.Counts(record.Cause), t.seq) })
	if i < 0 {
		return
	}
	t := h.asked[i]
	if t.c.Command == sequencer.Start {
		h.starting--
	}
	t.at, t.result, t.detail = r.Seq(), r.Text(record.Result), r.Text(record.Detail)
}

// settle tells those who wait what has become of their commands, once that is durable. The caller holds mu.
func (h *host) settle() {
	h.asked = slices.DeleteFunc(h.asked, func(t *told) bool {
		if t.at == 0 || t.at > h.view.records {
			return false
		}
		close(t.done)
		return true
	})
}

// is tells whether a record is that of the command.
func (t *told) is(k record.Kind, r *record.Record) bool {
	if r.Text(record.OperatorID) != t.c.Operator {
		return false
	}
	if t.prompt != 0 {
		return k == record.KindPromptAnswer && r.Int(record.PromptID) == int64(t.prompt) && r.Text(record.Value) == t.c.Value
	}
	return k == record.KindCommand && !r.Has(record.Refusal) && r.Text(record.Command) == t.c.Command.String()
}

// answer answers a prompt for a client.
func (h *host) answer(r *http.Request, in *api.PromptAnswer) (*api.Accepted, error) {
	actor, role, err := h.who(r, &in.Order, api.MayAnswer)
	if err != nil {
		// The journal has no word for an answer that was refused; the ledger has.
		return nil, errors.Join(err, h.book.access(r, actor, role, "answer", err.Error(), claimed(actor, &in.Order)))
	}
	run, err := h.runs(nil)
	if err == nil && in.Prompt == 0 {
		err = conflict("host: there is no prompt 0")
	}
	if err != nil {
		return nil, errors.Join(err, h.book.life(actor, role, in.Reason, "answer", string(h.lives()), string(h.lives()), err.Error()))
	}
	t := &told{c: runner.Command{Operator: actor, Role: role, Value: in.Value}, prompt: in.Prompt, done: make(chan struct{})}
	return h.carried(r, t, actor, func() error { return run.Answer(in.Prompt, in.Value, actor, role) })
}

// remove has the batch go, where it is not under way.
func (h *host) remove(r *http.Request, in *api.Removal) (*api.Accepted, error) {
	actor, role, err := h.who(r, &in.Order, api.MayRemove)
	if err != nil {
		return nil, errors.Join(err, h.book.access(r, actor, role, "remove", err.Error(), claimed(actor, &in.Order)))
	}
	was, err := h.goes(in.Force)
	if err != nil {
		return nil, errors.Join(err, h.book.life(actor, role, in.Reason, "remove", string(was), string(was), err.Error()))
	}
	if was == api.Removing {
		return &api.Accepted{Batch: h.o.Batch, As: actor}, nil
	}
	err = h.book.life(actor, role, in.Reason, "remove", string(was), string(api.Removing), "")
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.become(was)
		return nil, err
	}
	if h.end != nil {
		h.end()
	}
	close(h.removal)
	h.tell()
	return &api.Accepted{Batch: h.o.Batch, As: actor}, nil
}

// goes marks a batch as being removed, and tells what it was before; it says why not where that is not legal.
func (h *host) goes(force bool) (was api.Life, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was = h.life
	switch left := h.desk.has(h.view.equipment()); {
	case was == api.Removing:
		return was, nil
	case force:
		return was, conflict("host: by force the manager alone removes a batch, since it fences it first; ask the manager")
	case was == api.Loading:
		return was, conflict("host: batch %s is Loading; remove it when it is Ready or Load Failed, or by force", h.o.Batch)
	case was == api.Active || was == api.Ready && h.starting > 0:
		return was, conflict("host: batch %s is under way; abort it first, or remove it by force", h.o.Batch)
	case was == api.Ended && len(left) > 0:
		return was, conflict("host: batch %s has ended and still has %s, which was not confirmed to be safe; remove it by force", h.o.Batch, strings.Join(left, ", "))
	}
	h.become(api.Removing)
	return was, nil
}

// lives is where the batch stands.
func (h *host) lives() api.Life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.life
}
