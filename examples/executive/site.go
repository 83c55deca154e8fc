// Several boards: what each node is made of, and what it knows of itself and the others. A node is one directory in that of all of them.

package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed nodes
var nodeFiles embed.FS

// How many nodes there may be. Two servers of a cluster are worth less than one, since neither decides without the other.
const (
	leastNodes = 3
	mostNodes  = 7
)

// siteFile is the file of a node's directory that makes it one of several.
const siteFile = "node.json"

// site is what a node knows of itself and the others. Addresses are host:port, by the names of the nodes: as this one reaches them, and its own as it
// listens.
type site struct {
	Node       string            `json:"node"`
	Gates      map[string]string `json:"gates"`                 // I/O processes
	Clients    map[string]string `json:"clients,omitempty"`     // bus processes, for clients
	Routes     map[string]string `json:"routes,omitempty"`      // bus processes, for each other
	Told       string            `json:"told,omitempty"`        // where bus processes tell each other that its own is, if not in Routes: see bus.ServerOptions.Advertise
	Hub        string            `json:"hub,omitempty"`         // where the hub answers, and listens
	NATS       string            `json:"nats,omitempty"`        // the plant's own cluster, which is there instead
	Postgres   string            `json:"postgres,omitempty"`    // where the arbiter's log is instead
	WallOffset string            `json:"wall_offset,omitempty"` // by how much its wall clock is wrong
	Whole      int               `json:"whole,omitempty"`       // for trials: operations after which the log is trimmed; see executive.Options
	PutBack    string            `json:"put_back,omitempty"`    // why a person lets it come up with an older disk: see executive.Options
}

// shared is a piece of equipment that batches of all nodes want.
type shared struct {
	Name, Class, Node string
	Far               bool   // it lies at another node
	At                string // before its channels: NODE:, or nothing at its own node
}

// commons are those pieces.
func commons(node string) []shared {
	list := []shared{{Name: "S901", Class: "SKID", Node: "n2"}, {Name: "S902", Class: "DOSER", Node: "n3"}}
	for i := range list {
		if c := &list[i]; c.Node != node {
			c.Far, c.At = true, c.Node+":"
		}
	}
	return list
}

// nodeNames are the names of so many nodes.
func nodeNames(count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	return names
}

// unitsOf are the units of a node: R101 and R102 of n1.
func unitsOf(node string) []string {
	n := strings.TrimPrefix(node, "n")
	return []string{"R" + n + "01", "R" + n + "02"}
}

// partsOf are the plants of a node: its units, and what lies there of what all share.
func partsOf(node string) []string {
	list := unitsOf(node)
	for _, c := range commons(node) {
		if !c.Far {
			list = append(list, c.Name)
		}
	}
	return list
}

// deviceOf is the device_id of what a node records.
func deviceOf(node string) string { return "CELL-" + strings.ToUpper(node) }

