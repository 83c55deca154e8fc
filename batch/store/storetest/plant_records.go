// Records of a plant, made up.

package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/batchkit/batchkit/journal/record"
)

// Teller makes the records of one journal, numbered and stamped from 1 on, as a ledger does.
type Teller struct {
	Journal string
	seq     uint64
	body    record.Body
}

const tellEpoch = int64(1_800_000_000_000_000_000) // UTC of record 0; each is a second later

// Tell makes the next record. Fill begins the body and gives its fields.
func (t *Teller) Tell(fill func(b *record.Body)) (*record.Record, error) {
	b := &t.body
	fill(b)
	b.Count(record.EventSeq, t.seq+1)
	b.Text(record.JournalID, t.Journal)
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, (t.seq+1)*1e9)
	b.Text(record.SyncState, "NTP_SYNC")
	b.Text(record.TimeSource, "chrony")
	b.Time(record.TsUTC, tellEpoch+int64(t.seq+1)*1e9)
	b.Text(record.DeviceID, "board-1")
	body, err := b.Append(nil)
	if err != nil {
		return nil, err
	}
	t.seq++
	return record.Parse(body)
}

// Run tells that a unit run has another state.
func (t *Teller) Run(id, definition, unit, old, state string, status int64) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindUnitRun)
		b.Text(record.RunID, id)
		b.Text(record.RunDefinition, definition)
		b.Text(record.UnitID, unit)
		b.Text(record.OldValue, old)
		b.Text(record.RunState, state)
		b.Int(record.StatusCode, status)
		b.Counts(record.Cause, []uint64{t.seq})
		switch state {
		case "Created":
			b.Text(record.MainIdent, "lot "+id)
			b.Time(record.CreatedTs, tellEpoch+int64(t.seq)*1e9)
		case "Active":
			b.Time(record.StartedTs, tellEpoch+int64(t.seq)*1e9)
		}
	})
}

// Data tells values of a unit run, each "ns tag value quality".
func (t *Teller) Data(run string, values ...string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindUnitRunData)
		b.Text(record.RunID, run)
		b.Texts(record.RunData, values)
	})
}

// material tells what has become of material.
func (t *Teller) material(id, result, run, from, unit string, values ...string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindUnitRunMaterial)
		b.Text(record.MaterialID, id)
		b.Text(record.Result, result)
		some(b, record.RunID, run)
		some(b, record.FromUnit, from)
		some(b, record.UnitID, unit)
		if len(values) > 0 {
			b.Texts(record.Values, values)
		}
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// listed tells that a job came into the list.
func (t *Teller) listed(id, recipe string, amount int) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindJobListed)
		b.Text(record.JobID, id)
		b.Text(record.JobKind, "production")
		b.Text(record.ObjectID, recipe)
		b.Texts(record.Values, []string{fmt.Sprintf("amount=%d", amount), "unit=R101", "size=500 L"})
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// job tells that a job has another state, or has counted.
func (t *Teller) job(id, old, state string, status int64, begun, success int) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindJobState)
		b.Text(record.JobID, id)
		b.Text(record.JobKind, "production")
		b.Text(record.GroupID, "G-000001")
		b.Text(record.JobState, state)
		b.Text(record.OldValue, old)
		b.Int(record.StatusCode, status)
		b.Texts(record.Values, []string{fmt.Sprintf("begun=%d", begun), fmt.Sprintf("running=%d", begun-success), fmt.Sprintf("success=%d", success), "failure=0", "reworked=0", "dropped=0"})
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// process tells that a process has another state.
func (t *Teller) process(id, job, old, state string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindProcessState)
		b.Text(record.ProcessID, id)
		b.Text(record.JobID, job)
		b.Text(record.OldValue, old)
		b.Text(record.ProcessState, state)
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// article tells that a process has made an article.
func (t *Teller) article(id, process, job, run string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindArticle)
		b.Text(record.ArticleID, id)
		b.Text(record.ProductID, "GREEN")
		b.Text(record.ProcessID, process)
		b.Text(record.JobID, job)
		some(b, record.RunID, run)
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// slot tells of the slot of a group.
func (t *Teller) slot(group, slot, state string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindJobSlot)
		b.Text(record.GroupID, group)
		b.Text(record.Slot, slot)
		b.Text(record.SlotState, state)
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// notice tells a notice of a job list.
func (t *Teller) notice(job, result, detail string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindJobNotice)
		b.Text(record.JobID, job)
		b.Text(record.Result, result)
		some(b, record.Detail, detail)
		b.Counts(record.Cause, []uint64{t.seq})
	})
}

// batch tells where a batch stands in the list of a manager.
func (t *Teller) batch(id, old, life, result string) (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindBatchLife)
		actor := "manager"
		if old == "none" {
			actor = "planner"
			b.Text(record.ChangeReason, "the week's list")
		}
		b.Text(record.Actor, actor)
		b.Text(record.ObjectID, id)
		b.Text(record.OldValue, old)
		b.Text(record.LifeState, life)
		b.Text(record.Result, result)
	})
}

// other tells something that no row is made of.
func (t *Teller) other() (*record.Record, error) {
	return t.Tell(func(b *record.Body) {
		b.Begin(record.KindProductionInput)
		b.Text(record.ObjectKind, "jobs")
		b.Text(record.Operation, `{"event":"halt"}`)
	})
}

func some(b *record.Body, k record.Key, text string) {
	if text != "" {
		b.Text(k, text)
	}
}

