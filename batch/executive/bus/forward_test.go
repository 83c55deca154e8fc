// All journals of a board, beside their writers: what is killed, put back, finished or given a false name.

package bus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

// asProcess is the environment variable that makes a test of this file the process that it needs beside it.
const asProcess = "BATCHKIT_TEST_EVIDENCE"

// process starts this test program as one test alone, which is then a process of its own; it is killed with the test.
func process(t *testing.T, test, arg string) (cmd *exec.Cmd, out *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), asProcess+"="+arg)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(pipe)
}

// disk is a Forward of a board to a directory.
func disk(t *testing.T, dir string, to *shelf, k *hearsay, again time.Duration) *Forward {
	t.Helper()
	f, err := NewForward(dir, filepath.Join(dir, "bus", "cursors"), &ForwardOptions{Sink: func(string) (export.Sink, error) { return to, nil }, Tell: k.tell,
		Every: 5 * time.Millisecond, Again: again})
	require.NoError(t, err)
	return f
}

func TestEveryJournalOfABoardIsSentAndNewOnesAsTheyAppear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	books := []*grower{newGrower(t, filepath.Join(dir, "manager"), "manager-1"), newGrower(t, filepath.Join(dir, "runtime"), "runtime-1"),
		newGrower(t, filepath.Join(dir, "device"), "io-1")}
	for _, b := range books {
		b.grow(20, 100)
	}
	f := disk(t, dir, to, &k, 0)
	running(t, f.Run)
	inTime(t, patience, "the ledgers are there", func() bool { return every(to, books) })
	for i := range 12 {
		at := filepath.Join(dir, "batches", fmt.Sprintf("n1.B-%04d", i))
		books = append(books, newGrower(t, filepath.Join(at, "evidence", "journal"), fmt.Sprintf("n1.B-%04d-1", i)), newGrower(t, filepath.Join(at, "runner"), fmt.Sprintf("runner-%d", i)))
	}
	for n := range 5 {
		for _, b := range books {
			b.grow(1+n, 100)
		}
		time.Sleep(20 * time.Millisecond)
	}
	inTime(t, patience, "all are there", func() bool { return every(to, books) })
	for _, b := range books {
		b.whole(to.dir.Path)
	}
	require.Len(t, f.Status(), len(books))
	require.NoDirExists(t, filepath.Join(dir, "manager", "checkpoints"), "nothing is written beside a journal")
	for _, b := range books {
		require.NoError(t, b.w.Close(), "nobody has taken its lock")
	}
}

func TestTheJournalOfAFinishedBatchIsLeftAloneAndHeldAgainstTheHubNowAndThen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	b := newGrower(t, filepath.Join(dir, "batches", "n1.B-1", "evidence", "journal"), "n1.B-1-j")
	b.grow(200, 100)
	require.NoError(t, b.w.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "batches", "n1.B-1", "evidence", "manifest.json"), []byte("{}"), 0o640))
	var boots atomic.Uint64
	f, err := NewForward(dir, filepath.Join(dir, "bus", "cursors"), &ForwardOptions{Sink: func(string) (export.Sink, error) { return to, nil }, Tell: k.tell,
		Every: 5 * time.Millisecond, Again: time.Hour, Boots: boots.Load})
	require.NoError(t, err)
	running(t, f.Run)
	inTime(t, patience, "it is finished", func() bool { s := f.Status(); return len(s) == 1 && s[0].Finished })
	b.whole(to.dir.Path)
	to.mu.Lock()
	to.dir = &export.Dir{Path: t.TempDir()} // the hub has lost all
	to.mu.Unlock()
	boots.Add(1)
	inTime(t, patience, "it is sent again: "+k.all(), func() bool { return every(to, []*grower{b}) && f.Status()[0].Status.State == export.Up })
	b.whole(to.dir.Path)
	require.Positive(t, k.has("sent again: hub has records up to 0, and had acknowledged those up to 200"))
}

func TestAJournalInWhichNothingIsNewIsHeldAgainstTheHubNowAndThenAsWell(t *testing.T) {
	dir := t.TempDir()
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	b := newGrower(t, filepath.Join(dir, "manager"), "manager-1") // it is not finished, and no process of the hub is counted
	b.grow(20, 100)
	running(t, disk(t, dir, to, &k, 2*settled).Run)
	inTime(t, time.Minute, "it is there", func() bool { return every(to, []*grower{b}) })
	time.Sleep(settled + time.Second) // it is looked at no more
	to.mu.Lock()
	to.dir = &export.Dir{Path: t.TempDir()} // the hub has lost all
	to.mu.Unlock()
	inTime(t, time.Minute, "it is sent again", func() bool { return every(to, []*grower{b}) })
	b.whole(to.dir.Path)
}

