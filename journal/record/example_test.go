// Examples: a record is written and read back.

package record_test

import (
	"fmt"

	"github.com/batchkit/batchkit/journal/record"
)

func ExampleBody() {
	var b record.Body // used again for every record
	b.Begin(record.KindRecovery)
	b.Text(record.JournalID, "j1")
	b.Int(record.Epoch, 2)
	b.Count(record.EventSeq, 41)
	b.Count(record.TsMonoNS, 1_500_000_000)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "none")
	b.Text(record.DeviceID, "ctl-1")
	b.Text(record.RecoveryPath, "TORN_TAIL")
	b.Decimal(record.LossIntervalS, 1250, 3)
	body, err := b.Append(nil)
	fmt.Println(string(body), err)

	b.Begin(record.KindRecovery)
	_, err = b.Append(nil)
	fmt.Println(err)
	// Output:
	// {"device_id":"ctl-1","epoch":2,"event_seq":"41","event_type":"recovery_event","journal_id":"j1","loss_interval_s":"1.250","recovery_path":"TORN_TAIL","sync_state":"UNSET","time_source":"none","ts_mono_ns":"1500000000"} <nil>
	// record: refused: recovery_event: device_id is missing
}

func ExampleParse() {
	body := `{"device_id":"ctl-1","epoch":2,"event_seq":"41","event_type":"recovery_event","journal_id":"j1",` +
		`"recovery_path":"CLEAN","sync_state":"UNSET","time_source":"none","ts_mono_ns":"1500000000"}`
	r, err := record.Parse([]byte(body))
	fmt.Println(r.Kind, r.Seq(), r.Text(record.RecoveryPath), r.Has(record.BatchID), err)

	_, err = record.Parse([]byte(body + "\n"))
	fmt.Println(err)
	// Output:
	// recovery_event 41 CLEAN false <nil>
	// record: refused: byte 188: a body ends with its first }
}

func ExampleLookup() {
	fmt.Println(record.Lookup("ts_mono"), record.Lookup("event_ts"), record.Lookup("colour"))
	// Output: [ts_mono_ns] [ts_mono_ns ts_utc] []
}
