// Run-time data: what the processes of this board show, to whoever subscribes.

package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// sorted lists the keys of a table in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// clock is the time of day as people read it.
func clock() string { return time.Now().UTC().Format(time.RFC3339Nano) }

func sameBatches(a, b []api.NodeBatch) bool { return slices.Equal(a, b) }

// NodeState is the value of rt.NODE.node: how the processes of a board stand. It is said anew every five seconds.
type NodeState struct {
	Node    string `json:"node"`
	Bridge  string `json:"bridge"`            // one life of its bus process
	Manager string `json:"manager,omitempty"` // boot of its manager; "": it does not answer
	IO      bool   `json:"io"`                // its I/O process shows values
	Batches int    `json:"batches"`
	At      string `json:"at"` // UTC, by the clock of the board
}

// NodeValue is the value of rt.AREA.UNIT.CHANNEL and rt.NODE.io.CHANNEL.
type NodeValue struct {
	Node      string `json:"node"`
	Equipment string `json:"equipment_id,omitempty"`
	api.Value
}

// scene is what the processes of this board have shown.
type scene struct {
	mu     sync.Mutex
	life   map[string]api.Life // by batch
	told   map[string]bool     // batches of which the stream that is open has told
	values map[string]NodeValue
	places map[string]spot // of channels, by the model
	ahead  []spot          // those of which only the beginning is named, the longest first
	io     bool

	changed chan struct{} // that equipment has changed hands; has room for one
}

// spot is where a channel belongs.
type spot struct {
	begins    string
	equipment string
	area      string
	unit      string
}

func newScene() *scene {
	return &scene{life: map[string]api.Life{}, told: map[string]bool{}, values: map[string]NodeValue{}, places: map[string]spot{}, changed: make(chan struct{}, 1)}
}

