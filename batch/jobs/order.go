// The order of the list: a chain of jobs, each with a label that grows along it.

package jobs

// Labels are 0 to labelEnd. A job at an end stands labelStep beyond the one that was there.
const (
	labelBits = 62
	labelEnd  = 1<<labelBits - 1
	labelStep = 1 << 32
)

// chain is the order of a list. Which of two jobs comes first is told by their labels alone.
type chain struct {
	first, last *job
	n           int
}

// put takes a job into the chain behind another one, at the beginning where that is nil.
func (c *chain) put(after, j *job) {
	j.prev = after
	if after == nil {
		j.next, c.first = c.first, j
	} else {
		j.next, after.next = after.next, j
	}
	if j.next == nil {
		c.last = j
	} else {
		j.next.prev = j
	}
	c.n++
	if !c.label(j) {
		c.spread(j)
	}
}

// cut takes a job out of the chain.
func (c *chain) cut(j *job) {
	if j.prev == nil {
		c.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		c.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.prev, j.next = nil, nil
	c.n--
}

// label gives a job one between those of its neighbours; false where there is none left.
func (c *chain) label(j *job) bool {
	switch {
	case j.prev == nil && j.next == nil:
		j.label = labelEnd / 2
	case j.prev == nil:
		if j.next.label == 0 {
			return false
		}
		j.label = max(j.next.label-labelStep, j.next.label/2)
	case j.next == nil:
		if j.prev.label == labelEnd {
			return false
		}
		j.label = min(j.prev.label+labelStep, j.prev.label+(labelEnd-j.prev.label+1)/2)
	default:
		gap := j.next.label - j.prev.label
		if gap < 2 {
			return false
		}
		j.label = j.prev.label + gap/2
	}
	return true
}

// spread labels the jobs around j anew, as few as will do: those of the smallest range around it that is not too full. A range of
// twice the size may be two thirds as full, so that on the whole a job is labelled anew about as often as the logarithm of their
// number. The order stays as it is, and with it every set.
func (c *chain) spread(j *job) {
	base := j.prev
	if base == nil {
		base = j.next
	}
	j.label = base.label
	left, right, n := j, j, int64(1)
	full := int64(2) // jobs that a range of size may have, times 3 by size 4
	for bits := 1; ; bits++ {
		low := base.label >> bits << bits
		high := low + 1<<bits - 1
		for left.prev != nil && left.prev.label >= low {
			left, n = left.prev, n+1
		}
		for right.next != nil && right.next.label <= high {
			right, n = right.next, n+1
		}
		full = min(full*4/3+1, 1<<40)
		if bits == labelBits || n <= full && n < 1<<bits/2 {
			step := (high - low) / (n + 1)
			for k, at := left, low+step; ; k, at = k.next, at+step {
				k.label = at
				if k == right {
					return
				}
			}
		}
	}
}
