// Claims about a historian's file: what is no total is refused with its line.

package batch_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
)

const historianHead = "batch_id,meter_window_id,total,unit\n"

func TestAHistoriansFileIsReadStrictly(t *testing.T) {
	rows, err := batch.ParseHistorian("h.csv", []byte("batch_id,meter_window_id,total,unit,calib_version\nB-0001,A,119.98,kg,2026-03\nB-0001,\"B\",0.08,t,\n"))
	require.NoError(t, err)
	require.Equal(t, []batch.HistorianRow{{Line: 2, Batch: "B-0001", Window: "A", Total: "119.98 kg", Calib: "2026-03"},
		{Line: 3, Batch: "B-0001", Window: "B", Total: "0.08 t"}}, rows)
	for text, says := range map[string]string{
		"":                                       "h.csv: line 1: the columns are to be batch_id,meter_window_id,total,unit or",
		"batch_id,window,total,unit\n":           "line 1: the columns are to be",
		historianHead + "B,A,1.00\n":             "line 2: wrong number of fields",
		historianHead + "B,A,1.00,kg,x\n":        "line 2: wrong number of fields",
		historianHead + "B,A,\"1.00,kg\n":        "line 2: extraneous or missing",
		historianHead + "B,A,1.00,kg\nB,A,2,kg":  "line 3: window A of batch B stands in line 2 already",
		historianHead + "B,A,-1.00,kg\n":         "line 2: total \"-1.00 kg\": it is below zero",
		historianHead + "B,A,1e3,kg\n":           "line 2: total \"1e3 kg\"",
		historianHead + "B,A,1.00,kilos\n":       "line 2: total \"1.00 kilos\"",
		historianHead + "B,,1.00,kg\n":           "line 2: meter_window_id \"\"",
		historianHead + "\xff,A,1.00,kg\n":       "line 2: batch_id",
		historianHead + strings.Repeat("x", 2e6): "a historian's file has 1048576 at most",
	} {
		_, err := batch.ParseHistorian("h.csv", []byte(text))
		require.ErrorContains(t, err, says, "%.80q", text)
	}
}

func FuzzAHistoriansFileIsRefusedOrHoldsTotals(f *testing.F) {
	f.Add([]byte(historianHead + "B,A,1.00,kg\n"))
	f.Add([]byte("batch_id,meter_window_id,total,unit,calib_version\r\n\"B\",A,1.00,kg,1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := batch.ParseHistorian("h.csv", data)
		if err != nil {
			require.Empty(t, rows)
			return
		}
		require.LessOrEqual(t, len(rows), batch.MaxHistorianRows)
		for _, r := range rows {
			require.Contains(t, r.Total, " ")
			require.Equal(t, batch.Clean(r.Window), r.Window)
		}
	})
}
