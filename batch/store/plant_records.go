// What each kind of record says in rows.

package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// step is one statement that a record comes to; $1 is the journal. Steps that ask come first: a record whose checks are not met
// changes nothing.
type step struct {
	text string // "": what it says cannot be: why
	args []any
	ask  bool   // it changes nothing: it wants to find a row
	none bool   // or wants to find none
	why  string // reason where it does not; where it wants none, what was found stands behind it
}

// upsert is the statement that makes a row or changes it: key, set and keep are columns, and what is empty or 0 leaves a column
// of keep as it was.
func upsert(table, key, set, keep string) string {
	keys, sets, keeps := strings.Fields(key), strings.Fields(set), strings.Fields(keep)
	cols := append(append(append([]string{"journal"}, keys...), sets...), keeps...)
	marks := make([]string, len(cols))
	for i := range cols {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	var does []string
	for _, c := range sets {
		does = append(does, c+" = excluded."+c)
	}
	for _, c := range keeps {
		zero := "''"
		if strings.HasSuffix(c, "_ns") || c == "test" {
			zero = "0"
		}
		does = append(does, fmt.Sprintf("%s = COALESCE(NULLIF(excluded.%[1]s, %s), %s.%[1]s)", c, zero, table))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (journal, %s) DO UPDATE SET %s", table, strings.Join(cols, ", "),
		strings.Join(marks, ", "), strings.Join(keys, ", "), strings.Join(does, ", "))
}

// manager is who a manager is, in its records: what it did by itself does not take the place of who ordered something of a batch.
const manager = "manager"

// byPerson has a batch keep since when it is in its life, and what a person ordered of it last.
var byPerson = strings.NewReplacer(
	"since_ns = excluded.since_ns", "since_ns = CASE WHEN plant_batch.life = excluded.life THEN plant_batch.since_ns ELSE excluded.since_ns END",
	"actor = excluded.actor", "actor = CASE WHEN excluded.actor = '' THEN plant_batch.actor ELSE excluded.actor END",
	"role = excluded.role", "role = CASE WHEN excluded.actor = '' THEN plant_batch.role ELSE excluded.role END",
	"reason = excluded.reason", "reason = CASE WHEN excluded.actor = '' THEN plant_batch.reason ELSE excluded.reason END",
)

// The statements of records.
var (
	putRun      = upsert("plant_run", "id", "definition unit state status post detail seq at_ns", "test main_ident process created_ns started_ns ended_ns")
	putMaterial = upsert("plant_material", "id", "unit life said detail seq at_ns", "test")
	putMove     = upsert("plant_move", "seq", "material result run from_unit unit said detail at_ns", "")
	putLink     = upsert("plant_link", "run material", "state unit seq at_ns", "")
	putLine     = upsert("plant_line", "material origin", "valid seq at_ns", "")
	putArticle  = upsert("plant_article", "id", "product process job run unit detail seq at_ns", "")
	putProcess  = upsert("plant_process", "id", "job detail seq at_ns", "state command said product")
	putSlot     = upsert("plant_slot", "group_id", "slot state detail seq at_ns", "")
	putBatch    = byPerson.Replace(upsert("plant_batch", "id", "life since_ns batch_state actor role reason detail seq at_ns", "restart_of"))
)

const (
	addJob = `INSERT INTO plant_job (journal, id, kind, recipe, provider, product, unit, size, group_id, behind, state, status, amount, begun, running, success, failure, reworked, dropped,
 setup, recovery, aside, said, detail, listed_ns, seq, at_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', 0, $11, 0, 0, 0, 0, 0, 0, '', '', '', $12, '', $13, $14, $13)
 ON CONFLICT (journal, id) DO UPDATE SET group_id = excluded.group_id, behind = excluded.behind, seq = excluded.seq, at_ns = excluded.at_ns`
	changeJob = `UPDATE plant_job SET kind = $3, state = $4, status = $5, begun = $6, running = $7, success = $8, failure = $9, reworked = $10, dropped = $11, detail = $12,
 seq = $13, at_ns = $14, group_id = COALESCE(NULLIF($15, ''), group_id), setup = COALESCE(NULLIF($16, ''), setup), amount = COALESCE(NULLIF(CAST($17 AS BIGINT), 0), amount),
 recovery = COALESCE(NULLIF($18, ''), recovery)
 WHERE journal = $1 AND id = $2`
	setAside   = `UPDATE plant_job SET aside = $3, seq = $4, at_ns = $5 WHERE journal = $1 AND id = $2`
	markTest   = `UPDATE plant_material SET test = 1, seq = $3, at_ns = $4 WHERE journal = $1 AND id = $2`
	askRun     = `SELECT id FROM plant_run WHERE journal = $1 AND id = $2`
	askTracked = `SELECT id FROM plant_run WHERE journal = $1 AND unit = $2 AND definition = $3 AND id <> $4 AND status % 2 = 1`
	askJob     = `SELECT id FROM plant_job WHERE journal = $1 AND id = $2`
	askProcess = `SELECT id FROM plant_process WHERE journal = $1 AND id = $2`
	askHere    = `SELECT id FROM plant_material WHERE journal = $1 AND id = $2`
	askArticle = `SELECT id FROM plant_article WHERE journal = $1 AND id = $2`
)

// statements are all that records come to, which SQLite prepares once.
var statements = []string{insertValue, putRun, putMaterial, putMove, putLink, putLine, putArticle, putProcess, putSlot, putBatch, addJob, changeJob, setAside, markTest,
	askRun, askTracked, askJob, askProcess, askHere, askArticle}

// rowsOf has what makes rows of a record, by kind; unit_run_data is apart, since it has many rows (see data). Other kinds have
// none.
var rowsOf = map[record.Kind]func(r *record.Record) []step{
	record.KindUnitRun:         runRows,
	record.KindUnitRunMaterial: materialRows,
	record.KindArticle:         articleRows,
	record.KindJobListed:       listedRows,
	record.KindJobState:        jobRows,
	record.KindJobSlot:         slotRows,
	record.KindJobNotice:       noticeRows,
	record.KindProcessState:    processRows,
	record.KindBatchLife:       batchRows,
}

// cannot is the step of a record that says what cannot be.
func cannot(why string) []step { return []step{{why: why}} }

// names checks the ids of a record, all that may stand in an index.
func names(r *record.Record, all ...record.Key) string {
	for _, k := range all {
		if bad := badName(r.Text(k)); bad != "" {
			return k.String() + " is " + bad
		}
	}
	return ""
}

// needs wants a row of another record.
func needs(what, text, id string) step {
	return step{text: text, args: []any{id}, ask: true, why: "it is about " + what + " " + strconv.Quote(id) + ", of which no record is there"}
}

// list is a list in one text: JSON, "" for none.
func list(all []string) string {
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all) // strings always can be
	return string(text)
}

