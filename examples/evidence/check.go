// Recipes and maps before they are approved: validated together, proved, and shown as a table and a chart.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/chart"
	"github.com/batchkit/batchkit/recipe/sound"
)

// host is the file system that the program was started on.
type host struct{}

// Open opens a file by the name that the user gave.
func (host) Open(name string) (fs.File, error) { return os.Open(filepath.FromSlash(name)) }

// kinds finds what a governed file is by the first key of its header. An I/O map may name its calibration and tag map before itself.
var (
	kinds     = regexp.MustCompile(`(?m)^[\s{]*["']?(recipe|mapping|calibration|tag_map|profile)["']?\s*:`)
	ofMapping = regexp.MustCompile(`(?m)^["']?mapping["']?\s*:`)
)

// schemas are the JSON Schemas that check prints, by their flags.
var schemas = []struct {
	flag string
	of   func() []byte
}{{"schema", recipe.JSONSchema}, {"map-schema", iomap.JSONSchema}, {"tag-map-schema", fieldbus.TagMapSchema}, {"profile-schema", fieldbus.ProfileSchema}}

// check validates every recipe on every map, and alone where no map is given; maps alone where no recipe is, tag maps and profiles too.
func check(args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("check", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	charts := set.String("svg", "", "")
	var wanted []func() []byte
	for _, s := range schemas {
		set.BoolFunc(s.flag, "", func(string) error {
			wanted = append(wanted, s.of)
			return nil
		})
	}
	period := time.Duration(0)
	set.Func("period", "", func(text string) (err error) { // as maps have it, or as Go does
		if period, err = time.ParseDuration(strings.ReplaceAll(text, " ", "")); err != nil || period <= 0 {
			return errors.New("a time above 0 is wanted, such as 200ms")
		}
		return nil
	})
	switch err := set.Parse(args); {
	case err == nil && len(wanted) == 1 && set.NArg() == 0:
		fmt.Fprintf(stdout, "%s", wanted[0]())
		return exitOK
	case err == nil && wanted != nil:
		fmt.Fprintln(stderr, "evidence: check: -schema, -map-schema, -tag-map-schema and -profile-schema print one schema and take no files; "+
			"leave out the one or the others")
		return exitUsage
	case err != nil || set.NArg() == 0:
		if err != nil && !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "evidence: check:", err)
		}
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	files := map[string][]string{}
	for _, name := range set.Args() {
		kind, err := kindOf(name)
		if err != nil {
			fmt.Fprintln(stderr, "evidence:", plain(err))
			return exitFound
		}
		files[kind] = append(files[kind], name)
	}
	if len(files["calibration"]) == set.NArg() {
		fmt.Fprintln(stderr, "evidence: no recipe or map among the files; name one, or a recipe and the maps that it is to run on; "+
			"a calibration is checked with the map that names it")
		return exitUsage
	}
	return checkAll(files, *charts, known(period), stdout, stderr)
}

// checkAll checks files by their kind.
func checkAll(files map[string][]string, charts string, opt *iomap.CheckOptions, stdout, stderr io.Writer) int {
	code := exitOK
	each := func(kind string, check func(name string) error) {
		for _, name := range files[kind] {
			if err := check(name); err != nil {
				fmt.Fprintf(stderr, "%s\n", strings.TrimRight(plain(err), "\n"))
				code = exitFound
			}
		}
	}
	each("profile", func(name string) error { return checkProfile(name, stdout) })
	each("tag_map", func(name string) error { return checkBus(name, files["mapping"], stdout) })
	if len(files["recipe"]) == 0 { // else Load tells what is wrong with them
		each("mapping", func(name string) error { return checkMap(name, opt, stdout) })
	}
	each("recipe", func(name string) error { return checkOne(name, files["mapping"], charts, opt, stdout) })
	return code
}

// kindOf tells what kind of governed file a file is.
func kindOf(name string) (string, error) {
	src, err := readFile(name)
	if err != nil {
		return "", err
	}
	m := kinds.FindSubmatch(src)
	switch {
	case m == nil:
		return "", fmt.Errorf("%s is no recipe, map or calibration, no tag map and no device profile: it must have the key recipe, mapping, "+
			"calibration, tag_map or profile", name)
	case string(m[1]) != "recipe" && ofMapping.Match(src):
		return "mapping", nil
	}
	return string(m[1]), nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, batch.MaxFile+1))
	if err == nil && len(src) > batch.MaxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, batch.MaxFile)
	}
	return src, err
}

// checkOne shows one recipe and what it comes to on each map.
func checkOne(name string, maps []string, charts string, opt *iomap.CheckOptions, stdout io.Writer) error {
	src, err := readFile(name)
	if err != nil {
		return err
	}
	r, err := recipe.Parse(name, src)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s: %s\n\n%s\n", r.ID, r.Version, evidence.Plain(r.Title), chart.Table(r))
	if charts != "" {
		file := filepath.Join(charts, r.ID+".svg")
		if err := os.WriteFile(file, chart.SVG(r), 0o644); err != nil {
			return fmt.Errorf("evidence: %w; -svg names a directory that exists", err)
		}
		fmt.Fprintf(stdout, "chart: %s\n", file)
	}
	if len(maps) == 0 {
		p := sound.Check(r, nil)
		for i := range p.Findings {
			f := &p.Findings[i]
			fmt.Fprintf(stdout, "line %d: %s\n", f.Node.Pos().Line, f.Text)
		}
		fmt.Fprintf(stdout, "%s; give the map that it is to run on, too\n", verdict(p))
		if p.Verdict == sound.Unsound {
			return fmt.Errorf("evidence: %s is not sound", name)
		}
		return nil
	}
	var errs []error
	for _, m := range maps {
		plan, err := batch.Load(host{}, filepath.ToSlash(name), filepath.ToSlash(m), nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list, err := plan.Check(opt)
		errs = append(errs, err, findings(m, list, stdout))
		if plan.TagMap != nil {
			errs = append(errs, spoken(plan.TagMap.Devices, stdout))
		}
		fmt.Fprintf(stdout, "on %s %s: %s\n", plan.Map.ID, plan.Map.Version, verdict(plan.Proof))
	}
	return errors.Join(errs...)
}

// verdict says what a proof came to.
func verdict(p *sound.Proof) string {
	switch p.Verdict {
	case sound.Sound:
		return fmt.Sprintf("%s: no run of it gets stuck; proved over %s", p.Verdict, states(p.States))
	case sound.NotProved:
		return fmt.Sprintf("%s: %s were explored and there are more; whoever approves it gives a reason", p.Verdict, states(p.States))
	}
	return p.Verdict.String()
}

func states(n int) string { return some(n, "state") }

// format prints the canonical text of a recipe.
func format(name string, stdout, stderr io.Writer) int {
	src, err := readFile(name)
	if err == nil {
		src, err = recipe.Format(name, src)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s\n", strings.TrimRight(err.Error(), "\n"))
		return exitFound
	}
	if _, err := stdout.Write(src); err != nil {
		fmt.Fprintln(stderr, "evidence:", err)
		return exitFound
	}
	return exitOK
}
