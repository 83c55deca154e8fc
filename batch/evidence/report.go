// What a verification found: its checks, and what no check can show.

package evidence

import (
	"fmt"
	"strings"
	"unicode"
)

// Report is what Verify found. It holds every check, whether it failed or not. Text that comes out of the package holds no
// control characters.
type Report struct {
	BatchID   string
	JournalID string
	Records   uint64   // number of the last record
	Link      string   // link of the last record, hex
	State     string   // last state of the batch
	Checks    []Check  // in the order in which they were made
	Other     []string // files beside the package, which nothing here vouches for
	Proven    []string // what the package proves, in words; nothing where a check failed
	NotProven []string // what it cannot prove, in words
}

// newReport is a report in which no check has been made yet.
func newReport() (r Report) {
	for _, name := range [...]string{"sums", "chain", "records", "identity", "files", "samples", "totals", "journal", "manifest"} {
		r.Checks = append(r.Checks, Check{Name: name})
	}
	return r
}

// OK tells whether no check failed.
func (r *Report) OK() bool {
	for i := range r.Checks {
		if r.Checks[i].Failed {
			return false
		}
	}
	return true
}

// Verdict says on one line how the verification ended, and where a check failed, the first one.
func (r *Report) Verdict() string {
	for i := range r.Checks {
		if r.Checks[i].Failed {
			return r.Checks[i].String()
		}
	}
	return fmt.Sprintf("verified, %d checks hold; no anchor, no signature", len(r.Checks))
}

// Check is one claim of a package and what became of it.
type Check struct {
	Name   string `json:"name"` // sums, chain, records, identity, files, samples, totals, journal or manifest
	Failed bool   `json:"failed"`
	Seq    uint64 `json:"seq,omitempty,string"` // record at which it fails first; 0 where it is no matter of one record
	File   string `json:"file,omitempty"`       // file in which it fails first, relative to the package; "" where it is no matter of one file
	Detail string `json:"detail"`               // what was found; of a failed check what is wrong
	More   int    `json:"more,omitempty"`       // further failures of this check
}

// String gives the check on one line, with the record or file that it fails at.
func (c *Check) String() string {
	if !c.Failed {
		return "ok    " + c.Name + ": " + c.Detail
	}
	s := "FAIL  " + c.Name + ": "
	if c.Seq != 0 {
		s += fmt.Sprintf("record %d: ", c.Seq)
	}
	if c.File != "" {
		s += fmt.Sprintf("%.200q: ", c.File)
	}
	s += c.Detail
	if c.More > 0 {
		s += fmt.Sprintf(" (and %d more)", c.More)
	}
	return s
}

// fail takes in one failure; the first one is kept.
func (c *Check) fail(seq uint64, file, format string, args ...any) {
	if c.Failed {
		c.More++
		return
	}
	c.Failed, c.Seq, c.File = true, seq, file
	c.Detail = plain(fmt.Sprintf(format, args...))
}

// found says what a check that did not fail has found.
func (c *Check) found(format string, args ...any) {
	if !c.Failed {
		c.Detail = plain(fmt.Sprintf(format, args...))
	}
}

// plain makes text out of a package fit for a terminal: UTF-8 without control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// proven and notProven are what a package can show and what it cannot, however whole it is.
func proven() []string {
	return []string{
		"every record is the one that was hashed into last_link: none was changed, added, left out or moved without changing that link",
		"recipe, mapping and calibration are, byte for byte, those that the records name",
		"the samples of each window are those of the input records, and its total follows from them and from the calibration",
	}
}

func notProven() []string {
	return []string{
		"that the end is whole: there is no anchor, so records cut off at the end, with manifest and sums made again, do not show; " +
			"compare last_link with one kept elsewhere",
		"that the whole was not made anew: there is no anchor, so records that were all hashed again do not show; " +
			"a replay tells whether the decisions still follow from the inputs, not whether the inputs are the old ones",
		"who made it: there is no signature",
		"that the inputs were true: what devices and people gave is recorded as it came",
	}
}
