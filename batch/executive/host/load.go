// What a batch is bound to: asked of the runtime server once, kept beside the batch, and taken from there ever after.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// binding is what the batch is bound to, without its files; known is false until it is.
type binding struct {
	api.Binding
	known bool
}

// Bounds of what the runtime server gives.
const (
	maxFiles = 64
	askTime  = 10 * time.Second // that it is waited for
)

// boundDir is where files lie that the batch is bound to, and bindingFile, among them, the rest of the binding.
const (
	boundDir    = "bound"
	bindingFile = ".binding.json"
)

// load binds the batch, or says that it is Load Failed.
func (h *host) load(ctx context.Context) (*batch.Batch, error) {
	b, err := h.bind(ctx)
	if err != nil {
		return nil, h.failed(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.size = b.Size.String()
	return b, nil
}

func (h *host) bind(ctx context.Context) (*batch.Batch, error) {
	bound, err := h.binding(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.bound = binding{*bound, true}
	h.bound.Files = nil
	h.mu.Unlock()
	if b, err := h.continued(); b != nil || err != nil {
		return b, err
	}
	plan, err := batch.Load(os.DirFS(filepath.Join(h.dir, boundDir)), bound.Main, bound.Map, &batch.LoadOptions{Actions: h.actions()})
	if err != nil {
		return nil, err
	}
	if err := groups(plan.Recipe.Root, h.o.Groups); err != nil {
		return nil, err
	}
	var release batch.Release = batch.Unapproved
	if !bound.Unapproved {
		if release = h.opt.Release; release == nil {
			return nil, errors.New("host: the runtime server binds approved files, and this runner has nobody who answers for approvals; give it Options.Release")
		}
	}
	return plan.Bind(h.o.Batch, h.o.Size, release, &batch.BindOptions{Operator: h.o.Operator, JournalID: h.o.JournalID, RestartOf: h.o.RestartOf,
		BlockAge: h.opt.BlockAge, EquipmentModel: bound.Model})
}

// continued is the batch whose journal was cut short, nil where none was begun. What its records say is taken in.
func (h *host) continued() (*batch.Batch, error) {
	found, err := runner.Look(h.evidence())
	if err != nil || found == nil || found.Records == 0 {
		return nil, err
	}
	if found.Batch != h.o.Batch {
		return nil, fmt.Errorf("host: %s holds the evidence of batch %q; give the batch %q a directory of its own", h.evidence(), found.Batch, h.o.Batch)
	}
	b, err := evidence.Rebind(h.evidence())
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was, err := journal.Scan(filepath.Join(h.evidence(), journalDir), func(_ uint64, body []byte, _ journal.Chain) error {
		h.view.take(kindOf(body), body)
		return nil
	}, nil)
	if err == nil {
		h.head, h.view.records, h.view.link = was.Head, was.Head.N, was.Head.Link.String()
	}
	h.view.begun = false // it is, again, with its next boot
	return b, err
}

// journalDir is where the journal lies in the evidence of a run.
const journalDir = "journal"

// kindOf is the kind of a body.
func kindOf(body []byte) record.Kind {
	r, err := record.Parse(body)
	if err != nil {
		return record.KindNone
	}
	return r.Kind
}

// held has a batch that goes on where a process before it was lost come up Held.
func (h *host) held(r *runner.Runner) error {
	h.mu.Lock()
	state := h.view.state
	h.mu.Unlock()
	if !h.o.Warm || state == "" || state == sequencer.Idle.String() {
		return nil
	}
	c := runner.Command{Command: sequencer.Hold, Operator: h.o.WarmBy, Role: h.o.WarmRole, Reason: h.o.Reason}
	if c.Operator == "" {
		c.Operator, c.Role = api.Manager, "system"
	}
	if c.Reason == "" {
		c.Reason = "restarted warm"
	}
	return r.Tell(c)
}

// binding is what the batch was bound to before, or is by the runtime server now: then it is durable when binding returns.
func (h *host) binding(ctx context.Context) (*api.Binding, error) {
	var b api.Binding
	dir := filepath.Join(h.dir, boundDir)
	data, err := os.ReadFile(filepath.Join(dir, bindingFile))
	if err == nil {
		if err = json.Unmarshal(data, &b); err != nil {
			return nil, fmt.Errorf("host: %s: %w; begin the batch anew in another directory", filepath.Join(dir, bindingFile), err)
		}
		return &b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("host: %w", err)
	}
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c := h.n.Dial(api.Runtime)
	defer c.Close()
	q := url.Values{"recipe": {h.o.Recipe}, "unit": {h.o.Unit}}
	if err := c.Call(ask, "GET", "/v1/bindings?"+q.Encode(), nil, &b); err != nil {
		var refused *api.Error
		if errors.As(err, &refused) {
			return nil, fmt.Errorf("host: the runtime server does not bind recipe %q to unit %q: %w", h.o.Recipe, h.o.Unit, err)
		}
		return nil, fmt.Errorf("host: the runtime server does not answer: %w; remove the batch and create it anew once it does", err)
	}
	if err := sound(&b); err != nil {
		return nil, fmt.Errorf("host: the runtime server's binding of recipe %q to unit %q: %w", h.o.Recipe, h.o.Unit, err)
	}
	return &b, keep(dir, &b)
}

// sound refuses a binding that would lead out of its directory, or lacks what it names.
func sound(b *api.Binding) error {
	if len(b.Files) == 0 || len(b.Files) > maxFiles {
		return fmt.Errorf("%d files; 1 to %d are taken", len(b.Files), maxFiles)
	}
	for name, data := range b.Files {
		if !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, "\\:\x00") || len(name) > 200 ||
			name == "." || strings.HasPrefix(path.Base(name), ".") {
			return fmt.Errorf("file %q: its name leads out of the directory of the batch, or is none", name)
		}
		if len(data) > batch.MaxFile {
			return fmt.Errorf("file %q: %d bytes; at most %d are taken", name, len(data), batch.MaxFile)
		}
	}
	for _, name := range [...]string{b.Main, b.Map} {
		if b.Files[name] == nil {
			return fmt.Errorf("file %q is named and not there", name)
		}
	}
	return nil
}

// keep writes a binding to dir, which is there whole or not at all.
func keep(dir string, b *api.Binding) error {
	tmp := dir + ".tmp"
	err := os.RemoveAll(tmp)
	if err == nil {
		err = os.MkdirAll(tmp, 0o750)
	}
	dirs := map[string]bool{tmp: true}
	for name, data := range b.Files {
		at := filepath.Join(tmp, filepath.FromSlash(name))
		for up := filepath.Dir(at); err == nil && !dirs[up]; up = filepath.Dir(up) {
			dirs[up] = true
			err = os.MkdirAll(up, 0o750)
		}
		if err == nil {
			err = ledger.Put(at, data)
		}
	}
	rest := *b
	rest.Files = nil
	data, merr := json.Marshal(&rest)
	if err = errors.Join(err, merr); err == nil {
		err = ledger.Put(filepath.Join(tmp, bindingFile), data)
	}
	for d := range dirs {
		if err == nil {
			err = ledger.Settle(d)
		}
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err == nil {
		err = ledger.Settle(filepath.Dir(dir))
	}
	if err != nil {
		return fmt.Errorf("host: what the batch is bound to cannot be kept: %w", err)
	}
	return nil
}

// actions are the OEM action types that the recipe may ask for.
func (h *host) actions() []recipe.ActionType { return slices.Concat(api.Actions(), h.opt.Actions) }

// groups refuses a recipe with a message to a group for which the order does not say which one that is.
func groups(e *recipe.Element, known map[string]string) error {
	for i := range e.Actions {
		a := &e.Actions[i]
		if a.Kind != recipe.Request || !slices.Contains([]string{api.DoPost, api.DoTake, api.DoMeet}, a.Type) {
			continue
		}
		for k := range a.Settings {
			name := a.Settings[k].Value.Word
			if a.Settings[k].Name == "group" && known[name] == "" {
				return fmt.Errorf("host: %s sends to the group %q, and the batch was created without one; create it with groups: {%q: NAME}", e.ID, name, name)
			}
		}
	}
	for _, child := range e.Children {
		if err := groups(child, known); err != nil {
			return err
		}
	}
	return nil
}