// number finds a count among name=value texts; 0 where it is not there.
func number(all []string, name string) (n int64, err error) {
	text, ok := valueOf(all, name)
	if ok {
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = fmt.Errorf("%s is no number: %.40q", name, text)
		}
	}
	return n, err
}

// valueOf finds a value among name=value texts.
func valueOf(all []string, name string) (string, bool) {
	for _, text := range all {
		if rest, ok := strings.CutPrefix(text, name+"="); ok {
			return rest, true
		}
	}
	return "", false
}

// yes is 1 where name=true stands among name=value texts.
func yes(all []string, name string) int64 {
	if v, _ := valueOf(all, name); v == "true" {
		return 1
	}
	return 0
}

// text is a text of a record as databases take it: a NUL is ?.
func text(r *record.Record, k record.Key) string { return strings.ReplaceAll(r.Text(k), "\x00", "?") }

// some is a text of a record that has to be there, and is "none" where there is nothing.
func some(r *record.Record, k record.Key) string {
	if v := text(r, k); v != "none" {
		return v
	}
	return ""
}

// seqAt are the last two columns of most rows.
func seqAt(r *record.Record) (int64, int64) { return int64(r.Seq()), r.Time(record.TsUTC) }

func runRows(r *record.Record) []step {
	if bad := names(r, record.RunID, record.RunDefinition, record.UnitID, record.ProcessID); bad != "" {
		return cannot(bad)
	}
	id, unit, definition, status := r.Text(record.RunID), r.Text(record.UnitID), r.Text(record.RunDefinition), r.Int(record.StatusCode)
	begins := needs("unit run", askRun, id)
	if old := r.Text(record.OldValue); old == "" || old == "Idle" {
		begins = step{text: askRun, args: []any{id}, ask: true, none: true, why: "it creates a unit run that is there already: "}
	}
	steps := []step{begins}
	if status%2 == 1 {
		steps = append(steps, step{text: askTracked, args: []any{unit, definition, id}, ask: true, none: true,
			why: "unit " + strconv.Quote(unit) + " has a tracked run of " + strconv.Quote(definition) + " already: "})
	}
	seq, at := seqAt(r)
	said := r.Texts(record.Values)
	return append(steps, step{text: putRun, args: []any{id, definition, unit, text(r, record.RunState), status, yes(said, "post"), text(r, record.Detail), seq, at, yes(said, "test"),
		text(r, record.MainIdent), r.Text(record.ProcessID), r.Time(record.CreatedTs), r.Time(record.StartedTs), r.Time(record.EndedTs)}})
}

