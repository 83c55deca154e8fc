// Crashes: cuts at every call, cuts within recoveries, failing calls, lying devices.

package journaltest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"

	"github.com/batchkit/batchkit/journal"
)

// Crash enumerates what cuts of power, failing calls and lying devices leave,
// and returns an error for every state that a journal did not come out of as
// it must. It takes seconds, or minutes if opt.Long is set.
func Crash(opt Options) (Report, error) {
	r := newRun(opt)
	for _, word := range words(opt.Long, opt.Seed) {
		r.cuts(word)
	}
	for _, word := range faultWords(opt.Long) {
		r.faults(word)
	}
	for _, word := range words(opt.Long, opt.Seed) {
		r.lies(word)
	}
	return r.result()
}

// unwanted tells whether Only names a state that does not begin like this.
func (r *run) unwanted(name string) bool {
	return r.full() || r.opt.Only != "" && !strings.HasPrefix(r.opt.Only, name)
}

// state tries one disk, once.
func (r *run) state(name func() string, kind string, d *Disk, c claim) bool {
	sum := d.sum()
	if c.cached {
		sum = mix(d.whole(), 11)
	}
	if r.full() || !r.fresh(sum, c.acked, c.appended) {
		return false
	}
	before := r.ran
	r.try(name, func() error { return r.judge(kind, d, c) })
	r.report.States += r.ran - before
	return true
}

// cuts runs a workload and cuts power between any two of its calls.
func (r *run) cuts(word string) {
	title := fmt.Sprintf("cut %s/", word)
	if r.unwanted(title) {
		return
	}
	p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: newHistory()}
	var points []cutPoint
	err := caught(func() (err error) {
		points, err = p.watch(func() error { return p.run(word) })
		return err
	})
	if err != nil {
		r.fail(title, err)
		return
	}
	much := densities(r.opt.Long)
	for _, c := range points {
		if !r.fresh(c.disk.whole(), c.acked, c.appended, 1) {
			continue
		}
		survivors(c.disk, much, r.opt.Seed, func(l Loss) bool {
			d := c.disk.Cut(l)
			sum := d.sum()
			name := func() string { return fmt.Sprintf("%s%d %s", title, c.call, l) }
			one := claim{h: c.h, acked: c.acked, appended: c.appended}
			if r.state(name, "cut", d.Cut(Loss{}), one) && mix(sum, r.opt.Seed)%r.share() == 0 {
				r.nested(name(), d, one, r.depth())
			}
			return !r.full()
		})
	}
}

// share is one of how many states is recovered with cuts in the recovery.
func (r *run) share() uint64 {
	if r.opt.Long {
		return 71
	}
	return 89
}

func (r *run) depth() int {
	if r.opt.Long {
		return 2
	}
	return 1
}

// String returns the loss as the name of a state holds it.
func (l Loss) String() string { return "names=" + l.Names + " sectors=" + l.Sectors }

// nested recovers a disk and cuts power again between any two calls of that.
func (r *run) nested(title string, base *Disk, c claim, depth int) {
	title += " | "
	if depth == 0 || r.unwanted(title) {
		return
	}
	rec, err := r.scan(base.Cut(Loss{}), c)
	if err != nil {
		return // found already
	}
	p := &process{d: base.Cut(Loss{}), wrap: r.opt.Wrap, h: c.h.clone(rec.Head.N)}
	var points []cutPoint
	err = caught(func() (err error) {
		points, err = p.watch(func() error { return p.run("s") })
		return err
	})
	if err != nil {
		r.fail(title, err)
		return
	}
	rng := rand.New(rand.NewPCG(r.opt.Seed, base.sum()))
	for _, at := range points {
		corners(at.disk, rng, func(l Loss) bool {
			d := at.disk.Cut(l)
			sum := d.sum()
			name := func() string { return fmt.Sprintf("%s%d %s", title, at.call, l) }
			one := claim{h: at.h, acked: at.acked, appended: at.appended}
			if r.state(name, "nested", d.Cut(Loss{}), one) && mix(sum, r.opt.Seed)%r.share() == 0 {
				r.nested(name(), d, one, depth-1)
			}
			return !r.full()
		})
	}
}

// faultWords are the workloads in which every call fails.
func faultWords(long bool) []string {
	short := []string{"smCm", "hhs", "hRhKs", "RhxC", "mKs", "hhDs"}
	if long {
		return append(short, "", "C", "K", "R", "s", "hh", "CC", "CK", "KC", "RR", "hRh", "xx", "hhRhh", "sKsCs", "lKl", "hKhCh")
	}
	return short
}

