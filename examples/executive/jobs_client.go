// The commands of a planner: each is one call of the API of production.

package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// planning finds what carries out a command of a planner, and how many words it takes.
func (s *session) planning(name string) (do func(context.Context) error, wants int) {
	switch name {
	case "jobs":
		return s.jobs, 0
	case "add":
		return s.add, 1
	case "job":
		return s.job, 2
	case "processes":
		return s.processes, 0
	case "process":
		return s.process, 2
	case "units":
		return s.units, 0
	case "runs":
		return s.runs, 0
	case "run":
		return s.newRun, 2
	case "command":
		return s.runCommand, 2
	case "materials":
		return s.materials, 0
	case "material":
		return s.material, 1
	}
	return s.rebuild, 0
}

// jobHead stands over jobLine.
const jobHead = "JOB         KIND        STATE                        SLOT      RECIPE   AMOUNT  BEGUN  GOOD  BAD  WHAT"

// jobLine is one job in one line.
func jobLine(j *api.Job) string {
	what := j.Aside
	if what != "" {
		what = "set aside: " + what
	}
	if what == "" {
		what = strings.Trim(strings.Join([]string{j.Product, j.Unit, j.Size}, " "), " ")
	}
	if j.Held {
		what = strings.Trim("held until continue; "+what, "; ")
	}
	amount := "any"
	if j.Amount > 0 || j.Kind != kindProduction {
		amount = fmt.Sprint(j.Amount)
	}
	return strings.TrimRight(harmless(fmt.Sprintf("%-11s %-11s %-28s %-9s %-8s %6s %6d %5d %4d  %s", j.ID, j.Kind, j.State, j.Slot, j.Recipe, amount, j.Begun, j.Success, j.Failure, what)), " ")
}

// kindProduction is the kind of a job that is no set-up.
const kindProduction = "production"

// slotLine is one slot in one line.
func slotLine(s *api.JobSlot) string {
	if s.Group == "" {
		return harmless(fmt.Sprintf("slot %-10s free", s.Slot))
	}
	return strings.TrimRight(harmless(fmt.Sprintf("slot %-10s %s %s %s", s.Slot, s.Group, s.Recipe, s.Job)), " ")
}

// processLine is one process in one line: what each of its steps does, or waits for.
func processLine(p *api.ProcessView) string {
	what := p.Waits
	for _, a := range p.Activities {
		if what != "" {
			what += "; "
		}
		what += a.Step
		if len(a.Resources) > 0 {
			what += " on " + strings.Join(a.Resources, ", ")
		}
		if a.Waits != "" {
			what += ": " + a.Waits
		}
	}
	if p.Reason != "" {
		what = strings.Trim(what+"; "+p.Reason, "; ")
	}
	return harmless(fmt.Sprintf("%-16s %-11s %-8s %-6s %-12s %-10s %s", p.ID, p.State, p.Recipe, p.Unit, p.Life, p.Batch, what))
}

// jobs shows the list of jobs, and who has a slot.
func (s *session) jobs(ctx context.Context) error {
	var all api.Jobs
	if err := s.ask(ctx, api.Production, "GET", "/v1/jobs", nil, &all); err != nil {
		return err
	}
	var slots api.JobSlots
	if err := s.ask(ctx, api.Production, "GET", "/v1/slots", nil, &slots); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, jobHead)
	for i := range all {
		fmt.Fprintln(s.stdout, jobLine(&all[i]))
	}
	for i := range slots {
		fmt.Fprintln(s.stdout, slotLine(&slots[i]))
	}
	return nil
}

// add puts a job into the list.
func (s *session) add(ctx context.Context) error {
	a := api.AddJobs{Order: s.order, Place: s.where, Job: s.beside,
		Jobs: []api.JobOrder{{Recipe: s.args[0], Amount: s.amount, Product: s.product, Unit: s.unit, Size: s.size, Priority: s.priority}}}
	var got api.JobsAccepted
	if err := s.ask(ctx, api.Production, "POST", "/v1/jobs", &a, &got); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, harmless("taken in, as "+got.As+": "+strings.Join(got.Jobs, ", ")))
	return nil
}

// job orders something of a job.
func (s *session) job(ctx context.Context) error {
	c := api.JobCommand{Order: s.order, Command: s.args[1], Off: s.off}
	var got api.JobsAccepted
	if err := s.ask(ctx, api.Production, "POST", "/v1/jobs/"+url.PathEscape(s.args[0])+"/commands", &c, &got); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, harmless("taken in, as "+got.As))
	return nil
}

// processes shows the batches of jobs that are not over.
func (s *session) processes(ctx context.Context) error {
	var all api.Processes
	if err := s.ask(ctx, api.Production, "GET", "/v1/processes", nil, &all); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "PROCESS          STATE       RECIPE   UNIT   LIFE         BATCH      WHAT")
	for i := range all {
		fmt.Fprintln(s.stdout, processLine(&all[i]))
	}
	return nil
}

// process orders something of a running process.
func (s *session) process(ctx context.Context) error {
	c := api.ProcessCommand{Order: s.order, Command: s.args[1]}
	var got api.Accepted
	if err := s.ask(ctx, api.Production, "POST", "/v1/processes/"+url.PathEscape(s.args[0])+"/commands", &c, &got); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, harmless("taken in, as "+got.As))
	return nil
}

// words are flags that may be given again.
type words []string

// String implements flag.Value.
func (l *words) String() string { return "" }

// Set implements flag.Value.
func (l *words) Set(v string) error {
	*l = append(*l, v)
	return nil
}
