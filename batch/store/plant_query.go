// Questions to a plant: what stands in its rows, by filter, some at a time.

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// How many rows one question gives.
const (
	MaxRows  = 10_000
	someRows = 100 // where Filter.Limit is 0
)

// Filter says which rows are asked for: those that have all that is not empty. What a question does not know is ErrRefused, and
// never passed over.
type Filter struct {
	Journal    string
	ID         string
	Unit       string
	Definition string
	State      string // of a batch its life, of material its life
	Run        string
	Job        string
	Process    string
	Product    string
	Material   string
	Recipe     string
	Tag        string
	From, To   int64  // ns since 1970 UTC, From and later, before To; 0: no bound
	After      string // what the question before gave as next; "": from the first on
	Limit      int    // rows, at most MaxRows; 0: a hundred
}

// Run is a process unit run.
type Run struct {
	Journal, ID, Definition, Unit string
	State                         string
	Status                        int64 // code of State
	MainIdent                     string
	Process                       string // batch that it belongs to
	Created, Started, Ended       int64  // ns since 1970 UTC; 0: not yet, or not known
	Post                          bool   // it is Ready, and waits to be finished
	Test                          bool   // it stands in no report
	Detail                        string
	Seq                           uint64 // record that changed it last
	At                            int64  // when
}

// Material is a piece or lot of material, as it is now.
type Material struct {
	Journal, ID string
	Unit        string // "": in none
	Life        string // created, present or exited
	Test        bool   // it stands in no report
	Detail      string
	Seq         uint64
	At          int64
}

// Move is one thing that happened to a material: its history.
type Move struct {
	Journal, Material string
	Result            string // as unitrun has it: arrived, moved, linked, moved_back, ...
	Run               string // that it was done for
	From, Unit        string
	Said, Detail      string // Said is a list, in JSON
	Seq               uint64
	At                int64
}

// Link says that a material belongs to a unit run, State linked, or did, moved_back.
type Link struct {
	Journal, Run, Material, State, Unit string
	Seq                                 uint64
	At                                  int64
}

// Line says that a material was made of Origin, or of a part of it.
type Line struct {
	Journal, Material, Origin string
	Valid                     bool // false: it counts no more
	Seq                       uint64
	At                        int64
}

// Article is an article that a process has made.
type Article struct {
	Journal, ID, Product string
	Process, Job, Run    string
	Unit, Detail         string
	Seq                  uint64
	At                   int64
}

// Batch is a batch of the list of a manager, also one that was removed.
type Batch struct {
	Journal, ID         string
	Life                string
	Since               int64  // when it came to Life
	State               string // that of ISA-88, as its runner had said
	RestartOf           string
	Actor, Role, Reason string // of what somebody ordered of it last; "": the manager did all by itself
	Detail              string
	Seq                 uint64
	At                  int64
}

// Job is a job of the list, also one that is over.
type Job struct {
	Journal, ID, Kind                                           string
	Recipe, Provider, Product, Unit, Size                       string
	Group                                                       string
	Behind                                                      string // job that it was put behind when it was listed; "": it was first
	State                                                       string
	Status                                                      int64 // code of State
	Amount, Begun, Running, Success, Failure, Reworked, Dropped int64
	Setup                                                       string // steps of a set-up, a list in JSON
	Recovery                                                    string // rule by which it was taken up after a cut, or was not
	Aside                                                       string // why the list goes on without it
	Said, Detail                                                string // Said is what it was listed with, in JSON
	Listed                                                      int64
	Seq                                                         uint64
	At                                                          int64
}

// Process is a process of a job: its batch has the same id.
type Process struct {
	Journal, ID, Job, State string
	Command                 string // that it was ordered last
	Product, Said, Detail   string
	Seq                     uint64
	At                      int64
}

// Slot says which slot a group of jobs has, or has had: State is taken, moved or freed.
type Slot struct {
	Journal, Group, Slot, State, Detail string
	Seq                                 uint64
	At                                  int64
}

// Aside is a record that says what cannot be, or cannot be read: it has no rows.
type Aside struct {
	Journal      string
	Seq          uint64
	Kind, Reason string
	Body         string // the record
}

// plantTable is one table: its columns behind journal, the first of which are its key, and the columns that a Filter means.
type plantTable struct {
	name   string
	key    int
	cols   string
	filter map[string]string
}