// faultKinds returns the ways in which a call fails.
func faultKinds() []Fault {
	return []Fault{
		{Err: syscall.EIO}, {Err: syscall.EIO, Half: true}, {Err: syscall.EIO, Done: true},
		{Err: syscall.ENOSPC}, {Err: syscall.ENOSPC, Half: true}, {Half: true},
	}
}

// String tells the kind of a fault.
func (f Fault) String() string {
	return fmt.Sprintf("%v half=%v done=%v power=%v", f.Err, f.Half, f.Done, f.Power)
}

// faults lets each call of a workload fail in each way.
func (r *run) faults(word string) {
	title := fmt.Sprintf("fault %s/", word)
	if r.unwanted(title) {
		return
	}
	p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: newHistory()}
	if p.run(word) != nil {
		return // found already
	}
	for call := 1; call <= p.d.calls; call++ {
		for _, f := range faultKinds() {
			if r.full() {
				return
			}
			r.faulty(fmt.Sprintf("%s%d %s", title, call, f), word, call, f)
		}
	}
}

// faulty runs a workload in which one call fails, and looks at what is left:
// as it is, and after cuts behind the failure.
func (r *run) faulty(title, word string, call int, f Fault) {
	if r.unwanted(title) {
		return
	}
	p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: newHistory()}
	hit := false
	p.d.Fault = func(n int, op, _ string) *Fault {
		if n != call || f.Err == nil && op != "write" {
			return nil
		}
		hit = true
		return &f
	}
	var points []cutPoint
	err := caught(func() (err error) {
		points, err = p.watch(func() error { return p.run(word) })
		return err
	})
	if !hit {
		return
	}
	want := f.Err
	if want == nil {
		want = io.ErrShortWrite
	}
	if !errors.Is(err, want) {
		r.fail(title, fmt.Errorf("was not told: %v", err))
		return
	}
	if p.w == nil {
		r.fail(title, fmt.Errorf("the journal cannot be opened any more: %w", err))
		return
	}
	if errors.Is(err, errHead) {
		r.fail(title, err)
		return
	}
	rng := rand.New(rand.NewPCG(r.opt.Seed, uint64(call)))
	last := len(points) - 1
	for _, i := range []int{last, min(call, last), min(call+rng.IntN(8), last)} {
		at := points[i]
		one := claim{h: at.h, acked: at.acked, appended: at.appended}
		which := rng.IntN(6)
		corners(at.disk, rng, func(l Loss) bool {
			if which--; which == -1 || r.opt.Long {
				r.state(func() string { return fmt.Sprintf("%s, cut %d %s", title, at.call, l) }, "fault", at.disk.Cut(l), one)
			}
			return !r.full()
		})
		one.cached = true
		r.state(func() string { return fmt.Sprintf("%s, killed %d", title, at.call) }, "fault", at.disk.snapshot(), one)
	}
}

// lies runs a workload on a device that says it flushed its last sectors, and
// did not.
func (r *run) lies(word string) {
	title := fmt.Sprintf("lie %s/", word)
	if r.unwanted(title) || strings.Contains(word, "D") {
		return // what was removed on the strength of a flush that was none is rightly called damage
	}
	p := &process{d: NewDisk(), wrap: r.opt.Wrap, h: newHistory()}
	points, err := p.watch(func() error { return p.run(word) })
	if err != nil {
		return // found already
	}
	for _, at := range points {
		for k := 1; k <= 64 && k <= len(at.disk.log); k += 1 + k/12 {
			if r.full() {
				return
			}
			var kept uint64 // the device lost nothing of these
			for end, log := range at.h.ends {
				if log <= len(at.disk.log)-k && end <= at.acked {
					kept = max(kept, end)
				}
			}
			r.state(func() string { return fmt.Sprintf("%s%d without the last %d sectors", title, at.call, k) },
				"lie", at.disk.without(k), claim{h: at.h, acked: kept, appended: at.appended})
		}
	}
}

// without returns the disk as if the last k sectors had never been written.
func (d *Disk) without(k int) *Disk {
	c := d.Copy()
	for _, u := range slices.Backward(d.log[len(d.log)-k:]) {
		f := c.find(u.name).file
		f.own()
		f.cache[u.index] = u.old
		f.size = u.size
	}
	return c.Copy()
}

var _ journal.Storage = (*Disk)(nil)
