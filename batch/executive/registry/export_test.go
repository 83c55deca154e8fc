// What the tests reach of the inside.

package registry

import (
	"context"

	"github.com/batchkit/batchkit/batch/executive/equipment"
)

// Turn makes a change of three items: the next one of the same again.
func Turn(s *Server) error {
	c := equipment.Change{Base: s.model.Version}
	for _, id := range []string{"R101", "R102", "S901"} {
		e, _ := s.model.Item(id)
		item := *e
		item.Priority++
		c.Put = append(c.Put, item)
	}
	_, err := s.change(context.Background(), &c, "local:1", "", "turn", false)
	return err
}
