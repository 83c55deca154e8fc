// The actions by which a recipe sends messages to other batches.

package api

import (
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

// The types of these actions.
const (
	DoPost = "post" // sends a message to a group, and goes on
	DoTake = "take" // takes the next message that another batch has sent to a group, or waits for one
	DoMeet = "meet" // waits until as many partners of a group as it says wait at the same message
)

// Actions are the OEM action types by which recipes send messages to other batches, for batch.LoadOptions. A group is a name of the recipe's own:
// which one that is the batch is told when it is created. A meet counts the batch itself: with partners: 2 it waits for one other. Results are the message, and the
// batch that it is from; where no partner is left that could send one the action fails, with the reason. In a recipe:
//
//	request: {type: meet, with: {group: PAIR, message: READY, partners: 2}}
//	request: {type: post, with: {group: PAIR, message: FULL}}
//	request: {type: take, with: {group: PAIR}}
func Actions() []recipe.ActionType {
	results := []recipe.Field{{Name: "message"}, {Name: "from"}}
	return []recipe.ActionType{
		{Name: DoPost, Version: 1, Params: []recipe.Field{{Name: "group"}, {Name: "message"}}},
		{Name: DoTake, Version: 1, Params: []recipe.Field{{Name: "group"}}, Results: results},
		{Name: DoMeet, Version: 1, Params: []recipe.Field{{Name: "group"}, {Name: "message"}, {Name: "partners", Unit: quantity.One}}, Results: results},
	}
}
