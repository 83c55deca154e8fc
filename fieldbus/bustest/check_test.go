// The suite of drivers is green on a sound one and red on each that is wrong in one way, and says which.

package bustest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/hal/haltest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// flow are the points of a meter.
func flow() []*fieldbus.Point {
	return []*fieldbus.Point{
		{Index: 0, Name: "rate", Type: fieldbus.Float32}, {Index: 1, Name: "total", Type: fieldbus.Uint32},
		{Index: 2, Name: "valve", Type: fieldbus.Bool, Access: fieldbus.ReadWrite}, {Index: 3, Name: "alarm", Type: fieldbus.Bool},
		{Index: 4, Name: "maker", Type: fieldbus.String, Length: 4}, {Index: 5, Name: "ghost", Type: fieldbus.Int16},
	}
}

// meter is a driver with its device in it. It is wrong in one way, or in none.
type meter struct {
	wrong  string
	mu     sync.Mutex
	open   bool
	opens  int
	cuts   bool
	end    chan struct{} // of the session
	values map[string]uint64
	silent chan struct{} // closed when the device answers again; nil: it answers
	owed   map[string]uint64
	plans  int
}

func newMeter(wrong string) *meter {
	return &meter{wrong: wrong, values: map[string]uint64{"rate": 0x3F80_0000, "total": 70_000, "valve": 0, "alarm": 1}}
}

func (m *meter) Open(_ context.Context, endpoint string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case endpoint != "meter://1" && m.wrong == "does not name the endpoint":
		return errors.New("meter: no such endpoint")
	case endpoint != "meter://1" && m.wrong != "takes any endpoint":
		return fmt.Errorf("meter: endpoint %q: must be meter://N", endpoint)
	case m.wrong == "does not open", m.wrong == "opens once" && m.opens > 0:
		return errors.New("meter: nobody is there")
	}
	m.opens++
	m.open, m.cuts, m.end = true, false, make(chan struct{})
	return nil
}

func (m *meter) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		if m.wrong == "cannot be closed twice" && m.opens > 0 {
			return errors.New("meter: is closed")
		}
		return nil
	}
	m.open = false
	if m.wrong != "is not ended by Close" {
		close(m.end)
	}
	return nil
}

// exchange waits for the device to answer.
func (m *meter) exchange(ctx context.Context) error {
	m.mu.Lock()
	open, end, silent := m.open, m.end, m.silent
	m.mu.Unlock()
	switch {
	case !open && m.wrong != "answers when closed":
		return fmt.Errorf("meter: %w", fieldbus.ErrDown)
	case m.cuts && m.wrong == "takes a loss for a refusal":
		return fmt.Errorf("meter: %w", fieldbus.ErrPoint)
	case m.cuts && m.wrong != "does not see a loss":
		return fmt.Errorf("meter: %w: lost", fieldbus.ErrDown)
	case ctx.Err() != nil && m.wrong == "does not look at ctx":
		time.Sleep(time.Second)
		return ctx.Err()
	case ctx.Err() != nil && m.wrong != "reads though ctx has ended":
		return ctx.Err()
	case silent == nil:
		return nil
	}
	done := ctx.Done()
	if m.wrong == "waits on" {
		done = nil
	}
	select {
	case <-silent:
		return nil
	case <-end:
		return fmt.Errorf("meter: %w: closed", fieldbus.ErrDown)
	case <-done:
		return ctx.Err()
	}
}

