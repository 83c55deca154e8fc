// The lines of events.tsv: written, read, and held against the chain.

package evidence

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/batchkit/batchkit/journal"
)

// appendLine appends the line of one record: number, leaf and link in hex, and the body, parted by tabs. A body in canonical
// form holds neither a tab nor a line feed.
func appendLine(dst []byte, seq uint64, leaf, link journal.Hash, body []byte) []byte {
	dst = append(strconv.AppendUint(dst, seq, 10), '\t')
	dst = append(hex.AppendEncode(dst, leaf[:]), '\t')
	dst = append(hex.AppendEncode(dst, link[:]), '\t')
	return append(append(dst, body...), '\n')
}

// line is one line of events.tsv. Body is valid until the next is read.
type line struct {
	seq        uint64
	leaf, link journal.Hash
	body       []byte
	bad        string // why it cannot be taken apart; the other fields are then zero
}

// lineReader reads events.tsv line by line in bounded memory.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{bufio.NewReaderSize(r, maxLine+journal.MaxBody)}
}

// next returns the next line, or io.EOF behind the last.
func (l *lineReader) next() (ln line, err error) {
	text, err := l.r.ReadSlice('\n')
	switch {
	case err == nil:
		return parseLine(text[:len(text)-1]), nil
	case errors.Is(err, io.EOF) && len(text) > 0:
		return line{bad: "its line is cut off: no line feed ends it"}, nil
	case !errors.Is(err, bufio.ErrBufferFull):
		return ln, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return ln, err
	}
	return line{bad: "its line is longer than that of a record can be"}, nil
}

func parseLine(text []byte) (ln line) {
	part := bytes.SplitN(text, []byte{'\t'}, 4)
	if len(part) != 4 {
		return line{bad: fmt.Sprintf("its line has %d of four fields parted by tabs: number, leaf, link, body", len(part))}
	}
	seq, err := strconv.ParseUint(string(part[0]), 10, 64)
	if err != nil || strconv.FormatUint(seq, 10) != string(part[0]) {
		return line{bad: fmt.Sprintf("its line begins with %.30q and no number", part[0])}
	}
	leaf, okLeaf := parseHash(part[1])
	link, okLink := parseHash(part[2])
	switch {
	case !okLeaf:
		return line{bad: "its leaf is not 64 lower-case hexadecimal digits"}
	case !okLink:
		return line{bad: "its link is not 64 lower-case hexadecimal digits"}
	}
	return line{seq: seq, leaf: leaf, link: link, body: part[3]}
}

// parseHash reads 64 lower-case hexadecimal digits.
func parseHash(text []byte) (h journal.Hash, ok bool) {
	if len(text) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], text)
	return h, err == nil && h.String() == string(text)
}

// chain holds lines against each other, each with the stated link of the one before it, so that what follows a touched record is
// judged by itself.
type chain struct {
	n    uint64       // number of the last line, as it should be
	link journal.Hash // of the last line, as it is stated
	part bool         // of an extract: bodies may be left out
	lost bool         // the last line could not be taken apart, so its link is not known
}

// check takes in the next line and says what is wrong with it, "" if nothing is. The line belongs to record n of the chain.
func (c *chain) check(ln *line) (n uint64, wrong string) {
	n = c.n + 1
	prev, lost := c.link, c.lost
	c.n, c.link, c.lost = n, ln.link, ln.bad != ""
	switch {
	case ln.bad != "":
		return n, ln.bad
	case ln.seq != n:
		c.n = ln.seq
		return n, fmt.Sprintf("record %d stands in its place", ln.seq)
	case len(ln.body) == 0 && !c.part:
		return n, "it has no body, as in an extract"
	case len(ln.body) > 0 && journal.Leaf(ln.body) != ln.leaf:
		return n, "its body is not the one that its leaf was made of"
	case !lost && journal.Link(n, prev, ln.leaf) != ln.link:
		return n, "its link does not follow from its leaf and the record before it"
	}
	return n, ""
}

// readChain calls fn for every record of an events file and ends at the first that is not in its chain, with ErrChain.
func readChain(r io.Reader, fn func(n uint64, body []byte) error) (journal.Chain, error) {
	lines := newLineReader(r)
	var c chain
	for {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			return journal.Chain{N: c.n, Link: c.link}, nil
		}
		if err != nil {
			return journal.Chain{}, fmt.Errorf("evidence: %s: %w", eventsName, err)
		}
		n, wrong := c.check(&ln)
		if wrong != "" {
			return journal.Chain{}, fmt.Errorf("%w: %s: record %d: %s", ErrChain, eventsName, n, wrong)
		}
		if err := fn(n, ln.body); err != nil {
			return journal.Chain{}, err
		}
	}
}
