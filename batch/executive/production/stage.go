// What a batch tells of the process that it is, and what is done next to carry an order out: two pure functions.

package production

import (
	"strings"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/jobs"
	"github.com/batchkit/batchkit/sequencer"
)

// stageOf is where a process stands whose batch is seen as b, which stood at was, and of which asked was ordered last. Where the batch does not tell, it is
// where it was.
//
// A batch that has begun waits at first for equipment, and may do so for hours: it is Running when it has some, or waits for none. One that rests is
// Interrupted, whoever holds it: of one that the list has not paused, the list knows that a person does, and does not have it go on. One that is Lost has its
// runner to come back.
func stageOf(b *api.Batch, was jobs.Stage, asked jobs.Do) jobs.Stage {
	if over(was) {
		return was
	}
	begun := was == jobs.Running || was == jobs.Interrupted
	switch b.Life {
	case api.Loading, api.Ready:
		if !begun {
			return jobs.Awaited
		}
	case api.LoadFailed:
		return jobs.Failure
	case api.Ended, api.Removed:
		switch {
		case b.State == sequencer.Complete.String():
			return jobs.Success
		case !begun && (asked == jobs.Drop || asked == jobs.Pause):
			return jobs.Discarded
		case !begun && b.Life == api.Removed && b.State != sequencer.Aborted.String() && b.State != sequencer.Stopped.String():
			return jobs.Discarded
		}
		return jobs.Failure
	case api.Active:
		return active(b, was, asked)
	}
	return was
}

// active is where a process stands whose batch is under way.
func active(b *api.Batch, was jobs.Stage, asked jobs.Do) jobs.Stage {
	begun := was == jobs.Running || was == jobs.Interrupted
	switch {
	case b.State == sequencer.Idle.String():
		return max(was, jobs.Awaited)
	case rests(b) && (begun || !waits(b)):
		return jobs.Interrupted
	case was == jobs.Interrupted && asked != jobs.Resume: // on its way to rest, or gone on by the word of a person
		if b.State == sequencer.Running.String() {
			return jobs.Running
		}
		return was
	case begun || !waits(b):
		return jobs.Running
	}
	return jobs.Awaited
}

// waits tells whether a batch waits for equipment and has none.
func waits(b *api.Batch) bool {
	if len(b.Equipment) > 0 {
		return false
	}
	for _, s := range b.Steps {
		if strings.Contains(s, waitsFor) {
			return true
		}
	}
	return len(b.Steps) == 0 // it has begun, and has not said yet what it does
}

// waitsFor is how a batch says of a step that it waits for equipment (see host).
const waitsFor = ": waits for "

// over tells whether nothing more becomes of a process.
func over(s jobs.Stage) bool { return s >= jobs.Discarded }

// act is what is done at the manager.
type act uint8

// The acts.
const (
	done    act = iota // the order is carried out, or there is nothing left of it
	later              // it cannot be carried out yet
	gone               // it never was there
	create             // the batch is made and started
	start              // it is there, and is started
	hold               // it is held
	restart            // it is held, and goes on
	resume             // it is paused, and goes on
	abort
	remove
	warm // it is Lost, and is taken up where it was
)

// actFor is what is to be done so that an order is carried out, while its batch is seen as b, nil where none was seen. It is asked again until it is done.
func actFor(do jobs.Do, b *api.Batch, stage jobs.Stage) act {
	begun := stage == jobs.Running || stage == jobs.Interrupted
	switch {
	case over(stage) && do != jobs.CleanItUp || b != nil && b.Life == api.Removed:
		return done
	case do == jobs.Start:
		return starting(b)
	case b == nil && begun:
		return later // it is not heard; a boot has the last word
	case b == nil:
		return gone
	case b.Life == api.Loading || b.Life == api.Removing:
		return later
	case do == jobs.Pause && begun:
		return pausing(b)
	case do == jobs.Resume:
		return resuming(b)
	case do == jobs.Drop && stage == jobs.Running:
		return done // it began before it could be dropped
	}
	return ending(do, b)
}

// starting carries out Start.
func starting(b *api.Batch) act {
	switch {
	case b == nil:
		return create
	case b.Life == api.Ready:
		return start
	case b.Life == api.Loading:
		return later
	}
	return done
}

// pausing carries out Pause of a process that has begun.
func pausing(b *api.Batch) act {
	switch {
	case b.Life == api.Ended || b.Life == api.LoadFailed:
		return done
	case b.Life == api.Lost:
		return warm // it comes up Held
	case b.State == sequencer.Held.String() || b.State == sequencer.Paused.String():
		return done
	case b.State == sequencer.Holding.String() || b.State == sequencer.Pausing.String():
		return later
	}
	return hold
}

// resuming carries out Resume.
func resuming(b *api.Batch) act {
	switch {
	case b.Life == api.Ended || b.Life == api.LoadFailed:
		return done
	case b.Life == api.Lost:
		return warm
	case b.Life == api.Ready:
		return start
	case b.State == sequencer.Held.String():
		return restart
	case b.State == sequencer.Paused.String():
		return resume
	case b.State == sequencer.Holding.String() || b.State == sequencer.Pausing.String():
		return later
	}
	return done
}

// ending carries out what is to end a process, in whatever way.
func ending(do jobs.Do, b *api.Batch) act {
	switch {
	case b.Life == api.Ended && do == jobs.CleanItUp:
		return remove
	case b.Life == api.Ended:
		return done
	case b.Life == api.Active && (b.State == sequencer.Aborting.String() || b.State == sequencer.Stopping.String()):
		return later
	case b.Life == api.Active && (b.State == sequencer.Aborted.String() || b.State == sequencer.Stopped.String() || b.State == sequencer.Complete.String()):
		return later // it is about to be Ended
	case b.Life == api.Active:
		return abort
	}
	return remove
}
