// The rig of the campaigns: an executive in processes, a plant that tells the truth, and what must hold of both at all times.

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/arbiter"
	"github.com/batchkit/batchkit/batch/store"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// seeded is a source of choices; the seed is told where the test fails, and may be given as BATCHKIT_SEED.
func seeded(t *testing.T) *rand.Rand {
	rng, _ := drawn(t)
	return rng
}

// drawn is seeded, and gives the seed.
func drawn(t *testing.T) (rng *rand.Rand, seed uint64) {
	seed = uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("BATCHKIT_SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to have the same choices again: BATCHKIT_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1)), seed
}

// truth is the plant, and what its outputs are: what was last written, by whatever process.
type truth struct {
	tag.Port
	mu  sync.Mutex
	out map[string]uint64
}

// Write implements tag.Port.
func (p *truth) Write(ctx context.Context, w tag.Write) error {
	err := p.Port.Write(ctx, w)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.out[w.Channel] = w.Bits
	}
	return err
}

// on lists the outputs of a piece of equipment that are not at their safe value.
func (p *truth) on(equipment string) (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for channel, bits := range p.out {
		if strings.HasPrefix(channel, equipment+"/") && bits != 0 {
			list = append(list, channel)
		}
	}
	slices.Sort(list)
	return list
}

// rig is an executive in processes, whose plant is in this one.
type rig struct {
	t     *testing.T
	s     *session
	plant *truth
	wrong said
	parts []string
	pids  map[int]string // processes of runners that were ever seen
	ended map[string]bool
}

// newRig starts one in a directory of its own. It ends with the test, and leaves no process behind.
func newRig(t *testing.T) *rig { return newRigWith(t, parts, func(string) {}) }

// newRigWith starts one with these parts of a plant, whose directory was laid out before.
func newRigWith(t *testing.T, parts []string, before func(dir string)) *rig {
	t.Helper()
	return newRigOn(t, parts, func(clock timebase.Clock) tag.Port {
		cell, err := newCell(clock, parts...)
		require.NoError(t, err)
		return cell
	}, before)
}

// newRigOn is newRigWith on another plant, which has these parts.
func newRigOn(t *testing.T, parts []string, plant func(timebase.Clock) tag.Port, before func(dir string)) *rig {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(asCommand, "1")
	r := &rig{t: t, parts: parts, pids: map[int]string{}, ended: map[string]bool{}}
	r.s = &session{flags: flags{dir: "x", groups: groups{}}, stdout: &r.wrong, stderr: &r.wrong}
	before(r.s.home())
	require.NoError(t, layOut(r.s.home()))
	clock := system.NewClock(1)
	r.plant = &truth{Port: plant(clock), out: map[string]uint64{}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = servePlant(ctx, filepath.Join(r.s.home(), plantSocket), r.plant, clock) })
	for _, name := range []string{api.Runtime, api.IO, api.Manager} {
		running.Go(func() { r.s.keep(ctx, name) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		for pid := range r.pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Log(r.wrong.String())
			_ = os.CopyFS(filepath.Join(os.TempDir(), fmt.Sprintf("executive-failed-%d", os.Getpid())), os.DirFS(r.s.home()))
		}
	})
	r.up()
	return r
}

// up waits until the three processes answer and the manager knows the equipment.
func (r *rig) up() {
	r.t.Helper()
	for _, name := range []string{api.Runtime, api.IO, api.Manager} {
		r.until(name+" answers", func() bool { return r.s.ask(r.t.Context(), name, "GET", "/v1/self", nil, &api.Self{}) == nil })
	}
	r.until("the manager knows the equipment", func() bool { return len(r.holdings()) > 0 })
}

// until waits for something, for two minutes at most.
func (r *rig) until(what string, yes func() bool) {
	r.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !yes(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			require.Fail(r.t, what, "not within two minutes; %+v\n%+v", r.batches(), r.holdings())
		}
	}
}

// ask asks the manager, again while it is not there or has not heard of the rights yet.
func (r *rig) ask(method, path string, in, out api.Body) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := r.s.ask(r.t.Context(), api.Manager, method, path, in, out)
		var e *api.Error
		if err == nil || errors.As(err, &e) && e.Status < 500 || time.Now().After(end) {
			return err
		}
	}
}

