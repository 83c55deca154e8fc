// Deadlines of a pure machine, kept in the order in which they come due.

package timebase

// Never is the deadline of what is not due at any time.
const Never = int64(1<<63 - 1)

// Queue holds one deadline for each of a fixed number of owners. The earliest comes first; of equal ones that of the owner
// with the lower number, whatever the order in which they were set. Set and Clear cost the logarithm of the number of pending
// deadlines and allocate nothing.
type Queue struct {
	due  []int64 // by owner; Never where nothing is pending
	heap []int32 // owners, a binary heap
	pos  []int32 // by owner: place in heap, or -1
}

// NewQueue makes an empty queue for owners 0 to n-1.
func NewQueue(n int) *Queue {
	q := &Queue{due: make([]int64, n), heap: make([]int32, 0, n), pos: make([]int32, n)}
	for i := range q.pos {
		q.due[i], q.pos[i] = Never, -1
	}
	return q
}

// Due returns the deadline of an owner, Never where none is pending.
func (q *Queue) Due(owner int) int64 { return q.due[owner] }

// Next returns the earliest deadline and its owner, or Never and -1.
func (q *Queue) Next() (due int64, owner int) {
	if len(q.heap) == 0 {
		return Never, -1
	}
	return q.due[q.heap[0]], int(q.heap[0])
}

// Set gives an owner a deadline in place of the one it had. Never clears it.
func (q *Queue) Set(owner int, due int64) {
	if due == Never {
		q.Clear(owner)
		return
	}
	q.due[owner] = due
	i := int(q.pos[owner])
	if i < 0 {
		i = len(q.heap)
		q.heap = append(q.heap, int32(owner))
		q.pos[owner] = int32(i)
	}
	q.down(q.up(i))
}

// Clear takes an owner's deadline away; it is no error if there is none.
func (q *Queue) Clear(owner int) {
	i := int(q.pos[owner])
	if i < 0 {
		return
	}
	last := len(q.heap) - 1
	q.swap(i, last)
	q.heap = q.heap[:last]
	q.pos[owner], q.due[owner] = -1, Never
	if i < last {
		q.down(q.up(i))
	}
}

func (q *Queue) less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	if q.due[a] != q.due[b] {
		return q.due[a] < q.due[b]
	}
	return a < b
}

func (q *Queue) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.pos[q.heap[i]], q.pos[q.heap[j]] = int32(i), int32(j)
}

func (q *Queue) up(i int) int {
	for i > 0 && q.less(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	return i
}

func (q *Queue) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(q.heap) {
			return
		}
		if c+1 < len(q.heap) && q.less(c+1, c) {
			c++
		}
		if !q.less(c, i) {
			return
		}
		q.swap(i, c)
		i = c
	}
}
