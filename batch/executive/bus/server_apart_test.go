// Users that could be taken for each other, and what is said of each role.

package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/journal/export"
)

func TestUsersThatCouldBeTakenForEachOtherAreRefused(t *testing.T) {
	key := func() string {
		k, err := NewKey(filepath.Join(t.TempDir(), "k"))
		require.NoError(t, err)
		return k.Public
	}
	one, two := key(), key()
	for _, c := range []struct {
		users []User
		says  string
	}{
		{[]User{{Role: RoleNode, Name: "n1", Key: one}, {Role: RoleClient, Name: "n1", Key: two}}, "user n1 is there twice, as node and as client"},
		{[]User{{Role: RoleNode, Name: "n1", Key: one}, {Role: RoleNode, Name: "n1", Key: two}}, "is there twice"},
		{[]User{{Role: RoleHub, Name: "a", Key: one}, {Role: RoleWatch, Name: "a", Password: "0123456789ab"}}, "is there twice"},
		{[]User{{Role: RoleClient, Name: "a", Key: one}, {Role: RoleAdmin, Name: "b", Key: one}}, "users a and b have the same key"},
		{[]User{{Role: RoleNode, Name: "n1", Key: one, Areas: []string{"n2"}}, {Role: RoleNode, Name: "n2", Key: two}}, "area n2 is the name of a node"},
	} {
		o := alone(t)
		o.Users = c.users
		_, err := NewServer(o)
		require.ErrorIs(t, err, store.ErrRefused, c.says)
		require.ErrorContains(t, err, c.says)
		_, err = Snippet(o)
		require.ErrorIs(t, err, store.ErrRefused, c.says)
		require.ErrorContains(t, err, c.says)
	}
	o := alone(t)
	o.Users = []User{{Role: RoleNode, Name: "n1", Key: one, Areas: []string{"mill"}}, {Role: RoleNode, Name: "n2", Key: two, Areas: []string{"mill"}}}
	_, err := NewServer(o)
	require.NoError(t, err, "an area may be of two nodes")
}

func TestAServerHasNoMonitoring(t *testing.T) {
	s, _ := runServer(t, alone(t))
	require.Zero(t, s.opt.HTTPPort)
	require.Zero(t, s.opt.HTTPSPort)
	require.Zero(t, s.opt.ProfPort)
	require.Nil(t, s.s.MonitorAddr())
}

// table is what the comment of the package says of the roles.
func table(t *testing.T) string {
	var b strings.Builder
	for _, u := range []User{{Role: RoleNode}, {Role: RoleHub}, {Role: RoleClient}, {Role: RoleWatch}, {Role: RoleAdmin}} {
		u.Name, u.Areas = "NAME", []string{"AREA"}
		a, err := u.Allow("LOG")
		require.NoError(t, err)
		answers := ""
		if a.Answer {
			answers = ", and answers what it is asked, once each"
		}
		fmt.Fprintf(&b, "//\t%s%s\n", u.Role, answers)
		for _, part := range []struct {
			name string
			list []string
		}{{"publishes", a.Publish}, {"subscribes to", a.Subscribe}} {
			row := "//\t  " + part.name
			slices.Sort(part.list)
			for _, s := range part.list {
				if len(row)+1+len(s) > 120 {
					b.WriteString(row + "\n")
					row = "//\t     "
				}
				row += " " + s
			}
			if len(part.list) == 0 {
				row += " nothing"
			}
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

func TestTheTableOfRolesIsThatOfTheData(t *testing.T) {
	text, err := os.ReadFile("bus.go")
	require.NoError(t, err)
	want := table(t)
	require.Contains(t, string(text), want, "write this into the comment of the package:\n%s", want)
}

func TestTheHubAnswersNowhereButInTheInboxOfWhoAsks(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	var tale told
	hub := p.connect(t, RoleHub, "hub", &tale)
	run := make(chan error, 1)
	ctx := within(t, patience)
	go func() { run <- Deliver(ctx, hub, &shelf{dir: &export.Dir{Path: t.TempDir()}}, nil) }()
	anna := p.connect(t, RoleClient, "anna", nil)
	soon(t, func() bool {
		_, err := anna.nc.Request("hub.ask.anna.j1", []byte("{}"), patience)
		return err == nil
	}, "the hub is there")
	root := p.connect(t, RoleAdmin, "root", nil)
	sub, err := root.nc.SubscribeSync("arb.log.plant")
	require.NoError(t, err)
	require.NoError(t, root.nc.Flush())
	require.NoError(t, anna.nc.PublishMsg(&nats.Msg{Subject: "hub.ask.anna.j1", Reply: "arb.log.plant", Data: []byte("{}")}))
	soon(t, func() bool {
		return strings.Contains(tale.all(), "hub.ask.anna.j1 refused its answer is wanted at \"arb.log.plant\"")
	}, "it is told")
	require.NoError(t, hub.nc.Flush())
	require.NoError(t, root.nc.Flush())
	n, _, err := sub.Pending()
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestANodeCannotHaveTheStreamsSpeakForTheHub: what a node writes under its own key would be a position of the hub, for the journal of
// another node, if it might have it delivered there.
func TestANodeCannotHaveTheStreamsSpeakForTheHub(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	var tale told
	n2 := p.connect(t, RoleNode, "n2", &tale)
	b, err := NewBridge(n2, newStub(t, "n2").net, nil)
	require.NoError(t, err)
	require.NoError(t, b.ensurePresence(within(t, patience)))
	_, err = n2.nc.Request("$KV.presence.n2", []byte(`{"seq":"1000","link":"`+strings.Repeat("ab", 32)+`","boot":"x"}`), patience)
	require.NoError(t, err)
	n1 := p.connect(t, RoleNode, "n1", nil)
	sub, err := n1.nc.SubscribeSync("hub.told.n1.*")
	require.NoError(t, err)
	require.NoError(t, n1.nc.Flush())
	for _, way := range []struct{ subject, body string }{
		{"$JS.API.CONSUMER.CREATE.KV_presence.x", `{"stream_name":"KV_presence","config":{"name":"x","deliver_subject":"hub.told.n1.j1","ack_policy":"none"}}`},
		{"$JS.API.DIRECT.GET.KV_presence", `{"last_by_subj":"$KV.presence.n2"}`},
		{"$JS.API.STREAM.MSG.GET.KV_presence", `{"last_by_subj":"$KV.presence.n2"}`},
	} {
		require.NoError(t, n2.nc.PublishRequest(way.subject, "hub.told.n1.j1", []byte(way.body)))
	}
	m, err := sub.NextMsg(patience) // of the last: the answer of JetStream, which is no position
	require.NoError(t, err)
	_, _, err = readPosition(m.Data)
	require.Error(t, err, "%s", m.Data)
	n, _, err := sub.Pending()
	require.NoError(t, err)
	require.Zero(t, n)
	soon(t, func() bool { return strings.Contains(tale.all(), "$JS.API.CONSUMER.CREATE.KV_presence.x refused") }, "it is told")
}
