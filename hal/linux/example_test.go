// The example of package linux: a line as it is written in a configuration, and a wrong one.

package linux_test

import (
	"fmt"

	"github.com/batchkit/batchkit/hal/linux"
)

func ExampleParseLine() {
	line, err := linux.ParseLine("19200 8E1")
	fmt.Println(line.Baud, line.Data, string(line.Parity), line.Stop, err)
	_, err = linux.ParseLine("19200 8E3")
	fmt.Println(err)
	// Output:
	// 19200 8 E 1 <nil>
	// linux: serial line: 3 stop bits: want 1 or 2
}
