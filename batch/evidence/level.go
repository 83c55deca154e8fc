// The levels of a verification, reported apart: what one level shows, the next may not.

package evidence

import (
	"slices"
	"strings"
)

// Level is one level of a verification.
type Level struct {
	Name   string   `json:"name"`   // V0 to V4
	Title  string   `json:"title"`  // what it is about
	State  string   `json:"state"`  // HOLDS, FAILS, IN PART or NONE
	Words  string   `json:"words"`  // what it shows, or which checks failed
	Checks []string `json:"checks"` // the checks of a report that belong to it
}

// The states of a level.
const (
	LevelHolds  = "HOLDS"   // all its checks were made, and no fault was found
	LevelFails  = "FAILS"   // a check failed
	LevelInPart = "IN PART" // no fault was found, and some checks could not be made
	LevelNone   = "NONE"    // there is nothing in the package that it could check
)

// levels is the table of levels. A check that is not named here belongs to the last.
func levels() []Level {
	return []Level{
		{Name: "V0", Title: "sums", Checks: []string{"sums"},
			Words: "the files are those of " + sumsName + ", which anyone can make anew"},
		{Name: "V1", Title: "chain", Checks: []string{"chain"},
			Words: "the records follow from each other up to the one that the manifest names; a chain can be cut at its end or made anew"},
		{Name: "V2", Title: "tree and signatures", Checks: []string{"signatures"},
			Words: "heads of the chain are signed by keys of the package"},
		{Name: "V3", Title: "anchors", Checks: []string{"anchors"}, Words: "heads of the chain are kept in the device journal that was given"},
		{Name: "V4", Title: "semantics", Words: "the records, and all that is in the package beside them, agree with each other"},
	}
}

// Levels gives the levels of a verification, in their order. A level that holds says nothing of the next.
func (r *Report) Levels() []Level {
	all := levels()
	for i := range all {
		l := &all[i]
		made, open := 0, 0
		var failed []string
		for j := range r.Checks {
			c := &r.Checks[j]
			if last := i == len(all)-1; last && levelOf(c.Name) == l.Name {
				l.Checks = append(l.Checks, c.Name)
			} else if !slices.Contains(l.Checks, c.Name) {
				continue
			}
			switch {
			case c.Failed:
				failed = append(failed, c.Name)
			case c.Open:
				open++
			default:
				made++
			}
		}
		switch {
		case len(failed) > 0:
			l.State, l.Words = LevelFails, "see "+strings.Join(failed, ", ")
		case made == 0, l.Name == "V2" && r.Signed.Records == 0: // that nothing is signed was found, and shows nothing
			l.State, l.Words = LevelNone, "there is nothing to check it by"
		case open > 0, l.Name == "V3" && r.Anchored.Records < r.Records:
			l.State = LevelInPart
		default:
			l.State = LevelHolds
		}
	}
	return all
}

// levelOf names the level that a check belongs to.
func levelOf(check string) string {
	all := levels()
	for i := range all {
		if slices.Contains(all[i].Checks, check) {
			return all[i].Name
		}
	}
	return all[len(all)-1].Name
}

// String gives the level on one line.
func (l *Level) String() string {
	return l.Name + " " + l.Title + ": " + l.State + ": " + l.Words
}
