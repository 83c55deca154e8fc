// What a list of jobs has come to, as records.

package production

import (
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/journal/record"
)

// fill gives a body the fields of one record; cause is the number of the production_input that led to it.
type fill func(b *record.Body, cause uint64)

// jobFills are the records of what a list has come to, one for each effect, in their order.
func (f *fold) jobFills(fx []jobs.Effect) []fill {
	list := make([]fill, len(fx))
	for i := range fx {
		list[i] = f.jobFill(&fx[i])
	}
	return list
}

// jobFill is the record of one effect.
func (f *fold) jobFill(fx *jobs.Effect) fill {
	switch fx.Kind {
	case jobs.Listed:
		return told(fx, fillListed)
	case jobs.Changed:
		return told(fx, fillState)
	case jobs.SlotTaken, jobs.SlotMoved, jobs.SlotFreed:
		return told(fx, fillSlot)
	case jobs.Ordered, jobs.ProcessChanged:
		return told(fx, fillProcess)
	case jobs.Made:
		run, unit := f.runOf(fx.Process)
		return func(b *record.Body, cause uint64) { fillArticle(b, fx, cause, run, unit) }
	}
	return told(fx, fillJobNotice)
}

func told(fx *jobs.Effect, write func(b *record.Body, fx *jobs.Effect, cause uint64)) fill {
	return func(b *record.Body, cause uint64) { write(b, fx, cause) }
}

// some adds a text that is not empty.
func some(b *record.Body, k record.Key, text string) {
	if text != "" {
		b.Text(k, text)
	}
}

// named is a list of name=value, without those that are empty.
func named(pairs ...string) []string {
	list := []string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, pairs[i]+"="+pairs[i+1])
		}
	}
	return list
}

// number writes a number, 0 as "".
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// or gives v, or another value where v is zero.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// under writes a word of package jobs as records have it.
func under(word string) string { return strings.ReplaceAll(word, " ", "_") }

// none stands where a key has to be and there is nothing.
const none = "none"

func fillListed(b *record.Body, fx *jobs.Effect, cause uint64) {
	b.Begin(record.KindJobListed)
	b.Text(record.JobID, fx.Job)
	b.Text(record.JobKind, fx.JobKind.String())
	b.Text(record.ObjectID, or(fx.Recipe, none))
	b.Texts(record.Values, named("provider", fx.Provider, "amount", strconv.FormatInt(fx.Counts.Amount, 10), "unit", fx.Unit, "size", fx.Size,
		"priority", number(fx.Priority)))
	some(b, record.AfterJobID, fx.After)
	some(b, record.GroupID, fx.Group)
	some(b, record.ProductID, fx.Product)
	b.Counts(record.Cause, []uint64{cause})
}

func fillState(b *record.Body, fx *jobs.Effect, cause uint64) {
	b.Begin(record.KindJobState)
	b.Text(record.JobID, fx.Job)
	b.Text(record.JobKind, fx.JobKind.String())
	b.Text(record.JobState, fx.State.String())
	b.Text(record.OldValue, fx.Old.String())
	b.Int(record.StatusCode, int64(fx.State.Code()))
	c := &fx.Counts
	var values []string
	for _, v := range [...]struct {
		name string
		n    int64
	}{{"amount", c.Amount}, {"begun", c.Begun}, {"running", c.Running}, {"success", c.Success}, {"failure", c.Failure}, {"reworked", c.Reworked}, {"dropped", c.Dropped}} {
		values = append(values, v.name+"="+strconv.FormatInt(v.n, 10))
	}
	b.Texts(record.Values, values)
	some(b, record.GroupID, fx.Group)
	if len(fx.Steps) > 0 {
		b.Texts(record.SetupSteps, setupSteps(fx.Steps))
	}
	some(b, record.RecoveryRule, fx.Recovery)
	some(b, record.Detail, fx.Reason)
	b.Counts(record.Cause, []uint64{cause})
}

