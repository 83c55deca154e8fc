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

func ExampleWhy() {
	dir, err := os.MkdirTemp("", "evidence")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	r := begin(strict{}, dir, tinyBatch(strict{}, "B-0001", approved{}))
	r.rounds(0, 3) // it runs still
	r.seal()
	if err := r.w.Commit(); err != nil {
		panic(err)
	}
	reason, err := WhyStep(dir, "CHARGE")
	if err != nil {
		panic(err)
	}
	fmt.Print(reason)

	// Output:
	// CHARGE waits: total A at its target: total A is 0.25 kg; wanted is >= 1.00 kg; source FC1 is GOOD
	// 0.120 s  record 17  CHARGE/3 waits: total A at its target
	//     at the end of the records, 0.300 s after the start:
	//       CHARGE waits: total A at its target
	//         total A is 0.25 kg; wanted is >= 1.00 kg; source FC1 is GOOD; see record 13
	//         CHARGE runs out of time in 59.8 s
	//   0.100 s  record 12  CHARGE: start (Running, was Idle)
	//     0.100 s  record 10  just before: the batch is Running, it was Idle
	//       0.100 s  record 9  just before: start was accepted
	//         and record 8, which see
	//       and record 8, which see
	//     0.100 s  record 8  o.shift (operator) ordered start, reason: scripted <&>
	//   0.120 s  record 15  the device confirmed write 1: XV1 = open
	//     0.100 s  record 14  asked: XV1 is to be open, it was closed; write 1 by CHARGE/2
	//       and record 12, 8, which see
}
