// The equipment model, as the I/O process has it: whose a channel is, and which values are safe.

package wire

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// SetModel says what equipment there is: which channels are whose, and which values are safe. A channel that two have is nobody's. A batch
// keeps the channels of what it has: one that moves to other equipment, or leaves the model, does so once the equipment is given back. What
// is retired keeps its channels, unless others have them. Equipment with outputs has one owner at a time. What lies on another board is none of this
// one's, and left out. It does not block.
func (s *Server) SetModel(items []api.Equipment) { s.setModel(0, items) }

func (s *Server) setModel(version uint64, items []api.Equipment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model, s.given = version, slices.DeleteFunc(slices.Clone(items), func(it api.Equipment) bool { return it.Node != "" })
	s.assign()
}

// assign gives every channel to its equipment; the caller holds mu.
func (s *Server) assign() {
	was, wasOf := s.items, s.channels
	s.items, s.channels = map[string]api.Equipment{}, map[string]string{}
	for c, e := range wasOf {
		if o := s.owners[e]; o != nil && o.Batch != "" {
			s.channels[c] = e
		}
	}
	held := maps.Clone(s.channels)
	for _, retired := range []bool{false, true} {
		for i := range s.given {
			it := s.given[i]
			if it.Retired != retired {
				continue
			}
			s.items[it.ID] = it
			for _, c := range it.Channels {
				switch first, has := s.channels[c]; {
				case !has:
					s.channels[c] = it.ID
				case first != it.ID && held[c] == "" && !retired:
					s.channels[c] = ""
				}
			}
		}
	}
	for _, c := range slices.Sorted(maps.Keys(held)) {
		e := held[c]
		it, has := s.items[e]
		if !has {
			it = was[e]
			it.ID, it.Channels = e, nil
		}
		if !slices.Contains(it.Channels, c) {
			it.Channels = append(slices.Clone(it.Channels), c)
		}
		if v, declared := was[e].Safe[c]; declared && it.Safe[c] == "" {
			it.Safe = maps.Clone(it.Safe)
			if it.Safe == nil {
				it.Safe = map[string]string{}
			}
			it.Safe[c] = v
		}
		s.items[e] = it
	}
}

// How often the runtime server is asked for the model, at most and at least, and for how long it may take.
const (
	modelEvery = 2 * time.Second
	modelGap   = 200 * time.Millisecond
	modelTime  = time.Second
)

// cached is the model as it lies in Dir, for a start while the runtime server is down.
type cached struct {
	Version uint64          `json:"equipment_model_version"`
	Items   []api.Equipment `json:"equipment"`
}

func (s *Server) modelPath() string { return filepath.Join(s.dir(), "model.json") }

// readModel takes the model that was kept. One that cannot be read is as none: the runtime server has it.
func (s *Server) readModel() {
	var c cached
	if data, err := os.ReadFile(s.modelPath()); err == nil && json.Unmarshal(data, &c) == nil {
		s.setModel(c.Version, c.Items)
	}
}

// askModel asks the runtime server for the model, and keeps a new one, unless enough says, now or when others have asked, that what is there
// will do. Where it was asked a moment ago it is asked again when modelGap is over: the model may have been changed since. One answer serves all
// who wait. While the runtime server is down the last model counts.
func (s *Server) askModel(enough func() bool) {
	if s.opt.Network == nil {
		return
	}
	came := s.asks.Load()
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-s.life.Done():
		return
	}
	if s.asks.Load() != came || enough() { // of one that had begun before, only the answer is of use
		return
	}
	if s.asked != 0 && s.clock.Wait(s.life, s.asked+int64(modelGap)) != nil {
		return
	}
	s.asks.Add(1)
	ctx, cancel := context.WithTimeout(s.life, modelTime)
	defer cancel()
	client := s.opt.Network.Dial(api.Runtime)
	defer client.Close()
	var m api.Model
	err := client.Call(ctx, http.MethodGet, "/v1/model", nil, &m)
	s.asked = s.clock.Now()
	s.mu.Lock()
	version := s.model
	s.mu.Unlock()
	if err != nil || m.Version == version {
		return
	}
	s.setModel(m.Version, m.Items)
	if data, err := json.Marshal(cached{m.Version, m.Items}); err == nil {
		_ = ledger.Put(s.modelPath(), data) // at worst it is asked for anew
	}
}

// followModel asks for the model until ctx ends.
func (s *Server) followModel(ctx context.Context) {
	for ctx.Err() == nil {
		s.askModel(func() bool { return false })
		_ = s.clock.Wait(ctx, s.clock.Now()+int64(modelEvery))
	}
}
