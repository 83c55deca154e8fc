// The example of package hal: which bytes to trust after a power cut.

package hal_test

import (
	"errors"
	"fmt"

	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/hal/sim"
)

func Example() {
	board, err := sim.NewBoard(1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var cells hal.FRAM = board.FRAM()
	_, err = cells.WriteAt([]byte("old-"), 0)
	fmt.Println("in the cells:", err == nil)

	board.CutAtByte(2) // the supply fails while the third byte is in flight
	n, err := cells.WriteAt([]byte("NEW!"), 0)
	fmt.Println("surely new:", n, "torn:", errors.Is(err, hal.ErrPowerLost))

	board.Boot(1e9)
	b := make([]byte, 4)
	_, err = cells.ReadAt(b, 0)
	fmt.Printf("%s?%s %v\n", b[:2], b[3:], err)
	// Output:
	// in the cells: true
	// surely new: 2 torn: true
	// NE?- <nil>
}
