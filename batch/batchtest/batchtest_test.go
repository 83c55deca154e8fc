// Claims of a trial.

package batchtest

import (
	"testing"
	"time"

	"github.com/batchkit/batchkit/hal/sim"
)

const demo = "../../examples/controller/demo/"

func TestTheDemoComesToItsEnd(t *testing.T) {
	r := New(t, demo+"recipe.yaml", demo+"map.yaml", sim.NewPlant(1), nil)
	r.Run(2 * time.Hour)
	r.WantState("Complete")
	r.WantTotal("A", "120.00 kg", "0.30 kg")
	t.Log("\n" + r.Story())
	begin := time.Now()
	r.WantReplay()
	t.Log(time.Since(begin))
}
