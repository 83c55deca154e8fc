// Rights: the file that they are in, and that they are on record.

package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/internal/strictyaml"
	"github.com/batchkit/batchkit/journal/record"
)

// ParseRights reads a rights file; file is the name that errors show. What is wrong is returned all at once, each error with line, column and the
// line itself.
//
//	schema_version: 1
//	edges: [991]                      # users of the system whose programs may say who their operator is
//	local: {"1000": operator, "*": viewer}
//	roles:
//	  operator: [create, command, answer, remove]
//	  engineer: ["*"]
//	  viewer: []
func ParseRights(file string, src []byte) (r api.Rights, err error) {
	doc := strictyaml.Parse(file, src, nil)
	f := doc.Root().Map()
	f.Req("schema_version").Int(1, 1)
	if n, ok := f.Opt("edges"); ok {
		for _, e := range n.List(64) {
			r.Edges = append(r.Edges, int(e.Int(0, 1<<31-1)))
		}
	}
	local, _ := f.Opt("local")
	roles := f.Req("roles")
	f.Done()
	r.Local, r.Roles = map[string]string{}, map[string][]string{}
	for _, e := range roles.Entries(64) {
		list := []string{}
		for _, p := range e.Value.List(64) {
			list = append(list, p.OneOf(append(api.Permissions(), api.All)...))
		}
		r.Roles[e.Key.Ident()] = list
	}
	for _, e := range local.Entries(256) {
		role := e.Value.Ident()
		if _, ok := r.Roles[role]; !ok && role != "" {
			e.Value.Errorf("there is no role %q; add it to roles, or name one that is there", role)
		}
		r.Local[e.Key.Str()] = role
	}
	if err := doc.Err(); err != nil {
		return api.Rights{}, err
	}
	if err := r.Check(); err != nil {
		return api.Rights{}, fmt.Errorf("registry: %s: %w", file, err)
	}
	return r, nil
}

// readRights has the rights of the file, or those that everybody has where there is none, and gives them as text.
func (s *Server) readRights() (text string, err error) {
	_, src, err := readFile(s.files, RightsFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.rights = api.LocalRights()
	case err != nil:
		return "", fmt.Errorf("registry: %s: %w", RightsFile, err)
	default:
		if s.rights, err = ParseRights(RightsFile, src); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(&s.rights)
	return string(data), err
}

// rightsTold is what the ledger says of rights.
type rightsTold struct {
	text  string // in force last; "" before the first
	times int
}

func (t *rightsTold) take(r *record.Record) {
	if r.Text(record.EventType) == record.KindLibraryChange.String() && r.Text(record.ObjectKind) == "rights" {
		t.text, t.times = r.Text(record.NewValue), t.times+1
	}
}

// note records rights that are not those that the ledger has told last.
func (t *rightsTold) note(l *ledger.Ledger, actor, text string) error {
	if text == t.text {
		return nil
	}
	old, sum := t.text, sha256.Sum256([]byte(text))
	if old == "" {
		old = "none"
	}
	_, err := l.Append(func(b *record.Body) {
		b.Begin(record.KindLibraryChange)
		b.Text(record.Actor, actor)
		b.Text(record.ChangeReason, "start: "+RightsFile+", or without it that every local user may do all")
		b.Text(record.OldValue, old)
		b.Text(record.NewValue, text)
		b.Text(record.ImpactScope, "whoever orders something of the executive")
		b.Text(record.ObjectKind, "rights")
		b.Text(record.ObjectID, RightsFile)
		b.Text(record.ObjectVersion, strconv.Itoa(t.times+1))
		b.Text(record.Digest, hex.EncodeToString(sum[:]))
		b.Text(record.ApprovalID, "none")
	})
	return err
}
