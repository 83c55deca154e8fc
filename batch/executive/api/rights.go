// Rights: who somebody is on record as, and what he may do.

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The permissions: what the roles of Rights may list. All stands for every one of them.
const (
	MayCreate       = "create"
	MayCommand      = "command"
	MayAnswer       = "answer"
	MayRemove       = "remove"
	MayForceRemove  = "force_remove"
	MayRestart      = "restart"
	MayReorder      = "reorder"
	MayForceRelease = "force_release"
	MayChangeModel  = "change_model"
	MayPlan         = "plan" // jobs, their processes and unit runs
	All             = "*"
)

// Permissions lists the permissions, All not among them.
func Permissions() []string {
	return []string{MayCreate, MayCommand, MayAnswer, MayRemove, MayForceRemove, MayRestart, MayReorder, MayForceRelease, MayChangeModel, MayPlan}
}

// LocalRights are the rights where nobody has given any: every local user has the role local, which may do all, and nobody is an edge.
func LocalRights() Rights {
	return Rights{Local: map[string]string{All: "local"}, Roles: map[string][]string{"local": {All}}}
}

// Most of what rights may have.
const (
	maxEdges = 64
	maxUsers = 256
	maxRoles = 64
)

// Check implements Body: it refuses rights that are out of bounds, name a permission that is none, or give a user a role that is not there.
func (r *Rights) Check() error {
	if len(r.Edges) > maxEdges || len(r.Local) > maxUsers || len(r.Roles) > maxRoles {
		return fmt.Errorf("rights have %d edges, %d users and %d roles; at most %d, %d and %d are taken",
			len(r.Edges), len(r.Local), len(r.Roles), maxEdges, maxUsers, maxRoles)
	}
	for _, uid := range r.Edges {
		if uid < 0 {
			return fmt.Errorf("rights: edge %d is no user of the system", uid)
		}
	}
	for uid, role := range r.Local {
		if n, err := strconv.ParseUint(uid, 10, 31); uid != All && (err != nil || strconv.FormatUint(n, 10) != uid) {
			return fmt.Errorf("rights: local: %.40q is no user id; write one such as \"1000\", or \"*\" for any other", uid)
		}
		if _, ok := r.Roles[role]; !ok {
			return fmt.Errorf("rights: local: user %s has the role %.40q, which is not among roles", uid, role)
		}
	}
	for role, may := range r.Roles {
		if role == "" || len(role) > MaxText {
			return fmt.Errorf("rights: a role has a name of %d bytes; give it one of 1 to %d", len(role), MaxText)
		}
		for _, p := range may {
			if p != All && !slices.Contains(Permissions(), p) {
				return fmt.Errorf("rights: role %s: %.40q is no permission; there are %s, and * for all", role, p, strings.Join(Permissions(), ", "))
			}
		}
	}
	return nil
}

// May tells whether a role may do what a permission stands for. The role "" may nothing.
func (r *Rights) May(role, permission string) bool {
	list := r.Roles[role]
	return role != "" && (slices.Contains(list, All) || slices.Contains(list, permission))
}

// Actor gives who orders something, as it goes on record, and his role. That is whom the kernel names, with the role that the rights give
// him; where the peer is an edge, whom it names. Somebody else who names another than himself gets an *Error of status 403, and actor and role are
// then those that he has: the refusal goes on record under them.
func (r *Rights) Actor(p Peer, o *Order) (actor, role string, err error) {
	actor, role = p.Actor(), r.local(p)
	switch {
	case o.Operator == "" && o.Role == "":
		return actor, role, nil
	case p.PID >= 0 && slices.Contains(r.Edges, p.UID):
		if o.Operator == "" || strings.HasPrefix(o.Operator, "local:") {
			return actor, role, &Error{http.StatusForbidden, fmt.Sprintf("api: %s is an edge and named operator %q; name who is at it, or neither operator nor role", actor, o.Operator)}
		}
		return o.Operator, o.Role, nil
	case (o.Operator == "" || o.Operator == actor) && (o.Role == "" || o.Role == role):
		return actor, role, nil
	}
	return actor, role, &Error{http.StatusForbidden, fmt.Sprintf("api: %s said to be operator %q with role %q; only an edge that the rights name may say who its operator is", actor, o.Operator, o.Role)}
}

// Allow is Actor and May in one: who orders it, or an *Error of status 403 where he is not whom he says, or may not.
func (r *Rights) Allow(p Peer, o *Order, permission string) (actor, role string, err error) {
	if actor, role, err = r.Actor(p, o); err == nil && !r.May(role, permission) {
		err = &Error{http.StatusForbidden, fmt.Sprintf("api: %s has role %q, which has no permission %s; ask for it whoever keeps the rights", actor, role, permission)}
	}
	return actor, role, err
}

// local is the role that a local user has; one of whom the kernel says nothing has none.
func (r *Rights) local(p Peer) string {
	if p.PID < 0 {
		return ""
	}
	if role, ok := r.Local[strconv.Itoa(p.UID)]; ok {
		return role
	}
	return r.Local[All]
}
