// The device journal keeps how the medium stands from batch to batch, until a record says that it was replaced.

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
)

func TestTheMediumIsCarriedThroughTheDeviceJournalUntilItIsReplaced(t *testing.T) {
	workplace(t)
	f := &flags{out: "out", operator: "op1", given: map[string]bool{}}
	plan, err := load(hostFS{}, "", "")
	require.NoError(t, err)
	last, err := medium(f, plan.Map.Device)
	require.NoError(t, err)
	require.Nil(t, last)
	require.NoDirExists(t, filepath.Join("out", "device"), "to look writes nothing")

	require.NoError(t, makeOut(f.out))
	rel, err := released(f, plan, io.Discard)
	require.NoError(t, err)
	worn := hal.NewStorageHealth("card 1")
	worn.JudgeWear(85, "worn")
	b, err := plan.Bind("B-0001", "", rel, nil)
	require.NoError(t, err)
	leaves(f, b, &runner.Result{Medium: &worn}, os.Stderr)
	last, err = medium(f, plan.Map.Device)
	require.NoError(t, err)
	require.Equal(t, hal.HealthReplace, last.State)
	require.Equal(t, "card 1", last.Medium)

	f.replaced = "worn out"
	now := health(f.out).Medium
	last, err = medium(f, plan.Map.Device)
	if now == "" {
		require.ErrorContains(t, err, "-medium-replaced: hal: replacement of a medium: the new medium is 0 bytes long")
		return // this system does not tell what its medium is
	}
	require.NoError(t, err)
	require.Equal(t, "card 1", last.Replaces)
	require.Equal(t, now, last.Medium)
	require.Equal(t, hal.HealthUnknown, last.State)
	again, err := medium(f, plan.Map.Device)
	require.NoError(t, err)
	require.Equal(t, last, again, "once is enough")
}
