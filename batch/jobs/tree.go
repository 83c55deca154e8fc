// Ordered sets of jobs: each is a tree by place in the list.

package jobs

// The sets in which a job may be, each with a link of its own in the job.
const (
	inPlay  = iota // production jobs that are not set aside: who is whose neighbour
	ofKind         // production jobs of one recipe
	idle           // those of them that may be taken into a group
	head           // the first idle one of each recipe that is known
	inGroup        // jobs of one group that are not completed
	waiting        // those of them that may start
	resumed        // those of them that may be resumed, and come before
	sets
)

// link is a job's place in one set.
type link struct {
	left, right, up *job
	in              bool
}

// tree is one set, ordered as its jobs are in the list. Insert, remove and neighbours take the logarithm of its size: it is
// balanced by a number that is mixed from that of the job, so that the same jobs always give the same tree.
type tree struct {
	root *job
	set  uint8
	n    int
}

// rank mixes the number of a job; in a tree it grows towards the root.
func (t *tree) rank(j *job) uint64 {
	z := (j.serial*sets + uint64(t.set)) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (t *tree) at(j *job) *link { return &j.links[t.set] }

func (t *tree) has(j *job) bool { return t.at(j).in }

func (t *tree) first() *job {
	if t.root == nil {
		return nil
	}
	return t.leftmost(t.root)
}

func (t *tree) last() *job {
	j := t.root
	for j != nil && t.at(j).right != nil {
		j = t.at(j).right
	}
	return j
}

func (t *tree) leftmost(j *job) *job {
	for t.at(j).left != nil {
		j = t.at(j).left
	}
	return j
}

// next is the job behind one of the set.
func (t *tree) next(j *job) *job {
	if r := t.at(j).right; r != nil {
		return t.leftmost(r)
	}
	up := t.at(j).up
	for up != nil && t.at(up).right == j {
		j, up = up, t.at(up).up
	}
	return up
}

// prev is the job before one of the set.
func (t *tree) prev(j *job) *job {
	if p := t.at(j).left; p != nil {
		for t.at(p).right != nil {
			p = t.at(p).right
		}
		return p
	}
	up := t.at(j).up
	for up != nil && t.at(up).left == j {
		j, up = up, t.at(up).up
	}
	return up
}

// swap puts b, or nothing, where a is beneath up.
func (t *tree) swap(up, a, b *job) {
	switch {
	case up == nil:
		t.root = b
	case t.at(up).left == a:
		t.at(up).left = b
	default:
		t.at(up).right = b
	}
	if b != nil {
		t.at(b).up = up
	}
}

// rise turns j above the job that it hangs on.
func (t *tree) rise(j *job) {
	p := t.at(j).up
	l, m := t.at(j), t.at(p)
	t.swap(m.up, p, j)
	if m.left == j {
		m.left = l.right
		if l.right != nil {
			t.at(l.right).up = p
		}
		l.right = p
	} else {
		m.right = l.left
		if l.left != nil {
			t.at(l.left).up = p
		}
		l.left = p
	}
	m.up = j
}

// insert takes a job in; one that is in it is left alone.
func (t *tree) insert(j *job) {
	if t.has(j) {
		return
	}
	t.n++
	*t.at(j) = link{in: true}
	if t.root == nil {
		t.root = j
		return
	}
	p := t.root
	for {
		next := &t.at(p).left
		if j.label > p.label {
			next = &t.at(p).right
		}
		if *next == nil {
			*next = j
			break
		}
		p = *next
	}
	t.at(j).up = p
	for up := t.at(j).up; up != nil && t.rank(up) < t.rank(j); up = t.at(j).up {
		t.rise(j)
	}
}

// remove lets a job go; one that is not in it is left alone.
func (t *tree) remove(j *job) {
	if !t.has(j) {
		return
	}
	t.n--
	for {
		l, r := t.at(j).left, t.at(j).right
		switch {
		case l == nil:
			t.swap(t.at(j).up, j, r)
		case r == nil:
			t.swap(t.at(j).up, j, l)
		case t.rank(l) > t.rank(r):
			t.rise(l)
			continue
		default:
			t.rise(r)
			continue
		}
		break
	}
	*t.at(j) = link{}
}

// all gives the jobs of a set in the order of the list.
func (t *tree) all() []*job {
	out := make([]*job, 0, t.n)
	for j := t.first(); j != nil; j = t.next(j) {
		out = append(out, j)
	}
	return out
}