func (r *rig) batches() (all api.Batches) {
	_ = r.ask("GET", "/v1/batches", nil, &all)
	for i := range all {
		if all[i].PID > 0 {
			r.pids[all[i].PID] = all[i].ID
		}
	}
	return all
}

func (r *rig) batch(id string) (b api.Batch) {
	_ = r.ask("GET", "/v1/batches/"+id, nil, &b)
	return b
}

func (r *rig) holdings() (all api.Holdings) {
	_ = r.s.ask(r.t.Context(), api.Manager, "GET", "/v1/equipment", nil, &all)
	return all
}

func (r *rig) is(id string, life api.Life, state string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s is %s %s", id, life, state), func() bool {
		b := r.batch(id)
		return b.Life == life && (state == "" || b.State == state)
	})
}

var because = api.Order{Reason: "campaign"}

// create makes a batch that starts by itself.
func (r *rig) create(recipe, unit string, groups map[string]string) string {
	r.t.Helper()
	var a api.Accepted
	require.NoError(r.t, r.ask("POST", "/v1/batches", &api.Create{Order: because, Recipe: recipe, Unit: unit, Groups: groups, Start: true}, &a))
	return a.Batch
}

// tell orders something; that it is refused is no matter, since a batch goes on meanwhile.
func (r *rig) tell(id, command string) {
	_ = r.ask("POST", "/v1/batches/"+id+"/commands", &api.Command{Order: because, Command: command}, nil)
}

func (r *rig) remove(id string, force bool) error {
	return r.ask("POST", "/v1/batches/"+id+"/removal", &api.Removal{Order: because, Force: force}, nil)
}

// signal sends a signal to who listens by a name, and says whether somebody did.
func (r *rig) signal(name string, s syscall.Signal) (pid int, ok bool) {
	var self api.Self
	if r.s.ask(r.t.Context(), name, "GET", "/v1/self", nil, &self) != nil {
		return 0, false
	}
	return self.PID, syscall.Kill(self.PID, s) == nil
}

// safe waits until no output of what a batch has is away from its safe value.
func (r *rig) safe(id string) {
	r.t.Helper()
	for _, h := range r.holdings() {
		if h.Batch == id {
			r.until("outputs of "+h.Equipment+", which lost "+id+" has, are safe", func() bool { return len(r.plant.on(h.Equipment)) == 0 })
		}
	}
}

// held holds that no equipment has two batches, and none one that is not there or was removed.
func (r *rig) held() {
	r.t.Helper()
	life := map[string]api.Life{}
	hold, all := r.holdings(), r.batches() // a batch that came between has nothing yet; one that went had given all back before
	for _, b := range all {
		life[b.ID] = b.Life
	}
	owner := map[string]string{}
	for _, h := range hold {
		if h.Batch == "" {
			continue
		}
		require.Empty(r.t, owner[h.Equipment], "%s is held by two", h.Equipment)
		owner[h.Equipment] = h.Batch
		if l, ok := life[h.Batch]; !ok || l == api.Removed {
			again := slices.ContainsFunc(r.holdings(), func(g api.Holding) bool { return g.Equipment == h.Equipment && g.Batch == h.Batch })
			require.False(r.t, again, "%s is held by %s, which is gone", h.Equipment, h.Batch)
		}
	}
}

// log holds the log of the arbiter against a model of its own: nobody gets what another has, and each token is greater than all before it.
func (r *rig) log() (grants int) {
	r.t.Helper()
	log, err := store.OpenSQLite(filepath.Join(r.s.home(), "manager.db"), nil)
	require.NoError(r.t, err)
	defer log.Close()
	book, token := arbiter.NewBook(), uint64(0)
	tokens := map[uint64]string{}
	require.NoError(r.t, book.Follow(r.t.Context(), log, func(seq uint64, op *arbiter.Op, fx []arbiter.Effect) {
		for _, f := range fx {
			if f.Kind != arbiter.Granted {
				continue
			}
			if was, known := tokens[f.Token]; known {
				require.Equal(r.t, was, f.Batch, "operation %d: token %d is given to two", seq, f.Token)
				continue // said again
			}
			require.Greater(r.t, f.Token, token, "operation %d: a token does not grow", seq)
			token, tokens[f.Token] = f.Token, f.Batch
			grants++
		}
		owner := map[string]bool{}
		for _, h := range book.Holdings() {
			require.False(r.t, h.Batch != "" && owner[h.Equipment], "operation %d: %s has two owners", seq, h.Equipment)
			owner[h.Equipment] = h.Batch != ""
		}
	}))
	return grants
}

