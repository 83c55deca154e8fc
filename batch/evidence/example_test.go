// The package in use: a run's directory is packed, verified and replayed.

package evidence

import (
	"fmt"
	"os"
)

// strict ends the example at the first thing that goes wrong.
type strict struct{}

func (strict) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (strict) FailNow()                          { panic("failed") }

func Example() {
	dir, err := os.MkdirTemp("", "evidence")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	b := tinyBatch(strict{}, "B-0001", approved{})
	wholeRun(strict{}, dir, b) // a runner has left journal/ and files/

	if _, err := Pack(dir, b); err != nil {
		panic(err)
	}
	report, err := Verify(dir)
	if err != nil {
		panic(err)
	}
	for _, c := range report.Checks {
		if c.Open { // nothing was given to make it by
			fmt.Println(c.Name, "open")
			continue
		}
		fmt.Println(c.Name, !c.Failed)
	}
	replay, err := Replay(dir)
	if err != nil {
		panic(err)
	}
	fmt.Println("divergences:", replay.Divergence != nil)

	// Output:
	// sums true
	// chain true
	// records true
	// identity true
	// files true
	// approval true
	// samples true
	// totals true
	// journal true
	// anchors open
	// signatures true
	// derived true
	// manifest true
	// divergences: false
}
