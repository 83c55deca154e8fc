// The catalog: which recipe can run on which unit, found out by reading both.

package registry

import (
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
)

// Limits of a catalog.
const (
	MaxRecipes = 256
	MaxPairs   = 4096 // recipes times units
	maxAside   = 200  // lines
)

// catalog is what can be made of one model and the files as they were when it was read. It is never changed.
type catalog struct {
	list  []api.Recipe // with the units that each runs on, by id
	pairs map[[2]string]*pair
	aside []string
}

// pair is a recipe on a unit. Why says what keeps it from running there.
type pair struct {
	main, mapping string
	version       string
	governed      []batch.File // without data
	data          map[string][]byte
	wiring        equipment.Wiring
	channels      []string // of the map
	why           error
}

// load reads recipes and maps for a model. What is wrong is set aside. Of was, nil for none, it takes over what was proved of the same bytes.
func (s *Server) load(m *equipment.Model, was *catalog) *catalog {
	c := &catalog{pairs: map[[2]string]*pair{}}
	source := &source{FS: s.files, have: map[string]*content{}}
	files := c.find(source)
	units := m.Units()
	if len(files)*len(units) > MaxPairs {
		c.put("%d recipes on %d units are more than %d pairs; recipes behind that are left out", len(files), len(units), MaxPairs)
		files = files[:MaxPairs/len(units)]
	}
	broken := map[string]bool{}
	for _, u := range units {
		if src, err := source.read(u.Map); err != nil {
			broken[u.Map] = true
			c.put("%s: its map: %s", u.ID, err)
		} else if _, err := iomap.Parse(u.Map, src); err != nil && !broken[u.Map] {
			broken[u.Map] = true
			c.put("%s: %s", u.ID, err)
		}
	}
	for _, f := range files {
		runs := api.Recipe{ID: f.recipe.ID, Version: f.recipe.Version, Title: f.recipe.Title,
			Nominal: f.recipe.Nominal.String(), Min: f.recipe.Min.String(), Max: f.recipe.Max.String()}
		for _, u := range units {
			key := [2]string{runs.ID, u.ID}
			p := s.pair(source, f.name, u.Map, was.get(key))
			if p.why == nil {
				p.why = m.Fits(u.ID, &p.wiring)
			}
			c.pairs[key] = p
			switch {
			case p.why == nil:
				runs.Units = append(runs.Units, u.ID)
			case !broken[u.Map]:
				c.put("%s cannot run on %s: %s", runs.ID, u.ID, p.why)
			}
		}
		c.list = append(c.list, runs)
	}
	return c
}

// recipeFile is a recipe that could be read.
type recipeFile struct {
	name   string
	recipe *recipe.Recipe
}

// find reads the recipes, in the order of their ids. Those that cannot be read, or have one id, are set aside.
func (c *catalog) find(src *source) (list []recipeFile) {
	entries, err := fs.ReadDir(src, RecipeDir)
	if err != nil {
		c.put("recipes: %s", err)
	}
	for _, e := range entries {
		name := RecipeDir + "/" + e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".yaml") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(list) == MaxRecipes {
			c.put("%s: there are more than %d recipes; it and what follows was left out", name, MaxRecipes)
			break
		}
		data, err := src.read(name)
		if err != nil {
			c.put("%s: %s", name, err)
			continue
		}
		r, err := recipe.Parse(name, data)
		if err != nil {
			c.put("%s", err)
			continue
		}
		list = append(list, recipeFile{name, r})
	}
	slices.SortStableFunc(list, func(a, b recipeFile) int { return strings.Compare(a.recipe.ID, b.recipe.ID) })
	return slices.DeleteFunc(slices.Clone(list), func(f recipeFile) bool {
		for _, o := range list {
			if o.recipe.ID == f.recipe.ID && o.name != f.name {
				c.put("%s: recipe %s is in %s, too, and nobody can say which is meant; move one of them away", f.name, f.recipe.ID, o.name)
				return true
			}
		}
		return false
	})
}

// put sets something aside, with the reason.
func (c *catalog) put(format string, args ...any) {
	line := oneLine(fmt.Sprintf(format, args...))
	switch {
	case len(c.aside) < maxAside:
		c.aside = append(c.aside, line)
	case len(c.aside) == maxAside:
		c.aside = append(c.aside, "and more; mend these first")
	}
}

// retired says that an item is.
func retired(e *equipment.Item) string {
	if e.Retired {
		return ", and retired"
	}
	return ""
}

// oneLine is an error on one line of at most MaxText bytes, without the lines that show where it is in a file.
func oneLine(text string) string {
	var list []string
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && !strings.HasPrefix(line, " ") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	text = strings.ToValidUTF8(strings.Join(list, "; "), "?")
	if len(text) > api.MaxText {
		text = strings.ToValidUTF8(text[:api.MaxText-3], "") + "..."
	}
	return text
}

func (c *catalog) get(key [2]string) *pair {
	if c == nil {
		return nil
	}
	return c.pairs[key]
}

