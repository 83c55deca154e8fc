// Two managers that share a log in a real PostgreSQL, which is killed under them.

package executive

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
)

// insists has a batch say something until it is taken, as a runner does.
func (b *node) insists(path string, claim *api.Claim) {
	b.t.Helper()
	b.until(func() bool { return post(b.c, path, claim) == nil })
}

func TestManagersOnPostgresGoOnWhenItIsKilled(t *testing.T) {
	t.Parallel()
	p, err := storetest.StartPostgres(t.Context())
	if errors.Is(err, storetest.ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	all := boards(ctx, t, 2)
	defer func() {
		cancel()
		for _, b := range all {
			b.all.Wait()
		}
	}()
	for _, b := range all {
		log, err := store.OpenPostgres(ctx, p.URL, "plant", nil)
		require.NoError(t, err)
		defer log.Close()
		b.real = log
		b.up()
		defer b.down()
		b.readies(b.name + ".A")
	}
	n1, n2 := all[0], all[1]
	const rounds = 3
	token := uint64(0)
	had := func(batch string) { // both say that it has the unit, under a token above all before
		t.Helper()
		for _, b := range all {
			b.until(func() bool { return b.owner(b.c, "U1").Batch == batch })
		}
		now := n1.owner(n1.c, "U1").Token
		require.Equal(t, now, n2.owner(n2.c, "U1").Token)
		require.Greater(t, now, token)
		token = now
	}
	for claim := uint32(1); claim <= rounds; claim++ {
		mine := &api.Claim{Batch: "n1.A", ID: claim, Step: "S", Equipment: []string{"U1"}}
		n1.insists("/v1/claims", mine)
		had("n1.A")
		p.Kill()
		var asked sync.WaitGroup
		asked.Go(func() {
			n2.insists("/v1/claims", &api.Claim{Batch: "n2.A", ID: claim, Step: "S", Equipment: []string{"U1", "U2"}})
		})
		n1.until(func() bool { return n1.nodes().Log != "" }) // it says that the log is away
		for _, b := range all {
			require.Equal(t, "n1.A", b.owner(b.c, "U1").Batch, "what is held is held")
			require.NoError(t, b.c.Call(ctx, http.MethodGet, "/v1/self", nil, nil))
		}
		require.NoError(t, post(n1.c, "/v1/claims", mine), "what it has it has, and is told so")
		require.NoError(t, p.Start(t.Context()))
		asked.Wait()
		n1.insists("/v1/releases", &api.Claim{Batch: "n1.A", ID: claim})
		had("n2.A")
		n2.insists("/v1/releases", &api.Claim{Batch: "n2.A", ID: claim})
	}
	n1.until(func() bool {
		one, other := n1.owners(), n2.owners()
		return slices.Equal(one, other) && len(one) == 4*rounds
	})
	agree(t, n1.real, all)
	for _, b := range all {
		require.Empty(t, b.nodes().Log)
	}
}
