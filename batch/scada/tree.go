// Tree: what is shown, by path, so that a value is set only where it is another.

package scada

import (
	"slices"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
	"github.com/batchkit/batchkit/iomap/tag"
)

// maxName is how many bytes of a name a node has.
const maxName = 128

// tree keeps nodes by their paths. It is used by one goroutine.
type tree struct {
	space  *server.Space
	nodes  map[string]server.Node
	values map[string]server.Value
}

func newTree(space *server.Space) *tree {
	return &tree{space: space, nodes: map[string]server.Node{"": {}}, values: map[string]server.Value{}}
}

// under makes a path of names that come from records and files.
func under(path string, names ...string) string {
	for _, n := range names {
		n = strings.Map(func(c rune) rune {
			if c == '/' || c < ' ' || c == 0x7F {
				return '_'
			}
			return c
		}, clip(n, maxName))
		if n == "" {
			n = "_"
		}
		if path != "" {
			path += "/"
		}
		path += n
	}
	return path
}

// folder gives the folder of a path, and makes what is lacking of it.
func (t *tree) folder(path string) server.Node {
	if n, ok := t.nodes[path]; ok {
		return n
	}
	parent, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	n := t.space.Folder(t.folder(parent), name)
	t.nodes[path] = n
	return n
}

// set gives the variable of a name in a folder a value, and makes it first if need be.
func (t *tree) set(folder, name, description string, kind server.Kind, v server.Value) {
	path := folder + "/" + name
	n, ok := t.nodes[path]
	if !ok {
		n = t.space.Variable(t.folder(folder), name, description, kind)
		t.nodes[path] = n
	} else if same(t.values[path], v) {
		return
	}
	t.values[path] = v
	t.space.Set(n, v)
}

// remove takes out a node with all beneath it.
func (t *tree) remove(path string) {
	n, ok := t.nodes[path]
	if !ok {
		return
	}
	for p := range t.nodes {
		if p == path || strings.HasPrefix(p, path+"/") {
			delete(t.nodes, p)
			delete(t.values, p)
		}
	}
	t.space.Remove(n)
}

// doubt makes what is GOOD of the controller UncertainLastUsableValue, since nobody has looked whether it still is. What is set next is told.
func (t *tree) doubt() {
	for path, v := range t.values {
		if v.Status != fieldbus.StatusGood || strings.HasPrefix(path, folderWindow+"/") {
			continue
		}
		v.Status = fieldbus.StatusLastUsable
		if rest, ok := strings.CutPrefix(path, folderTags+"/"); ok {
			switch {
			case strings.HasSuffix(rest, "/Quality") && v.Text == tag.Good.String():
				v.Text = tag.Stale.String()
			case strings.HasSuffix(rest, "/OpcUaStatus") && v.Text == statusText(fieldbus.StatusGood):
				v.Text = statusText(fieldbus.StatusLastUsable)
			}
		}
		t.values[path] = v
		t.space.Set(t.nodes[path], v)
	}
}

// beneath lists the names directly beneath a folder, in order.
func (t *tree) beneath(path string) (names []string) {
	for p := range t.nodes {
		if rest, ok := strings.CutPrefix(p, path+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

func same(a, b server.Value) bool {
	return a.Bits == b.Bits && a.Text == b.Text && a.Null == b.Null && a.Status == b.Status && a.Source.Equal(b.Source) && a.Server.Equal(b.Server) &&
		slices.Equal(a.Texts, b.Texts)
}

// look is how far what is shown of a journal may be believed now, and when it was true.
type look struct {
	status fieldbus.Status
	tree   *tree
	folder string
	utc    int64
}

func (l *look) value(utc int64) server.Value {
	return server.Value{Status: l.status, Source: stamp(utc)}
}

// text, count, flag, list and number show one variable each. A time that is 0 is that of the look.
func (l *look) text(name, description, text string, utc int64) {
	v := l.value(utc)
	v.Text = text
	l.tree.set(l.folder, name, description, server.String, v)
}

func (l *look) count(name, description string, n uint64, utc int64) {
	v := l.value(utc)
	v.Bits = n
	l.tree.set(l.folder, name, description, server.Uint64, v)
}

func (l *look) flag(name, description string, is bool, utc int64) {
	v := l.value(utc)
	if is {
		v.Bits = 1
	}
	l.tree.set(l.folder, name, description, server.Bool, v)
}

func (l *look) list(name, description string, texts []string, utc int64) {
	v := l.value(utc)
	v.Texts = texts
	l.tree.set(l.folder, name, description, server.Strings, v)
}

// moment shows a time; one that is not known is no value.
func (l *look) moment(name, description string, utc int64) {
	v := l.value(utc)
	v.Bits = uint64(utc)
	if utc == 0 {
		v.Null, v.Status = true, fieldbus.StatusWaiting
	}
	l.tree.set(l.folder, name, description, server.Time, v)
}

// number shows a decimal twice: as Float64, for eyes, and its text as it is on record.
func (l *look) number(name, description, decimal string, utc int64) {
	v := l.value(utc)
	if decimal == "" {
		v.Null, v.Status = true, fieldbus.StatusWaiting
	}
	t := v
	t.Text = decimal
	l.tree.set(l.folder, name+"Text", description+", exact, as it is on record", server.String, t)
	v.Bits = doubleBits(decimal)
	l.tree.set(l.folder, name, description, server.Float64, v)
}
