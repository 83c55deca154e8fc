// Exploring: the runs one after another, their states judged, and the summary.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
)

// options are those of the command line.
type options struct {
	bed, out, only, recording string
	states, jobs, state       int
	seed                      uint64
	ruin                      bool
}

// kept returns where the recording of a run is, or nothing.
func (o *options) kept(run string) string {
	switch {
	case o.recording != "":
		return o.recording
	case o.out != "":
		return filepath.Join(o.out, run+".recording")
	}
	return ""
}

// result is what a run came to.
type result struct {
	s        setup
	rec      *recording
	states   int
	cached   int // of them, states in which the cache was not empty
	writes   int // missing in all of them, or torn
	bytes    int // missing in all of them
	prints   map[uint64]bool
	mended   int // states with a torn superblock
	outcomes map[journal.Outcome]int
	bad      map[error]int // by reason
	badAll   int
	first    string // the first bad state, by its number
	firstNo  int
	took     time.Duration
}

// passed tells whether the run showed what it should: a journal that holds, or a control that is caught. A control is
// caught by the loss of what was promised, and not by just anything.
func (r *result) passed() bool {
	if r.s.broken {
		return r.bad[errLost] > 0
	}
	return r.badAll == 0
}

func explore(o options) error {
	dir, err := os.MkdirTemp(memory(), "crashlab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
	}
	fmt.Printf("crashlab: seed %d\n", o.seed)
	if o.recording != "" {
		return explorePast(o, dir)
	}
	if o.only != "" {
		if _, err := setupNamed(o.only); err != nil {
			return err
		}
	}
	var failed []string
	for _, s := range runs() {
		if o.only != "" && o.only != s.name {
			continue
		}
		r, err := exploreRun(o, s, dir)
		if err != nil {
			return err
		}
		r.print(o)
		if !r.passed() {
			failed = append(failed, s.name)
		}
	}
	return verdict(failed)
}

func verdict(failed []string) error {
	if len(failed) > 0 {
		return fmt.Errorf("FAILED: %s", strings.Join(failed, ", "))
	}
	fmt.Println("crashlab: passed")
	return nil
}

// memory is a directory that needs no disk, where there is one.
func memory() string {
	const dir = "/dev/shm"
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir
	}
	return ""
}

// exploreRun records a run, keeps the recording, and explores it.
func exploreRun(o options, s setup, dir string) (*result, error) {
	rec, err := recordIn(s, o.bed, dir)
	if err != nil {
		return nil, err
	}
	if path := o.kept(s.name); path != "" {
		if err := rec.save(path); err != nil {
			return nil, err
		}
	}
	n := o.states
	if s.name != runs()[0].name {
		n = max(fewest, n/4)
	}
	return exploreRecording(o, s, rec, counted(n), dir)
}

// fewest is how many states a control needs to be caught for certain.
const fewest = 100

// recordIn records in a directory of its own.
func recordIn(s setup, bed, dir string) (*recording, error) {
	dir, err := os.MkdirTemp(dir, s.name)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return record(s, bed, dir)
}

// explorePast explores a recording that was kept.
func explorePast(o options, dir string) error {
	rec, err := loadRecording(o.recording)
	if err != nil {
		return err
	}
	s, err := setupNamed(rec.Run)
	if err != nil {
		return err
	}
	numbers := counted(o.states)
	if o.state >= 0 {
		numbers, dir, o.jobs = []int{o.state}, o.out, 1
	}
	r, err := exploreRecording(o, s, rec, numbers, dir)
	if err != nil {
		return err
	}
	r.print(o)
	if o.state >= 0 && r.badAll > 0 {
		return errors.New("the state is bad")
	}
	if o.state < 0 && !r.passed() {
		return verdict([]string{s.name})
	}
	return nil
}

