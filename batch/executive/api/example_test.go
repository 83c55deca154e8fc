// An example of both sides, in one process.

package api_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// The manager of one process lists its batches; a client asks for the list and follows it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var net api.Memory // api.Sockets("DIR/run") where they are processes
	l, err := net.Listen(api.Manager)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/batches", func(w http.ResponseWriter, _ *http.Request) {
		api.Reply(w, &api.Batches{{ID: "B-0001", Life: api.Ready, Recipe: "MIX", Unit: "R101"}}, nil)
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		s := api.NewStream(w)
		_ = s.Send("batch", "", []byte(`{"batch_id":"B-0001","life":"Active"}`))
		<-r.Context().Done()
	})
	done := make(chan error)
	go func() { done <- api.Serve(ctx, l, mux) }()

	c := net.Dial(api.Manager)
	defer c.Close()
	var list api.Batches
	err = c.Call(ctx, "GET", "/v1/batches", nil, &list)
	fmt.Println(list[0].ID, list[0].Life, err)
	err = c.Events(ctx, "/v1/events", 5*time.Second, func(event, _ string, data []byte) error {
		fmt.Println(event, string(data))
		cancel()
		return ctx.Err()
	})
	fmt.Println(err)
	fmt.Println(<-done)
	// Output:
	// B-0001 Ready <nil>
	// batch {"batch_id":"B-0001","life":"Active"}
	// context canceled
	// <nil>
}
