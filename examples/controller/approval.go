// Approval: which recipe, map, calibration, tag map and device profiles may be used, and the command that approves them.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/recipe/library"
	"github.com/batchkit/batchkit/recipe/sound"
)

// Approved answers from the library, as of the start of this process.
func (d *device) Approved(kind, id, version, digest string) (batch.Approval, error) {
	e, err := d.lib.Approved(kind, id, version, digest, d.now())
	if errors.Is(err, library.ErrUnapproved) {
		err = fmt.Errorf("%w; \"controller approve\" drafts, approves and publishes in one go, and a batch with -unapproved runs without", err)
	}
	if err != nil {
		return batch.Approval{}, err
	}
	return batch.Approval{ID: e.ApprovalID, By: e.ApprovedBy, EffectiveFrom: e.EffectiveFrom, Expiry: e.Expiry}, nil
}

func (d *device) now() int64 { return d.keep.Stamp(d.clock.Now()).UTC }

// publish takes a file from wherever it stands to published, and returns how it stands then. What is published already stays as
// it is.
func (d *device) publish(f *batch.File, c library.Change) (library.Entry, error) {
	c.Kind, c.ID, c.Version, c.Digest = f.Kind, f.ID, f.Version, f.Digest
	e := d.find(f)
	steps := []library.Event{library.Draft, library.Approve, library.Publish}
	if e.State != library.StateNone && e.Digest == f.Digest && e.State <= library.StatePublished {
		// An approval that was cut off in the middle goes on where it ended.
		steps = steps[e.State:]
	}
	if len(steps) > 0 {
		if err := d.hold(); err != nil {
			return e, err
		}
		d.due("publish")
	}
	for _, c.Event = range steps {
		step := c
		if c.Event != library.Publish {
			step.EffectiveFrom, step.Expiry = 0, 0
		}
		if _, err := d.lib.Change(d, step); err != nil {
			return e, err
		}
	}
	return d.find(f), nil
}

// find returns the version of a file as the library has it; one that it never saw is in StateNone.
func (d *device) find(f *batch.File) library.Entry {
	for _, e := range d.lib.Entries() {
		if e.Kind == f.Kind && e.ID == f.ID && e.Version == f.Version {
			return e
		}
	}
	return library.Entry{}
}

// builtin publishes a file of the demo in the name of this build.
func (d *device) builtin(f *batch.File) error {
	_, err := d.publish(f, library.Change{Actor: "builtin", Reason: "part of this build", ApprovalID: "BUILTIN-DEMO", ImpactScope: "batches: none"})
	if err != nil {
		err = fmt.Errorf("controller: the demo's own %s cannot be published in %s: %w; another -out is free of what stands there", f.Kind, d.dir, err)
	}
	return err
}

