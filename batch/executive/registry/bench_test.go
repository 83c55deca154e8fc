// What a binding, a change and a start cost, over a socket and a disk.

package registry_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/batch/executive/registry"
)

// onSocket runs a server on a socket.
func onSocket(b *testing.B) *api.Client {
	b.Helper()
	run, err := os.MkdirTemp("", "r")
	require.NoError(b, err)
	n := api.Sockets(run)
	s, err := registry.Open(b.TempDir(), "CELL-01", cell(), n, nil)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := n.Dial(api.Runtime)
	for c.Call(ctx, "GET", "/v1/self", nil, nil) != nil {
	}
	b.Cleanup(func() {
		c.Close()
		cancel()
		require.NoError(b, <-done)
		require.NoError(b, os.RemoveAll(run))
	})
	return c
}

func BenchmarkABindingOverASocket(b *testing.B) {
	c := onSocket(b)
	for b.Loop() {
		var out api.Binding
		require.NoError(b, c.Call(b.Context(), "GET", "/v1/bindings?recipe=RINSE&unit=R101", nil, &out))
	}
}

func BenchmarkAChangeOfOneItemOverASocket(b *testing.B) {
	c := onSocket(b)
	base := uint64(1)
	for b.Loop() {
		i := api.Impact{}
		item := equipment.Item{ID: "S901", Level: "equipment_module", Parent: "CELL", Owners: 1, Channels: []string{"S901/do/1"},
			Safe: map[string]string{"S901/do/1": "0"}, Priority: int64(base % 1000)}
		require.NoError(b, c.Call(b.Context(), "POST", "/v1/model/changes",
			&api.ModelChange{Order: api.Order{Reason: "bench"}, Change: equipment.Change{Base: base, Put: []equipment.Item{item}}}, &i))
		base = i.Version
	}
}

func BenchmarkAStart(b *testing.B) {
	dir, files := b.TempDir(), cell()
	for b.Loop() {
		s, err := registry.Open(dir, "CELL-01", files, &api.Memory{}, nil)
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}