// The status codes of unit runs.
const (
	created = 65569
	active  = 131171
	ready   = 1048616
)

// Day makes the records of a day of a plant, of every kind that has rows: jobs whose processes are unit runs with material and
// values. The same seed gives the same records.
func Day(name string, seed uint64, runs int) (all []*record.Record, err error) {
	lot := rand.New(rand.NewPCG(seed, 1))
	t := &Teller{Journal: name}
	add := func(r *record.Record, e error) {
		if all = append(all, r); err == nil {
			err = e
		}
	}
	add(t.other())
	add(t.slot("G-000001", "1", "taken"))
	for n := range runs {
		job, process, run, unit, material := fmt.Sprintf("J-%06d", n/4+1), fmt.Sprintf("J-%06d-%04d", n/4+1, n%4+1), fmt.Sprintf("R-%06d", n+1),
			fmt.Sprintf("R%d", 101+lot.IntN(5)), fmt.Sprintf("M-%06d", n+1)
		if n%4 == 0 {
			add(t.listed(job, "PAINT", 4))
			add(t.notice(job, "slot_available", ""))
		}
		add(t.batch(process, "none", "Loading", "done"))
		add(t.process(process, job, "Awaited", "Running"))
		add(t.job(job, "Running", "Running", 3, n%4+1, n%4))
		add(t.material(material, "arrived", "", "", unit))
		add(t.Run(run, "Production", unit, "Idle", "Created", created))
		add(t.material(material, "linked", run, "", unit))
		add(t.Run(run, "Production", unit, "Created", "Active", active))
		for block := range 1 + lot.IntN(4) {
			var values []string
			for i := range 1 + lot.IntN(8) {
				at := tellEpoch + int64(n*1000+block*10+i)*1e9
				values = append(values, fmt.Sprintf("%d TT101.temperature %d.%02d GOOD", at, lot.IntN(90), lot.IntN(100)), fmt.Sprintf("%d FT101.flow - BAD", at))
			}
			add(t.Data(run, values...))
		}
		add(t.Run(run, "Production", unit, "Active", "Ready", ready))
		switch lot.IntN(4) {
		case 0:
			add(t.material(material, "moved", "", unit, "T201"))
		case 1:
			add(t.material(material+"-1", "split_off", "", "", unit, "other="+material))
		case 2:
			add(t.material(material, "merging", "", unit, "", "other="+material+"-2"))
			add(t.material(material+"-2", "merged", "", "", unit, "test=true"))
		}
		add(t.process(process, job, "Running", "Success"))
		add(t.article("A-"+process, process, job, run))
		add(t.batch(process, "Loading", "Ended", "done"))
		add(t.batch(process, "Ended", "Removing", "refused"))
	}
	add(t.slot("G-000001", "", "freed"))
	return all, err
}

// another are records of another journal of that name.
func another(name string, n int) (all []*record.Record, err error) {
	t := &Teller{Journal: name}
	for range n {
		r, err := t.other()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// contradictions are records of which the second half says what cannot be, with words of the reason of each; "" where it is taken.
func contradictions(name string) (all []*record.Record, why []string, err error) {
	t := &Teller{Journal: name}
	long := strings.Repeat("x", 3000)
	add := func(reason string) func(r *record.Record, e error) {
		return func(r *record.Record, e error) {
			if all, why = append(all, r), append(why, reason); err == nil {
				err = e
			}
		}
	}
	add("")(t.Run("R-1", "Production", "R101", "Idle", "Created", created))
	add("of which no record is there")(t.Run("R-9", "Production", "R101", "Created", "Active", active))
	add("there already: R-1")(t.Run("R-1", "Production", "R102", "Idle", "Created", created))
	add("tracked run of \"Production\" already: R-1")(t.Run("R-2", "Production", "R101", "Idle", "Created", created))
	add("")(t.Run("R-3", "Maintenance", "R101", "Idle", "Created", created))
	add("R-2")(t.Data("R-2", "1 a 1 GOOD"))
	add("value 1")(t.Data("R-1", "1 a 1 GOOD", "1.5 a 1 GOOD"))
	add("value 0")(t.Data("R-1", "1 a GOOD"))
	add("value 0")(t.Data("R-1", "1 a b\x00c GOOD"))
	add("value 0")(t.Data("R-1", "1 "+long+" 1 GOOD"))
	add("")(t.Data("R-1", "-5 a a text with blanks GOOD", "-5 a a text with blanks GOOD", "0 b  BAD"))
	add("longer than")(t.Run("R-"+long, "Production", "R103", "Idle", "Created", created))
	add("has a NUL")(t.Run("R-4\x00", "Production", "R103", "Idle", "Created", created))
	add("")(t.Run("R-5", "Production", "R104", "Idle", "Cre\x00ated", 1<<20))
	add("material \"M-9\", of which")(t.material("M-9", "linked", "R-1", "", "R101"))
	add("result that is not known")(t.material("M-1", "painted", "", "", "R101"))
	add("job \"J-9\", of which")(t.job("J-9", "Idle", "Running", 1, 0, 0))
	add("process \"P-9\", of which")(t.article("A-1", "P-9", "J-9", ""))
	add("")(t.listed("J-1", "PAINT", 1))
	add("")(t.listed("J-1", "PAINT", 1)) // it was moved
	add("")(t.notice("J-1", "set_aside", "the recipe is missing"))
	add("")(t.other())
	return all, why, err
}
