// A value on its way from a port to a historian.

package trend_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/fieldbus/trend"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/timebase/system"
)

// printer is a sink that prints; a historian would keep each number once.
type printer struct{ done context.CancelFunc }

// Send prints samples.
func (p printer) Send(_ context.Context, batch []trend.Sample) (acked uint64, err error) {
	for _, s := range batch {
		fmt.Println(s.Seq, s.Channel, s.Bits, s.Quality)
		acked = s.Seq
	}
	p.done()
	return acked, nil
}

func Example() {
	dir, err := os.MkdirTemp("", "trend")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ring, err := trend.Open(filepath.Join(dir, "ring"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	clock := system.NewClock(1)
	board := script{{Channel: "ai/1", Form: tag.Int, Bits: 20, Quality: tag.Good}, {Channel: "ai/1", Form: tag.Int, Bits: 20, Quality: tag.Good},
		{Channel: "ai/1", Form: tag.Int, Bits: 21, Quality: tag.Good}}
	port, err := trend.NewTap(board, ring, clock, nil, map[string]trend.Keep{"ai/1": {Change: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = port.Watch(context.Background(), func(tag.Raw) {}) // a runner does this

	ctx, cancel := context.WithCancel(context.Background())
	sender, err := trend.NewSender("historian-1", ring, printer{cancel}, clock, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sender.Run(ctx))
	n := sender.Numbers()
	fmt.Println(n.Taken, "taken:", n.Acknowledged, "acknowledged,", n.Dropped, "dropped,", n.Buffered, "buffered")
	fmt.Println(ring.Close())
	// Output:
	// 1 ai/1 20 GOOD
	// 2 ai/1 21 GOOD
	// <nil>
	// 2 taken: 2 acknowledged, 0 dropped, 0 buffered
	// <nil>
}
