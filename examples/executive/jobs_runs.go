// The commands for unit runs and material: each is one call of the API of production.

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// unitLine is one slot of a unit in one line.
func unitLine(u *api.UnitSlot) string {
	text := fmt.Sprintf("%-6s %-12s %-20s %8d  %-9s %-8s", u.Unit, u.Definition, u.State, u.Code, u.Run, u.Control)
	if u.Follows {
		text += " follows the batches"
	}
	if len(u.Captured) > 0 {
		text += " captures " + strings.Join(u.Captured, ", ")
	}
	return strings.TrimRight(harmless(text), " ")
}

// runLine is one run in one line.
func runLine(r *api.Run) string {
	text := fmt.Sprintf("%-9s %-6s %-12s %-20s %8d  %-16s %-16s %s", r.ID, r.Unit, r.Definition, r.State, r.Code, r.Ident, r.Process, strings.Join(r.Materials, ", "))
	return strings.TrimRight(harmless(text), " ")
}

// materialLine is one material in one line.
func materialLine(m *api.Material) string {
	var what []string
	for _, list := range []struct {
		word string
		of   []string
	}{{"", m.Runs}, {"from", m.From}, {"into", m.Into}} {
		if len(list.of) > 0 {
			what = append(what, strings.TrimLeft(list.word+" "+strings.Join(list.of, ", "), " "))
		}
	}
	return strings.TrimRight(harmless(fmt.Sprintf("%-10s %-6s %-10s %s", m.ID, m.Unit, m.Life, strings.Join(what, "; "))), " ")
}

// units shows where units can have runs.
func (s *session) units(ctx context.Context) error {
	var all api.UnitSlots
	if err := s.ask(ctx, api.Production, "GET", "/v1/units", nil, &all); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "UNIT   DEFINITION   STATE                    CODE  RUN       CONTROL")
	for i := range all {
		fmt.Fprintln(s.stdout, unitLine(&all[i]))
	}
	return nil
}

// runs shows the runs.
func (s *session) runs(ctx context.Context) error {
	var all api.Runs
	if err := s.ask(ctx, api.Production, "GET", "/v1/runs", nil, &all); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "RUN       UNIT   DEFINITION   STATE                    CODE  IDENT            PROCESS          MATERIAL")
	for i := range all {
		fmt.Fprintln(s.stdout, runLine(&all[i]))
	}
	return nil
}

// newRun makes a run of a definition on a unit.
func (s *session) newRun(ctx context.Context) error {
	c := api.RunCreate{Order: s.order, Unit: s.args[0], Definition: s.args[1], Ident: s.id, Start: s.start}
	return s.ran(ctx, "/v1/runs", &c)
}

// runCommand orders something of a run.
func (s *session) runCommand(ctx context.Context) error {
	return s.ran(ctx, "/v1/runs/"+url.PathEscape(s.args[0])+"/commands", &api.RunCommand{Order: s.order, Command: s.args[1]})
}

// materials shows the material.
func (s *session) materials(ctx context.Context) error {
	var all api.Materials
	if err := s.ask(ctx, api.Production, "GET", "/v1/materials", nil, &all); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "MATERIAL   UNIT   LIFE       RUNS")
	for i := range all {
		fmt.Fprintln(s.stdout, materialLine(&all[i]))
	}
	return nil
}

// material tells what has become of material: arrive, move, split, merge, exit, regenerate.
func (s *session) material(ctx context.Context) error {
	o := api.MaterialOrder{Order: s.order, Command: s.args[0], Material: s.id, Unit: s.unit, Others: s.others}
	if o.Command != "arrive" && o.Material == "" {
		return errors.New("executive: say which material is meant with -id")
	}
	return s.ran(ctx, "/v1/materials", &o)
}

// ran sends what a person orders of runs or material, and says what was taken.
func (s *session) ran(ctx context.Context, path string, in api.Body) error {
	var got api.RunAccepted
	if err := s.ask(ctx, api.Production, "POST", path, in, &got); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, harmless(strings.TrimRight("taken in, as "+got.As+": "+strings.Trim(got.Run+" "+strings.Join(got.Materials, ", "), " "), ": ")))
	return nil
}
