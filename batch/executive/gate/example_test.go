// How two boards reach each other.

package gate_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/gate"
)

// Two boards: n1 asks the I/O process of n2, by the gates of both.
func Example() {
	dir, err := os.MkdirTemp("", "gate")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ca, err := gate.OpenAuthority(dir)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	start := func(node string, peers map[string]string, n api.Network) (*gate.Gate, chan error) {
		if err := ca.Issue(node, 365*24*time.Hour); err != nil {
			panic(err)
		}
		g, err := gate.New(gate.Options{Node: node, Listen: "127.0.0.1:0", CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, node+".pem"),
			Key: filepath.Join(dir, node+".key"), Peers: peers})
		if err != nil {
			panic(err)
		}
		done := make(chan error, 1)
		io := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // that of wire.Server
			api.Reply(w, &api.Self{Role: api.IO, Boot: "asked by " + api.PeerOf(r).Actor()}, nil)
		})
		go func() { done <- g.Run(ctx, n, io) }()
		return g, done
	}
	var n1, n2 api.Memory
	g2, done2 := start("n2", map[string]string{"n1": "127.0.0.1:1"}, &n2)
	_, done1 := start("n1", map[string]string{"n2": g2.Addr().String()}, &n1)

	c := n1.Dial(api.Remote("n2", api.IO))
	var self api.Self
	for c.Call(ctx, "GET", "/v1/self", nil, &self) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println(self.Role, self.Boot)
	c.Close()
	cancel()
	fmt.Println(<-done1, <-done2)
	// Output:
	// io asked by node:n1
	// <nil> <nil>
}
