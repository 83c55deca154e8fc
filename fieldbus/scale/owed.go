// What an instrument owes: answers that have not come and may still. Its texts have no numbers by which one could be told from another.

package scale

import "time"

// maxOwed is how many answers are remembered. An instrument that owes as many is not asked until the oldest is too old.
const maxOwed = 16

// debt is an answer that is owed.
type debt struct {
	kind int // weight, whom, or orders+i
	at   time.Time
}

// owed are debts, the oldest first.
type owed []debt

// forget drops what is too old to come.
func (o *owed) forget(late time.Duration) {
	for len(*o) > 0 && time.Since((*o)[0].at) > late {
		*o = append((*o)[:0], (*o)[1:]...)
	}
}

func (o *owed) add(kind int) { *o = append(*o, debt{kind, time.Now()}) }

// pay takes in an answer. An instrument answers in the order in which it was asked: what was asked before the oldest question of this
// kind is not answered any more. It tells whether there was such a question.
func (o *owed) pay(kind int) bool {
	for i, d := range *o {
		if d.kind == kind {
			*o = append((*o)[:0], (*o)[i+1:]...)
			return true
		}
	}
	return false
}

// payOldest takes in an answer that any question may have: what the instrument says where it cannot do what it was asked. That it answers
// the oldest is the least that it can mean.
func (o *owed) payOldest() bool {
	if len(*o) == 0 {
		return false
	}
	*o = append((*o)[:0], (*o)[1:]...)
	return true
}

func (o owed) of(kind int) bool {
	for _, d := range o {
		if d.kind == kind {
			return true
		}
	}
	return false
}

// doubtful tells whether an answer is owed that could be taken for another. That to who it is could be, too, but it is counted: where two are owed,
// two are waited for.
func (o owed) doubtful() bool {
	for _, d := range o {
		if d.kind != whom {
			return true
		}
	}
	return false
}
