// OEM action types: declared as data, run outside the engine.

package recipe

import "github.com/batchkit/batchkit/metering/quantity"

// ActionType declares a kind of work that an OEM adds: a recipe asks for it by name, a device or a person does it, and its
// result is an input. The declaration is part of what a batch is bound to, so a replay needs no code of the OEM.
type ActionType struct {
	Name    string
	Version int
	Params  []Field // in the order in which a request carries them
	Results []Field // what a result may carry
}

// Field is one typed parameter or result of an ActionType.
type Field struct {
	Name string
	Unit quantity.Unit // "" for text
}
