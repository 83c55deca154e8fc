// Roles on the bus: who may write and read what.

package bus

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/batchkit/batchkit/batch/store"
)

// Role is what somebody is on the bus.
type Role string

// The roles. What each may do stands in the comment of the package.
const (
	RoleNode   Role = "node"
	RoleHub    Role = "hub"
	RoleClient Role = "client"
	RoleWatch  Role = "watch"
	RoleAdmin  Role = "admin"
)

// Streams and buckets that roles speak of.
const (
	presence = "presence" // bucket of who is there
	evidence = "EV"       // stream of journals on their way
)

// User is somebody whom a server lets in.
type User struct {
	Role     Role
	Name     string   // of the node, the hub or the user: its commands are on record under nats:NAME
	Key      string   // public part of its nkey
	Password string   // instead of a key, for role Watch alone: MQTT knows no keys. It has 12 to 72 bytes
	Areas    []string // of a node: its tags are rt.AREA.UNIT.TAG
}

// Allowed is what a user may publish and subscribe to, as subjects of NATS, and whether it may answer what it is asked.
type Allowed struct {
	Publish   []string
	Subscribe []string
	Answer    bool
}

// Allow is what a user may do at an executive whose arbiter's log has that name, "": plant. The bus of a plant is set by the same
// data, see Snippet.
func (u *User) Allow(log string) (Allowed, error) {
	if !ident(u.Name) {
		return Allowed{}, fmt.Errorf("user %.40q: no name; it has 1 to 32 letters, digits, - and _", u.Name)
	}
	log = cmp.Or(log, "plant")
	a := Allowed{Subscribe: []string{"_INBOX." + u.Name + ".>"}}
	switch u.Role {
	case RoleNode:
		a.Answer = true
		// No consumer, and no direct get: they put on any subject, as they are, what others have written, or itself.
		a.Publish = append(a.Publish, "$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_"+presence, "$JS.API.STREAM.INFO.KV_"+presence, "$JS.API.STREAM.MSG.GET.KV_"+presence,
			"$JS.API.STREAM.INFO."+rtStream, "$JS.API.STREAM.CREATE."+rtStream, "$KV."+presence+"."+u.Name, "$KV."+presence+"."+u.Name+".>",
			"$JS.API.STREAM.INFO."+evidence, "arb.log."+log, "arb.part."+log, "arb.told."+log, "ev."+u.Name+".>", "rt."+u.Name+".>",
			"hub.ask."+u.Name, "hub.ask."+u.Name+".>")
		for _, s := range []string{"ARB_" + log, "ARB_" + log + "_PARTS"} {
			for _, do := range []string{"INFO", "CREATE", "PURGE", "MSG.GET"} {
				a.Publish = append(a.Publish, "$JS.API.STREAM."+do+"."+s)
			}
		}
		for _, area := range u.Areas {
			if !ident(area) {
				return Allowed{}, fmt.Errorf("user %s: area %.40q is no name", u.Name, area)
			}
			a.Publish = append(a.Publish, "rt."+area+".>")
		}
		a.Subscribe = append(a.Subscribe, "cmd."+u.Name+".*", "$KV."+presence+".*", "arb.told."+log, "hub.told", "hub.told."+u.Name+".>")
	case RoleHub:
		a.Answer = true
		a.Publish = append(a.Publish, "$JS.API.INFO", "hub.>", "$JS.ACK."+evidence+".>", "$JS.FC."+evidence+".>")
		for _, do := range []string{"STREAM.INFO." + evidence, "STREAM.CREATE." + evidence, "STREAM.MSG.GET." + evidence, "STREAM.PURGE." + evidence,
			"CONSUMER.CREATE." + evidence + ".>", "CONSUMER.DURABLE.CREATE." + evidence + ".>", "CONSUMER.INFO." + evidence + ".>",
			"CONSUMER.MSG.NEXT." + evidence + ".>", "CONSUMER.DELETE." + evidence + ".>"} {
			a.Publish = append(a.Publish, "$JS.API."+do)
		}
		a.Subscribe = append(a.Subscribe, "ev.>", "hub.ask.>")
	case RoleClient: // nothing of $JS.API: its answers go to whatever subject is asked for, the arbiter's log too, whoever asks
		a.Publish = []string{"cmd.*." + u.Name, "hub.ask." + u.Name, "hub.ask." + u.Name + ".>"}
		a.Subscribe = append(a.Subscribe, "rt.>", "hub.told", "$KV."+presence+".*")
	case RoleWatch:
		a.Subscribe = []string{"rt.>"}
	case RoleAdmin:
		a = Allowed{Publish: []string{">"}, Subscribe: []string{">"}}
	default:
		return Allowed{}, fmt.Errorf("user %s: role %.40q is not known; it is node, hub, client, watch or admin", u.Name, u.Role)
	}
	return a, nil
}

// ways are the kinds of connection that a user may come by, none: all. MQTT and websocket ask for no certificate, so a key of a node,
// a hub or an administrator that was stolen opens nothing there.
func (u *User) ways() []string {
	switch u.Role {
	case RoleWatch:
		return nil
	case RoleClient:
		return []string{"STANDARD", "WEBSOCKET"}
	}
	return []string{"STANDARD"}
}

