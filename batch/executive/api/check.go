// What may stand in each request and answer.

package api

import (
	"cmp"
	"math"
)

// Batches is the list of the manager.
type Batches []Batch

// Holdings is what there is of equipment.
type Holdings []Holding

func (o *Order) check() error {
	return texts("operator", o.Operator, "role", o.Role, "reason", o.Reason)
}

// Check implements Body.
func (o *Order) Check() error { return o.check() }

// Check implements Body.
func (s *Self) Check() error {
	return cmp.Or(word("role", s.Role, Manager, Runtime, IO, Bus, Production, "runner"), idents("batch_id", s.Batch),
		texts("boot", s.Boot, "since", s.Since, "version", s.Version))
}

// Check implements Body.
func (b *Batch) Check() error {
	return cmp.Or(CheckBatch(b.ID), word("life", string(b.Life), string(Loading), string(Ready), string(LoadFailed), string(Active), string(Ended),
		string(Removing), string(Removed), string(Lost)),
		reasons("state", b.State, "mode", b.Mode, "reason", b.Reason, "recipe_id", b.Recipe, "recipe_version", b.Version, "unit", b.Unit, "size", b.Size,
			"operator", b.Operator, "link", b.Link, "boot", b.Boot, "package", b.Package, "since", b.Since),
		lines("steps", b.Steps, MaxSteps), lines("equipment", b.Equipment, MaxNames), lines("commands", b.Commands, MaxNames),
		each("prompts", b.Prompts, MaxPrompts, func(p *Prompt) error { return reasons("step", p.Step, "text", p.Text, "answer", p.Answer) }))
}

// Check implements Body.
func (l *Batches) Check() error { return each("batches", *l, MaxBatches, (*Batch).Check) }

// Check implements Body.
func (l *Holdings) Check() error { return each("equipment", *l, MaxEquipment, (*Holding).Check) }

// Check implements Body.
func (h *Holding) Check() error {
	return cmp.Or(ident("equipment_id", h.Equipment), idents("batch_id", h.Batch), reasons("step_id", h.Step, "since", h.Since),
		each("waiting", h.Waiting, MaxWaiting, func(w *Waiting) error {
			return cmp.Or(CheckBatch(w.Batch), reasons("step_id", w.Step, "since", w.Since), set("equipment", w.Equipment, MaxSet))
		}))
}

// Check implements Body.
func (c *Create) Check() error {
	if c.ID != "" {
		if err := CheckBatch(c.ID); err != nil {
			return err
		}
	}
	return cmp.Or(c.check(), need("recipe_id", c.Recipe), idents("recipe_id", c.Recipe, "unit", c.Unit), texts("size", c.Size),
		within("priority", c.Priority, -maxPriority, maxPriority), table("groups", c.Groups))
}

// Check implements Body. A word that is no command passes: whom it is meant for refuses it, on record.
func (c *Command) Check() error {
	return cmp.Or(c.check(), need("command", c.Command),
		texts("command", c.Command, "step", c.Step, "target", c.Target, "name", c.Name, "value", c.Value))
}

// Check implements Body.
func (a *PromptAnswer) Check() error {
	return cmp.Or(a.check(), texts("value", a.Value))
}

// Check implements Body.
func (r *Removal) Check() error { return r.check() }

// Check implements Body.
func (r *Restart) Check() error { return r.check() }

// Check implements Body.
func (a *Accepted) Check() error {
	return cmp.Or(idents("batch_id", a.Batch), reasons("as", a.As))
}

// Check implements Body.
func (r *Reorder) Check() error {
	return cmp.Or(r.check(), CheckBatch(r.Batch), within("place", r.Place, 1, math.MaxInt32))
}

// Check implements Body.
func (c *Claim) Check() error {
	return cmp.Or(CheckBatch(c.Batch), texts("step_id", c.Step), set("equipment", c.Equipment, MaxSet))
}