// released answers for the files of a plan. The demo's own files are published by a built-in actor, on record.
func released(f *flags, plan *batch.Plan, stderr io.Writer) (batch.Release, error) {
	if f.unapproved {
		return batch.Unapproved, nil
	}
	d, err := f.device(plan.Map.Device, stderr)
	if err != nil {
		return nil, err
	}
	for i := range plan.Files {
		if isDemo(&plan.Files[i]) {
			if err := d.builtin(&plan.Files[i]); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// approve is the command line of the same name.
func approve(args []string, stdout, stderr io.Writer) int {
	f := flags{given: map[string]bool{}}
	var reason, id, from string
	set := newFlags("controller approve", "controller approve -recipe FILE -operator ID -approval ID -reason TEXT [flags]", stderr)
	f.governed(set)
	set.StringVar(&reason, "reason", "", "`TEXT`: why")
	set.StringVar(&id, "approval", "", "`ID` of the approval, such as a form's number")
	set.StringVar(&from, "effective-from", "", "`TIME` from which it may be used, such as 2026-12-01T06:00:00Z; at once if not given")
	return f.command(set, args, stderr, func() error {
		c := library.Change{Actor: f.operator, Reason: reason, ApprovalID: id, ImpactScope: "batches: none"}
		var err error
		c.EffectiveFrom, err = effective(from)
		if err == nil && (f.recipe == "" || c.Actor == "" || c.Reason == "" || c.ApprovalID == "") {
			err = errors.New("controller: approve: -recipe, -operator, -approval and -reason are all needed")
		}
		if err != nil {
			return fmt.Errorf("%w; see controller approve -help: %w", err, errUsage)
		}
		return approveFiles(&f, c, stdout, stderr)
	})
}

// deviceFlags are those of every command that changes the device journal.
func (f *flags) deviceFlags(set *flag.FlagSet) {
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/device is the device journal")
	set.StringVar(&f.operator, "operator", "", "`ID` of the person who does it")
	set.StringVar(&f.fram, "fram", "", framHelp)
	set.StringVar(&f.key, "key", "", "private key `FILE` that signs the head of the device journal")
}

// governed are the flags of a command that is about recipe and map, and what the map names.
func (f *flags) governed(set *flag.FlagSet) {
	f.deviceFlags(set)
	set.StringVar(&f.recipe, "recipe", "", "recipe `FILE`")
	set.StringVar(&f.mapping, "map", "", "I/O map `FILE`; the active one, or that of the demo plant, if not given")
}

// effective reads the time from which something may be used, in ns UTC; 0 is at once.
func effective(from string) (int64, error) {
	if from == "" {
		return 0, nil
	}
	at, _ := time.Parse(time.RFC3339, from)
	ns, ok := record.ParseTime(at.UTC().Format("2006-01-02T15:04:05.000000000Z"))
	if !ok || ns <= 0 {
		return 0, fmt.Errorf("controller: approve: -effective-from %q: a time such as 2026-12-01T06:00:00Z is wanted", from)
	}
	return ns, nil
}

// approveFiles publishes recipe and map, and what the map names, and says how each stands.
func approveFiles(f *flags, c library.Change, stdout, stderr io.Writer) error {
	plan, err := f.plan(stderr)
	if err != nil {
		return err
	}
	if err := makeOut(f.out); err != nil {
		return err
	}
	d, err := f.device(plan.Map.Device, stderr)
	if err != nil {
		return err
	}
	if plan.Proof.Verdict == sound.NotProved {
		c.Reason = fmt.Sprintf("%s in %d states; %s", plan.Proof.Verdict, plan.Proof.States, c.Reason)
	}
	if err := d.news(plan, stdout); err != nil {
		return err
	}
	for i := range plan.Files {
		p := &plan.Files[i]
		if isDemo(p) {
			if err := d.builtin(p); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s %s %s is part of this build and needs no approval\n", p.Kind, p.ID, p.Version)
			continue
		}
		was := d.find(p)
		e, err := d.publish(p, c)
		if err == nil {
			err = d.keepFile(p)
		}
		if err != nil {
			return err
		}
		from := "at once"
		if e.EffectiveFrom != 0 {
			from = string(record.AppendTime(nil, e.EffectiveFrom))
		}
		fmt.Fprintf(stdout, "%s %s %s is published, effective %s, approval %s by %s: %s\n", p.Kind, p.ID, p.Version, from, e.ApprovalID, e.ApprovedBy, p.Digest)
		if was.State == library.StatePublished && (e.ApprovalID != c.ApprovalID || e.ApprovedBy != c.Actor) {
			return fmt.Errorf("controller: approve: %s %s %s was published before, under %s by %s; %s by %s is not recorded", p.Kind, p.ID, p.Version,
				e.ApprovalID, e.ApprovedBy, c.ApprovalID, c.Actor)
		}
		if was.State == library.StatePublished && c.EffectiveFrom != e.EffectiveFrom {
			return fmt.Errorf("controller: approve: %s %s %s: it was published before, and keeps its date; give the file a new version", p.Kind, p.ID, p.Version)
		}
	}
	return d.signsIf(f)
}

// keepFile puts a published file into the store, if it is not there: where that was cut off, the same command does it.
func (d *device) keepFile(p *batch.File) error {
	store, err := d.files()
	if err == nil {
		_, err = store.Put(p.Data)
	}
	if err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	return nil
}
