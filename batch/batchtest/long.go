// Which counts are wanted: those of every day, or those of a night.

package batchtest

import "os"

// long tells whether the counts of a night are wanted.
func long() bool { return os.Getenv("BATCHKIT_LONG") != "" }