// setupSteps are the steps of a set-up as texts: sort, type, recipe, unit, and off where a person has switched it off.
func setupSteps(steps []jobs.Step) (list []string) {
	for i := range steps {
		s := &steps[i]
		text := strconv.Itoa(s.Sort) + " " + s.Type + ": " + s.Recipe
		if s.Unit != "" {
			text += " on " + s.Unit
		}
		if s.Off {
			text += ", off"
		}
		list = append(list, text)
	}
	return list
}

func fillSlot(b *record.Body, fx *jobs.Effect, cause uint64) {
	b.Begin(record.KindJobSlot)
	b.Text(record.GroupID, fx.Group)
	b.Text(record.Slot, or(fx.Slot, or(fx.OldSlot, none)))
	b.Text(record.SlotState, map[jobs.EffectKind]string{jobs.SlotTaken: "taken", jobs.SlotMoved: "moved", jobs.SlotFreed: "freed"}[fx.Kind])
	some(b, record.OldValue, fx.OldSlot)
	some(b, record.JobID, fx.Job)
	some(b, record.Detail, fx.Reason)
	b.Counts(record.Cause, []uint64{cause})
}

func fillProcess(b *record.Body, fx *jobs.Effect, cause uint64) {
	b.Begin(record.KindProcessState)
	b.Text(record.ProcessID, fx.Process)
	b.Text(record.JobID, or(fx.Job, none))
	b.Text(record.ProcessState, or(fx.Stage.String(), none))
	b.Text(record.OldValue, or(fx.OldStage.String(), none))
	if fx.Kind == jobs.Ordered {
		b.Text(record.Command, under(fx.Do.String()))
	}
	some(b, record.ProductID, fx.Product)
	if values := named("recipe", fx.Recipe, "provider", fx.Provider, "unit", fx.Unit, "size", fx.Size, "priority", number(fx.Priority)); len(values) > 0 {
		b.Texts(record.Values, values)
	}
	some(b, record.Detail, fx.Reason)
	b.Counts(record.Cause, []uint64{cause})
}

func fillArticle(b *record.Body, fx *jobs.Effect, cause uint64, run, unit string) {
	b.Begin(record.KindArticle)
	b.Text(record.ArticleID, articleID(fx.Process))
	b.Text(record.ProductID, or(fx.Product, none))
	b.Text(record.ProcessID, fx.Process)
	b.Text(record.JobID, or(fx.Job, none))
	some(b, record.RunID, run)
	some(b, record.UnitID, unit)
	b.Counts(record.Cause, []uint64{cause})
}

// articleID names the article that a process makes, for ever: a process makes one.
func articleID(process string) string { return process + "-A" }

func fillJobNotice(b *record.Body, fx *jobs.Effect, cause uint64) {
	b.Begin(record.KindJobNotice)
	b.Text(record.Result, under(fx.Kind.String()))
	some(b, record.JobID, fx.Job)
	if fx.JobKind != 0 {
		b.Text(record.JobKind, fx.JobKind.String())
	}
	some(b, record.GroupID, fx.Group)
	some(b, record.ProcessID, fx.Process)
	some(b, record.Detail, noticeDetail(fx))
	b.Counts(record.Cause, []uint64{cause})
}

// noticeDetail is what a notice says besides: why, or whom it is about.
func noticeDetail(fx *jobs.Effect) string {
	switch {
	case fx.Reason != "":
		return fx.Reason
	case fx.Kind == jobs.Gone && fx.After != "":
		return "what stood behind it stands behind " + fx.After
	case fx.Kind == jobs.AskRecipe && fx.Provider != "":
		return "recipe " + fx.Recipe + " of " + fx.Provider
	case fx.Kind == jobs.AskRecipe || fx.Kind == jobs.AskContent:
		return "recipe " + fx.Recipe
	}
	return ""
}
