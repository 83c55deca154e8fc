// Versions in use: the store of governed files beside the device journal, which version of each is active, and the commands that
// change and list that.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/library"
)

// running is what an activation touches.
const running = "batches: those that begin from now on"

// files gives the store, which is made where it is not there; the directory of the device journal is.
func (d *device) files() (s *library.Store, err error) {
	if d.store == nil {
		d.store, err = library.OpenStore(filepath.Join(d.dir, "files"), &d.lib, identify, nil)
	}
	return d.store, err
}

// identify reads a governed file and gives the ID and version that stand in it.
func identify(kind string, data []byte) (id, version string, err error) {
	switch kind {
	case "recipe":
		r, err := recipe.Parse(kind, data)
		if err != nil {
			return "", "", err
		}
		return r.ID, r.Version, nil
	case "mapping":
		m, err := iomap.Parse(kind, data)
		if err != nil {
			return "", "", err
		}
		return m.ID, m.Version, nil
	case "calibration":
		c, err := metering.ParseCalibration(kind, data)
		if err != nil {
			return "", "", err
		}
		return c.ID, c.Version, nil
	case "tag_map":
		t, err := fieldbus.ParseTagMap(kind, data, nil)
		if err != nil {
			return "", "", err
		}
		return t.ID, t.Version, nil
	case "device_profile":
		p, err := fieldbus.ParseProfile(kind, data)
		if err != nil {
			return "", "", err
		}
		return p.ID, p.Version, nil
	}
	return "", "", fmt.Errorf("this controller knows no %s", kind)
}

// prefixActive stands before the ID of an object whose active version is meant.
const prefixActive = "active:"