// plantTables are all tables with rows of a journal.
var plantTables = []plantTable{
	{"plant_run", 1, "id definition unit state status main_ident process created_ns started_ns ended_ns post test detail seq at_ns",
		map[string]string{"ID": "id", "Unit": "unit", "Definition": "definition", "State": "state", "Process": "process", "Time": "created_ns"}},
	{"plant_material", 1, "id unit life test detail seq at_ns said", map[string]string{"ID": "id", "Unit": "unit", "State": "life", "Time": "at_ns"}},
	{"plant_move", 1, "seq material result run from_unit unit said detail at_ns",
		map[string]string{"Material": "material", "Run": "run", "Unit": "unit", "State": "result", "Time": "at_ns"}},
	{"plant_link", 2, "run material state unit seq at_ns", map[string]string{"Run": "run", "Material": "material", "State": "state", "Unit": "unit", "Time": "at_ns"}},
	{"plant_line", 2, "material origin valid seq at_ns", map[string]string{"Material": "material", "ID": "origin", "Time": "at_ns"}},
	{"plant_article", 1, "id product process job run unit detail seq at_ns",
		map[string]string{"ID": "id", "Product": "product", "Process": "process", "Job": "job", "Run": "run", "Unit": "unit", "Time": "at_ns"}},
	{"plant_batch", 1, "id life since_ns batch_state restart_of actor role reason detail seq at_ns", map[string]string{"ID": "id", "State": "life", "Time": "at_ns"}},
	{"plant_job", 1, "id kind recipe provider product unit size group_id behind state status amount begun running success failure reworked dropped setup recovery aside said detail listed_ns seq at_ns",
		map[string]string{"ID": "id", "Recipe": "recipe", "Product": "product", "Unit": "unit", "State": "state", "Time": "listed_ns"}},
	{"plant_slot", 1, "group_id slot state detail seq at_ns", map[string]string{"ID": "group_id", "State": "state", "Time": "at_ns"}},
	{"plant_process", 1, "id job state command product said detail seq at_ns",
		map[string]string{"ID": "id", "Job": "job", "State": "state", "Product": "product", "Time": "at_ns"}},
	{"plant_value", 5, "run tag at_ns seq n value quality", map[string]string{"Run": "run", "Tag": "tag", "State": "quality", "Time": "at_ns"}},
	{"plant_aside", 1, "seq kind reason body", map[string]string{"State": "kind"}},
}

func tableOf(name string) *plantTable {
	for i := range plantTables {
		if plantTables[i].name == name {
			return &plantTables[i]
		}
	}
	return nil
}

// Runs gives process unit runs by journal and id. The time of a Filter is when they were created.
func (p *Plant) Runs(ctx context.Context, f Filter) (all []Run, next string, err error) {
	return ask(ctx, p, "plant_run", f, func(r *Run) []any {
		return []any{&r.Journal, &r.ID, &r.Definition, &r.Unit, &r.State, &r.Status, &r.MainIdent, &r.Process, &r.Created, &r.Started, &r.Ended, &r.Post, &r.Test, &r.Detail, &r.Seq, &r.At}
	})
}

// Materials gives materials by journal and id. The time of a Filter is when they changed last.
func (p *Plant) Materials(ctx context.Context, f Filter) (all []Material, next string, err error) {
	return ask(ctx, p, "plant_material", f, func(m *Material) []any {
		return []any{&m.Journal, &m.ID, &m.Unit, &m.Life, &m.Test, &m.Detail, &m.Seq, &m.At, new(string)}
	})
}

// Moves gives the history of materials by journal and record. State of a Filter is the result.
func (p *Plant) Moves(ctx context.Context, f Filter) (all []Move, next string, err error) {
	return ask(ctx, p, "plant_move", f, func(m *Move) []any {
		return []any{&m.Journal, &m.Seq, &m.Material, &m.Result, &m.Run, &m.From, &m.Unit, &m.Said, &m.Detail, &m.At}
	})
}

// Links gives which material belongs to which unit run, by journal, run and material.
func (p *Plant) Links(ctx context.Context, f Filter) (all []Link, next string, err error) {
	return ask(ctx, p, "plant_link", f, func(l *Link) []any {
		return []any{&l.Journal, &l.Run, &l.Material, &l.State, &l.Unit, &l.Seq, &l.At}
	})
}

// Lines gives what material was made of which, by journal, material and origin. ID of a Filter is the origin.
func (p *Plant) Lines(ctx context.Context, f Filter) (all []Line, next string, err error) {
	return ask(ctx, p, "plant_line", f, func(l *Line) []any { return []any{&l.Journal, &l.Material, &l.Origin, &l.Valid, &l.Seq, &l.At} })
}