// The lives of a material.
const (
	lifeCreated = "created" // it is known, and in no unit
	lifePresent = "present"
	lifeExited  = "exited"
)

// materialRows reads the words of unitrun: what has become of a material is its Result, and where it is, its unit.
func materialRows(r *record.Record) []step {
	said := r.Texts(record.Values)
	other, _ := valueOf(said, "other")
	if bad := names(r, record.MaterialID, record.RunID, record.UnitID, record.FromUnit); bad != "" || badName(other) != "" {
		return cannot(bad + badName(other))
	}
	id, run, unit, result := r.Text(record.MaterialID), r.Text(record.RunID), r.Text(record.UnitID), r.Text(record.Result)
	seq, at := seqAt(r)
	var steps, more []step
	life := ""
	switch result {
	case "registered":
		life = lifeCreated
	case "arrived", "split_off", "merged":
		life = lifePresent
	case "moved", "linked", "moved_back", "exited", "merging", "trace_invalid", "line_invalid", "test_marked":
		steps = append(steps, needs("material", askHere, id))
	default:
		return cannot("a result that is not known: " + strconv.Quote(result))
	}
	if run != "" {
		steps = append(steps, needs("unit run", askRun, run))
	}
	switch result {
	case "moved":
		life = lifePresent
	case "moved_back":
		if life = lifePresent; unit == "" {
			life = lifeCreated
		}
	case "exited", "merging":
		life, unit = lifeExited, ""
	case "test_marked":
		more = append(more, step{text: markTest, args: []any{id, seq, at}})
	}
	switch {
	case other == "":
	case result == "split_off":
		more = append(more, step{text: putLine, args: []any{id, other, int64(1), seq, at}})
	case result == "merging":
		more = append(more, step{text: putLine, args: []any{other, id, int64(1), seq, at}})
	case result == "line_invalid":
		more = append(more, step{text: putLine, args: []any{id, other, int64(0), seq, at}})
	}
	if run != "" && (result == "linked" || result == "moved_back") {
		more = append(more, step{text: putLink, args: []any{run, id, result, unit, seq, at}})
	}
	if life != "" {
		more = append(more, step{text: putMaterial, args: []any{id, unit, life, list(said), text(r, record.Detail), seq, at, yes(said, "test")}})
	}
	more = append(more, step{text: putMove, args: []any{seq, id, result, run, r.Text(record.FromUnit), r.Text(record.UnitID), list(said), text(r, record.Detail), at}})
	return append(steps, more...)
}

func articleRows(r *record.Record) []step {
	if bad := names(r, record.ArticleID, record.ProductID, record.ProcessID, record.JobID, record.RunID, record.UnitID); bad != "" {
		return cannot(bad)
	}
	id, run := r.Text(record.ArticleID), r.Text(record.RunID)
	steps := []step{needs("process", askProcess, r.Text(record.ProcessID)), {text: askArticle, args: []any{id}, ask: true, none: true, why: "it makes an article that is there already: "}}
	if run != "" {
		steps = append(steps, needs("unit run", askRun, run))
	}
	seq, at := seqAt(r)
	return append(steps, step{text: putArticle, args: []any{id, some(r, record.ProductID), r.Text(record.ProcessID), some(r, record.JobID), run, r.Text(record.UnitID),
		text(r, record.Detail), seq, at}})
}

