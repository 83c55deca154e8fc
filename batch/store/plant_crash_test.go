// What a kill leaves of a plant: whole transactions, from which it goes on.

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/batch/store/storetest"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// applier is the environment variable that makes this test program one that brings a day into the plant that it names.
const applier = "BATCHKIT_TEST_APPLIER"

// applyPiece is how many records are in a transaction.
const applyPiece = 7

// dayOf is what is brought in.
func dayOf() ([]*record.Record, error) { return storetest.Day("day", 11, 60) }

// applierMain brings in a day from where the plant is, again and again, until it is killed, and tells which record it has come to.
func applierMain(where string) {
	err := func() error {
		all, err := dayOf()
		if err != nil {
			return err
		}
		p, err := store.OpenPlant(context.Background(), where, nil)
		if err != nil {
			return err
		}
		at, err := p.At(context.Background(), "day")
		for err == nil {
			if at.N == uint64(len(all)) { // as good as anything: all of it anew
				at, err = journal.Chain{}, p.Rebuild(context.Background(), "day", func(add func([]*record.Record) error) error { return add(all[:40]) })
			}
			some := all[at.N:min(at.N+applyPiece, uint64(len(all)))]
			if err == nil {
				err = p.Apply(context.Background(), "day", at, some)
			}
			for _, r := range some {
				at.Add(r.Body)
			}
			fmt.Println(at.N)
		}
		return err
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(3)
}

// whole makes sure that a plant has the rows of the first records of the day, and gives how many.
func whole(t *testing.T, p *store.Plant) uint64 {
	t.Helper()
	all, err := dayOf()
	require.NoError(t, err)
	at, err := p.At(t.Context(), "day")
	require.NoError(t, err)
	fresh := openPlant(t, filepath.Join(t.TempDir(), "fresh.db"))
	require.NoError(t, fresh.Apply(t.Context(), "day", journal.Chain{}, all[:at.N]))
	require.Equal(t, rowsOf(t, fresh), rowsOf(t, p), "at record %d", at.N)
	require.NoError(t, fresh.Close())
	return at.N
}

func TestAKillLeavesWholeTransactionsOfAPlant(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("wants a process that can be killed")
	}
	t.Parallel()
	rounds := 10
	if os.Getenv("BATCHKIT_LONG") != "" {
		rounds = 200
	}
	path := filepath.Join(t.TempDir(), "plant.db")
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), applier+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines, acked := bufio.NewScanner(out), uint64(0)
		for n := 0; n <= round*31%90 && lines.Scan(); n++ {
			acked = number(t, lines.Text())
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			acked = number(t, lines.Text())
		}
		_ = cmd.Wait()
		p := openPlant(t, path)
		n := whole(t, p)
		require.True(t, n >= acked || n < 100, "%d was acknowledged, and %d is there", acked, n) // less: it was rebuilt since
		require.NoError(t, p.Close())
	}
}

// pgPlantKilled kills the server under an Apply, again and again.
func pgPlantKilled(t *testing.T, p *storetest.Postgres, where string) {
	all, err := dayOf()
	require.NoError(t, err)
	plant := openPlant(t, where)
	for round := range 4 {
		ended, under := make(chan error, 1), make(chan struct{})
		at, err := plant.At(t.Context(), "day")
		require.NoError(t, err)
		go func() {
			ended <- func() error {
				for n := 0; ; n++ {
					if n == 5+round {
						close(under)
					}
					some := all[at.N:min(at.N+applyPiece, uint64(len(all)))]
					if err := plant.Apply(t.Context(), "day", at, some); err != nil {
						return err
					}
					for _, r := range some {
						at.Add(r.Body)
					}
					if _, err := plant.At(t.Context(), "day"); err != nil { // where all is in, it asks
						return err
					}
				}
			}()
		}()
		<-under
		p.Kill()
		require.Error(t, <-ended)
		_, err = plant.At(t.Context(), "day")
		require.Error(t, err)
		require.NoError(t, p.Start(t.Context()))
		n := whole(t, plant)
		require.True(t, n == at.N || n == min(at.N+applyPiece, uint64(len(all))), "%d was acknowledged, and %d is there", at.N, n)
	}
	at, err := plant.At(t.Context(), "day")
	require.NoError(t, err)
	require.NoError(t, plant.Apply(t.Context(), "day", at, all[at.N:]))
	require.EqualValues(t, len(all), whole(t, plant))
}
