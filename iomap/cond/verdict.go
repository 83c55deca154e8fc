// This file holds Filter and Verdict: from a raw truth that chatters to one that counts, by debounce and vote.

package cond

import "github.com/batchkit/batchkit/timebase"

// MaxVotes is how many times a window of votes may be as long as the shorter debounce before it. It bounds the edges that a
// Verdict remembers.
const MaxVotes = 32

// maxEdges is the number of edges of the debounced truth that fit a window of MaxVotes debounces.
const maxEdges = MaxVotes + 2

// Filter says when a raw truth that chatters counts. Two sieves stand one behind the other:
//
//   - debounce: the debounced truth is true once the raw one has been true without a gap for On, and false once it has been
//     false without a gap for Off. A pulse that is shorter leaves no trace in it.
//   - vote, where Window is not 0: the verdict is true at any time at which the debounced truth was true for Need of the last
//     Window, in ns and exact, and false at any other.
//
// So a verdict becomes true within On + Need of the time from which the raw truth stays true, and cannot while no pulse of it
// is as long as On. Without a vote the debounced truth is the verdict.
type Filter struct {
	On, Off int64 // ns, 0: at once
	Window  int64 // ns, at most MaxVotes times the shorter of On and Off; 0: no vote
	Need    int64 // ns of Window, from 1 to Window
}

// Verdict is the memory of one Filter. It is flat and of fixed size: encoding/binary takes it as it is, and whoever continues
// with a copy comes to the same verdicts. The zero Verdict has never seen anything but false. The fields are exported for
// snapshots only; whatever they hold, nothing panics.
type Verdict struct {
	At        int64 // up to when it is settled
	Due       int64 // when the debounced truth follows the raw one, if Pending
	Edges     [maxEdges]int64
	Count     uint8 // of Edges: edges of the debounced truth within the last Window, the oldest first
	Raw       bool
	Debounced bool
	Pending   bool
	True      bool // the verdict
	Doubt     bool // begun with a raw truth that was true, and nothing was settled since
}

// Begin begins anew at monotonic time at with a raw truth, whatever was seen before. What is false from the beginning is
// settled; what is true is in doubt until it has become the verdict or has been false for Off.
func (f *Filter) Begin(at int64, raw bool, v *Verdict) {
	*v = Verdict{At: at, Raw: raw, Doubt: raw}
	f.rest(at, v)
	f.settle(at, v)
}

// Step takes in the raw truth at monotonic time at, an equal one too, and tells whether the verdict has become true since the
// last Step: it may have become false again by now. What was due up to at counts as having come before the new truth, at
// its own time, whether a Step was made then or not. It allocates nothing.
func (f *Filter) Step(at int64, raw bool, v *Verdict) (rose bool) {
	rose = f.settle(at, v)
	if raw != v.Raw {
		v.Raw = raw
		f.rest(at, v)
		rose = f.settle(at, v) || rose
	}
	return rose
}

// Wake returns the next time at which something comes due if the raw truth stays as it is, or timebase.Never.
func (f *Filter) Wake(v *Verdict) int64 {
	due := f.crossing(v)
	if v.Pending {
		due = min(due, v.Due)
	}
	return due
}

// rest sets when the raw truth, which is new at that time, will have rested long enough.
func (f *Filter) rest(at int64, v *Verdict) {
	v.Pending = v.Raw != v.Debounced || v.Doubt && !v.Raw
	if v.Due = 0; !v.Pending {
		return
	}
	if v.Due = at + f.Off; v.Raw {
		v.Due = at + f.On
	}
}

// settle carries out what comes due up to a time, each at its own, and tells whether the verdict has become true.
func (f *Filter) settle(at int64, v *Verdict) (rose bool) {
	for range 4 * maxEdges { // what is due without a new raw truth is less
		due := f.Wake(v)
		if due > at {
			break
		}
		v.At = due
		if v.Pending && v.Due <= due {
			f.follow(v)
		}
		was := v.True
		if v.True = v.Debounced; f.Window > 0 {
			v.True = f.share(v) >= f.Need
		}
		v.Doubt = v.Doubt && !v.True
		rose = rose || v.True && !was
	}
	v.At = at
	return rose
}

// follow makes the raw truth the debounced one, at v.At.
func (f *Filter) follow(v *Verdict) {
	v.Pending, v.Due = false, 0
	v.Doubt = v.Doubt && v.Raw
	if v.Raw == v.Debounced {
		return
	}
	v.Debounced = v.Raw
	if f.Window == 0 {
		return
	}
	gone := 0
	for gone < v.edges() && v.Edges[gone] <= v.At-f.Window {
		gone++
	}
	if v.edges()-gone == maxEdges {
		gone++
	}
	v.Count = uint8(copy(v.Edges[:], v.Edges[gone:v.edges()]))
	clear(v.Edges[v.Count:])
	v.Edges[v.Count] = v.At
	v.Count++
}

func (v *Verdict) edges() int { return min(int(v.Count), maxEdges) }

// share is for how long, of the window that ends at v.At, the debounced truth was true.
func (f *Filter) share(v *Verdict) (sum int64) {
	from, end, state := v.At-f.Window, v.At, v.Debounced
	for k := v.edges() - 1; k >= 0 && v.Edges[k] > from; k-- {
		if state {
			sum += end - v.Edges[k]
		}
		end, state = v.Edges[k], !state
	}
	if state {
		sum += end - from
	}
	return sum
}

// crossing is the first time after v.At at which the share comes to where the verdict changes, if the debounced truth stays as
// it is. The share grows while what comes into the window is true and what leaves it is not, and falls the other way round.
func (f *Filter) crossing(v *Verdict) int64 {
	if f.Window == 0 || v.Count == 0 { // nothing in the window has been otherwise
		return timebase.Never
	}
	k := 0
	for k < v.edges() && v.Edges[k] <= v.At-f.Window {
		k++
	}
	leaves := v.Debounced != ((v.edges()-k)%2 == 1)
	for now, share := v.At, f.share(v); k < v.edges(); k++ {
		end := v.Edges[k] + f.Window
		switch {
		case v.Debounced && !leaves:
			if !v.True && share+end-now >= f.Need {
				return max(now+f.Need-share, v.At+1)
			}
			share += end - now
		case !v.Debounced && leaves:
			if v.True && share-(end-now) < f.Need {
				return max(now+share-f.Need+1, v.At+1)
			}
			share -= end - now
		}
		now, leaves = end, !leaves
	}
	return timebase.Never
}

// Fits tells whether a Filter may be used and can have brought a Verdict into its state.
func (f *Filter) Fits(v *Verdict) bool {
	shorter := min(f.On, f.Off)
	if f.On < 0 || f.Off < 0 || f.Window < 0 || f.Window > 0 && (shorter == 0 || f.Window > MaxVotes*shorter || f.Need < 1 || f.Need > f.Window) {
		return false
	}
	last := int64(-1)
	for k, e := range v.Edges {
		if k >= int(v.Count) && e != 0 || k < int(v.Count) && (e <= last || e > v.At) {
			return false
		}
		last = max(last, e)
	}
	switch {
	case v.At < 0 || v.Count > maxEdges || v.Count > 0 && f.Window == 0 || v.Doubt && v.True:
		return false
	case v.Pending != (v.Raw != v.Debounced || v.Doubt && !v.Raw) || !v.Pending && v.Due != 0 || v.Pending && v.Due <= v.At:
		return false
	case f.Window == 0:
		return v.True == v.Debounced
	}
	return v.True == (f.share(v) >= f.Need)
}
