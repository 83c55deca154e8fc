// How the files of a server come to be.

package opcua_test

import (
	"context"
	"fmt"
	"os"

	"github.com/batchkit/batchkit/fieldbus/opcua"
)

// What a server has becomes a device profile and a tag map, about which a person decides then.
func ExampleBrowse() {
	s, err := opcua.Browse(context.Background(), "opc.tcp://10.0.0.7:4840", nil, &opcua.BrowseOptions{Node: "nsu=urn:maker:plc;s=Reactor"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, gap := range s.Gaps {
		fmt.Println("not looked at:", gap)
	}
	profile, tagMap, err := s.Draft("PLC-1")
	if err != nil {
		fmt.Println(err) // nothing there can be a tag
		return
	}
	for name, text := range map[string][]byte{opcua.ProfileFile: profile, opcua.TagMapFile: tagMap} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			fmt.Println(err)
		}
	}
}
