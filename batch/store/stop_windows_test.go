// Processes that are stopped where they are: none.

package store_test

import "os"

func stop(*os.Process) {}

func goOn(*os.Process) {}
