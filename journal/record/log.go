// Log: where records go that are made one at a time, such as the device journal.

package record

// Log takes records one at a time, numbers and stamps them: the device journal of a controller.
type Log interface {
	// Append makes a record and returns its event_seq once it is durable; it blocks until then. It calls fill, which begins the body
	// and gives its fields, and adds the stamps after that. Numbers ascend. After an error the record is not in the journal, or the
	// journal takes nothing more.
	Append(fill func(b *Body)) (seq uint64, err error)
}