// Articles gives articles by journal and id. The time of a Filter is when they were made.
func (p *Plant) Articles(ctx context.Context, f Filter) (all []Article, next string, err error) {
	return ask(ctx, p, "plant_article", f, func(a *Article) []any {
		return []any{&a.Journal, &a.ID, &a.Product, &a.Process, &a.Job, &a.Run, &a.Unit, &a.Detail, &a.Seq, &a.At}
	})
}

// Batches gives the batches of managers by journal and id. State of a Filter is the life.
func (p *Plant) Batches(ctx context.Context, f Filter) (all []Batch, next string, err error) {
	return ask(ctx, p, "plant_batch", f, func(b *Batch) []any {
		return []any{&b.Journal, &b.ID, &b.Life, &b.Since, &b.State, &b.RestartOf, &b.Actor, &b.Role, &b.Reason, &b.Detail, &b.Seq, &b.At}
	})
}

// Jobs gives jobs by journal and id; their order in the list, which changes, is asked of who works it off. The time of a Filter
// is when they were listed.
func (p *Plant) Jobs(ctx context.Context, f Filter) (all []Job, next string, err error) {
	return ask(ctx, p, "plant_job", f, func(j *Job) []any {
		return []any{&j.Journal, &j.ID, &j.Kind, &j.Recipe, &j.Provider, &j.Product, &j.Unit, &j.Size, &j.Group, &j.Behind, &j.State, &j.Status, &j.Amount, &j.Begun,
			&j.Running, &j.Success, &j.Failure, &j.Reworked, &j.Dropped, &j.Setup, &j.Recovery, &j.Aside, &j.Said, &j.Detail, &j.Listed, &j.Seq, &j.At}
	})
}

// Slots gives the slots of groups by journal and group. ID of a Filter is the group.
func (p *Plant) Slots(ctx context.Context, f Filter) (all []Slot, next string, err error) {
	return ask(ctx, p, "plant_slot", f, func(s *Slot) []any { return []any{&s.Journal, &s.Group, &s.Slot, &s.State, &s.Detail, &s.Seq, &s.At} })
}

// Processes gives processes by journal and id.
func (p *Plant) Processes(ctx context.Context, f Filter) (all []Process, next string, err error) {
	return ask(ctx, p, "plant_process", f, func(r *Process) []any {
		return []any{&r.Journal, &r.ID, &r.Job, &r.State, &r.Command, &r.Product, &r.Said, &r.Detail, &r.Seq, &r.At}
	})
}

// Values gives captured values by journal, run, tag and time. State of a Filter is the quality.
func (p *Plant) Values(ctx context.Context, f Filter) (all []Value, next string, err error) {
	return ask(ctx, p, "plant_value", f, func(v *Value) []any {
		return []any{&v.Journal, &v.Run, &v.Tag, &v.At, &v.Seq, &v.N, &v.Value, &v.Quality}
	})
}

// Asides gives the records that were set aside by journal and number. State of a Filter is the kind.
func (p *Plant) Asides(ctx context.Context, f Filter) (all []Aside, next string, err error) {
	return ask(ctx, p, "plant_aside", f, func(a *Aside) []any { return []any{&a.Journal, &a.Seq, &a.Kind, &a.Reason, &a.Body} })
}

// ask asks one table.
func ask[T any](ctx context.Context, p *Plant, name string, f Filter, of func(row *T) []any) (all []T, next string, err error) {
	t := tableOf(name)
	limit := f.Limit
	if limit == 0 {
		limit = someRows
	}
	if limit < 0 || limit > MaxRows {
		return nil, "", fmt.Errorf("%w: %d rows at once; ask for 1 to %d, and go on with next", ErrRefused, limit, MaxRows)
	}
	journals, err := p.journals(ctx, f.Journal)
	if err != nil {
		return nil, "", err
	}
	where, args, err := t.where(&f, journals)
	if err != nil || len(journals) == 0 {
		return nil, "", err
	}
	cols := strings.Fields(t.cols)
	rows, err := p.read.QueryContext(ctx, "SELECT x.journal, x."+strings.Join(cols, ", x.")+" FROM "+t.name+" x"+where+
		" ORDER BY x.journal, x."+strings.Join(cols[:t.key], ", x.")+fmt.Sprintf(" LIMIT %d", limit+1), args...)
	if err != nil {
		return nil, "", p.wrong(err)
	}
	defer rows.Close()
	var last int64
	for rows.Next() {
		if len(all) == limit {
			next = cursor(t, last, of(&all[limit-1]))
			break
		}
		all = append(all, *new(T))
		row := of(&all[len(all)-1])
		name := row[0].(*string)
		row[0] = &last
		if err := rows.Scan(row...); err != nil {
			return nil, "", p.wrong(err)
		}
		*name = journals[last]
	}
	if err := rows.Err(); err != nil {
		return nil, "", p.wrong(err)
	}
	return all, next, nil
}

