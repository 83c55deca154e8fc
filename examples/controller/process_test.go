// The test binary is the command too: a controller under test starts its plant, and a test its controller, as a process.

package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Variables of the environment: one makes the test binary the command, one says which test it is to run, and no other.
const (
	asCommand = "BATCHKIT_TEST_CONTROLLER"
	alone     = "BATCHKIT_TEST_ALONE"
)

// forLong is how long a test waits in real time for what must come. On a busy machine, and under the race detector, a process may take
// a good part of it to start; where nothing comes the test fails all the same.
const forLong = time.Minute

// atOnce is how many tests that stand aside run at a time, unless go test -parallel says otherwise. They wait more than they compute.
const atOnce = "6"

func TestMain(m *testing.M) {
	plant := len(os.Args) > 1 && os.Args[1] == "plant"
	if !plant && os.Getenv(asCommand) == "" {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// aside runs a test that waits in real time in a process of its own, beside others of its kind: each has a working directory, which
// a process has but one of. It returns true where the test has run elsewhere, and false in the process that is to run it.
func aside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(alone) == t.Name() {
		return false
	}
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	switch text := string(said); {
	case strings.Contains(text, "--- SKIP: "+t.Name()+" "):
		t.Skip(text)
	default:
		require.Contains(t, text, "--- PASS: "+t.Name()+" ", "nothing was run")
		t.Log(text)
	}
	return true
}