// readSite reads what makes a directory that of a node of several; nil where it is none.
func readSite(dir string) (*site, error) {
	data, err := os.ReadFile(filepath.Join(dir, siteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := &site{}
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(t); err != nil || t.Node == "" {
		return nil, fmt.Errorf("executive: %s is not what was written there: %w; take it away, and it is made anew", filepath.Join(dir, siteFile), err)
	}
	return t, nil
}

// write writes it beside what is there, since it may name a password: for this user alone.
func (t *site) write(dir string) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, siteFile)
	if err := os.WriteFile(name+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// layOutNode makes the files of the cell of a node. Those that are there are left as they are.
func layOutNode(dir, node string) error {
	if err := os.MkdirAll(filepath.Join(dir, dirRun), 0o750); err != nil {
		return err
	}
	for _, name := range []string{"maps/calibration.yaml", "recipes/charge.yaml", "recipes/rinse.yaml", "recipes/twin.yaml"} {
		data, err := files.ReadFile(path.Join(dirCell, name))
		if err != nil {
			return err
		}
		if err := lay(filepath.Join(dir, dirCell, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	dose, err := nodeFiles.ReadFile("nodes/recipes/dose.yaml")
	if err != nil {
		return err
	}
	model, err := modelOf(node)
	if err != nil {
		return err
	}
	unit, err := nodeFiles.ReadFile("nodes/maps/UNIT.yaml")
	if err != nil {
		return err
	}
	rights, err := rightsOf(os.Getuid())
	if err != nil {
		return err
	}
	all := map[string][]byte{"recipes/dose.yaml": dose, "equipment.yaml": model, "rights.yaml": rights}
	at := commons(node)
	for _, name := range unitsOf(node) {
		words := strings.NewReplacer("{{unit}}", name, "{{device}}", deviceOf(node), "{{skid}}", at[0].At, "{{doser}}", at[1].At)
		all["maps/"+name+".yaml"] = []byte(words.Replace(string(unit)))
	}
	for name, data := range all {
		if err := lay(filepath.Join(dir, dirCell, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	return nil
}

// rightsOf are the rights at a node whose bus process has that user; below zero the system has none, and then nobody orders by the bus.
func rightsOf(uid int) ([]byte, error) {
	text, err := nodeFiles.ReadFile("nodes/rights.yaml")
	edges := ""
	if uid >= 0 {
		edges = fmt.Sprintf("\nedges: [%d]", uid)
	}
	return bytes.ReplaceAll(text, []byte("{{edges}}"), []byte(edges)), err
}

// modelOf is the equipment model of a node.
func modelOf(node string) ([]byte, error) {
	inc := template.FuncMap{"inc": func(i int) int { return i + 1 }}
	form, err := template.New("equipment.yaml").Funcs(inc).ParseFS(nodeFiles, "nodes/equipment.yaml")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = form.Execute(&b, struct {
		Units  []string
		Shared []shared
	}{unitsOf(node), commons(node)})
	return b.Bytes(), err
}

// freePorts finds ports of this host at which nobody listens. They are kept: a start that finds one of them taken says so. They lie below
// those that systems give to whoever asks for any, or somebody else might have one of them at the next start.
func freePorts(count int) (addresses []string, err error) {
	for tries := 100 * count; len(addresses) < count; tries-- {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		switch {
		case err == nil:
			defer l.Close() // all are open at once, so that no two are the same
			addresses = append(addresses, l.Addr().String())
		case tries <= 0:
			return nil, err
		}
	}
	return addresses, nil
}

// sitesIn gives the nodes of a directory, in the order of their names; none where it is not one of several.
func sitesIn(dir string) (list []*site, err error) {
	for _, node := range nodeNames(mostNodes) {
		t, err := readSite(filepath.Join(dir, node))
		if err != nil {
			return nil, err
		}
		if t == nil {
			break
		}
		list = append(list, t)
	}
	return list, nil
}

// survey makes what the nodes of a directory know of each other, at the first start; later it is what was written then.
func (s *session) survey(dir string) ([]*site, error) {
	list, err := sitesIn(dir)
	switch {
	case err != nil:
		return nil, err
	case len(list) == s.nodes:
	case len(list) > 0:
		return nil, fmt.Errorf("executive: %s was made for %d nodes; say -nodes %d, or take another -dir", dir, len(list), len(list))
	default:
		names := nodeNames(s.nodes)
		free, err := freePorts(3*len(names) + 1)
		if err != nil {
			return nil, err
		}
		gates, clients, routes := map[string]string{}, map[string]string{}, map[string]string{}
		for i, node := range names {
			gates[node], clients[node], routes[node] = free[3*i], free[3*i+1], free[3*i+2]
		}
		for _, node := range names {
			list = append(list, &site{Node: node, Gates: gates, Clients: clients, Routes: routes, Hub: free[len(free)-1]})
		}
	}
	for _, t := range list {
		if s.nats != "" {
			t.NATS = s.nats
		}
		if s.postgres != "" {
			t.Postgres = s.postgres
		}
		if by, ok := s.offsets[t.Node]; ok {
			t.WallOffset = by.String()
		}
	}
	return list, nil
}

// offset is by how much the wall clock of the node is wrong.
func (t *site) offset() (time.Duration, error) {
	if t == nil || t.WallOffset == "" {
		return 0, nil
	}
	return time.ParseDuration(t.WallOffset)
}
