// Unit runs and material, as the production process has them.

package api

import (
	"cmp"
	"fmt"
)

// Limits of unit runs.
const (
	MaxRuns      = 20_000 // in a list
	MaxMaterials = 20_000 // in a list
	MaxHistory   = 1_024  // places of one material, or materials of one run, that are shown
)

// Run is a run of a process unit: GET /v1/runs/ID, and an event "run" of GET /v1/events whenever one changes.
type Run struct {
	ID         string   `json:"run_id"`
	Definition string   `json:"run_definition"`
	Unit       string   `json:"unit_id"`
	State      string   `json:"run_state"`
	Code       uint32   `json:"status_code"`
	Ident      string   `json:"main_ident,omitempty"`
	Created    string   `json:"created_ts,omitempty"` // "": not known
	Started    string   `json:"started_ts,omitempty"`
	Ended      string   `json:"ended_ts,omitempty"`
	Process    string   `json:"process_id,omitempty"` // the batch that it is linked to
	Materials  []string `json:"material_ids,omitempty"`
	Test       bool     `json:"test,omitempty"`
	Commands   []string `json:"commands,omitempty"` // what is legal now
}

// Runs is a list of them: GET /v1/runs?unit=ID&definition=NAME&state=WORD&after=RUN&limit=N, those behind a run in order of their
// ids. All are optional.
type Runs []Run

// RunCreate asks for a run, POST /v1/runs. Start has it started at once; where the definition says so, a run may only be created
// so.
type RunCreate struct {
	Order
	Unit       string `json:"unit_id"`
	Definition string `json:"run_definition"`
	Ident      string `json:"main_ident,omitempty"` // where the definition has people name runs
	Process    string `json:"process_id,omitempty"` // batch that it is linked to; it does not begin or end with it
	Start      bool   `json:"start,omitempty"`
}

// RunCommand orders something of a run, POST /v1/runs/ID/commands: start, pause, resume, ready, finish, or cancel (for restart:
// material goes back).
type RunCommand struct {
	Order
	Command string `json:"command"`
}

// RunAccepted says that something was taken, and what it is about.
type RunAccepted struct {
	Run       string   `json:"run_id,omitempty"`
	Materials []string `json:"material_ids,omitempty"`
	As        string   `json:"as"` // actor under whom it is on record
}

// UnitSlot is where one unit can have a run of one definition.
type UnitSlot struct {
	Unit       string     `json:"unit_id"`
	Definition string     `json:"run_definition"`
	State      string     `json:"run_state"` // Idle, or that of Run
	Code       uint32     `json:"status_code"`
	Run        string     `json:"run_id,omitempty"`
	Control    string     `json:"control"`           // message, signal or both
	Follows    bool       `json:"follows,omitempty"` // its runs follow the batches that have the unit
	Ports      []UnitPort `json:"ports,omitempty"`
	Captured   []string   `json:"captured_tags,omitempty"`
}

// UnitPort is a channel by which runs of a slot are controlled.
type UnitPort struct {
	Port    string `json:"port"` // create, active, ready or ident
	Channel string `json:"channel"`
	Level   string `json:"level,omitempty"` // as it was taken last; "": it was not
}

// UnitSlots is all of them, GET /v1/units, by unit and definition.
type UnitSlots []UnitSlot

// Material is a piece or a lot of material, GET /v1/materials/ID.
type Material struct {
	ID     string          `json:"material_id"`
	Unit   string          `json:"unit_id,omitempty"` // that it is in; "": in none
	Life   string          `json:"life"`
	Test   bool            `json:"test,omitempty"`
	Runs   []string        `json:"run_ids,omitempty"` // that it is or was linked to
	From   []string        `json:"from,omitempty"`    // material that it came out of
	Into   []string        `json:"into,omitempty"`    // material that came out of it
	Places []MaterialPlace `json:"places,omitempty"`  // where it was, in order; the newest last
}

