// A line of one device, whose protocol is a map in memory.

package line_test

import (
	"context"
	"fmt"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/iomap/tag"
)

// relay is a driver: a protocol brings these four methods.
type relay struct{ on uint64 }

func (r *relay) Open(context.Context, string) error { return nil }
func (r *relay) Close() error                       { return nil }

func (r *relay) Read(_ context.Context, points []*fieldbus.Point, out []fieldbus.Reading) error {
	for i := range points {
		out[i] = fieldbus.Reading{Form: tag.Bool, Bits: r.on, Quality: tag.Good}
	}
	return nil
}

func (r *relay) Write(_ context.Context, _ *fieldbus.Point, _ tag.Form, bits uint64) error {
	r.on = bits
	return nil
}

func Example() {
	profile := &fieldbus.Profile{ID: "relay", Points: []fieldbus.Point{{Name: "coil", Type: fieldbus.Bool, Access: fieldbus.ReadWrite}}}
	m := &fieldbus.TagMap{
		ID: "plant", Profiles: []*fieldbus.Profile{profile}, Classes: []fieldbus.Class{{Name: "fast", Every: 10_000_000}},
		Devices: []fieldbus.Device{{Name: "relay1", Profile: profile, Endpoints: []string{"here"}}},
		Tags:    []fieldbus.Tag{{Channel: "do/1", StaleAfter: 1_000_000_000}},
	}
	l, err := line.New(m, []line.Attached{{Device: "relay1", Driver: &relay{}}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	l.Report(func(e fieldbus.Event) {
		if e.Kind == fieldbus.LinkChanged {
			fmt.Println(e.Device, e.New)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	good := make(chan struct{})
	go func() {
		<-good
		fmt.Println("write:", l.Write(ctx, tag.Write{ID: 1, Channel: "do/1", Form: tag.Bool, Bits: 1}))
	}()
	var last tag.Raw
	_ = l.Watch(ctx, func(r tag.Raw) {
		switch {
		case r.Quality == last.Quality && r.Bits == last.Bits:
		case r.Bits == 1:
			cancel()
		case r.Quality == tag.Good:
			close(good)
		}
		last = r
	})
	fmt.Println(last.Channel, last.Quality, last.Bits)
	// Output:
	// relay1 CONNECTING
	// relay1 SYNCING
	// relay1 UP
	// write: <nil>
	// relay1 DOWN
	// do/1 GOOD 1
}
