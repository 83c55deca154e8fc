// The names of evidence: every field name that was asked for, and the place where it is kept.

package record

import "strings"

// notYet is the place of a name that nothing carries.
const notYet = "not yet"

type means uint8

const (
	itself  means = iota // a key or the name of a kind, if there is one
	another              // another spelling of the keys in of, taken in queries, or of the kind in of; never written
	value                // a value of the key in of
	outside              // kept outside the bodies, or made of them: of says where
)

// names are names of one meaning. Both of and list hold names with a comma and a space between them.
type names struct {
	means means
	of    string
	list  string
}

type section struct {
	title string
	names []names
}

// Places calls fn for every name that the requirements ask for, section by section; a name comes again in each section that asks
// for it. The place says which kinds carry the key of that name, of which key it is another spelling or a value, or where
// else it is kept; it is "not yet" where nothing carries it.
func Places(fn func(section, name, place string)) {
	for _, s := range sections {
		for _, n := range s.names {
			for name := range strings.SplitSeq(n.list, ", ") {
				fn(s.title, name, n.place(name))
			}
		}
	}
}

// Lookup returns the keys that a query by name means: the key of that name, or those of which it is another accepted spelling,
// such as ts_mono for ts_mono_ns and event_ts for both stamps. It returns nil where the name means no key.
func Lookup(name string) []Key {
	if k, ok := ParseKey(name); ok {
		return []Key{k}
	}
	if n := meaning(name); n != nil && n.means == another {
		return n.keys()
	}
	return nil
}

// meaning finds the row that gives a name a meaning beyond itself; nil where there is none.
func meaning(name string) *names {
	for i := range sections {
		rows := sections[i].names
		for j := range rows {
			if rows[j].means != itself && rows[j].means != value && rows[j].has(name) {
				return &rows[j]
			}
		}
	}
	return nil
}

func (n *names) has(name string) bool { return strings.Contains(", "+n.list+", ", ", "+name+", ") }

// keys gives the keys named in of, those that there are.
func (n *names) keys() (keys []Key) {
	for name := range strings.SplitSeq(n.of, ", ") {
		if k, ok := ParseKey(name); ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func (n *names) place(name string) string {
	switch n.means {
	case outside:
		return n.of
	case another, value:
		verb := "written "
		if n.means == value {
			verb = "a value of "
		}
		var places []string
		if _, ok := ParseKind(n.of); ok && len(n.keys()) == 0 {
			places = append(places, verb+n.of+": a record of its own")
		}
		for _, k := range n.keys() {
			if where := carriers(k); where != notYet {
				places = append(places, verb+k.String()+": "+where)
			}
		}
		if len(places) == 0 {
			return notYet
		}
		return strings.Join(places, "; ")
	}
	if k, ok := ParseKey(name); ok {
		return carriers(k)
	}
	if _, ok := ParseKind(name); ok {
		return "a record of its own"
	}
	if n := meaning(name); n != nil {
		return n.place(name)
	}
	return notYet
}

// carriers tells from the table of kinds which records carry a key.
func carriers(key Key) string {
	var must, may, not []string
	Kinds(func(k Kind, s Spec) {
		switch {
		case mustSets[k].has(key):
			must = append(must, s.Name)
		case knownSets[k].has(key):
			may = append(may, s.Name)
		default:
			not = append(not, s.Name)
		}
	})
	list := func(before string, kinds []string) string {
		if len(kinds) == 0 {
			return ""
		}
		return before + strings.Join(kinds, ", ")
	}
	switch {
	case len(must)+len(may) == 0:
		return notYet
	case batchSet.has(key):
		return "every record of a batch" + list("; outside one where it applies: ", may)
	case len(must) > len(may)+len(not):
		return "every record" + list("; where it applies: ", may) + list("; not: ", not)
	case len(not) == 0:
		return "every record where it applies" + list("; always: ", must)
	case len(must) == 0:
		return list("where it applies: ", may)
	default:
		return list("", must) + list("; where it applies: ", may)
	}
}
