// Example: a recipe is drafted, approved and published, used, edited, and taken out of use.

package library_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/batchkit/batchkit/recipe/library"
)

func Example() {
	file := []byte("recipe: water-fill\nversion: 1.0\n")
	sum := sha256.Sum256(file)
	c := library.Change{Kind: "recipe", ID: "water-fill", Version: "1.0", Digest: hex.EncodeToString(sum[:]),
		Actor: "ana", Reason: "first use", ApprovalID: "CR-17", ImpactScope: "none"}

	var lib library.Library
	log := &memory{} // on a controller: its device journal
	may := func(digest string) {
		if e, err := lib.Approved(c.Kind, c.ID, c.Version, digest, 0); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("approved by", e.ApprovedBy, "under", e.ApprovalID)
		}
	}
	for _, e := range []library.Event{library.Draft, library.Approve, library.Publish} {
		c.Event = e
		seq, err := lib.Change(log, c)
		fmt.Println(e, seq, err)
	}
	may(c.Digest)
	may("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

	c.Event, c.Actor, c.Reason = library.Retire, "bob", "fills too fast"
	_, err := lib.Change(log, c)
	fmt.Println(err)
	may(c.Digest)
	_, err = lib.Change(log, c)
	fmt.Println(err)
	// Output:
	// draft 1 <nil>
	// approve 2 <nil>
	// publish 3 <nil>
	// approved by ana under CR-17
	// library: not approved for use: recipe "water-fill" version "1.0": the file was edited after it was drafted: its digest is e3b0c44298fc..., drafted was b50cfd0eaf73...; restore it, or give it a new version
	// <nil>
	// library: not approved for use: recipe "water-fill" version "1.0": retired since record 4 by "bob": "fills too fast"; use another version, or roll back to this one
	// library: recipe "water-fill" version "1.0": retire: not possible, it is retired; possible: rollback
}
