// Who leads, for people and for trials.

package bus

import (
	"context"
	"fmt"
)

// Leader names the server that leads a stream, such as ARB_plant: which one is a matter of the cluster, and nobody who writes needs to know. It blocks
// until the cluster has answered, at most for ten seconds. "" is said while there is none.
func (c *Conn) Leader(ctx context.Context, stream string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return "", fmt.Errorf("bus: stream %.80q: %w", stream, err)
	}
	if i := s.CachedInfo(); i.Cluster != nil {
		return i.Cluster.Leader, nil
	}
	return "", nil
}
