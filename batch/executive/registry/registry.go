// Package registry is the runtime server of an executive: it has the equipment model, the recipes and the rights, and binds batches to them.
//
// Start with [Open] and [Server.Run]. It answers the paths of package api that name the runtime server, on the socket "runtime". Who is bound
// needs it no more; so it may be killed alone, and comes up again with the same model, while nothing else is restarted.
//
// The model is what the equipment_change records of its ledger add up to. Its first start makes those of the model file; from then on a change is a
// POST to /v1/model/changes, and a model file that says something else is told and not taken. Files lie in one tree:
//
//	equipment.yaml    the model of the first start (equipment.Parse)
//	rights.yaml       who may do what (ParseRights); without it every local user may do all
//	recipes/*.yaml    each recipe with an id of its own
//	maps/...          what the units of the model name as their maps, and what those name
//
// They are read at the start, recipes and maps again with each change of the model. A recipe that is wrong is set aside and named, and harms no
// other.
//
// The rule that must not be broken: a change is on record before anybody sees it, whole or not at all, and what a batch is bound to never changes.
package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
)

// The names of what is read.
const (
	ModelFile  = "equipment.yaml"
	RightsFile = "rights.yaml"
	RecipeDir  = "recipes"
)

// Options are the options of Open. Nil is the same as the zero value.
type Options struct {
	Actions []recipe.ActionType // OEM action types that recipes may ask for, such as those of messages between batches
	Release batch.Release       // answers for every file that a batch is bound to; nil: they are bound unapproved, and say so
	Ledger  *ledger.Options     // clock and storage; its Take is not called
	Tell    func(line string)   // is told what was set aside and why, within Open and within requests
}

// Server is a runtime server. Its methods may be called from any goroutine.
type Server struct {
	files  fs.FS
	net    api.Network
	opt    Options
	led    *ledger.Ledger
	rights api.Rights
	self   api.Self

	changing sync.Mutex // held while the model is changed
	mu       sync.Mutex // of what is below
	model    *equipment.Model
	cat      *catalog
	odd      string        // what the model file says otherwise
	news     chan struct{} // closed when the model is another one
	streams  int
	refusals map[refusal]*merged
}

// Open opens the ledger in dir/runtime, reads files, and has the model that the ledger says, or at the first start that of the model file. Device is
// the device_id of its records. The error says all that keeps it from coming up: a ledger that is damaged, at the first start a model file that is
// missing or wrong, and rights that are wrong. The server asks nothing of n before Run.
func Open(dir, device string, files fs.FS, n api.Network, opt *Options) (*Server, error) {
	s := &Server{files: files, net: n, news: make(chan struct{}), refusals: map[refusal]*merged{}}
	if opt != nil {
		s.opt = *opt
	}
	s.self = api.Self{Role: api.Runtime, PID: os.Getpid(), UID: os.Getuid(), Boot: rand.Text(), Since: time.Now().UTC().Format(time.RFC3339Nano), Version: "1"}
	var lo ledger.Options
	if s.opt.Ledger != nil {
		lo = *s.opt.Ledger
	}
	var fold equipment.Fold
	var told rightsTold
	lo.Take = func(_ uint64, r *record.Record) error {
		told.take(r)
		return fold.Take(r)
	}
	led, err := ledger.Open(filepath.Join(dir, "runtime"), device, "runtime", &lo)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	s.led = led
	if err = s.begin(&fold, &told); err != nil {
		return nil, errors.Join(err, led.Close())
	}
	s.cat = s.load(s.model, nil)
	for _, line := range s.aside(s.cat) {
		s.tell(line)
	}
	return s, nil
}

// begin takes rights and model from files and ledger, and has the ledger say what of it is new.
func (s *Server) begin(fold *equipment.Fold, told *rightsTold) error {
	text, err := s.readRights()
	if err != nil {
		return err
	}
	me := api.Peer{UID: os.Getuid(), PID: os.Getpid()}.Actor()
	if err := told.note(s.led, me, text); err != nil {
		return err
	}
	if version, n := fold.CutOff(); version != 0 {
		_, err := s.led.Append(func(b *record.Body) {
			b.Begin(record.KindRecovery)
			b.Text(record.RecoveryPath, equipment.Void)
			b.Text(record.Detail, fmt.Sprintf("the change of the equipment model to version %d was cut off after %d of its records, and is not made", version, n))
		})
		if err != nil {
			return err
		}
	}
	if s.model = fold.Model(); s.model != nil {
		s.odd = s.odds(s.model)
		return nil
	}
	_, src, err := readFile(s.files, ModelFile)
	if err != nil {
		return fmt.Errorf("registry: first start: the equipment model: %w; write it as %s (see package equipment)", err, ModelFile)
	}
	first, err := equipment.Parse(ModelFile, src)
	if err != nil {
		return err
	}
	if err := s.record(nil, first, me, "", "first start: "+ModelFile, "all batches: those that are bound from now on"); err != nil {
		return err
	}
	s.model = first
	return nil
}