func (m *meter) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	err := m.exchange(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && m.wrong == "makes up an answer" && m.silent != nil:
	case err != nil:
		if m.wrong == "takes a late answer" && m.silent != nil {
			m.owed = map[string]uint64{points[0].Name: m.values["total"]}
		}
		if m.wrong == "owes though it never does" && m.silent != nil {
			return fmt.Errorf("meter: %w: %w", fieldbus.ErrDoubt, err)
		}
		return err
	case m.wrong == "always wants a plan":
		return fieldbus.ErrPlan
	case m.plans == 0:
		m.plans++
		return fmt.Errorf("meter: %w", fieldbus.ErrPlan)
	}
	for i, p := range points {
		v, there := m.values[p.Name]
		r := fieldbus.Reading{Bits: v, Quality: tag.Good, Form: map[fieldbus.Type]tag.Form{fieldbus.Float32: tag.Float32, fieldbus.Uint32: tag.Int,
			fieldbus.Int16: tag.Int}[p.Type]}
		switch {
		case !there && m.wrong == "fails for one point":
			return errors.New("meter: no such point")
		case !there && m.wrong == "has values of what is not there":
		case !there:
			r.Quality, r.Status = tag.Bad, fieldbus.StatusConfigurationError
		case p.Name != "alarm":
		case m.wrong == "leaves a place":
			continue
		case m.wrong == "has the wrong form":
			r.Form = tag.Int
		case m.wrong == "says STALE":
			r.Quality = tag.Stale
		case m.wrong == "has a status for GOOD":
			r.Status = fieldbus.StatusWaiting
		case m.wrong == "does not say why":
			r.Quality = tag.Bad
		case m.wrong == "goes by the order" && i == 0:
			r.Bits = 0
		}
		if v, ok := m.owed[p.Name]; ok {
			r.Bits, m.owed = v, nil
		}
		out[i] = r
	}
	return nil
}

func (m *meter) Write(ctx context.Context, p *fieldbus.Point, form tag.Form, bits uint64) error {
	if p.Access == fieldbus.ReadOnly && m.wrong != "writes what is read-only" || form != tag.Bool && m.wrong == "" {
		return fmt.Errorf("meter: %q: %w", p.Name, fieldbus.ErrRefused)
	}
	if form != tag.Bool && m.wrong != "takes any form" && p.Name == "valve" {
		if m.wrong == "writes what it refuses" {
			m.values[p.Name] ^= 1
		}
		return fmt.Errorf("meter: %q: %w", p.Name, fieldbus.ErrRefused)
	}
	silent := m.silent != nil
	err := m.exchange(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && !silent:
		return err
	case m.wrong == "confirms and does nothing":
		return nil
	}
	m.values[p.Name] = bits
	switch {
	case !silent, m.wrong == "confirms what nobody confirmed":
		return nil
	case m.wrong == "calls refused what was sent":
		return fmt.Errorf("meter: %w: %w", fieldbus.ErrRefused, err)
	}
	return fmt.Errorf("meter: %w: %w", fieldbus.ErrUnknown, err)
}

func (m *meter) Plan(points []*fieldbus.Point) (groups [][]int) {
	for i := range points {
		groups = append(groups, []int{i})
	}
	if n := len(points); n > 1 {
		switch m.wrong {
		case "forgets a point in the plan":
			groups = groups[1:]
		case "plans a point twice":
			groups = append(groups, []int{0})
		case "plans a point that is not there":
			groups[0] = []int{n}
		case "has a group of nothing":
			groups = append(groups, nil)
		}
	}
	return groups
}

func (m *meter) Prove(context.Context) error {
	if m.wrong == "never proves" {
		return fieldbus.ErrDoubt
	}
	return nil
}

func (m *meter) Owes(string) bool { return m.wrong != "owes though it never does" }

func (m *meter) Text(context.Context, *fieldbus.Point) (string, error) {
	if m.wrong == "keeps what fills a text" {
		return "Acme\x00", nil
	}
	return "Acme", nil
}

// quiet makes the device silent.
func (m *meter) quiet(silent bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent != nil {
		close(m.silent)
		m.silent = nil
	}
	if silent {
		m.silent = make(chan struct{})
	}
}

// held holds a meter against the suite, with all that it takes.
func held(t *testing.T, m *meter) (haltest.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	points := flow()
	return bustest.Check(ctx, m, &bustest.Options{
		Device: "meter", Endpoint: "meter://1", Points: points[:4], Steady: true, Outputs: []bustest.Output{{Point: points[2]}},
		Absent: points[5], Text: points[4], Is: "Acme", Silent: m.quiet,
		Cut: func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.cuts = true
		},
	})
}

func TestASoundDriverIsGreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter("")
		r, err := held(t, m)
		require.NoError(t, err)
		require.True(t, r.Passed())
		require.Empty(t, r.NotChecked)
		require.Len(t, r.Kept, 19)
		require.False(t, m.open, "it is left closed")
		require.Zero(t, m.values["valve"], "and the output safe")
	})
}

func TestADriverThatIsWrongInOneWayIsFoundOut(t *testing.T) {
	for wrong, want := range map[string]string{
		"answers when closed":             "a Read gave <nil>; it must be an error that ends a session",
		"takes any endpoint":              `Open of "none://nowhere" gave nil`,
		"does not name the endpoint":      "which does not name it",
		"does not open":                   "broken: Open connects by the endpoint; seen: meter: nobody is there",
		"forgets a point in the plan":     `"rate" is in the plan 0 times`,
		"plans a point twice":             `"rate" is in the plan 2 times`,
		"plans a point that is not there": "place 4 of 4 points",
		"has a group of nothing":          "a group is empty",
		"always wants a plan":             "a Read wanted another plan 64 times",
		"leaves a place":                  `nothing was read of "alarm"`,
		"has the wrong form":              `"alarm" has form int, and its type makes it bool`,
		"says STALE":                      `"alarm" has quality STALE`,
		"has a status for GOOD":           `"alarm" is GOOD with status 0x80320000`,
		"does not say why":                `"alarm" is BAD with status 0x0`,
		"goes by the order":               `"alarm" reads 0x0, GOOD, among 1 points, and was 0x1, GOOD`,
		"fails for one point":             "meter: no such point; do: tell a device's refusal from a line that fails",
		"has values of what is not there": `"ghost" is GOOD`,
		"never proves":                    "broken: Prove returns nil on a session that is in order",
		"keeps what fills a text":         `"maker" reads "Acme\x00", and it is "Acme"`,
		"confirms and does nothing":       `"valve" reads back 0 and not 1, after a write that was confirmed`,
		"writes what is read-only":        `a Write to "rate", which is read-only, gave <nil>`,
		"takes any form":                  `a Write of form int to "valve", whose form is bool, gave <nil>`,
		"writes what it refuses":          "after a write that was refused",
		"reads though ctx has ended":      "broken: a Read whose ctx has ended is an error, at once, and the next session is in order; seen: it gave nil",
		"does not look at ctx":            "it took 1s; 250ms is the limit",
		"waits on":                        "a call that did not return",
		"is not ended by Close":           "broken: Close ends a Read that waits for an answer; seen: the Read took",
		"makes up an answer":              "it gave nil though the device did not answer",
		"takes a late answer":             `"rate" reads 0x11170, and it was 0x3f800000`,
		"owes though it never does":       "and nothing proves by this endpoint when it was paid",
		"calls refused what was sent":     "which says that nothing was done, and it was done",
		"confirms what nobody confirmed":  "a Write to a device that did not answer gave nil",
		"does not see a loss":             "broken: a Read on a connection that was lost is an error that ends the session, and a new one is in order; seen: a Read gave <nil>",
		"takes a loss for a refusal":      "a Read gave meter: the device refuses the point",
		"cannot be closed twice":          "meter: is closed",
		"opens once":                      "opening it: meter: nobody is there",
	} {
		t.Run(wrong, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMeter(wrong)
				r, err := held(t, m)
				m.quiet(false) // lets a call that hangs go
				require.ErrorContains(t, err, want)
				require.False(t, r.Passed())
			})
		})
	}
}

func TestWhatTheSuiteHadNothingForIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := bustest.Check(ctx, newMeter(""), &bustest.Options{Endpoint: "meter://1"})
		require.NoError(t, err)
		require.Len(t, r.NotChecked, 10)
		_, err = bustest.Check(t.Context(), newMeter(""), nil)
		require.ErrorIs(t, err, haltest.ErrNoDeadline)
	})
}