// evidence holds every journal against its own chain, every package against itself, and the tokens of all batches against each other. It is
// called when no process writes any more.
func (r *rig) evidence() (packages int) {
	r.t.Helper()
	for _, name := range []string{"manager", "runtime", "device"} {
		rep, err := evidence.VerifyJournal(filepath.Join(r.s.home(), name), nil)
		require.NoError(r.t, err)
		require.True(r.t, rep.OK(), rep.Words())
	}
	dirs, err := os.ReadDir(filepath.Join(r.s.home(), "batches"))
	if !errors.Is(err, os.ErrNotExist) { // there may have been none
		require.NoError(r.t, err)
	}
	tokens := map[uint64]string{}
	for _, d := range dirs {
		dir := filepath.Join(r.s.home(), "batches", d.Name(), "evidence")
		var last uint64
		rec, err := journal.Scan(filepath.Join(dir, "journal"), func(seq uint64, body []byte, _ journal.Chain) error {
			require.Equal(r.t, last+1, seq, "%s: a record is missing", d.Name())
			last = seq
			p, err := record.Parse(body)
			if err != nil || p.Kind != record.KindResourceGranted {
				return err
			}
			if n := p.Count(record.Token); n > 0 {
				require.Contains(r.t, []string{"", d.Name()}, tokens[n], "token %d", n)
				tokens[n] = d.Name()
			}
			return nil
		}, nil)
		require.NoError(r.t, err, d.Name())
		require.Contains(r.t, []journal.Outcome{journal.None, journal.Clean, journal.TornTail}, rec.Outcome, "%s: %s", d.Name(), rec.Reason)
		if _, err := os.Stat(filepath.Join(dir, "SHA256SUMS")); err == nil {
			rep, err := evidence.Verify(dir)
			require.NoError(r.t, err)
			require.True(r.t, rep.OK(), "%s: %s", d.Name(), rep.Verdict())
			packages++
		}
	}
	return packages
}

// count counts the records of a kind in the ledger of a process.
func (r *rig) count(ledger, kind, key, value string) (n int) {
	r.t.Helper()
	words := []string{"kind=" + kind}
	if key != "" {
		words = append(words, key+"="+value)
	}
	q, err := evidence.ParseQuery(words)
	require.NoError(r.t, err)
	_, _, err = evidence.Select(filepath.Join(r.s.home(), ledger), q, func(*evidence.Row) error { n++; return nil })
	require.NoError(r.t, err)
	return n
}

// clear removes every batch, and holds that nothing is left of them but their evidence.
func (r *rig) clear() {
	r.t.Helper()
	r.removeAll()
	r.nothingLeft()
}

// removeAll removes every batch.
func (r *rig) removeAll() {
	r.t.Helper()
	r.until("every batch is removed", func() bool {
		left := 0
		for _, b := range r.batches() {
			switch b.Life {
			case api.Removed:
				continue
			case api.Active:
				r.tell(b.ID, "abort")
			case api.Removing, api.Loading:
			default: // by force where the list says that nothing else will do
				_ = r.remove(b.ID, strings.Contains(b.Reason, "remove it by force"))
			}
			left++
		}
		return left == 0
	})
}

// nothingLeft holds that nothing is left of batches that were removed.
func (r *rig) nothingLeft() {
	r.t.Helper()
	for _, h := range r.holdings() {
		require.Empty(r.t, h.Batch, "%s is leaked", h.Equipment)
		require.Empty(r.t, h.Waiting, "%s: who was removed waits", h.Equipment)
	}
	for _, part := range r.parts {
		require.Empty(r.t, r.plant.on(part), "an output is left on")
	}
	names, err := r.s.network().Names()
	require.NoError(r.t, err)
	for _, name := range names {
		require.Contains(r.t, []string{api.Manager, api.Runtime, api.IO, api.Bus}, name, "a socket is left behind")
	}
	for pid, id := range r.pids {
		r.until(id+" has no process", func() bool { return !alive(pid) })
	}
}

// alive tells whether a process of a runner runs.
func alive(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), "runner") {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