// Check implements Body.
func (r *Ruling) Check() error {
	return cmp.Or(word("kind", r.Kind, "granted", "queued", "refused", "released", "raised", "delivered", "unanswered", "sent"),
		set("equipment", r.Equipment, MaxSet), within("place", r.Place, 0, math.MaxInt32),
		reasons("owner", r.Owner, "key", r.Key, "message", r.Message, "from", r.From, "reason", r.Reason))
}

// Check implements Body.
func (m *Message) Check() error {
	err := cmp.Or(CheckBatch(m.Batch), word("do", m.Do, "post", "take", "meet", "forget"), need("key", m.Key),
		texts("group", m.Group, "message", m.Message, "key", m.Key))
	switch {
	case err != nil:
		return err
	case m.Do == "meet":
		return cmp.Or(need("group", m.Group), within("partners", int64(m.Partners), 2, MaxSet))
	case m.Do == "forget":
		return within("partners", int64(m.Partners), 0, MaxSet)
	}
	return cmp.Or(need("group", m.Group), within("partners", int64(m.Partners), 0, MaxSet))
}

// Check implements Body. The names of files are their reader's to check.
func (b *Binding) Check() error {
	if err := count("files", len(b.Files), MaxFiles); err != nil {
		return err
	}
	var errs []error
	for name := range b.Files {
		errs = append(errs, texts("files", name))
	}
	return cmp.Or(first(errs), texts("recipe_id", b.Recipe, "recipe_version", b.Version, "unit", b.Unit, "recipe_file", b.Main, "map_file", b.Map),
		each("nodes", b.Nodes, MaxNodes, func(n *string) error { return CheckNode(*n) }), b.Rights.Check(), each("approvals", b.Approvals, MaxFiles, func(a *Approval) error {
			return texts("kind", a.Kind, "id", a.ID, "version", a.Version, "digest", a.Digest, "approval_id", a.Approval, "approved_by", a.By)
		}))
}

// Check implements Body.
func (f *Fence) Check() error {
	return cmp.Or(f.check(), CheckBatch(f.Batch), some("equipment", f.Equipment), set("equipment", f.Equipment, MaxSet),
		within("token", int64(min(f.Token, math.MaxInt64)), 1, math.MaxInt64))
}

// some refuses an empty list.
func some(what string, list []string) error {
	if len(list) == 0 {
		return need(what, "")
	}
	return nil
}

// Check implements Body.
func (f *Fenced) Check() error {
	return cmp.Or(lines("confirmed", f.Confirmed, MaxChannels), lines("unconfirmed", f.Unconfirmed, MaxChannels))
}

// Check implements Body.
func (w *Wire) Check() error {
	return cmp.Or(reasons("lost", w.Lost), lines("runners", w.Runners, MaxBatches),
		each("equipment", w.Equipment, MaxEquipment, func(e *WireEquipment) error {
			return cmp.Or(ident("equipment_id", e.ID), idents("batch_id", e.Batch), lines("channels", e.Channels, MaxChannels))
		}))
}

// Check implements Body.
func (m *Model) Check() error {
	return cmp.Or(texts("digest", m.Digest), each("equipment", m.Items, MaxEquipment, checkEquipment), m.Rights.Check(), lines("aside", m.Aside, MaxEquipment),
		each("recipes", m.Recipes, MaxNames, func(r *Recipe) error {
			return cmp.Or(reasons("recipe_id", r.ID, "recipe_version", r.Version, "title", r.Title), lines("units", r.Units, MaxEquipment),
				texts("batch_size", r.Nominal, "batch_size_min", r.Min, "batch_size_max", r.Max))
		}))
}

func checkEquipment(e *Equipment) error {
	return cmp.Or(ident("equipment_id", e.ID), idents("parent", e.Parent), texts("level", e.Level, "class", e.Class, "map", e.Map), idents("node", e.Node),
		table("capabilities", e.Capabilities), within("owners", int64(e.Owners), 0, MaxSet), lines("channels", e.Channels, MaxChannels),
		table("safe", e.Safe))
}

// Check implements Body.
func (m *ModelChange) Check() error {
	return cmp.Or(m.check(), each("put", m.Put, MaxEquipment, checkEquipment), set("retire", m.Retire, MaxEquipment),
		set("return", m.Return, MaxEquipment))
}
