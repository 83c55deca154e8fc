// This file holds the JSON Schema of the recipe language, for editors.

package recipe

import _ "embed" // the schema

//go:embed recipe.schema.json
var schemaJSON string

// JSONSchema returns recipe.schema.json, the JSON Schema (draft 2020-12) of recipe files, for editors that help while a recipe is
// written. What it refuses Parse refuses; Parse refuses more, since names, units, references, times and the text of conditions are
// no matter of form. The caller owns the bytes.
func JSONSchema() []byte { return []byte(schemaJSON) }
