// How runners come to be: as processes of the system, or as goroutines of this one.

package executive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Spawner starts runners. Its methods may be called from any goroutine.
type Spawner interface {
	// Spawn starts the runner of a batch, whose order lies in dir; an error says that there is none.
	Spawn(batch, dir string) (Process, error)
	// Adopt takes a runner over that an earlier manager has started, by its process.
	Adopt(batch string, pid int) (Process, error)
}

// Process is a runner that was started.
type Process interface {
	PID() int
	// Wait blocks until it has ended, and says how; or until ctx ends, which is then the error, and it goes on. It is called once.
	Wait(ctx context.Context) error
	// Kill ends it, whatever it does, and does not wait for that. One that has ended is no error.
	Kill() error
}

// Goroutines is a Spawner within one process: Run is one runner, and ends when ctx does. A runner that panics harms no other.
type Goroutines struct {
	Run func(ctx context.Context, batch, dir string) error
}

// Spawn implements Spawner. The runner runs in Wait.
func (g Goroutines) Spawn(batch, dir string) (Process, error) {
	p := &goroutine{batch: batch, dir: dir, run: g.Run}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Adopt implements Spawner: nothing outlives the process it is in.
func (Goroutines) Adopt(batch string, _ int) (Process, error) {
	return nil, fmt.Errorf("executive: %s: its runner is in this process, and who started it is not known", batch)
}

// goroutine is a runner within this process.
type goroutine struct {
	batch, dir string
	run        func(ctx context.Context, batch, dir string) error
	ctx        context.Context
	cancel     context.CancelFunc
	once       sync.Once
}

func (p *goroutine) PID() int { return os.Getpid() }

func (p *goroutine) Kill() error {
	p.cancel()
	return nil
}

func (p *goroutine) Wait(ctx context.Context) (err error) {
	err = errors.New("its runner has been waited for before")
	p.once.Do(func() {
		stop := context.AfterFunc(ctx, p.cancel)
		defer stop()
		defer p.cancel()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("its runner panicked: %v", r)
			}
		}()
		err = p.run(p.ctx, p.batch, p.dir)
	})
	return err
}
