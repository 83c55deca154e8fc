// Scenario scripts: a list, the plant beside it, and what a planner expects of them.

package jobs_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/internal/script"
)

var folder = flag.String("scenarios", "", "directory of more scenario scripts to run, as an absolute path")

func TestScenarios(t *testing.T) { golden.Scripts(t, *folder, "jobs", play) }

// TestAScriptThatIsWrongIsToldWhere holds what a person sees who writes one.
func TestAScriptThatIsWrongIsToldWhere(t *testing.T) {
	for src, want := range map[string]string{
		"fly A1":                      `s.txt:1:1: "fly" is no event and no expectation; the package comment lists them`,
		"scheduler round-robin":       `s.txt:1:11: "round-robin" is no scheduler; it is parallel or seamless`,
		"scheduler parallel 0":        `s.txt:1:1: refused: configure: slots is 0; it is 1 to 64`,
		"scheduler seamless wide":     `s.txt:1:20: "wide" is not known here`,
		"recipe A prepare=many":       `s.txt:1:10: "many" is no number of steps, and not later or fails`,
		"add A1 amount=x":             `s.txt:1:8: "x" is no number`,
		"add A1 before B1":            `s.txt:1:15: no job B1 is known`,
		"add":                         `s.txt:1:4: add: argument 1 is missing`,
		"add 1":                       `s.txt:1:5: "1" names no recipe; say recipe=`,
		"abort A1":                    `s.txt:1:7: no job A1 is known`,
		"process A1 Running":          `s.txt:1:9: "A1" is no process; it is written as A1/1`,
		"add A1\nprocess A1/1 Flying": `s.txt:2:14: stage "Flying" is not known`,
		"add A1\ncontinue A1":         `s.txt:2:1: refused: continue: job J-000001 is Dispatched, and nothing holds it`,
		"add A1\nexpect refused x":    `s.txt:2:1: the line before is not refused`,
		"add A1\ncontinue A1\nexpect refused boot": `s.txt:3:1: the line before is refused otherwise`,
		"add A1\nexpect state A1 Running":          `s.txt:2:1: A1 is Dispatched`,
		"add A1\nexpect starts A1/2":               `s.txt:2:1: starts are A1/1`,
		"add A1\nexpect slots 1=-":                 `s.txt:2:1: slots are 1=A1`,
		"add A1\nexpect order A1":                  `s.txt:2:1: the list is A1 cA`,
		"add A1\nexpect slot-available":            `s.txt:2:1: slot-available is not told`,
		"add A1\nexpect group A1 B.1":              `s.txt:2:1: A1 is of group A.1`,
		"add A1\nexpect counts A1 success=1":       `s.txt:2:1: A1 has success=0`,
		"add A1\nexpect idle":                      `s.txt:2:1: the list is A1 cA`,
		"add A1\nexpect peace":                     `s.txt:2:8: "peace" cannot be expected; the package comment lists what can`,
		"content pA none":                          `s.txt:1:9: no job pA is known`,
		"add A1\nadd A1":                           `s.txt:2:5: A1 is there already; only for around are jobs of the list named`,
	} {
		_, err := play(t, "s.txt", []byte(src))
		require.ErrorContains(t, err, want, src)
	}
}

// TestThePackageCommentShowsEveryWordOfScripts plays each line of it: it may not be possible where it stands, but it is understood.
func TestThePackageCommentShowsEveryWordOfScripts(t *testing.T) {
	src, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, words, _ := strings.Cut(string(src), "# Scenario scripts")
	shown := 0
	for line := range strings.Lines(words) {
		text, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			continue
		}
		shown++
		_, err := play(t, "doc.go", []byte("add A1 A2\nexpect order A1 A2 cA\n"+text))
		if err != nil {
			require.NotContains(t, err.Error(), "package comment lists", text)
			require.NotContains(t, err.Error(), "not known here", text)
		}
	}
	require.Greater(t, shown, 25)
	for verb := range commands {
		require.Contains(t, words, verb)
	}
}

// player plays one script.
type player struct {
	*rig
	since   []jobs.Effect // what the line before came to
	refused []string      // of the line before, that nobody has expected yet
	before  script.Line
	ids     map[string]string // of jobs and groups, by name
	names   map[string]string
	coming  []string       // names of jobs that are being added
	count   map[string]int // of names that are numbered
	recipes map[string]*recipeWords
	ticks   map[string]int // that a process has been running
	out     strings.Builder
}

// recipeWords are what a script says of a recipe.
type recipeWords struct {
	info             jobs.RecipeInfo
	prepare, cleanUp int // steps; or later, or fails
	late             bool
	ticks            int
}

// What a set-up has to do, where that is no number of steps.
const (
	later = -1
	fails = -2
)