func TestAHubThatWasAwayIsAskedForEveryJournalThatIsNotFinished(t *testing.T) {
	dir := t.TempDir()
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	quiet := newGrower(t, filepath.Join(dir, "manager"), "manager-1")
	grows := newGrower(t, filepath.Join(dir, "runtime"), "runtime-1")
	quiet.grow(20, 100)
	grows.grow(20, 100)
	running(t, disk(t, dir, to, &k, time.Hour).Run)
	inTime(t, time.Minute, "both are there", func() bool { return every(to, []*grower{quiet, grows}) })
	time.Sleep(settled + time.Second) // one of them is looked at no more
	to.mu.Lock()
	to.dir = &export.Dir{Path: filepath.Join(t.TempDir(), "none")}
	to.mu.Unlock()
	grows.grow(1, 100)
	inTime(t, time.Minute, "it is away", func() bool { return k.has("hub away") == 1 })
	to.mu.Lock()
	to.dir = &export.Dir{Path: t.TempDir()} // it is there again, and has lost all
	to.mu.Unlock()
	inTime(t, time.Minute, "both are sent again", func() bool { return every(to, []*grower{quiet, grows}) })
	quiet.whole(to.dir.Path)
}

func TestAHubThatIsAwayIsToldOnceAndOneJournalAsksForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var k hearsay
	var away atomic.Bool
	var asked atomic.Int64
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	away.Store(true)
	var books []*grower
	for i := range 30 {
		books = append(books, newGrower(t, filepath.Join(dir, "batches", fmt.Sprintf("B-%d", i), "evidence", "journal"), fmt.Sprintf("J%d", i)))
		books[i].grow(10, 100)
	}
	f, err := NewForward(dir, filepath.Join(dir, "bus", "cursors"), &ForwardOptions{Tell: k.tell, Every: 5 * time.Millisecond, Sink: func(string) (export.Sink, error) {
		if asked.Add(1); away.Load() {
			return nil, errors.New("no route")
		}
		return to, nil
	}})
	require.NoError(t, err)
	running(t, f.Run)
	inTime(t, patience, "it is told", func() bool { return k.has("hub away") == 1 })
	inTime(t, patience, "it is asked again", func() bool { return asked.Load() >= 6 })
	require.Equal(t, 1, k.has("hub away"))
	away.Store(false)
	inTime(t, patience, "all are there", func() bool { return every(to, books) })
	require.Equal(t, 1, k.has("hub here"))
}

func TestAJournalThatNeedsAPersonIsToldAndHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	a := newGrower(t, filepath.Join(dir, "batches", "B-1", "evidence", "journal"), "J1")
	a.grow(10, 100)
	f := disk(t, dir, to, &k, time.Hour)
	stop := running(t, f.Run)
	inTime(t, patience, "it is there", func() bool { return every(to, []*grower{a}) })
	stop()
	require.NoError(t, a.w.Close())
	require.NoError(t, os.RemoveAll(a.dir))
	a = newGrower(t, a.dir, "J1") // the disk was put back, and the batch ran on in another way
	a.grow(5, 77)
	copied := newGrower(t, filepath.Join(dir, "batches", "B-3", "evidence", "journal"), "J2")
	copied.grow(5, 99)
	f = disk(t, dir, to, &k, time.Hour)
	running(t, f.Run)
	inTime(t, patience, "it is told: "+k.all(), func() bool { return k.has("J1 stopped") == 1 })
	inTime(t, patience, "the other is there", func() bool { return every(to, []*grower{copied}) })
	twin := newGrower(t, filepath.Join(dir, "batches", "B-4", "evidence", "journal"), "J2")
	twin.grow(7, 55)
	inTime(t, patience, "the false name is told", func() bool { return k.has("has the name of the journal in") == 1 })
	copied.grow(2, 10)
	inTime(t, patience, "the first goes on", func() bool { return every(to, []*grower{copied}) })
}

// TestWriterProcess is no test: it writes a journal until it is killed.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv(asProcess)
	if dir == "" {
		t.Skip("it is the process of another test")
	}
	opt := &journal.Options{Segment: 72 << 10, OnDurable: func(seq uint64) { fmt.Println("durable", seq) }}
	w, rec, err := journal.Open(dir, journal.Header{JournalID: "J1"}, opt)
	if errors.Is(err, journal.ErrNone) {
		w, err = journal.Create(dir, journal.Header{JournalID: "J1"}, opt)
	} else {
		fmt.Println("found", rec.Head.N)
	}
	require.NoError(t, err)
	for seq := w.Tail().N + 1; ; seq++ {
		require.NoError(t, w.Append(seq, []byte(fmt.Sprintf(`{"seq":%d,"x":"%s"}`, seq, strings.Repeat("y", int(seq*7919%900))))))
		if seq%7 == 0 {
			require.NoError(t, w.Commit())
			time.Sleep(2 * time.Millisecond) // a disk in memory has no other limit
		}
	}
}

