// Claims about equipment of other boards: maps reach it by its channels, and units are bound where they lie.

package registry_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMapReachesTheEquipmentOfAnotherBoard(t *testing.T) {
	inOurTime(t, func(t *testing.T) {
		files := cell()
		put(files, "equipment.yaml", strings.Replace(modelYAML, `owners: 1, channels: [S901/do/1], safe: {S901/do/1: 0}`,
			`owners: 1, node: n2, channels: ["n2:S901/do/1"], safe: {"n2:S901/do/1": 0}`, 1)+
			"  - {equipment_id: R201, level: unit, parent: CELL, owners: 1, node: n3}\n")
		put(files, "maps/R101.yaml", strings.Replace(mapOf("R101"), "S901/do/1", `"n2:S901/do/1"`, 1))
		g := serve(t, t.TempDir(), files, nil)
		b, err := g.bind("RINSE", "R101")
		require.NoError(t, err)
		require.Equal(t, []string{"n2"}, b.Nodes, "n3 has nothing of that map")

		_, err = g.bind("RINSE", "R102")
		require.ErrorContains(t, err, "output S901/do/1 belongs to S901, and in the model to nothing")
		_, err = g.bind("RINSE", "R201")
		require.Equal(t, http.StatusConflict, status(t, err))
		require.ErrorContains(t, err, "R201 lies on board n3; create the batch there")
		b, err = g.bind("RINSE", "")
		require.NoError(t, err)
		require.Equal(t, "R101", b.Unit)
		g.end()
	})
}
