// What a run leaves to be kept: how its medium stands, in the device journal, so that it does not get better from one batch to the
// next; and a trace that its own journal did not take, on stderr.

package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal"
	"github.com/batchkit/batchkit/journal/record"
)

// medium is what the device journal says last of the medium, nil where it says nothing. Where -medium-replaced is given it first
// records that the medium which lies there now has taken its place. That is done once, however often the batch is continued.
func medium(f *flags, device string) (last *hal.StorageHealth, err error) {
	d, err := f.device(device, io.Discard) // what is to be said of it was said when it was read
	if err != nil {
		return nil, err
	}
	if last, err = d.medium(); err != nil || f.replaced == "" {
		return last, err
	}
	old, now := hal.NewStorageHealth(""), health(f.out)
	if last != nil {
		old = *last
	}
	if old.Replaces != "" && old.Medium == now.Medium {
		return last, nil
	}
	one := hal.Replacement{Actor: f.operator, Reason: f.replaced, Old: cmp.Or(old.Medium, "unknown"), New: now.Medium}
	if err = d.hold(); err == nil {
		_, err = one.Log(d)
	}
	if err != nil {
		return nil, fmt.Errorf("controller: -medium-replaced: %w", err)
	}
	return d.medium()
}

// medium reads the last storage_health or medium_replaced record of the journal, nil where there is none.
func (d *device) medium() (last *hal.StorageHealth, err error) {
	err = scanDevice(d.dir, func(r *record.Record) {
		if r.Kind == record.KindStorageHealth || r.Kind == record.KindMediumReplaced {
			h := hal.Told(r)
			last = &h
		}
	})
	return last, err
}

// leaves keeps what a run has left. What stands in the way is for stderr; the batch is what it is.
func leaves(f *flags, b *batch.Batch, res *runner.Result, stderr io.Writer) {
	for _, line := range res.Trace {
		fmt.Fprintln(stderr, "trace: "+line)
	}
	if res.Medium == nil {
		return
	}
	lost := fmt.Sprintf("that the medium is %s after batch %s is not kept in the device journal", res.Medium.State, b.ID)
	noted(f, b.Plan.Map.Device, "", lost, stderr, func(d *device) error {
		_, err := d.Append(func(body *record.Body) {
			body.Begin(record.KindStorageHealth)
			res.Medium.Fill(body, nil, nil)
		})
		return err
	})
}
