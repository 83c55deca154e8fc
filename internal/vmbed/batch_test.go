//go:build linux && amd64

// A whole batch on lines of a kernel, cut by killing the machine.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cuts are where the power goes: when the controller says that. All but the first are for BATCHKIT_LONG=1.
var cuts = []struct{ name, line string }{
	{"while it stirs", "STIR       start"},
	{"while it fills", "FILL       waits: "},
	{"while it drains", "DRAIN      start"},
	{"when it has just begun", "batch is Running"},
	{"when it is complete", "batch is Complete"},
}

func TestABatchOnLinesOfAKernelOutlivesItsMachine(t *testing.T) {
	b := newBench(t)
	files, err := filepath.Abs("../../examples/controller/board")
	require.NoError(t, err)
	s := stage{controller: b.build("controller", "build", "../../examples/controller"), files: files,
		judge: b.build("evidence", "build", "../../examples/evidence"), parts: b.build("parts", "test -c", "."),
		operator: filepath.Join(b.dir, "operator")}
	// An operator looks every 3 s: a batch that comes up again with an output that is not as it was waits for a person.
	var script strings.Builder
	for at := 3; at < 300; at += 3 {
		fmt.Fprintf(&script, "at %ds command reset_interlock op1 \"the tank is not full\" IL-OVERFILL\n", at)
		fmt.Fprintf(&script, "at %ds command restart op1 \"looked at the tank\"\n", at)
	}
	require.NoError(t, os.WriteFile(s.operator, []byte(script.String()), 0o600))
	some := cuts
	if os.Getenv("BATCHKIT_LONG") == "" {
		some = cuts[:1]
		t.Logf("one cut of %d; BATCHKIT_LONG=1 makes them all", len(cuts))
	}
	for _, cut := range some {
		t.Run(cut.name, func(t *testing.T) {
			b := &bench{t: t, dir: t.TempDir(), m: b.m}
			s.outlives(t, b, cut.line)
		})
	}
}

// stage is what a batch in the bed needs.
type stage struct{ controller, judge, parts, files, operator string }

// outlives runs a batch, kills the machine when the controller says a line, and has the next machine bring it to its end.
func (s stage) outlives(t *testing.T, b *bench, at string) {
	m := b.m
	m.disk = b.disk(64)
	m.bring = []string{s.files, s.controller, s.operator}
	run := program{Dir: s.files, Env: append(environment(nil), inGuest+"=plant"), Args: []string{s.parts,
		"-test.run", "^TestAPartInTheGuest$", "--",
		s.controller, "-board", "bed.yaml", "-map", "map.yaml", "-recipe", "recipe.yaml", "-unapproved", "-plain",
		"-batch", "B-0001", "-size", "5 kg", "-faults", s.operator, "-out", "/disk/out"}}
	power := errors.New("the test has cut the power")
	ctx, kill := context.WithCancelCause(context.Background())
	said, _, err := b.run(ctx, m, func(line string) {
		if strings.Contains(line, at) {
			kill(power)
		}
	}, run)
	require.ErrorIs(t, err, power, said)

	judged := func(how string) program {
		return program{Dir: "/root", Env: environment(nil), Args: []string{s.judge, how, "/disk/out/B-0001"}}
	}
	said, statuses, err := b.run(context.Background(), m, nil, run, judged("verify"), judged("replay"))
	if testing.Verbose() {
		t.Log(said)
	}
	require.NoError(t, err, said)
	require.Equal(t, []int{0, 0, 0}, statuses, said)
	require.Contains(t, said, "0 divergences")
	require.Contains(t, said, "B-0001 is Complete")
}