// plan reads what the command line names. In place of a file that it does not name stands the active version, and where there is
// none the demo's.
func (f *flags) plan(stderr io.Writer) (*batch.Plan, error) {
	host := hostFS{wiring: f.wiring()}
	recipeID, byRecipe := strings.CutPrefix(f.recipe, prefixActive)
	mapID, byMap := strings.CutPrefix(f.mapping, prefixActive)
	if f.recipe != "" && !byRecipe && f.mapping != "" && !byMap {
		return load(host, f.recipe, f.mapping)
	}
	d, err := f.device("", stderr)
	if err != nil {
		return nil, err
	}
	host.active = map[string]string{}
	recipeFile, mapFile := f.recipe, f.mapping
	if recipeFile == "" || byRecipe {
		if recipeFile, err = d.pick(host, "recipe", recipeID, "-recipe"); err != nil {
			return nil, err
		}
	}
	if mapFile == "" || byMap {
		if mapFile, err = d.pick(host, "mapping", mapID, "-map"); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(mapFile, prefixActive) {
		if which := f.rewired(); which != "" {
			return nil, fmt.Errorf("controller: %s: a map is active, and its tag map says how its devices are reached; say -map demo:map.yaml, or leave it out", which)
		}
		if _, err = d.pick(host, "calibration", "", "-map"); err == nil {
			err = d.pickBus(host, mapFile)
		}
		if err != nil {
			return nil, err
		}
	}
	return load(host, recipeFile, mapFile)
}

// pick finds the active version of an object, which is the only one of its kind where no ID is given, and returns the name under which
// host opens it; "" where none is active and none is asked for. What is active is whole and may be used.
func (d *device) pick(host hostFS, kind, id, flag string) (string, error) {
	var ids []string
	for _, a := range d.lib.Actives() {
		if a.Kind == kind && (id == "" || a.ID == id) {
			ids = append(ids, a.ID)
		}
	}
	switch {
	case len(ids) == 0 && id == "":
		return "", nil
	case len(ids) == 0:
		return "", fmt.Errorf("controller: %s %s%s: no version of it is active; see controller versions", flag, prefixActive, id)
	case len(ids) > 1 && (kind == "calibration" || kind == "tag_map"):
		return "", fmt.Errorf("controller: %ss %s are active, and an active map does not say which is meant; give -map FILE",
			kind, strings.Join(ids, " and "))
	case len(ids) > 1:
		return "", fmt.Errorf("controller: of %s, %s are active; say which with %s %sID", kind, strings.Join(ids, " and "), flag, prefixActive)
	}
	store, err := d.files()
	if err != nil {
		return "", err
	}
	a, _, err := store.Active(kind, ids[0], d.now())
	if err != nil {
		return "", fmt.Errorf("controller: %w; %s FILE runs without it", err, flag)
	}
	name := kind + "." + a.ID + ".yaml"
	if kind == "calibration" {
		name = "" // a map calls it as it likes
	}
	host.active[name] = filepath.Join(d.dir, "files", "objects", a.Digest)
	return prefixActive + "/" + name, nil
}

// activate is the command line of the same name.
func activate(args []string, stdout, stderr io.Writer) int {
	f := flags{given: map[string]bool{}}
	var reason string
	set := newFlags("controller activate", "controller activate -recipe FILE -operator ID -reason TEXT [flags]", stderr)
	f.governed(set)
	set.StringVar(&reason, "reason", "", "`TEXT`: why")
	return f.command(set, args, stderr, func() error {
		if f.recipe == "" || f.operator == "" || reason == "" {
			return fmt.Errorf("controller: activate: -recipe, -operator and -reason are all needed; see controller activate -help: %w", errUsage)
		}
		return activateFiles(&f, reason, stdout, stderr)
	})
}

// activateFiles makes what is published of a plan the active versions. What may not be used is refused before anything is written.
func activateFiles(f *flags, reason string, stdout, stderr io.Writer) error {
	plan, err := f.plan(stderr)
	if err != nil {
		return err
	}
	d, err := f.device(plan.Map.Device, stderr)
	if err != nil {
		return err
	}
	for i := range plan.Files {
		p := &plan.Files[i]
		if isDemo(p) {
			continue
		}
		if _, err := d.Approved(p.Kind, p.ID, p.Version, p.Digest); err != nil {
			return err
		}
	}
	for i := range plan.Files {
		p := &plan.Files[i]
		if a, ok := d.lib.Active(p.Kind, p.ID); ok && a.Digest == p.Digest {
			store, err := d.files()
			if err != nil {
				return err
			}
			if _, _, err := store.Active(p.Kind, p.ID, d.now()); err == nil { // else it is activated anew, which mends its slot
				fmt.Fprintf(stdout, "%s %s %s is active already, since record %d\n", p.Kind, p.ID, p.Version, a.Seq)
				continue
			}
		}
		if isDemo(p) {
			if err := d.builtin(p); err != nil {
				return err
			}
		}
		if err := d.activate(p, library.Activation{Actor: f.operator, Reason: reason}, stdout); err != nil {
			return err
		}
	}
	return d.signsIf(f)
}

// activate makes one version the active one. Its bytes are in p.Data, or in the store.
func (d *device) activate(p *batch.File, a library.Activation, stdout io.Writer) error {
	if err := d.hold(); err != nil {
		return err
	}
	store, err := d.files()
	if err == nil && p.Data != nil {
		_, err = store.Put(p.Data)
	}
	if err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	a.Kind, a.ID, a.Version, a.ImpactScope, a.Now = p.Kind, p.ID, p.Version, running, d.now()
	was, ok := d.lib.Active(p.Kind, p.ID)
	seq, err := store.Activate(d, a)
	if err != nil && d.find(p).Activated && !a.Rollback {
		err = fmt.Errorf("%w; see controller rollback -help", err)
	}
	if err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	d.due("activation")
	before := "; none was before"
	if ok {
		before = " in place of " + was.Version
	}
	fmt.Fprintf(stdout, "%s %s %s is active%s, record %d of the device journal\n", p.Kind, p.ID, p.Version, before, seq)
	return nil
}

// rollback is the command line of the same name.
func rollback(args []string, stdout, stderr io.Writer) int {
	f := flags{given: map[string]bool{}}
	var kind, id, to, reason string
	set := newFlags("controller rollback", "controller rollback -object KIND -operator ID -reason TEXT [flags]", stderr)
	f.deviceFlags(set)
	set.StringVar(&kind, "object", "", "`KIND` of what goes back: recipe, mapping, calibration, tag_map or device_profile")
	set.StringVar(&id, "id", "", "`ID` of what goes back; not needed where one of the kind is active")
	set.StringVar(&to, "to", "", "`VERSION` that was active before; the one before the active one if not given")
	set.StringVar(&reason, "reason", "", "`TEXT`: why")
	return f.command(set, args, stderr, func() error {
		if kind == "" || f.operator == "" || reason == "" {
			return fmt.Errorf("controller: rollback: -object, -operator and -reason are all needed; see controller rollback -help: %w", errUsage)
		}
		d, err := f.device("", stderr)
		if err != nil {
			return err
		}
		var of []library.Active
		for _, a := range d.lib.Actives() {
			if a.Kind == kind && (id == "" || a.ID == id) {
				of = append(of, a)
			}
		}
		switch {
		case len(of) == 0:
			return fmt.Errorf("controller: rollback: no %s is active; see controller versions for what is", strings.TrimSpace(kind+" "+id))
		case len(of) > 1:
			return fmt.Errorf("controller: rollback: of %s, %d are active; say which with -id; see controller versions", kind, len(of))
		case to == "" && of[0].Before == "":
			return fmt.Errorf("controller: rollback: before %s %s %s none was active; activate the one that is wanted, by its file",
				kind, of[0].ID, of[0].Version)
		case to == "":
			to = of[0].Before
		}
		way := library.Activation{Actor: f.operator, Reason: reason, Rollback: true}
		if err := d.activate(&batch.File{Kind: kind, ID: of[0].ID, Version: to}, way, stdout); err != nil {
			return err
		}
		return d.signsIf(&f)
	})
}

// versions is the command line of the same name.
func versions(args []string, stdout, stderr io.Writer) int {
	f := flags{given: map[string]bool{}}
	set := newFlags("controller versions", "controller versions [flags]", stderr)
	set.StringVar(&f.out, "out", "out", "`DIR`ectory for evidence: DIR/device is the device journal")
	set.StringVar(&f.fram, "fram", "", framHelp)
	return f.command(set, args, stderr, func() error {
		d, err := f.device("", stderr)
		if err != nil {
			return err
		}
		return d.list(stdout)
	})
}

// list prints what is known, what is active, what was, and what the journal that says so is worth.
func (d *device) list(stdout io.Writer) error {
	active := map[library.Active]bool{}
	for _, a := range d.lib.Actives() {
		active[library.Active{Kind: a.Kind, ID: a.ID, Version: a.Version}] = true
	}
	for _, e := range d.lib.Entries() {
		use := ""
		switch {
		case active[library.Active{Kind: e.Kind, ID: e.ID, Version: e.Version}]:
			use = ", ACTIVE"
		case e.Activated:
			use = ", was active"
		}
		fmt.Fprintf(stdout, "%s %s %s is %s%s, approval %s by %s: %.16s...\n",
			e.Kind, e.ID, e.Version, e.State, use, e.ApprovalID, e.ApprovedBy, e.Digest)
	}
	for _, r := range d.made {
		from, how := r.Text(record.FromVersion), "activated"
		if r.Has(record.RollbackReason) {
			how = "rolled back to"
		}
		if from != "" {
			from = " after " + from
		}
		at := "at a time that is not known"
		if r.Has(record.TsUTC) {
			at = string(record.AppendTime(nil, r.Time(record.TsUTC)))
		}
		fmt.Fprintf(stdout, "record %d, %s: %s %s %s %s%s by %s: %q\n", r.Seq(), at, how, r.Text(record.ObjectKind),
			r.Text(record.ObjectID), r.Text(record.ToVersion), from, r.Text(record.Actor), r.Text(record.ChangeReason))
	}
	fmt.Fprintf(stdout, "device journal %s: %s, %d records; %s\n", d.dir, d.found.Outcome, d.found.Head.N, d.tail())
	if d.found.Warnings > 0 {
		fmt.Fprintf(stdout, "  %s\n", strings.Join(d.found.Path, "\n  "))
	}
	if !exists(filepath.Join(d.dir, "files")) {
		return nil
	}
	store, err := d.files()
	if err != nil {
		return err
	}
	faults, err := store.Check()
	return errors.Join(append(faults, err)...)
}

// tail says what there is against an older copy of the journal being put back.
func (d *device) tail() string {
	slot, err := d.chip.find(d.id)
	switch {
	case err != nil:
		return "anchor=none: " + err.Error()
	case slot == nil:
		return "anchor=none: its end is not anchored, and an older copy that was put back would look the same"
	}
	return "anchor=" + slot.String()
}

// errUsage is in errors about a command line that was not understood.
var errUsage = errors.New("usage")

// command runs one of the commands that are not a batch.
func (f *flags) command(set *flag.FlagSet, args []string, stderr io.Writer, do func() error) int {
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if set.NArg() > 0 {
		fmt.Fprintf(stderr, "%s: %q: flags begin with -, and a text of several words stands in quotes; see %s -help\n",
			strings.Replace(set.Name(), " ", ": ", 1), set.Arg(0), set.Name())
		return exitUsage
	}
	defer f.close(stderr)
	err := do()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, strings.TrimSuffix(err.Error(), ": "+errUsage.Error()))
		return exitUsage
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}
