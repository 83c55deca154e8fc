// A board whose disk is put back to an earlier state, and one whose clock is hours off.

//go:build linux

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/evidence/hub"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/export"
	"github.com/batchkit/batchkit/journal/record"
)

// copyFiles copies the files of a directory, and no sockets.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(at, info.Mode().Perm())
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, info.Mode().Perm())
	}))
}

// putBack puts the disk of a board back to what was copied. The plant, which is no part of it, stays where it listens.
func putBack(t *testing.T, dir, from string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		if e.Name() != plantSocket {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	copyFiles(t, from, dir)
}

// holder is who has a piece of equipment by the word of a board, and the token.
func (r *rig) holder(equipment string) (batch string, token uint64) {
	for _, h := range r.holdings() {
		if h.Equipment == equipment {
			return h.Batch, h.Token
		}
	}
	return "", 0
}

func TestADiskThatIsPutBackLetsNoTokenGoBackwardsAtTheWire(t *testing.T) {
	if aside(t) {
		return
	}
	putsBack(t, 0)
}

func TestADiskThatIsPutBackBehindTheMarkOfItsNodeWaitsForTheWordOfAPerson(t *testing.T) {
	if !long() {
		t.Skip("three boards once more: BATCHKIT_LONG=1 runs it")
	}
	if aside(t) {
		return
	}
	putsBack(t, 10)
}

// marked is the mark of another node.
func (r *rig) marked(node string) uint64 {
	var list api.Nodes
	_ = r.ask("GET", "/v1/nodes", nil, &list)
	for _, n := range list.Nodes {
		if n.Node == node {
			return n.Mark
		}
	}
	return 0
}

// putsBack puts the disk of a board back. Where the log is trimmed after so many operations, the node has meanwhile said that it has more on record than
// that disk has; with 0, it has not.
func putsBack(t *testing.T, whole int) {
	b := newBoards(t, func(b *boardsRig) {
		for _, site := range b.sites {
			site.Whole = whole
			require.NoError(t, site.write(filepath.Join("x", site.Node)))
		}
	})
	n1, n2, n3 := b.boards["n1"], b.boards["n2"], b.boards["n3"]
	const skid, water = "S901", "S901/do/1"

	// The disk of n2 is copied, and the board goes on.
	b.waits["n2"](boardProcesses)
	copyFiles(t, "x/n2", "copy")
	b.begin("n2")
	b.up()
	mark := n3.marked("n2")

	// A batch of n1 has the skid of n2 and lets water in; its runner freezes. A person takes the skid, and a batch of n3 has it next.
	old := n1.create("RINSE", "R101", nil)
	b.until("the skid lets water in for "+old, func() bool { return slices.Contains(n2.plant.on(skid), water) })
	pid, ok := n1.signal(old, syscall.SIGSTOP)
	require.True(t, ok)
	n1.pids[pid] = old
	batch, was := n1.holder(skid)
	require.Equal(t, old, batch)
	n1.waitsForNobody(b) // its manager would tell the runner of the taking before the wire does: what it says waits in the socket of one that is frozen
	b.until("silence of another board makes its outputs safe", func() bool { return len(n2.plant.on(skid)) == 0 })
	require.NoError(t, n2.ask("POST", "/v1/equipment/"+skid+"/release", &because, nil))
	next := n3.create("RINSE", "R301", nil)
	n3.is(next, api.Ended, "Complete")
	_, is := n2.holder(skid)
	require.Greater(t, is, was)

	// A batch of n2 that its older disk does not know. All processes of n2 are killed, this one too, and the disk is put back.
	gone := n2.create("CHARGE", "R201", nil)
	n2.is(gone, api.Active, "Running")
	for whole > 0 && n3.marked("n2") < mark+uint64(whole) {
		more := n2.create("DOSE", "R202", nil)
		n2.is(more, api.Ended, "Complete")
		require.NoError(t, n2.remove(more, false))
		n2.is(more, api.Removed, "")
	}
	b.wasPutBack(gone)
	n2.is(gone, api.Lost, "")
	t.Logf("%s is Lost: %s", gone, n2.batch(gone).Reason)

	// The frozen runner thaws: it has what it was given long ago, and nobody has told it anything else.
	require.Zero(t, n2.count("device", "wire_refused", "object_id", old))
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	b.isRefused(old)
	require.Empty(t, n2.plant.on(skid), "it moves nothing")

	b.waits["n1"](boardProcesses)
	b.begin("n1")
	b.up()
	again := n3.create("RINSE", "R302", nil)
	n3.is(again, api.Ended, "Complete")
	_, last := n2.holder(skid)
	require.Greater(t, last, is)
	grants, packages := b.settled()
	b.stopped("n2")
	t.Logf("tokens of the skid: %d, then %d, and %d after the disk was put back; %d grants, %d packages verified", was, is, last, grants, packages)
}

// isRefused waits until the wire of n2 has refused a batch of n1, on record. It may be Held by now, and write nothing more by itself: it is told to go on.
func (b *boardsRig) isRefused(batch string) {
	runner := b.boards["n1"].s.network().Dial(batch)
	defer runner.Close()
	var told time.Time
	b.until("what it writes is refused, on record", func() bool {
		if time.Since(told) > 3*time.Second {
			told = time.Now()
			err := runner.Call(b.t.Context(), "POST", "/v1/batches/"+batch+"/commands", &api.Command{Order: because, Command: "restart"}, nil) // or it is not Held
			var is api.Batch
			err = errors.Join(err, runner.Call(b.t.Context(), "GET", "/v1/batches/"+batch, nil, &is))
			b.t.Logf("%s is %s, %s: %s; %q; %v", batch, is.Life, is.State, is.Reason, is.Steps, err)
		}
		return b.boards["n2"].count("device", "wire_refused", "object_id", batch) > 0
	})
}

// wasPutBack kills all processes of n2 and a runner, puts the disk back and has the board come up again, which wants a person's word: who has spoken for n2
// since is on record on a disk that is there no more.
func (b *boardsRig) wasPutBack(gone string) {
	t, n2 := b.t, b.boards["n2"]
	for _, name := range []string{gone, api.Bus, api.IO, api.Manager, api.Runtime} {
		_, ok := n2.signal(name, syscall.SIGKILL)
		require.True(t, ok, name)
	}
	b.waits["n2"](boardProcesses)
	putBack(t, "x/n2", "copy")
	b.begin("n2")
	refused := func() bool {
		data, _ := os.ReadFile("x/n2/manager.log")
		return strings.Contains(string(data), "put back")
	}
	b.until("n2 says that its disk was put back", refused)
	require.Error(t, n2.s.ask(t.Context(), api.Manager, "GET", "/v1/self", nil, &api.Self{}))
	site := *b.sites[1]
	site.PutBack = "the disk was exchanged" // a person says that it was
	require.NoError(t, site.write("x/n2"))
	n2.up()
	require.Positive(t, n2.count("manager", "library_change", "change_reason", "the disk was exchanged"), "the word is on record")
}

// stopped holds that a board whose disk was put back sends nothing of the journals that contradict what the hub has, and says so on record; and that the
// hub keeps what it had.
func (b *boardsRig) stopped(node string) {
	b.t.Helper()
	c, err := hub.NewClient("http://"+b.sites[0].Hub, nil)
	require.NoError(b.t, err)
	defer c.Close()
	q, err := evidence.ParseQuery([]string{"kind=bus_state", "result=stopped"})
	require.NoError(b.t, err)
	for _, name := range []string{api.Manager, "device"} {
		ends, err := endsOf([]string{filepath.Join("x", node, name)})
		require.NoError(b.t, err)
		for id, end := range ends {
			why := ""
			b.until(id+" is stopped, on record", func() bool {
				_, _, err := evidence.Select(filepath.Join("x", node, api.Bus), q, func(row *evidence.Row) error {
					if text := row.Record.Text(record.Detail); row.Record.Text(record.ObjectID) == id && strings.Contains(text, export.ErrSink.Error()) {
						why = text
					}
					return nil
				})
				require.NoError(b.t, err)
				return why != ""
			})
			list, err := c.Journals(b.t.Context())
			require.NoError(b.t, err)
			i := slices.IndexFunc(list, func(st hub.Status) bool { return st.Journal == id })
			require.GreaterOrEqual(b.t, i, 0)
			require.NotEqual(b.t, end.Link.String(), list[i].Link)
			b.t.Logf("%s: %s; at the hub: %s", id, why, list[i].Words())
		}
	}
}

// waitsForNobody ends the manager of a board, and leaves its runners.
func (r *rig) waitsForNobody(b *boardsRig) { b.waits[r.s.node](1) }

func TestAClockThatIsHoursOffChangesNothingButTheTimesOnRecord(t *testing.T) {
	if !long() {
		t.Skip("three boards once more: BATCHKIT_LONG=1 runs it")
	}
	if aside(t) {
		return
	}
	b := newBoards(t, func(b *boardsRig) {
		b.sites[1].WallOffset = "5h"
		require.NoError(t, b.sites[1].write("x/n2"))
	})
	var all []string
	for _, node := range b.names() {
		all = append(all, b.boards[node].create("RINSE", unitsOf(node)[0], nil), b.boards[node].create("DOSE", unitsOf(node)[1], nil))
	}
	for _, id := range all {
		b.of(id).is(id, api.Ended, "Complete")
	}
	grants, packages := b.settled()
	require.Equal(t, len(all), packages)
	for _, node := range b.names() {
		for _, dir := range []string{"manager", "device", "runtime", "batches/" + node + ".B-0001/evidence"} {
			off := 0 * time.Hour
			if node == "n2" {
				off = 5 * time.Hour
			}
			b.dated(filepath.Join("x", node, dir), off)
		}
	}
	t.Logf("%d grants, %d packages verified", grants, packages)
	b.hubHasAll()
}

// dated holds that the records of a journal were written now by a clock that is off, and say that nothing stands behind it.
func (b *boardsRig) dated(dir string, off time.Duration) {
	b.t.Helper()
	count := 0
	_, _, err := evidence.Select(dir, nil, func(row *evidence.Row) error {
		at := time.Unix(0, row.Record.Time(record.TsUTC))
		count++
		require.Less(b.t, time.Since(at.Add(-off)).Abs(), time.Hour, "%s: record %d is of %s", dir, row.Seq, at)
		if off != 0 {
			require.Equal(b.t, "RTC_ONLY", row.Record.Text(record.SyncState), "%s: record %d", dir, row.Seq)
		}
		return nil
	})
	require.NoError(b.t, err)
	require.Positive(b.t, count)
}
