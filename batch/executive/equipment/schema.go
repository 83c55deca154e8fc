// This file holds the JSON Schema of model files, for editors.

package equipment

import _ "embed" // the schema

//go:embed equipment.schema.json
var schemaJSON string

// JSONSchema returns equipment.schema.json, the JSON Schema (draft 2020-12) of model files, for editors that help while a model is written. What it
// refuses Parse refuses; Parse refuses more. The caller owns the bytes.
func JSONSchema() []byte { return []byte(schemaJSON) }