// pair loads a recipe with a map. Was is what was found of them before; where it is of the same bytes, it is not proved anew.
func (s *Server) pair(src *source, main, mapping string, was *pair) *pair {
	p := &pair{main: main, mapping: mapping}
	src.opened = map[string]*content{}
	proved := was != nil && was.governed != nil && was.main == main && was.mapping == mapping && src.same(was.data)
	plan, err := batch.Load(src, main, mapping, &batch.LoadOptions{Actions: s.opt.Actions, Bound: proved})
	if err != nil {
		p.why = err
		return p
	}
	p.version, p.wiring = plan.Recipe.Version, wiring(mapping, plan.Map)
	for i := range plan.Map.Tags {
		p.channels = append(p.channels, plan.Map.Tags[i].Channel)
	}
	p.data = map[string][]byte{}
	for name, f := range src.opened {
		p.data[name] = f.data
	}
	for _, f := range plan.Files {
		f.Data = nil
		p.governed = append(p.governed, f)
	}
	return p
}

// wiring is what a map says of equipment that batches share.
func wiring(name string, m *iomap.Map) equipment.Wiring {
	w := equipment.Wiring{Map: name, Unit: m.Equipment}
	for i := range m.Resources {
		if r := &m.Resources[i]; r.BetweenBatches {
			w.Resources = append(w.Resources, r.Equipment)
		}
	}
	for i := range m.Tags {
		if t := &m.Tags[i]; t.Output {
			o := equipment.Output{Channel: t.Channel}
			if t.Resource > 0 {
				o.Equipment = m.Resources[t.Resource-1].Equipment
			}
			o.Safe, _ = t.Wire(t.Safe)
			w.Outputs = append(w.Outputs, o)
		}
	}
	return w
}

// reaches lists the other boards that have a channel of those, in order.
func reaches(channels, nodes []string) (list []string) {
	for _, c := range channels {
		if node, _ := equipment.Split(c, nodes); node != "" {
			list = append(list, node)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// runs is where recipes can run.
func (c *catalog) runs() (list []equipment.Runs) {
	for _, r := range c.list {
		list = append(list, equipment.Runs{Recipe: r.ID, Units: r.Units})
	}
	return list
}

// equipment lists what the map of a unit names.
func (c *catalog) equipment(recipe, unit string) []string {
	if p := c.pairs[[2]string{recipe, unit}]; p != nil {
		return p.wiring.Resources
	}
	return nil
}

// Bind says what a batch of a recipe on a unit is bound to. With unit "" it takes the first unit, by priority and in the order of the model, that the
// recipe can run on, whether or not another batch has it. The error is an *api.Error that says why there is none, and what to do.
func (s *Server) Bind(recipe, unit string) (*api.Binding, error) {
	s.mu.Lock()
	m, c := s.model, s.cat
	s.mu.Unlock()
	k := slices.IndexFunc(c.list, func(r api.Recipe) bool { return r.ID == recipe })
	if k < 0 {
		return nil, refuse(http.StatusNotFound, "there is no recipe %.64q that can be used; see what was set aside in GET /v1/model", recipe)
	}
	if unit == "" {
		for _, u := range m.Units() {
			if unit == "" && slices.Contains(c.list[k].Units, u.ID) {
				unit = u.ID
			}
		}
		if unit == "" {
			return nil, refuse(http.StatusConflict, "%s can run on no unit; see why in what was set aside in GET /v1/model", recipe)
		}
	}
	p := c.pairs[[2]string{recipe, unit}]
	switch {
	case p != nil && p.why != nil:
		return nil, refuse(http.StatusConflict, "%s cannot run on %s: %s", recipe, unit, p.why)
	case p == nil:
		if e, _ := m.Item(unit); e != nil {
			if e.Node != "" {
				return nil, refuse(http.StatusConflict, "%s lies on board %s; create the batch there", unit, e.Node)
			}
			return nil, refuse(http.StatusConflict, "%s is no unit in use, but of level %s%s; see GET /v1/model for what is", unit, e.Level, retired(e))
		}
		return nil, refuse(http.StatusNotFound, "the model has no unit %.64q; see GET /v1/model for those that it has", unit)
	}
	b := &api.Binding{Recipe: recipe, Version: p.version, Unit: unit, Model: m.Version, Main: p.main, Map: p.mapping, Files: p.data, Rights: s.rights,
		Nodes: reaches(p.channels, m.Nodes())}
	if s.opt.Release == nil {
		b.Unapproved = true
		return b, nil
	}
	for _, f := range p.governed {
		a, err := s.opt.Release.Approved(f.Kind, f.ID, f.Version, f.Digest)
		if err != nil {
			return nil, refuse(http.StatusConflict, "%s cannot run on %s: %s", recipe, unit, err)
		}
		b.Approvals = append(b.Approvals, api.Approval{Kind: f.Kind, ID: f.ID, Version: f.Version, Digest: f.Digest, Approval: a.ID, By: a.By,
			EffectiveFrom: a.EffectiveFrom, Expiry: a.Expiry})
	}
	return b, nil
}
