// An I/O map that is checked without a recipe: what it keeps shut, tells people of, lets batches share, and asks the PLC for; and what is found.

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
)

// checkMap shows one map.
func checkMap(name string, opt *iomap.CheckOptions, stdout io.Writer) error {
	src, err := readFile(name)
	if err != nil {
		return err
	}
	m, err := iomap.Parse(name, src)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %s: %s on %s, %s, %s, %s\n", m.ID, m.Version, m.Equipment, m.Device, some(len(m.Tags), "tag"),
		some(len(m.Meters), "meter"), some(len(m.Units), "unit"))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	row := func(words ...string) { fmt.Fprintf(w, "  %s\n", strings.Join(words, "\t")) }
	if len(m.Meters) > 0 {
		fmt.Fprintln(w, "meters:")
	}
	wrong := meters(name, m, row)
	for i := range m.Interlocks {
		if i == 0 {
			fmt.Fprintln(w, "interlocks:")
		}
		row(interlock(m, &m.Interlocks[i])...)
	}
	for i := range m.Alarms {
		if i == 0 {
			fmt.Fprintln(w, "alarms:")
		}
		row(alarm(m, &m.Alarms[i])...)
	}
	for i := range m.Resources {
		if i == 0 {
			fmt.Fprintln(w, "resources, in the order in which they are got:")
		}
		r := &m.Resources[i]
		how := some(r.Owners, "owner")
		if r.BetweenBatches {
			how = "between batches"
		}
		row(r.Name, how)
	}
	if t := m.Trip; t != nil {
		fmt.Fprintln(w, "trip_request:")
		tag, confirm := &m.Tags[t.Tag], "not confirmed otherwise"
		if t.Confirm != nil {
			confirm = "and confirmed"
		}
		row(tag.Name+" "+tag.Words[t.Value], "read back "+confirm+" within "+time.Duration(t.Within).String())
	}
	return errors.Join(w.Flush(), findings(name, iomap.Check(m, opt), stdout), bound(name, m, stdout), wrong)
}

// interlock gives the words of one interlock.
func interlock(m *iomap.Map, i *iomap.Interlock) []string {
	how := time.Duration(i.Filter.On).String()
	if i.Vote > 0 {
		how += fmt.Sprintf(", %d %% of %s", i.Vote, time.Duration(i.Filter.Window))
	}
	gates := "gates the start"
	if len(i.Gates) > 0 {
		gates = "gates " + strings.Join(names(m, i.Gates), ", ")
	}
	words := []string{i.ID, i.Kind.String(), i.Text, how, gates}
	switch {
	case i.Kind == iomap.PermissiveKind:
		return words
	case i.Latch:
		return append(words, "then "+i.Reaction.String()+", until reset")
	}
	return append(words, "then "+i.Reaction.String())
}

// alarm gives the words of one alarm.
func alarm(m *iomap.Map, a *iomap.Alarm) []string {
	what := a.Text
	if a.Fault != iomap.NoFault {
		what = a.Fault.String() + " of any"
		switch {
		case a.Interlock >= 0:
			what = a.Fault.String() + " of " + m.Interlocks[a.Interlock].ID
		case a.Of != tag.None:
			what = a.Fault.String() + " of " + m.Tags[a.Of].Name
		}
	}
	how := fmt.Sprintf("after %s, gone after %s", time.Duration(a.Filter.On), time.Duration(a.Filter.Off))
	return []string{a.ID, a.Priority, what, how, evidence.Plain(a.Message)}
}

func names(m *iomap.Map, ids []tag.ID) (list []string) {
	for _, id := range ids {
		list = append(list, m.Tags[id].Name)
	}
	return list
}

// some says how many there are.
func some(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