// play plays a script and returns its transcript, as far as it came.
func play(t testing.TB, file string, src []byte) (string, error) {
	lines, err := script.Parse(file, src)
	if err != nil {
		return "", err
	}
	text := ""
	for len(lines) > 0 {
		n := 1 + slices.IndexFunc(lines[1:], func(l script.Line) bool { return l.Verb == "scenario" })
		if n == 0 {
			n = len(lines)
		}
		one, err := playOne(t, lines[:n])
		if text += one; err != nil {
			return text, err
		}
		lines = lines[n:]
	}
	return text, nil
}

// playOne plays one scenario of a script.
func playOne(t testing.TB, lines []script.Line) (string, error) {
	p := &player{rig: newRig(t, 1, jobs.Rules{Scheduler: jobs.Parallel, Slots: 1}), ids: map[string]string{}, names: map[string]string{},
		count: map[string]int{}, recipes: map[string]*recipeWords{}, ticks: map[string]int{}}
	p.calm = true
	for _, l := range lines {
		if l.Verb == "scenario" {
			fmt.Fprintf(&p.out, "\n== %s ==\n", strings.Join(l.Args, " "))
			continue
		}
		if err := p.line(l); err != nil {
			return p.out.String(), err
		}
	}
	if err := p.expected(); err != nil {
		return p.out.String(), err
	}
	p.fold()
	return p.out.String(), nil
}

// expected fails where the line before was refused and nobody has expected it.
func (p *player) expected() error {
	if len(p.refused) > 0 {
		return p.before.Errorf("refused: %s", p.refused[0])
	}
	return nil
}

func (p *player) line(l script.Line) error {
	if l.When.Kind != script.None {
		return l.Errorf("a list knows no time; leave it out, and say tick")
	}
	words := strings.Join(append([]string{l.Verb}, l.Args...), " ")
	if l.Verb == "expect" {
		fmt.Fprintf(&p.out, "%s\n", words)
		return p.expect(l)
	}
	if err := p.expected(); err != nil {
		return err
	}
	p.since, p.refused, p.before = nil, nil, l
	fmt.Fprintf(&p.out, "\n%s\n", words)
	return p.happens(l)
}

// tells tells the list an event, and carries out what it asks for as far as the script does not.
func (p *player) tells(ev jobs.Event) {
	if _, err := ev.Append(nil); err != nil { // the same refusal that a list would give
		p.refused = append(p.refused, strings.TrimPrefix(err.Error(), "jobs: no event: "))
		fmt.Fprintf(&p.out, "    refused: %s\n", p.refused[0])
		return
	}
	p.rig.tell(ev)
	again := jobs.NewList("")
	require.NoError(p, again.Restore(p.list.Snapshot(nil)))
	p.list = again
	p.since = append(p.since, p.fx...)
	for i := range p.fx {
		p.show(&p.fx[i])
	}
	orders := p.orders
	p.orders = nil
	for _, o := range orders {
		if o.do == jobs.Start {
			p.do(o)
		}
	}
	asked := p.asked
	p.asked = nil
	for i := range asked {
		p.answers(&asked[i])
	}
}

// answers answers a question of the list, unless the script does.
func (p *player) answers(e *jobs.Effect) {
	r := p.recipe(e.Recipe)
	if e.Kind == jobs.AskRecipe {
		if !r.late {
			p.tells(jobs.Event{Kind: jobs.Recipe, Recipe: &r.info})
		}
		return
	}
	n := r.prepare
	if e.JobKind == jobs.CleanUp {
		n = r.cleanUp
	}
	if n != later {
		p.content(e.Job, n, "the tool list cannot be read")
	}
}

// content says what a set-up job has to do.
func (p *player) content(job string, n int, why string) {
	ev := jobs.Event{Kind: jobs.Content, Job: job}
	if n == fails {
		ev.Reason = why
	}
	for i := range n {
		ev.Steps = append(ev.Steps, jobs.Step{Type: fmt.Sprint("step", i+1), Recipe: "SETUP", Sort: i})
	}
	p.tells(ev)
}

func (p *player) recipe(name string) *recipeWords {
	if p.recipes[name] == nil {
		p.recipes[name] = &recipeWords{info: jobs.RecipeInfo{Recipe: name}, ticks: 1}
	}
	return p.recipes[name]
}

// id gives the id of a job, a process or a group that a script names; name gives it back.
func (p *player) id(l script.Line, i int) (string, error) {
	name, err := l.Arg(i)
	if err != nil {
		return "", err
	}
	id := p.ids[name]
	if id == "" {
		return "", l.ArgErrorf(i, "no job %s is known", name)
	}
	return id, nil
}