// record writes the records of the step from one model to the next, the last of which makes it.
func (s *Server) record(old, next *equipment.Model, actor, role, reason, scope string) error {
	steps := equipment.Steps(old, next)
	for i := range steps {
		if _, err := s.led.Append(func(b *record.Body) { equipment.Write(b, old, next, steps, i, actor, role, reason, scope) }); err != nil {
			return fmt.Errorf("registry: the model was not changed: %w", err)
		}
	}
	return nil
}

// odds says what the model file says otherwise than a model; "" where nothing, or where there is no such file.
func (s *Server) odds(m *equipment.Model) string {
	_, src, err := readFile(s.files, ModelFile)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	var file *equipment.Model
	if err == nil {
		file, err = equipment.Parse(ModelFile, src)
	}
	if err != nil {
		return ModelFile + ": it cannot be read, and is not needed: the model in use is that of the ledger: " + oneLine(err.Error())
	}
	diff := equipment.Diff(m, file)
	if len(diff) == 0 {
		return ""
	}
	return fmt.Sprintf("%s differs from the model in use, version %d of the ledger, in %d things, first %s; it was not taken: change the model by POST /v1/model/changes",
		ModelFile, m.Version, len(diff), diff[0])
}

// Run listens as "runtime" and answers until ctx ends; then it closes the ledger. It blocks, and nothing that it started is left when it returns.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.net.Listen(api.Runtime)
	if err != nil {
		return errors.Join(err, s.led.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beat sync.WaitGroup
	beat.Go(func() {
		t := time.NewTicker(refusalEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				s.flush(false)
			}
		}
	})
	err = api.Serve(ctx, l, s.Handler())
	cancel()
	beat.Wait()
	s.flush(true)
	return errors.Join(err, s.led.Close())
}

// Close closes the ledger of a server that does not Run.
func (s *Server) Close() error { return s.led.Close() }

// Handler answers the paths of the runtime server.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, r *http.Request) { api.Reply(w, &s.self, nil) })
	mux.HandleFunc("GET /v1/model", func(w http.ResponseWriter, r *http.Request) {
		m, _ := s.now()
		api.Reply(w, m, nil)
	})
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/bindings", func(w http.ResponseWriter, r *http.Request) {
		b, err := s.Bind(r.URL.Query().Get("recipe"), r.URL.Query().Get("unit"))
		api.Reply(w, b, err)
	})
	mux.HandleFunc("POST /v1/model/changes", s.changes)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		api.Reply(w, nil, refuse(http.StatusNotFound, "the runtime server has no %s %.200s; it has self, model, events, bindings and model/changes", r.Method, r.URL.Path))
	})
	return mux
}

// Model is what GET /v1/model answers now.
func (s *Server) Model() *api.Model {
	m, _ := s.now()
	return m
}

// now gives the model and what is closed once there is another.
func (s *Server) now() (*api.Model, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &api.Model{Version: s.model.Version, Digest: s.model.Digest(), Items: s.model.Items, Recipes: s.cat.list, Rights: s.rights, Aside: s.aside(s.cat)}
	return m, s.news
}

// aside lists what was found and not taken.
func (s *Server) aside(c *catalog) (list []string) {
	if s.odd != "" {
		list = append(list, s.odd)
	}
	return append(list, c.aside...)
}

// events sends the model, and again whenever it is another one.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	full := s.streams >= api.MaxStreams
	if !full {
		s.streams++
	}
	s.mu.Unlock()
	if full {
		api.Reply(w, nil, refuse(http.StatusServiceUnavailable, "%d streams are open already; close one", api.MaxStreams))
		return
	}
	defer func() {
		s.mu.Lock()
		s.streams--
		s.mu.Unlock()
	}()
	beat := time.NewTicker(api.Heartbeat)
	defer beat.Stop()
	stream := api.NewStream(w)
	for {
		m, changed := s.now()
		data, err := json.Marshal(m)
		if err != nil || stream.Send("model", fmt.Sprint(m.Version), data) != nil {
			return
		}
		for same := true; same; {
			select {
			case <-r.Context().Done():
				return
			case <-changed:
				same = false
			case <-beat.C:
				if stream.Beat() != nil {
					return
				}
			}
		}
	}
}

func (s *Server) tell(line string) {
	if s.opt.Tell != nil {
		s.opt.Tell(line)
	}
}

// refuse is a refusal with a status.
func refuse(status int, format string, args ...any) error {
	return &api.Error{Status: status, Message: "registry: " + fmt.Sprintf(format, args...)}
}
