// The device is held against the suite of drivers, by every policy and both ways of reading, at a node-opcua server.

package opcua

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/bustest"
	"github.com/batchkit/batchkit/fieldbus/line"
	"github.com/batchkit/batchkit/hal/haltest"
)

// policies are all there are.
var policies = []Policy{None, Basic256Sha256Sign, Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss}

// holds holds the driver against the suite, at most five times: again where all that it found is calls that took too long, which a machine
// that stalls does to any driver. One that is slow is so each time.
func holds(t *testing.T, d line.Device, o *bustest.Options) (r haltest.Report) {
	t.Helper()
	var err error
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err = bustest.Check(ctx, d, o)
		cancel()
		if n := len(r.Broken); n == 0 || strings.Count(err.Error(), "is the limit") < n {
			break
		}
		t.Log(err)
	}
	require.NoError(t, err)
	return r
}

func TestTheDeviceKeepsWhatALineBuildsOn(t *testing.T) {
	p := plant(t)
	for i, policy := range policies {
		for _, read := range []string{"ask", "subscribe"} {
			if os.Getenv("BATCHKIT_LONG") != "1" && policy != Basic256Sha256 && (policy != None || read != "ask") {
				continue // TestAUserIsTakenByItsPasswordAlone goes by every policy each time
			}
			t.Run(policy.String()+" "+read, func(t *testing.T) {
				w := wired(t, p)
				prof := plantProfile(fieldbus.Setting{Key: "read", Text: read}, fieldbus.Setting{Key: "publishing_interval", Text: "50 ms"})
				if read == "ask" {
					prof.Settings = prof.Settings[:1]
				}
				d := device(t, prof, trusting(t, p, policy))
				o := &bustest.Options{
					Device: "plant", Endpoint: w.endpoint(), Foreign: "tcp://127.0.0.1:502", Points: named(prof, steady...), Steady: true,
					Outputs: []bustest.Output{{Point: prof.Find("Valve")}, {Point: prof.Find("Setpoint"), Values: [2]uint64{0, ^uint64(4)}},
						{Point: prof.Find("Total"), Values: [2]uint64{0, 0x0102_0304_0506_0708}},
						{Point: prof.Find("Rate"), Values: [2]uint64{0, 0x3FF8_0000_0000_0000}}}[:4-i%2],
					Absent: prof.Find("Ghost"), Text: prof.Find("Maker"), Is: "Acme", Silent: w.silent, Cut: w.cut, Within: 750 * time.Millisecond,
				}
				if read == "subscribe" {
					o.Silent = nil // what was sent before is known while a server is silent, and is as old as it says
				}
				r := holds(t, d, o)
				if read == "ask" {
					require.Empty(t, r.NotChecked)
				}
				t.Logf("%d promises kept", len(r.Kept))
			})
		}
	}
}
