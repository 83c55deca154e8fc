//go:build !linux

// Where the kernel does not say who is at the far end of a socket there are no runner processes.

package executive

import (
	"errors"
	"fmt"
)

// Processes is a Spawner of processes, which is for Linux; elsewhere it starts none, and Goroutines are there.
type Processes struct {
	Argv []string                                   // program and arguments
	UID  func(batch string) (uid, gid int, ok bool) // user and group of a batch
}

// Spawn implements Spawner.
func (s Processes) Spawn(batch, _ string) (Process, error) {
	return nil, fmt.Errorf("executive: %s: %w", batch, errElsewhere)
}

// Adopt implements Spawner.
func (s Processes) Adopt(batch string, _ int) (Process, error) {
	return nil, fmt.Errorf("executive: %s: %w", batch, errElsewhere)
}

var errElsewhere = errors.New("runners are processes on Linux only; use Goroutines")