// batches lists most of them at most, those first that have not ended, and tells how many there are.
func (d *scene) batches(most int) (list []api.NodeBatch, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, life := range d.life {
		list = append(list, api.NodeBatch{ID: id, Life: life})
	}
	slices.SortFunc(list, func(a, b api.NodeBatch) int {
		switch x, y := a.Life == api.Ended, b.Life == api.Ended; {
		case x && !y:
			return 1
		case y && !x:
			return -1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	total = len(list)
	return slices.Clip(list[:min(most, total)]), total
}

func (b *Bridge) subject(parts ...string) string {
	return "rt." + b.node + "." + strings.Join(parts, ".")
}

// show puts a value out under a subject.
func (b *Bridge) show(subject string, v any) {
	if data, err := json.Marshal(v); err == nil {
		b.out.put(subject, data)
	}
}

// sayNode shows how the board stands.
func (b *Bridge) sayNode(manager string) {
	b.here.mu.Lock()
	s := NodeState{Node: b.node, Bridge: b.life, Manager: manager, IO: b.here.io, Batches: len(b.here.life), At: clock()}
	b.here.mu.Unlock()
	b.show(b.subject("node"), &s)
}

// follow reads a stream of a process again and again until ctx ends. Open is called before each.
func (b *Bridge) follow(ctx context.Context, c *api.Client, path string, open func(), do func(event string, data []byte)) {
	for ctx.Err() == nil {
		open()
		_ = c.Events(ctx, path, quiet, func(event, _ string, data []byte) error {
			do(event, data)
			return nil
		})
		rest(ctx, time.Second)
	}
	open()
}

// followManager shows the batches of the manager. When the manager is away they stay as they were: rt.NODE.node says that it is.
func (b *Bridge) followManager(ctx context.Context) {
	d := b.here
	b.follow(ctx, b.manager, "/v1/events", func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.told = map[string]bool{}
	}, func(event string, data []byte) {
		switch event {
		case "batch":
			var v api.Batch
			if json.Unmarshal(data, &v) == nil && v.Check() == nil {
				b.batch(&v, data)
			}
		case "removed":
			var id string
			if json.Unmarshal(data, &id) == nil && api.CheckBatch(id) == nil {
				b.removed(id)
			}
		case "equipment":
			select {
			case d.changed <- struct{}{}:
			default:
			}
		case "": // all that is there was told before the first sign of life
			d.mu.Lock()
			var gone []string
			for id := range d.life {
				if !d.told[id] {
					gone = append(gone, id)
				}
			}
			d.mu.Unlock()
			for _, id := range gone {
				b.removed(id)
			}
		}
	})
}

func (b *Bridge) batch(v *api.Batch, data []byte) {
	b.here.mu.Lock()
	if len(b.here.life) < api.MaxBatches || b.here.life[v.ID] != "" {
		b.here.life[v.ID], b.here.told[v.ID] = v.Life, true
	}
	b.here.mu.Unlock()
	if len(data) > rtPayload { // its texts may be long
		v.Steps, v.Prompts, v.Commands, v.Equipment = nil, nil, nil, nil
		data, _ = json.Marshal(v)
	}
	b.out.put(b.subject("batch", Token(v.ID)), slices.Clone(data))
}

func (b *Bridge) removed(id string) {
	b.here.mu.Lock()
	delete(b.here.life, id)
	delete(b.here.told, id)
	b.here.mu.Unlock()
	data, _ := json.Marshal(map[string]string{"batch_id": id, "life": string(api.Removed)})
	b.out.last(b.subject("batch", Token(id)), data)
}

// followEquipment shows who has which equipment: the list of its holdings, since several may have one piece.
func (b *Bridge) followEquipment(ctx context.Context) {
	shown := map[string]bool{}
	for rest(ctx, 2*rtGap) {
		var list api.Holdings
		if ask(ctx, b.manager, http.MethodGet, "/v1/equipment", nil, &list) != nil {
			continue
		}
		by := map[string]api.Holdings{}
		for i := range list {
			by[list[i].Equipment] = append(by[list[i].Equipment], list[i])
		}
		for id := range shown {
			if by[id] == nil {
				b.out.last(b.subject("equipment", Token(id)), []byte("[]"))
				delete(shown, id)
			}
		}
		for id, of := range by {
			shown[id] = true
			b.show(b.subject("equipment", Token(id)), of)
		}
		select {
		case <-b.here.changed:
		case <-time.After(renewEach):
		case <-ctx.Done():
		}
	}
}

// followModel keeps where channels belong.
func (b *Bridge) followModel(ctx context.Context) {
	for version := uint64(0); ; {
		var m api.Model
		if ask(ctx, b.runtime, http.MethodGet, "/v1/model", nil, &m) == nil && m.Version != version {
			version = m.Version
			b.place(m.Items)
		}
		if !rest(ctx, modelEach) {
			return
		}
	}
}

// place learns where channels belong, and shows the values of those that have moved in their new place. In the old one they are gone after a while.
func (b *Bridge) place(items []api.Equipment) {
	by := map[string]*api.Equipment{}
	for i := range items {
		by[items[i].ID] = &items[i]
	}
	of := func(id string) spot {
		p := spot{equipment: id}
		for e, up := by[id], 0; e != nil && up < len(items); e, up = by[e.Parent], up+1 {
			switch e.Level {
			case "unit":
				p.unit = cmp.Or(p.unit, e.ID)
			case "area":
				p.area = cmp.Or(p.area, e.ID)
			}
		}
		p.unit = cmp.Or(p.unit, id)
		return p
	}
	places := map[string]spot{}
	for i := range items {
		if e := &items[i]; !e.Retired && e.Node == "" {
			for _, c := range e.Channels {
				places[c] = of(e.ID)
			}
		}
	}
	var ahead []spot
	for _, begins := range sorted(b.opt.Units) {
		p := of(b.opt.Units[begins])
		p.begins = begins
		ahead = append(ahead, p)
	}
	slices.SortStableFunc(ahead, func(a, b spot) int { return cmp.Compare(len(b.begins), len(a.begins)) })
	d := b.here
	d.mu.Lock()
	defer d.mu.Unlock()
	was := map[string]string{}
	for c := range d.values {
		was[c] = b.valueSubject(c)
	}
	d.places, d.ahead = places, ahead
	for c, v := range d.values {
		if now := b.valueSubject(c); now != was[c] {
			b.out.forget(was[c])
			v.Equipment = d.where(c).equipment
			d.values[c] = v
			b.show(now, &v)
		}
	}
}

// where finds the place of a channel; the caller holds mu.
func (d *scene) where(channel string) spot {
	if p, ok := d.places[channel]; ok {
		return p
	}
	for _, p := range d.ahead {
		if strings.HasPrefix(channel, p.begins) {
			return p
		}
	}
	return spot{}
}

// valueSubject is under which a channel is shown; the caller holds here.mu.
func (b *Bridge) valueSubject(channel string) string {
	if p := b.here.where(channel); slices.Contains(b.opt.Areas, p.area) {
		return "rt." + Token(p.area) + "." + Token(p.unit) + "." + Token(channel)
	}
	return b.subject("io", Token(channel))
}

// followValues shows the values of the I/O process. When it is away they are BAD: nobody knows them.
func (b *Bridge) followValues(ctx context.Context) {
	d := b.here
	b.follow(ctx, b.io, "/v1/values", func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.io {
			return
		}
		d.io = false
		for c, v := range d.values {
			v.Quality = "BAD"
			d.values[c] = v
			b.show(b.valueSubject(c), &v)
		}
	}, func(event string, data []byte) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.io = true
		var v api.Value
		if event != "value" || json.Unmarshal(data, &v) != nil || v.Check() != nil {
			return
		}
		if _, known := d.values[v.Channel]; !known && len(d.values) >= rtSubjects {
			return
		}
		n := NodeValue{Node: b.node, Equipment: d.where(v.Channel).equipment, Value: v}
		d.values[v.Channel] = n
		b.show(b.valueSubject(v.Channel), &n)
	})
}

// send sends what the outbox has, while there is a bus.
func (b *Bridge) send(ctx context.Context) {
	t := time.NewTicker(rtGap)
	defer t.Stop()
	for made := b.c.nc.Stats().Reconnects; ; {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		if !b.c.nc.IsConnected() {
			continue
		}
		if n := b.c.nc.Stats().Reconnects; n != made {
			made = n
			b.out.lost()
		}
		if err := b.out.flush(time.Now(), b.c.nc.Publish); err != nil {
			b.opt.Tell("rt", "not sent", words(err))
		}
		if err := b.out.full(); err != nil {
			b.opt.Tell("rt", "left out", err.Error())
		}
	}
}
