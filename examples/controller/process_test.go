// The test binary is the command too: a controller under test starts its plant, and a test its controller, as a process.

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// asCommand is the variable of the environment that makes the test binary the command.
const asCommand = "BATCHKIT_TEST_CONTROLLER"

func TestMain(m *testing.M) {
	plant := len(os.Args) > 1 && os.Args[1] == "plant"
	if !plant && os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