func TestNothingIsSentThatAWriterWhoIsKilledDoesNotFindAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := filepath.Join(dir, "batches", "B-1", "evidence", "journal")
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o750))
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	running(t, disk(t, dir, to, &k, time.Hour).Run)
	rounds := 8
	if os.Getenv("BATCHKIT_LONG") != "" {
		rounds = 60
	}
	had := uint64(0)
	for n := range rounds {
		cmd, out := process(t, "TestWriterProcess", at)
		for out.Scan() {
			if found, ok := strings.CutPrefix(out.Text(), "found "); ok {
				is, err := strconv.ParseUint(found, 10, 64)
				require.NoError(t, err)
				require.GreaterOrEqual(t, is, had, "round %d: what was sent is there", n)
			}
			if to.has("J1") > had+uint64(100+37*n) {
				break
			}
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		had = to.has("J1")
	}
	rec, err := journal.Scan(at, nil, nil)
	require.NoError(t, err)
	inTime(t, patience, "all is there: "+k.all(), func() bool { return to.has("J1") == rec.Head.N })
	(&grower{t: t, dir: at, id: "J1"}).same(to.dir.Path, rec.Head)
	require.Zero(t, k.has("stopped"), k.all())
	t.Logf("%d kills, %d records", rounds, rec.Head.N)
}

// TestServerProcess is no test: it is a NATS server until it is killed.
func TestServerProcess(t *testing.T) {
	dir := os.Getenv(asProcess)
	if dir == "" {
		t.Skip("it is the process of another test")
	}
	dir, port, _ := strings.Cut(dir, "|")
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: n, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20, ServerName: "s1"})
	require.NoError(t, err)
	s.Start()
	s.WaitForShutdown()
}

func TestAServerThatIsKilledAgainAndAgainLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 5
	if os.Getenv("BATCHKIT_LONG") != "" {
		rounds = 30
	}
	addr := free(t)
	arg := t.TempDir() + "|" + addr[strings.LastIndexByte(addr, ':')+1:]
	cmd, _ := process(t, "TestServerProcess", arg)
	var k hearsay
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	hub := evConn(t, "nats://"+addr, "", &k)
	running(t, func(ctx context.Context) error {
		return Deliver(ctx, hub, to, &DeliverOptions{MaxBytes: 256 << 20, Tell: k.tell})
	})
	dir := t.TempDir()
	var books []*grower
	for i := range 3 {
		books = append(books, newGrower(t, filepath.Join(dir, "batches", fmt.Sprintf("B-%d", i), "evidence", "journal"), fmt.Sprintf("J%d", i)))
	}
	forwards(t, "nats://"+addr, dir, &k)
	var gaps []time.Duration
	for range rounds {
		for _, b := range books {
			b.grow(700, 300)
		}
		inTime(t, patience, "the hub has more: "+k.all(), func() bool { return to.has("J0") > 0 })
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		books[0].grow(10, 300)
		had := to.has("J0")
		cmd, _ = process(t, "TestServerProcess", arg)
		begun := time.Now()
		inTime(t, patience, "it goes on: "+k.all(), func() bool { return to.has("J0") > had || every(to, books) })
		gaps = append(gaps, time.Since(begun))
	}
	inTime(t, patience, "all is there: "+k.all(), func() bool { return every(to, books) })
	for _, b := range books {
		b.whole(to.dir.Path)
	}
	t.Logf("from the start of a server to the next records at the hub: %v", gaps)
}

func TestEachRoleMayDoWhatEvidenceNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	var users []User
	for name, role := range map[string]Role{"n1": RoleNode, "n2": RoleNode, "hub": RoleHub} {
		key, err := NewKey(filepath.Join(keys, name))
		require.NoError(t, err)
		users = append(users, User{Role: role, Name: name, Key: key.Public})
	}
	o := alone(t)
	o.Users = users
	s, _ := runServer(t, o)
	var k hearsay
	as := func(name, node, user string) *Conn {
		return connect(t, &Options{URL: s.ClientURL(), Node: node, User: user, Seed: filepath.Join(keys, name), Tell: k.tell})
	}
	to := &shelf{dir: &export.Dir{Path: t.TempDir()}}
	hub := as("hub", "", "hub")
	running(t, func(ctx context.Context) error {
		return Deliver(ctx, hub, to, &DeliverOptions{MaxBytes: 64 << 20, Tell: k.tell})
	})
	sink, err := NewSink(as("n1", "n1", ""), nil)
	require.NoError(t, err)
	dir := t.TempDir()
	b := newGrower(t, filepath.Join(dir, "manager"), "manager-1")
	b.grow(3000, 300)
	f, err := NewForward(dir, filepath.Join(dir, "bus"), &ForwardOptions{Sink: func(string) (export.Sink, error) { return sink, nil }, Tell: k.tell, Boots: sink.Boots})
	require.NoError(t, err)
	running(t, f.Run)
	inTime(t, patience, "the hub has all: "+k.all(), func() bool { return every(to, []*grower{b}) })
	b.whole(to.dir.Path)
	require.Zero(t, k.has("refused"), k.all())

	c := as("n2", "n1", "n2") // n2 says that it is n1
	forger, err := NewSink(c, nil)
	require.NoError(t, err)
	l, err := forger.lane("J9")
	require.NoError(t, err)
	l.known = true // as if the hub had answered, which it may not be asked
	j := newGrower(t, filepath.Join(t.TempDir(), "j"), "J9")
	j.grow(3, 10)
	_, err = forger.Take(t.Context(), "J9", j.rowsOf(1))
	require.ErrorContains(t, err, "refuses ev.n1.J9")
	require.NoFileExists(t, filepath.Join(to.dir.Path, "J9.tsv"))
}