// listedRows reads where a job stands in the list: a job that is listed again was moved.
func listedRows(r *record.Record) []step {
	if bad := names(r, record.JobID, record.GroupID, record.AfterJobID, record.ObjectID, record.ProductID); bad != "" {
		return cannot(bad)
	}
	said := r.Texts(record.Values)
	amount, err := number(said, "amount")
	if err != nil {
		return cannot(err.Error())
	}
	of := func(name string) string { v, _ := valueOf(said, name); return plain(v, record.MaxBody) }
	id := r.Text(record.JobID)
	seq, at := seqAt(r)
	return []step{{text: addJob, args: []any{id, text(r, record.JobKind), some(r, record.ObjectID), of("provider"), r.Text(record.ProductID), of("unit"), of("size"), r.Text(record.GroupID),
		r.Text(record.AfterJobID), amount, list(said), at, seq}}}
}

func jobRows(r *record.Record) []step {
	if bad := names(r, record.JobID, record.GroupID); bad != "" {
		return cannot(bad)
	}
	id := r.Text(record.JobID)
	args := []any{id, text(r, record.JobKind), text(r, record.JobState), r.Int(record.StatusCode)}
	said := r.Texts(record.Values)
	for _, name := range []string{"begun", "running", "success", "failure", "reworked", "dropped"} {
		n, err := number(said, name)
		if err != nil {
			return cannot(err.Error())
		}
		args = append(args, n)
	}
	amount, err := number(said, "amount")
	if err != nil {
		return cannot(err.Error())
	}
	seq, at := seqAt(r)
	return []step{needs("job", askJob, id), {text: changeJob, args: append(args, text(r, record.Detail), seq, at, r.Text(record.GroupID), list(r.Texts(record.SetupSteps)), amount, text(r, record.RecoveryRule))}}
}

func slotRows(r *record.Record) []step {
	if bad := names(r, record.GroupID); bad != "" {
		return cannot(bad)
	}
	seq, at := seqAt(r)
	return []step{{text: putSlot, args: []any{r.Text(record.GroupID), text(r, record.Slot), text(r, record.SlotState), text(r, record.Detail), seq, at}}}
}

// noticeRows keeps why the list goes on without a job, until it is back.
func noticeRows(r *record.Record) []step {
	id, why := r.Text(record.JobID), text(r, record.Detail)
	switch result := r.Text(record.Result); {
	case id == "" || result != "set_aside" && result != "back":
		return nil
	case names(r, record.JobID) != "":
		return cannot(names(r, record.JobID))
	case result == "back":
		why = ""
	case why == "":
		why = result
	}
	seq, at := seqAt(r)
	return []step{needs("job", askJob, id), {text: setAside, args: []any{id, why, seq, at}}}
}

// processRows reads the state of a process, which an order of it need not have.
func processRows(r *record.Record) []step {
	if bad := names(r, record.ProcessID, record.JobID, record.ProductID); bad != "" {
		return cannot(bad)
	}
	seq, at := seqAt(r)
	job := some(r, record.JobID)
	return append(ofJob(job), step{text: putProcess, args: []any{r.Text(record.ProcessID), job, text(r, record.Detail), seq, at, some(r, record.ProcessState),
		text(r, record.Command), list(r.Texts(record.Values)), some(r, record.ProductID)}})
}

// ofJob wants the job that a record is about, where it is about one.
func ofJob(id string) []step {
	if id == "" {
		return nil
	}
	return []step{needs("job", askJob, id)}
}

// batchRows takes what was done: a refusal is no state of a batch, as the manager itself has it.
func batchRows(r *record.Record) []step {
	life := text(r, record.LifeState)
	if r.Text(record.Result) != "done" || life == "none" {
		return nil
	}
	if bad := names(r, record.ObjectID, record.RestartOf); bad != "" {
		return cannot(bad)
	}
	actor, role, reason := text(r, record.Actor), text(r, record.OperatorRole), text(r, record.ChangeReason)
	if actor == manager {
		actor, role, reason = "", "", ""
	}
	seq, at := seqAt(r)
	return []step{{text: putBatch, args: []any{r.Text(record.ObjectID), life, at, text(r, record.BatchState), actor, role, reason, text(r, record.Detail), seq, at, r.Text(record.RestartOf)}}}
}
