// Claims about what is captured for a run.

package production

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/timebase"
)

const (
	sec  = int64(1_000_000_000)
	noon = int64(1_796_040_000) * sec
)

// recorded writes what is ripe, as a journal does, and gives the rows.
func recorded(t *testing.T, c *captures, now int64, of string) (rows []string, details []string) {
	t.Helper()
	list := c.ripe(nil, now, of)
	var b record.Body
	for i, e := range list {
		c.fill(e)(&b)
		stampBody(&b, uint64(i+1))
		body, err := b.Append(nil)
		require.NoError(t, err)
		r, err := record.Parse(body)
		require.NoError(t, err)
		require.Equal(t, e.run, r.Text(record.RunID))
		rows = append(rows, r.Texts(record.RunData)...)
		if r.Has(record.Detail) {
			details = append(details, r.Text(record.Detail))
		}
	}
	c.written(list)
	return rows, details
}

// stampBody gives a body what a ledger gives it.
func stampBody(b *record.Body, seq uint64) {
	b.Count(record.EventSeq, seq)
	b.Text(record.JournalID, "production-1")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "NTP_SYNC")
	b.Text(record.TimeSource, "ntp")
	b.Text(record.DeviceID, "board-1")
}

func TestValuesAreTakenAtThePeriodWithTheQualityThatTheyHave(t *testing.T) {
	var r readings
	c := &captures{from: &r}
	r.heard(&api.Value{Channel: "ai/1", Form: "float64", Value: "20.456", Quality: "GOOD"})
	c.on("R-000001", []point{{tag: "TT1", channel: "ai/1", places: 2}, {tag: "FT1", channel: "ai/2", places: exact}}, sec, 0, "")
	at := func(n int64) string { return fmt.Sprint(noon + n*sec) }
	c.tick(0, noon, "")
	r.heard(&api.Value{Channel: "ai/2", Form: "int", Value: "7", Quality: "GOOD"})
	r.heard(&api.Value{Channel: "ai/1", Form: "float64", Value: "NaN", Quality: "GOOD"})
	c.tick(sec/2, noon+sec/2, "")
	c.tick(sec, noon+sec, "")
	r.lose()
	c.tick(2*sec, noon+2*sec, "")
	c.tick(3*sec, noon+3*sec, "")
	rows, _ := recorded(t, c, 3*sec, "")
	require.Empty(t, rows, "a block that is young stays")
	r.heard(&api.Value{Channel: "ai/1", Form: "float64", Value: "21", Quality: "BAD"})
	r.heard(&api.Value{Channel: "ai/2", Form: "int", Value: "8", Quality: "GOOD"})
	c.tick(4*sec, noon+4*sec, "")
	rows, details := recorded(t, c, 5*sec, "")
	require.Equal(t, []string{
		at(0) + " TT1 20.46 GOOD", at(0) + " FT1 - BAD",
		at(1) + " TT1 - BAD", at(1) + " FT1 7 GOOD",
		at(2) + " TT1 - BAD", at(2) + " FT1 7 STALE",
		at(3) + " TT1 - BAD", at(3) + " FT1 7 STALE",
		at(4) + " TT1 21.00 BAD", at(4) + " FT1 8 GOOD",
	}, rows)
	require.Len(t, details, 1)
	require.Contains(t, details[0], "not heard")
}

func TestSamplesThatNobodyTookInTimeAreCountedAndNotMadeUp(t *testing.T) {
	var r readings
	c := &captures{from: &r}
	r.heard(&api.Value{Channel: "ai/1", Form: "int", Value: "1", Quality: "GOOD"})
	c.on("R-000001", []point{{tag: "A", channel: "ai/1", places: exact}}, sec, 0, "")
	c.tick(0, noon, "")
	c.tick(4*sec+1, noon+4*sec+1, "")
	rows, details := recorded(t, c, 5*sec, "")
	require.Equal(t, []string{fmt.Sprint(noon) + " A 1 GOOD", fmt.Sprint(noon+4*sec) + " A 1 GOOD"}, rows)
	require.Len(t, details, 1)
	require.Contains(t, details[0], "3 samples were not taken")
}

func TestABlockIsBoundedAndWhatCannotBeWrittenIsCounted(t *testing.T) {
	var r readings
	c := &captures{from: &r}
	var points []point
	for i := range 64 {
		ch := fmt.Sprintf("ai/%d", i)
		points = append(points, point{tag: strings.Repeat("T", 60) + fmt.Sprint(i), channel: ch, places: 12})
		r.heard(&api.Value{Channel: ch, Form: "float64", Value: "-123456789012345678901234.123456789012", Quality: "GOOD"})
	}
	c.on("R-000001", points, minPeriod, 0, "")
	for i := range int64(200) {
		c.tick(i*minPeriod, noon+i*minPeriod, "")
	}
	rows, details := recorded(t, c, 0, "")
	require.NotEmpty(t, rows)
	require.LessOrEqual(t, len(rows), blockRows)
	require.Contains(t, details[0], "samples were not taken")
	require.Zero(t, len(rows)%64, "samples are whole")
	c.tick(200*minPeriod, noon, "")
	rows, details = recorded(t, c, 0, "R-000001")
	require.Len(t, rows, 64)
	require.Empty(t, details)
}

func TestNothingIsTakenBetweenTwoWindows(t *testing.T) {
	var r readings
	c := &captures{from: &r}
	r.heard(&api.Value{Channel: "ai/1", Form: "int", Value: "1", Quality: "GOOD"})
	points := []point{{tag: "A", channel: "ai/1", places: exact}}
	c.on("R-000002", points, sec, 0, "")
	c.on("R-000001", points, sec, 0, "")
	for i := range int64(10) {
		switch i {
		case 2:
			c.tick(i*sec, noon, "R-000001")
			c.off("R-000001")
			rows, _ := recorded(t, c, i*sec, "")
			require.Len(t, rows, 3, "of 0, 1 and 2 s")
		case 6:
			c.on("R-000001", points, sec, i*sec, "")
		}
		c.tick(i*sec, noon+i*sec, "")
	}
	next, ok := c.next()
	require.True(t, ok)
	require.Equal(t, 5*sec, next, "a block that is old goes on record")
	c.off("R-000001")
	c.off("R-000002")
	rows, _ := recorded(t, c, 9*sec, "")
	require.Len(t, rows, 4+10)
	require.Empty(t, c.list)
	_, ok = c.next()
	require.False(t, ok)
}

// noonStamp is a time of day that is known.
func noonStamp() timebase.Stamp { return timebase.Stamp{Mono: 1, UTC: noon} }