// MaterialPlace is where a material was.
type MaterialPlace struct {
	Unit    string `json:"unit_id,omitempty"`
	Since   string `json:"since,omitempty"`
	Invalid bool   `json:"invalid,omitempty"` // it does not count any more: the material went back to a place before it
}

// Materials is a list of them: GET /v1/materials?unit=ID&after=MATERIAL&limit=N.
type Materials []Material

// MaterialOrder tells what has become of material, POST /v1/materials: register, arrive (at Unit), move (to Unit), split (Others
// are split off), merge (Material is made of Others), exit, or regenerate (it is taken up again at Unit, where it has been).
type MaterialOrder struct {
	Order
	Command  string   `json:"command"`
	Material string   `json:"material_id,omitempty"` // "" of register and arrive: the next free
	Unit     string   `json:"unit_id,omitempty"`
	Others   []string `json:"others,omitempty"`
	Test     bool     `json:"test,omitempty"`
}

// Check implements Body.
func (r *Run) Check() error {
	return cmp.Or(ident("run_id", r.ID), ident("run_definition", r.Definition), ident("unit_id", r.Unit), need("run_state", r.State),
		texts("run_state", r.State, "main_ident", r.Ident, "created_ts", r.Created, "started_ts", r.Started, "ended_ts", r.Ended, "process_id", r.Process),
		lines("material_ids", r.Materials, MaxHistory), lines("commands", r.Commands, MaxNames))
}

// Check implements Body.
func (l *Runs) Check() error { return each("runs", *l, MaxRuns, (*Run).Check) }

// Check implements Body.
func (c *RunCreate) Check() error {
	return cmp.Or(c.check(), need("unit_id", c.Unit, "run_definition", c.Definition), idents("unit_id", c.Unit, "run_definition", c.Definition),
		texts("main_ident", c.Ident), idents("process_id", c.Process))
}

// Check implements Body. A word that is no command passes: it is refused on record.
func (c *RunCommand) Check() error {
	return cmp.Or(c.check(), need("command", c.Command), texts("command", c.Command))
}

// Check implements Body.
func (a *RunAccepted) Check() error {
	return cmp.Or(idents("run_id", a.Run), set("material_ids", a.Materials, MaxNames), reasons("as", a.As))
}

// Check implements Body.
func (l *UnitSlots) Check() error {
	return each("units", *l, MaxRuns, func(s *UnitSlot) error {
		return cmp.Or(ident("unit_id", s.Unit), ident("run_definition", s.Definition), need("run_state", s.State),
			texts("run_state", s.State, "control", s.Control), idents("run_id", s.Run), lines("captured_tags", s.Captured, MaxNames),
			each("ports", s.Ports, MaxNames, func(p *UnitPort) error { return texts("port", p.Port, "channel", p.Channel, "level", p.Level) }))
	})
}

// Check implements Body.
func (m *Material) Check() error {
	return cmp.Or(ident("material_id", m.ID), idents("unit_id", m.Unit), need("life", m.Life), texts("life", m.Life),
		lines("run_ids", m.Runs, MaxHistory), lines("from", m.From, MaxHistory), lines("into", m.Into, MaxHistory),
		each("places", m.Places, MaxHistory, func(p *MaterialPlace) error { return texts("unit_id", p.Unit, "since", p.Since) }))
}

// Check implements Body.
func (l *Materials) Check() error { return each("materials", *l, MaxMaterials, (*Material).Check) }

// Check implements Body. A word that is no command passes: it is refused on record.
func (o *MaterialOrder) Check() error {
	err := cmp.Or(o.check(), need("command", o.Command), texts("command", o.Command), idents("material_id", o.Material, "unit_id", o.Unit),
		set("others", o.Others, MaxNames))
	if err == nil && o.Command != "arrive" && o.Command != "register" && o.Material == "" {
		err = fmt.Errorf("material_id is missing; %.40q is about a material: name it", o.Command)
	}
	return err
}
