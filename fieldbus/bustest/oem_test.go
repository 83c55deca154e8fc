// The example of a driver: a maker's own protocol, lines of text, held against the suite.

package bustest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/iomap/tag"
)

// scale is the driver: "? NAME" is answered by "NAME VALUE", and "! NAME VALUE" by itself. An answer to anything else ends the session.
type scale struct {
	dial func(ctx context.Context, addr string) (net.Conn, error)
	conn atomic.Pointer[net.Conn] // Close may come at any time
}

func (s *scale) Open(ctx context.Context, endpoint string) error {
	addr, ok := strings.CutPrefix(endpoint, "scale://")
	if !ok {
		return fmt.Errorf("scale: endpoint %q: must be scale://HOST:PORT", endpoint)
	}
	conn, err := s.dial(ctx, addr)
	if err == nil {
		s.conn.Store(&conn)
	}
	return err
}

func (s *scale) ask(ctx context.Context, question, name string, v *uint64) error {
	open := s.conn.Load()
	if open == nil || ctx.Err() != nil {
		return fmt.Errorf("scale: %w: not asked", fieldbus.ErrDown)
	}
	conn := *open
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a late answer finds nobody
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return fmt.Errorf("scale: %w: %w", fieldbus.ErrUnknown, err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if n, _ := fmt.Sscanf(answer, name+" %d\n", v); err != nil || n != 1 {
		return fmt.Errorf("scale: answer %q: %w: %w", answer, fieldbus.ErrUnknown, fieldbus.ErrStray)
	}
	return nil
}

func (s *scale) Read(ctx context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	for i, p := range points {
		out[i] = fieldbus.Reading{Form: tag.Int, Quality: tag.Good}
		if err := s.ask(ctx, "? "+p.Name, p.Name, &out[i].Bits); err != nil {
			return err
		}
	}
	return nil
}

func (s *scale) Write(ctx context.Context, p *fieldbus.Point, form tag.Form, bits uint64) error {
	if p.Access == fieldbus.ReadOnly || form != tag.Int {
		return fmt.Errorf("scale: %q: %w", p.Name, fieldbus.ErrRefused)
	}
	var confirmed uint64
	return s.ask(ctx, fmt.Sprintf("! %s %d", p.Name, bits), "! "+p.Name, &confirmed)
}

func (s *scale) Close() error {
	if open := s.conn.Swap(nil); open != nil {
		return (*open).Close()
	}
	return nil
}

// instrument is the scale itself, at the other end of a pipe.
func instrument(conn net.Conn) {
	values := map[string]uint64{"weight": 1500, "tare": 0}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		var verb, name string
		var v uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%s %s %d", &verb, &name, &v); n == 3 {
			values[name] = v
			_, _ = fmt.Fprintln(conn, lines.Text())
			continue
		}
		_, _ = fmt.Fprintln(conn, name, values[name])
	}
}

// A maker's own protocol is a driver with four methods; the suite says whether it keeps what a line builds on.
func ExampleCheck() {
	driver := &scale{dial: func(context.Context, string) (net.Conn, error) {
		near, far := net.Pipe()
		go instrument(far)
		return near, nil
	}}
	weight := &fieldbus.Point{Index: 0, Name: "weight", Type: fieldbus.Int32}
	tare := &fieldbus.Point{Index: 1, Name: "tare", Type: fieldbus.Int32, Access: fieldbus.ReadWrite}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := bustest.Check(ctx, driver, &bustest.Options{
		Device: "scale 1", Endpoint: "scale://10.0.0.9:4001",
		Points: []*fieldbus.Point{weight, tare}, Steady: true,
		Outputs: []bustest.Output{{Point: tare, Values: [2]uint64{0, 250}}},
	})
	fmt.Println(report.Passed(), err)
	for _, what := range report.NotChecked[:2] {
		fmt.Println(what)
	}
	// Output:
	// true <nil>
	// a plan has each point once: not checked; it takes a driver that is a line.Planner; all points of a class are one group
	// a point that the device refuses is BAD and no error, the others are read, and the session goes on: not checked; it takes Absent: a point that the device does not have
}
