// Who answers.

package production

import (
	"fmt"
	"os"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
)

// newSelf tells who answers.
func newSelf(led *ledger.Ledger) api.Self {
	return api.Self{Role: api.Production, PID: os.Getpid(), UID: os.Getuid(), Boot: fmt.Sprintf("%s-%d", led.ID(), led.Head().N), Since: stamp(led.UTC()), Version: "1"}
}

// stamp writes a time in ns since 1970, 0 as "".
func stamp(utc int64) string {
	if utc == 0 {
		return ""
	}
	return time.Unix(0, utc).UTC().Format(time.RFC3339Nano)
}