// journals are the names of the journals that rows are asked of, by number.
func (p *Plant) journals(ctx context.Context, name string) (map[int64]string, error) {
	rows, err := p.read.QueryContext(ctx, "SELECT number, name FROM plant_journal")
	if err != nil {
		return nil, p.wrong(err)
	}
	defer rows.Close()
	all := map[int64]string{}
	for rows.Next() {
		var n int64
		var one string
		if err := rows.Scan(&n, &one); err != nil {
			return nil, p.wrong(err)
		}
		if name == "" || name == one {
			all[n] = one
		}
	}
	return all, p.wrong(rows.Err())
}

// cursor names a row by its key, for the question that goes on behind it.
func cursor(t *plantTable, journal int64, row []any) string {
	key := []string{fmt.Sprint(journal)}
	for _, at := range row[1 : 1+t.key] {
		switch v := at.(type) {
		case *string:
			key = append(key, *v)
		case *int64:
			key = append(key, fmt.Sprint(*v))
		case *uint64:
			key = append(key, fmt.Sprint(*v))
		}
	}
	text, _ := json.Marshal(key)
	return string(text)
}

// where gives the conditions of a filter.
func (t *plantTable) where(f *Filter, journals map[int64]string) (text string, args []any, err error) {
	var all []string
	add := func(cond string, v any) {
		args = append(args, v)
		all = append(all, fmt.Sprintf(cond, len(args)))
	}
	for _, c := range []struct{ name, value string }{{"ID", f.ID}, {"Unit", f.Unit}, {"Definition", f.Definition}, {"State", f.State}, {"Run", f.Run}, {"Job", f.Job},
		{"Process", f.Process}, {"Product", f.Product}, {"Material", f.Material}, {"Recipe", f.Recipe}, {"Tag", f.Tag}} {
		if c.value == "" {
			continue
		}
		col := t.filter[c.name]
		if bad := badName(c.value); col == "" || bad != "" {
			return "", nil, fmt.Errorf("%w: %s has no %s to filter by, or it is %s", ErrRefused, t.name, c.name, bad)
		}
		add("x."+col+" = $%d", c.value)
	}
	numbers := slices.Sorted(maps.Keys(journals)) // as constants, so that a key that begins with the journal finds the rest
	all = append(all, "x.journal IN ("+strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")+")")
	if f.From != 0 || f.To != 0 {
		col := t.filter["Time"]
		if col == "" {
			return "", nil, fmt.Errorf("%w: %s has no time to filter by", ErrRefused, t.name)
		}
		if f.From != 0 {
			add("x."+col+" >= $%d", f.From)
		}
		if f.To != 0 {
			add("x."+col+" < $%d", f.To)
		}
	}
	if f.After != "" {
		cond, key, err := t.after(f.After, len(args))
		if err != nil {
			return "", nil, err
		}
		all, args = append(all, cond), append(args, key...)
	}
	return " WHERE " + strings.Join(all, " AND "), args, nil
}

// maxCursor is how many bytes a cursor has at most: two names, each byte of them written as six (\u003c), and numbers.
const maxCursor = 16 * MaxName

// after is the condition of the rows behind a cursor; n arguments stand before its own.
func (t *plantTable) after(text string, n int) (string, []any, error) {
	cols := append([]string{"journal"}, strings.Fields(t.cols)[:t.key]...)
	var key []string
	if len(text) > maxCursor || json.Unmarshal([]byte(text), &key) != nil || len(key) != len(cols) {
		return "", nil, fmt.Errorf("%w: After is not what a question of %s gave as next", ErrRefused, t.name)
	}
	var marks []string
	var args []any
	for i, c := range cols {
		mark, whole := fmt.Sprintf("$%d", n+i+1), c == "journal" || c == "seq" || c == "n" || c == "at_ns"
		marks = append(marks, mark)
		if !whole {
			args = append(args, plain(key[i], MaxName))
			continue
		}
		v, err := strconv.ParseInt(key[i], 10, 64)
		if err != nil {
			return "", nil, fmt.Errorf("%w: After is not what a question of %s gave as next", ErrRefused, t.name)
		}
		args = append(args, v)
	}
	return "(x." + strings.Join(cols, ", x.") + ") > (" + strings.Join(marks, ", ") + ")", args, nil
}
