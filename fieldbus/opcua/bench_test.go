// What a Read costs, against a raw Read of the library's client in the same run: go test -bench Read. The server is made up, and says the
// same each time; what it allocates itself, 4 times for an exchange, counts for both.

package opcua

import (
	"context"
	"fmt"
	"testing"
	"time"

	gopcua "github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
)

func BenchmarkRead(b *testing.B) {
	f := newFake(b)
	d := fakeDevice(b, 20*time.Second)
	require.NoError(b, d.Open(b.Context(), f.endpoint()))
	c, err := gopcua.NewClient(f.endpoint(), gopcua.AutoReconnect(false))
	require.NoError(b, err)
	require.NoError(b, c.Connect(b.Context()))
	b.Cleanup(func() { _ = c.Close(context.Background()) })
	for _, n := range []int{1, 100} {
		var points []*fieldbus.Point
		req := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
		for i := range n {
			p := d.profile.Find(fmt.Sprintf("V%d", i))
			points = append(points, p)
			req.NodesToRead = append(req.NodesToRead, &ua.ReadValueID{NodeID: ua.NewStringNodeID(2, p.Name), AttributeID: ua.AttributeIDValue})
		}
		out := make([]fieldbus.Reading, n)
		f.set(func() { f.canned = coded(f.respond(req)) })
		ours, theirs := time.Duration(0), time.Duration(0)
		b.Run(fmt.Sprintf("%d/device", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Read(b.Context(), points, out); err != nil {
					b.Fatal(err)
				}
			}
			ours = b.Elapsed() / time.Duration(b.N)
		})
		b.Run(fmt.Sprintf("%d/raw", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Read(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
			theirs = b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(theirs)/float64(max(ours, 1)), "times/device")
		})
	}
}
