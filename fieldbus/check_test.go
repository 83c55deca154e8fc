// Claims about a tag map and an I/O map that are held against each other.

package fieldbus_test

import (
	"os"
	"testing"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/stretchr/testify/require"
)

func ioMap(t *testing.T, file string) *iomap.Map {
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	m, err := iomap.Parse(file, src)
	require.NoError(t, err)
	return m
}

func TestWhatCannotWorkTogetherIsFoundAndHowGraveItIs(t *testing.T) {
	found := fieldbus.Check(readMap(t, "testdata/check", "bus.yaml"), ioMap(t, "testdata/check/map.yaml"), nil)
	golden.Check(t, "testdata/check/findings.golden", lines(found))
}

func TestARecipeThatDecidesByWhatIsOnlyWatchedIsFound(t *testing.T) {
	m, io := readMap(t, "testdata/check", "bus.yaml"), ioMap(t, "testdata/check/map.yaml")
	id, ok := io.Lookup("IN_SAME")
	require.True(t, ok)
	more := fieldbus.Check(m, io, func(of tag.ID) bool { return of == id })
	require.Len(t, more, len(fieldbus.Check(m, io, nil))+1)
	require.Contains(t, more, iomap.Finding{Severity: iomap.Warning, Where: "IN_SAME", Text: "the recipe goes by it, and class slow is telemetry: it may come late",
		Do: "put it into a control class"})
}

func TestMapsOfOtherChannelsHaveNothingToDoWithEachOther(t *testing.T) {
	for _, f := range fieldbus.Check(readMap(t, "testdata/check", "bus.yaml"), ioMap(t, demo+"/map.yaml"), nil) {
		require.NotEqual(t, iomap.Warning, f.Severity, f)
		require.True(t, f.Severity == iomap.Note || f.Where == "device PLC-1", "but the heartbeat on a bound point: %s", f)
	}
}
