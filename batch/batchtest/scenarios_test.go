// The scenarios of the package, or those of any folder.

package batchtest

import (
	"flag"
	"testing"
)

var folder = flag.String("scenarios", "testdata/scenarios", "folder of scenario files to run, as an absolute path")

func TestScenarios(t *testing.T) { Scenarios(t, *folder) }
