// What is asked of the book: it stands in memory, so it answers at once, wherever the log is.

package executive

import "github.com/batchkit/batchkit/batch/executive/arbiter"

// next is the number of the operation that the book has not taken in yet.
func (d *desk) next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Next()
}

// marks tells how far each node is.
func (d *desk) marks() []arbiter.NodeMark {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Marks()
}

// batches names those of which the book has something.
func (d *desk) batches() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Batches()
}

// holdings tells who has what.
func (d *desk) holdings() []arbiter.Holding {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Holdings()
}

// holding tells who has one piece of equipment.
func (d *desk) holding(id string) []arbiter.Holding {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Holding(id)
}

// held gives what each batch has.
func (d *desk) held() map[string][]string {
	held := map[string][]string{}
	for _, h := range d.holdings() {
		if h.Batch != "" {
			held[h.Batch] = append(held[h.Batch], h.Equipment)
		}
	}
	return held
}

// token is the greatest that was given.
func (d *desk) token() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.book.Token()
}

// tokens gives the tokens of what a batch has, by equipment.
func (d *desk) tokens(batch string) map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokensOf(batch)
}

// tokensOf is tokens with mu held, such as by allow.
func (d *desk) tokensOf(batch string) map[string]uint64 {
	tokens := map[string]uint64{}
	for _, f := range d.book.Of(batch, nil) {
		if f.Kind == arbiter.Granted {
			for _, id := range f.Equipment {
				tokens[id] = max(tokens[id], f.Token)
			}
		}
	}
	return tokens
}