// process gives the id of a process that is written as A1/1.
func (p *player) process(l script.Line, i int, text string) (string, error) {
	name, no, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(no)
	if !ok || err != nil {
		return "", l.ArgErrorf(i, "%q is no process; it is written as A1/1", text)
	}
	if p.ids[name] == "" {
		return "", l.ArgErrorf(i, "no job %s is known", name)
	}
	return fmt.Sprintf("%s-%04d", p.ids[name], n), nil
}

// name gives the name of a job, a process or a group.
func (p *player) name(id string) string {
	if name := p.names[id]; name != "" || id == "" {
		return name
	}
	if at := strings.LastIndexByte(id, '-'); at > 0 && p.names[id[:at]] != "" {
		n, _ := strconv.Atoi(id[at+1:])
		return fmt.Sprintf("%s/%d", p.names[id[:at]], n)
	}
	return id
}

// call gives a name to what an effect is about, when that is heard of for the first time.
func (p *player) call(e *jobs.Effect) {
	give := func(id, name string) {
		if id != "" && p.names[id] == "" {
			p.names[id], p.ids[name] = name, id
		}
	}
	numbered := func(id, first, format string) {
		if p.names[id] != "" {
			return
		}
		if p.count[first]++; p.count[first] == 1 {
			give(id, first)
		} else {
			give(id, fmt.Sprintf(format, first, p.count[first]))
		}
	}
	switch {
	case e.Kind == jobs.SlotTaken:
		p.count["group "+e.Recipe]++
		give(e.Group, fmt.Sprintf("%s.%d", e.Recipe, p.count["group "+e.Recipe]))
	case e.Kind == jobs.Listed && e.JobKind == jobs.Prepare:
		numbered(e.Job, "p"+e.Recipe, "%s.%d")
	case e.Kind == jobs.Listed && e.JobKind == jobs.CleanUp:
		numbered(e.Job, "c"+e.Recipe, "%s.%d")
	case e.Kind == jobs.Listed && p.names[e.Job] == "":
		give(e.Job, p.coming[0])
		p.coming = p.coming[1:]
	}
}

// show writes an effect as a planner would say it.
func (p *player) show(e *jobs.Effect) {
	p.call(e)
	j, g, text := p.name(e.Job), p.name(e.Group), ""
	switch e.Kind {
	case jobs.Listed:
		text = j + " is listed first"
		if e.After != "" {
			text = j + " is listed behind " + p.name(e.After)
		}
	case jobs.Changed:
		text = p.changes(e)
	case jobs.Gone:
		text = j + " leaves the list"
	case jobs.SlotTaken:
		text = fmt.Sprintf("group %s has slot %s", g, e.Slot)
	case jobs.SlotMoved:
		text = fmt.Sprintf("group %s goes from slot %s to slot %s", g, e.OldSlot, e.Slot)
	case jobs.SlotFreed:
		text = fmt.Sprintf("group %s gives slot %s back", g, e.OldSlot)
	case jobs.SlotAvailable:
		text = "slot available"
	case jobs.AskRecipe:
		text = "ask for recipe " + e.Recipe
	case jobs.AskContent:
		text = "ask what " + j + " has to do"
	case jobs.Ordered:
		text = fmt.Sprintf("order: %s %s", e.Do, p.name(e.Process))
	case jobs.ProcessChanged:
		text = fmt.Sprintf("%s is %s", p.name(e.Process), e.Stage)
	case jobs.Made:
		text = fmt.Sprintf("%s has made a %s", p.name(e.Process), e.Product)
	case jobs.SetAside:
		text = j + " is set aside: " + e.Reason
	case jobs.Back:
		text = j + " is back"
	case jobs.Notify:
		text = fmt.Sprintf("see to %s: %s", cmpOr(j, p.name(e.Process)), e.Reason)
	case jobs.Refused:
		p.refused = append(p.refused, e.Reason)
		text = "refused: " + e.Reason
	}
	fmt.Fprintf(&p.out, "    %s\n", text)
}

// cmpOr gives the first that is not empty.
func cmpOr(list ...string) string {
	return list[max(0, slices.IndexFunc(list, func(s string) bool { return s != "" }))]
}

// changes writes what has become of a job.
func (p *player) changes(e *jobs.Effect) string {
	text := fmt.Sprintf("%s is %s", p.name(e.Job), e.State)
	if e.Old == e.State {
		text = fmt.Sprintf("%s stays %s", p.name(e.Job), e.State)
	}
	if c := e.Counts; c.Begun+c.Dropped > 0 && e.JobKind == jobs.Production {
		of := ""
		if c.Amount > 0 {
			of = fmt.Sprintf(" of %d", c.Amount)
		}
		text += fmt.Sprintf(", begun %d%s, running %d, success %d, failure %d", c.Begun, of, c.Running, c.Success, c.Failure)
	}
	if e.Recovery != "" {
		text += "; recovery: " + e.Recovery
	}
	return text
}
