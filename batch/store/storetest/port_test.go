// Ports that are given are given once.

package storetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/store/storetest"
)

func TestNoPortIsGivenTwice(t *testing.T) {
	given := map[int]bool{}
	for range 500 { // by chance alone about six of them would be
		at, err := storetest.FreePort()
		require.NoError(t, err)
		require.False(t, given[at.Port], "%d", at.Port)
		given[at.Port] = true
	}
}