func counted(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// job is a state that is to be judged.
type job struct {
	plan plan
	img  []byte
	said claim
	made made
}

// exploreRecording builds the states one after another and has them judged beside that.
func exploreRecording(o options, s setup, rec *recording, numbers []int, dir string) (*result, error) {
	r := &result{s: s, rec: rec, firstNo: -1,
		prints: map[uint64]bool{}, outcomes: map[journal.Outcome]int{}, bad: map[error]int{}}
	began := time.Now()
	jobs := make(chan job)
	images := make(chan []byte, o.jobs+1) // those that nobody uses now
	for range cap(images) {
		images <- make([]byte, len(rec.Base))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for i := range o.jobs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			img := filepath.Join(dir, fmt.Sprintf("state%d.img", i))
			for j := range jobs {
				err := putImage(img, j.img)
				images <- j.img
				var f finding
				var bad error
				if err == nil {
					f, bad = judge(img, filepath.Join(dir, fmt.Sprintf("state%d", i)), &j.said)
				}
				mu.Lock()
				failed = errors.Join(failed, err)
				r.add(j, f, bad)
				mu.Unlock()
			}
		}()
	}
	f := newFilm(rec)
	var err error
	for _, p := range plans(rec.Log, o.seed, numbers) {
		if err = f.forward(p.cut); err != nil {
			break
		}
		img := <-images
		m := f.cutPower(p.rng, img, o.ruin || r.s.ruin)
		jobs <- job{plan: p, img: img, said: f.said, made: m}
	}
	close(jobs)
	wg.Wait()
	r.took = time.Since(began)
	return r, errors.Join(err, failed)
}

// putImage writes over the file of the state before, which spares the system to find new memory.
func putImage(path string, img []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(img, 0)
	return errors.Join(err, f.Close())
}

// add counts a state.
func (r *result) add(j job, f finding, bad error) {
	r.states++
	r.writes += j.made.writes
	r.bytes += j.made.bytes
	r.prints[j.made.print] = true
	if j.made.cached > 0 {
		r.cached++
	}
	if f.mended {
		r.mended++
	}
	if bad == nil {
		r.outcomes[f.outcome]++
		return
	}
	r.badAll++
	for _, why := range reasons() {
		if errors.Is(bad, why) {
			r.bad[why]++
			break
		}
	}
	if r.firstNo < 0 || j.plan.number < r.firstNo {
		r.firstNo = j.plan.number
		r.first = fmt.Sprintf("state %d, cut behind entry %d, life %d, record %d promised, %d of %d unflushed writes "+
			"lost or torn: %.600s",
			j.plan.number, j.plan.cut, len(j.said.first), j.said.acked, j.made.writes, j.made.cached, bad)
	}
}

// print prints the summary of a run.
func (r *result) print(o options) {
	var writes, flushes, notes int
	var volume int
	for _, e := range r.rec.Log {
		switch {
		case e.Note != "":
			notes++
		case e.Flush:
			flushes++
		default:
			writes++
			volume += len(e.Data)
		}
	}
	said := claim{}
	for _, e := range r.rec.Log {
		if n, err := parseNote(e.Note); err == nil {
			_ = said.add(n) // it was accepted when it was recorded
		}
	}
	fmt.Printf("\n%s: %s\n", r.s.name, r.s.what)
	fmt.Printf("  log      %d entries in %.1f s: %d writes (%d KiB), %d flushes, %d acknowledgements up to record %d, %d lives\n",
		len(r.rec.Log), r.rec.Took.Seconds(), writes, volume>>10, flushes, notes, said.acked, len(said.first))
	fmt.Printf("  states   %d at %.0f a minute, %d different disks; %d with unflushed writes, of which %d lost or torn, %d KiB lost\n",
		r.states, float64(r.states)/r.took.Minutes(), len(r.prints), r.cached, r.writes, r.bytes>>10)
	var line bytes.Buffer
	for _, out := range []journal.Outcome{journal.None, journal.Clean, journal.TornTail} {
		fmt.Fprintf(&line, "%s %d, ", out, r.outcomes[out])
	}
	fmt.Fprintf(&line, "bad %d", r.badAll)
	for _, why := range reasons() {
		if n := r.bad[why]; n > 0 {
			fmt.Fprintf(&line, ", %s %d", why, n)
		}
	}
	if r.mended > 0 {
		fmt.Fprintf(&line, "; ext4's superblock was torn %d times and taken from its copy", r.mended)
	}
	fmt.Printf("  outcomes %s\n", line.String())
	if r.badAll > 0 {
		fmt.Printf("  first    %s\n", r.first)
		if from := o.kept(r.s.name); from != "" {
			ruin := ""
			if o.ruin {
				ruin = " -ruin"
			}
			fmt.Printf("  again    crashlab explore -recording %s -seed %d%s -state %d -out DIR\n", from, o.seed, ruin, r.firstNo)
		}
	}
	fmt.Printf("  verdict  %s\n", r.verdict())
}

func (r *result) verdict() string {
	switch {
	case r.s.broken && r.passed():
		return "caught"
	case r.s.broken:
		return "NOT CAUGHT: the lab is blind to this"
	case r.passed():
		return "holds"
	}
	return "BROKEN"
}
