// A window on a directory, as a process of its own has it.

package scada_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/batchkit/batchkit/batch/scada"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

func Example() {
	out, err := os.MkdirTemp("", "out") // of examples/controller -out
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(out)
	space := server.NewSpace("urn:plant:scada")
	w, err := scada.New(space, out, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := server.Serve("127.0.0.1:0", space, nil) // options say who may come in
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	values := httptest.NewServer(w.Receiver()) // controller -trend posts here
	defer values.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fmt.Println(w.Run(ctx)) // until the process is told to end

	res, err := http.Post(values.URL, "application/x-ndjson", strings.NewReader("42"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status, w.Status().Batches)
	// Output:
	// <nil>
	// 400 Bad Request 0
}
