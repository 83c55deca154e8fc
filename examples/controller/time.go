// References of the wall clock: which are followed, and for how long.

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/batchkit/batchkit/timebase/system"
)

// timeHelp describes the flag that names references.
const timeHelp = "`REFS` that tell how right the wall clock is, the first of a kind being the primary, such as ptp,chrony,rtc or " +
	"gps=ptp:/run/ptp4l,chrony:127.0.0.1:323,rtc:/dev/rtc1; see go doc ./timebase/system ParseRefs; what the kernel says if not given; a batch waits up to 15 s for their first word"

// firstReadings is for how long a batch waits until something is known of the wall clock: no reference is believed at once.
const firstReadings = 15 * time.Second

// watchable says why references cannot be followed; nil where they can.
func watchable(refs string) error {
	_, err := watchOf(system.NewClock(1), refs)
	return err
}

// watchOf makes a watcher of references.
func watchOf(clock timebase.Clock, refs string) (*system.Watch, error) {
	list, err := system.ParseRefs(clock, refs)
	if err != nil {
		return nil, err
	}
	return system.NewWatch(clock, list, nil)
}

// watchTime follows references until stop is called. It returns once something is known of the wall clock, after firstReadings, or with
// ctx.
func watchTime(ctx context.Context, clock timebase.Clock, refs string) (wall timebase.Source, stop func(), err error) {
	w, err := watchOf(clock, refs)
	if err != nil {
		return nil, nil, fmt.Errorf("controller: -time %s: %w", refs, err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done, news := make(chan struct{}), make(chan struct{}, 1)
	go func() { defer close(done); _ = w.Run(run) }()
	defer w.Notify(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})()
	late := time.NewTimer(firstReadings)
	defer late.Stop()
	for w.Observe().Sync == timebase.Unset {
		select {
		case <-news:
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		break
	}
	return w, func() { cancel(); <-done }, nil
}
