// What a verification found: its checks, and what no check can show.

package evidence

import (
	"fmt"
	"strings"
	"unicode"
)

// Report is what Verify found. It holds every check, whether it failed or not. Its text is fit for a terminal, see [Plain].
type Report struct {
	Run        // as the records say
	BatchID    string
	JournalID  string
	Records    uint64       // number of the last record
	Link       string       // link of the last record, hex
	Ref        string       // export_ref of the package, hex; "" where there is no manifest
	Extract    bool         // bodies were left out; how the run ended is not known then
	Checks     []Check      // in the order in which they were made
	Other      []string     // files beside the package, which nothing here vouches for
	Proven     []string     // what the package proves, in words; nothing where a check failed
	NotProven  []string     // what it cannot prove, in words
	Anchored   Anchored     // which records are anchored in the device journal that was given
	Reconciled []Reconciled // the last reconciliation of each window, as the records say
	Amended    []Amendment  // reconciliations that the device journal that was given amends, in its order
	Signed     Signed       // which records are signed, and by which key
	Chip       string       // which chip held the head while the batch ran, as its records say; "none", and why, where none or a file did
}

// newReport is a report in which no check has been made yet.
func newReport() (r Report) {
	for _, name := range [...]string{"sums", "chain", "records", "identity", "files", "approval", "samples", "totals",
		"journal", "anchors", "signatures", "derived", "manifest"} {
		r.Checks = append(r.Checks, Check{Name: name})
	}
	return r
}

// OK tells whether there were checks and none failed.
func (r *Report) OK() bool {
	for i := range r.Checks {
		if r.Checks[i].Failed {
			return false
		}
	}
	return len(r.Checks) > 0
}

// Verdict says on one line how the verification ended: where a check failed, the first one, else what the records say of the
// run, as Words does, and then that the checks hold. Only of a run that has ended does it say "verified".
func (r *Report) Verdict() string {
	for i := range r.Checks {
		if r.Checks[i].Failed {
			return r.Checks[i].String()
		}
	}
	open := 0
	for i := range r.Checks {
		if r.Checks[i].Open {
			open++
		}
	}
	hold := fmt.Sprintf("%d checks hold", len(r.Checks)-open)
	besides := r.Anchored.Words() + ", " + r.Signed.Words()
	if r.Extract {
		dry := ""
		if r.DryRun {
			dry = dryWords + "; "
		}
		return fmt.Sprintf("%san extract, verified as far as it goes, %s and %d are open; %s", dry, hold, open, besides)
	}
	verdict := fmt.Sprintf("verified, %s; %s", hold, besides)
	if !r.Ended {
		verdict = fmt.Sprintf("what is recorded so far is whole, %s; %s", hold, besides)
	}
	if words := r.Words(); words != "" {
		return words + "; " + verdict
	}
	return verdict
}

// Check is one claim of a package and what became of it.
type Check struct {
	Name   string `json:"name"` // sums, chain, records, identity, files, approval, samples, totals, journal, anchors, signatures, derived or manifest
	Failed bool   `json:"failed"`
	Open   bool   `json:"open,omitempty"`       // it could not be made; Detail says why. It shows nothing, and is no fault
	Seq    uint64 `json:"seq,omitempty,string"` // record at which it fails first; 0 where it is no matter of one record
	File   string `json:"file,omitempty"`       // file in which it fails first, relative to the package; "" where it is no matter of one file
	Detail string `json:"detail"`               // what was found; of a failed check what is wrong
	More   int    `json:"more,omitempty"`       // further failures of this check
}

// String gives the check on one line, with the record or file that it fails at.
func (c *Check) String() string {
	switch {
	case c.Open && !c.Failed:
		return "open  " + c.Name + ": " + c.Detail
	case !c.Failed:
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

// fail takes in one failure. Of several the one at the lowest record is kept; of those that belong to no record, or to the same,
// the first.
func (c *Check) fail(seq uint64, file, format string, args ...any) {
	if c.Failed {
		c.More++
		if seq == 0 || c.Seq != 0 && c.Seq <= seq {
			return
		}
	}
	c.Failed, c.Seq, c.File = true, seq, file
	c.Detail = Plain(fmt.Sprintf(format, args...))
}

// found says what a check that did not fail has found.
func (c *Check) found(format string, args ...any) {
	if !c.Failed {
		c.Detail = Plain(fmt.Sprintf(format, args...))
	}
}

// Plain makes text out of a package fit for a terminal. What is not UTF-8 becomes "?"; what cannot be seen, or changes how the
// rest is seen - control characters and line feeds, the format and direction marks of Unicode, fillers, odd spaces - is spelt
// out, such as \u202e.
func Plain(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if strings.IndexFunc(s, unseen) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if unseen(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func unseen(r rune) bool {
	const blankBraille = '\u2800'
	return !unicode.IsPrint(r) || r == blankBraille ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// few lists names on one line: the first ones, and how many there are besides.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