// check refuses a user who could not be told from others.
func (u *User) check() error {
	switch {
	case u.Password != "" && u.Role != RoleWatch:
		return fmt.Errorf("user %s: a password is for role watch alone; give it an nkey", u.Name)
	case u.Password != "" && (len(u.Password) < 12 || len(u.Password) > 72):
		return fmt.Errorf("user %s: its password has %d bytes; it has 12 to 72", u.Name, len(u.Password))
	case u.Password == "" && !nkeys.IsValidPublicUserKey(u.Key):
		return fmt.Errorf("user %s: %.60q is no public nkey of a user; it begins with U", u.Name, u.Key)
	case u.Password != "" && u.Key != "":
		return fmt.Errorf("user %s has a password and a key; give it one", u.Name)
	}
	return nil
}

// apart refuses users that could be taken for each other: of one name they would hear each other's answers, whatever their roles,
// and an area of the name of a node would be that node's run-time data.
func apart(all []User) error {
	name, key := map[string]Role{}, map[string]string{}
	for i := range all {
		u := &all[i]
		if role, twice := name[u.Name]; twice {
			return fmt.Errorf("user %s is there twice, as %s and as %s: they would hear each other's answers; give each a name of its own", u.Name, role, u.Role)
		}
		if other := key[u.Key]; u.Key != "" && other != "" {
			return fmt.Errorf("users %s and %s have the same key: nobody could tell who it was; make one for each", other, u.Name)
		}
		name[u.Name], key[u.Key] = u.Role, u.Name
	}
	for i := range all {
		for _, area := range all[i].Areas {
			if name[area] == RoleNode && area != all[i].Name {
				return fmt.Errorf("user %s: area %s is the name of a node, whose run-time data it could then write; name the area otherwise", all[i].Name, area)
			}
		}
	}
	return nil
}

// user lets somebody in.
func (s *Server) user(u *User, o *ServerOptions) error {
	a, err := u.Allow(o.Log)
	if err == nil {
		err = u.check()
	}
	if err != nil {
		return err
	}
	p := &server.Permissions{Publish: &server.SubjectPermission{Allow: a.Publish}, Subscribe: &server.SubjectPermission{Allow: a.Subscribe}}
	if len(a.Publish) == 0 {
		p.Publish = &server.SubjectPermission{Deny: []string{">"}}
	}
	if a.Answer {
		p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute}
	}
	if u.Password != "" {
		s.opt.Users = append(s.opt.Users, &server.User{Username: u.Name, Password: u.Password, Permissions: p})
		return nil
	}
	n := &server.NkeyUser{Nkey: u.Key, Permissions: p}
	for _, way := range u.ways() {
		if n.AllowedConnectionTypes == nil {
			n.AllowedConnectionTypes = map[string]struct{}{}
		}
		n.AllowedConnectionTypes[way] = struct{}{}
	}
	s.opt.Nkeys = append(s.opt.Nkeys, n)
	return nil
}

// Snippet is what a plant writes into the configuration of its own servers, so that they hold what ours do: limits, users and what
// each may do. Passwords stand in it as they are: replace them by what nats server passwd gives. Users that a Server would refuse are
// store.ErrRefused.
func Snippet(o *ServerOptions) (string, error) {
	var b strings.Builder
	switch {
	case o.Dir == "":
		return "", fmt.Errorf("%w: bus: no directory, and servers would keep streams where the system empties it; set Dir to one on a disk that stays", store.ErrRefused)
	case o.MaxStore <= 0 || o.MaxMemory <= 0:
		return "", fmt.Errorf("%w: bus: MaxStore and MaxMemory are not both set: a server would take up to three quarters of the disk; set them", store.ErrRefused)
	case len(o.Users) == 0:
		return "", fmt.Errorf("%w: bus: no users, and servers that are set so let in anybody; name users", store.ErrRefused)
	}
	fmt.Fprintf(&b, "max_payload: %d\njetstream {\n  store_dir: %q\n  max_memory_store: %d\n  max_file_store: %d\n  sync_interval: always\n}\nauthorization {\n  users: [\n",
		maxPayload, o.Dir, o.MaxMemory, o.MaxStore)
	if err := apart(o.Users); err != nil {
		return "", fmt.Errorf("%w: bus: %w", store.ErrRefused, err)
	}
	for i := range o.Users {
		u := &o.Users[i]
		a, err := u.Allow(o.Log)
		if err == nil {
			err = u.check()
		}
		if err != nil {
			return "", fmt.Errorf("%w: bus: %w", store.ErrRefused, err)
		}
		who := fmt.Sprintf("nkey: %q", u.Key)
		if u.Password != "" {
			who = fmt.Sprintf("user: %q, password: %q", u.Name, u.Password)
		}
		pub := fmt.Sprintf("{ allow: [%s] }", quoted(a.Publish))
		if len(a.Publish) == 0 {
			pub = `{ deny: [">"] }`
		}
		if ways := u.ways(); len(ways) > 0 {
			who += fmt.Sprintf(", allowed_connection_types: [%s]", quoted(ways))
		}
		answer := ""
		if a.Answer {
			answer = ", allow_responses: { max: 1, expires: \"1m\" }"
		}
		fmt.Fprintf(&b, "    # %s %s\n    { %s, permissions: { publish: %s, subscribe: { allow: [%s] }%s } }\n", u.Role, u.Name, who, pub, quoted(a.Subscribe), answer)
	}
	b.WriteString("  ]\n}\n")
	return b.String(), nil
}

func quoted(list []string) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", s)
	}
	return b.String()
}

// bounded is a text that several set.
type bounded struct {
	mu   sync.Mutex
	text string
}

func (b *bounded) set(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = text
}

func (b *bounded) get() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text
}
