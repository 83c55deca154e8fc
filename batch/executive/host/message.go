// Messages to other batches: OEM actions that the manager's book carries out.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/runner"
)

// actions are who carries out OEM actions: those for messages, and others.
func (d *desk) actions(others map[string]runner.Action) map[string]runner.Action {
	all := maps.Clone(others)
	if all == nil {
		all = map[string]runner.Action{}
	}
	for _, t := range api.Actions() {
		all[t.Name] = d.message
	}
	return all
}

// message carries out one message action. Its key names that one occurrence for ever, also where it was called off, or its process has
// died, and it is asked for anew: so a message is sent once and taken once. It waits for as long as its step does.
func (d *desk) message(ctx context.Context, r runner.Request, progress func(values []string, message string)) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	m := &api.Message{Batch: d.h.o.Batch, Do: r.Type, Group: d.h.o.Groups[param(&r, "group")], Message: param(&r, "message"),
		Key: d.h.o.journal() + "/" + strconv.FormatUint(uint64(r.First), 10)}
	if r.Type == api.DoMeet {
		n, err := strconv.Atoi(param(&r, "partners"))
		if err != nil {
			return nil, fmt.Errorf("partners: %q is no whole number", param(&r, "partners"))
		}
		m.Partners = n
	}
	said := d.await(m.Key)
	defer d.forget(m.Key)
	if r.Type != api.DoPost {
		d.listens()
	}
	if err := d.sayFor(ctx, "/v1/messages", m, func() { progress(nil, noManager) }); err != nil || r.Type == api.DoPost {
		if ctx.Err() != nil && r.Type != api.DoPost {
			d.takeBack(m)
		}
		return nil, err
	}
	select {
	case v := <-said:
		if v.Kind == "unanswered" {
			return nil, errors.New(v.Reason)
		}
		return []string{"message=" + v.Message, "from=" + v.From}, nil
	case <-ctx.Done():
		d.takeBack(m)
		return nil, ctx.Err()
	}
}

// takeBack says that a message is waited for no longer. Where the manager does not hear it, it knows by the batch's leaving at the latest.
func (d *desk) takeBack(m *api.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), forgetTime)
	defer cancel()
	_ = d.sayFor(ctx, "/v1/messages", &api.Message{Batch: m.Batch, Do: "forget", Group: m.Group, Key: m.Key}, nil)
}

// await is where the ruling on a message comes.
func (d *desk) await(key string) <-chan api.Ruling {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan api.Ruling, 1)
	if d.waits == nil {
		d.waits = map[string]chan api.Ruling{}
	}
	d.waits[key] = c
	if r, ok := d.stands[key]; ok {
		delete(d.stands, key)
		c <- r
	}
	return c
}

func (d *desk) forget(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waits, key)
}

// journal is the name of the journal of the batch.
func (o *Order) journal() string {
	if o.JournalID != "" {
		return o.JournalID
	}
	return o.Batch
}

// unmarshal reads what the manager says.
func unmarshal(data []byte, v api.Body) error {
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	return v.Check()
}
