// This file holds the JSON Schema of the map language, for editors.

package iomap

import _ "embed" // the schema

//go:embed map.schema.json
var schemaJSON string

// JSONSchema returns map.schema.json, the JSON Schema (draft 2020-12) of map files, for editors that help while a map is written. What it
// refuses Parse refuses; Parse refuses more, since names, units, references, times, conditions, and which tag may have which key are
// no matter of form. The caller owns the bytes.
func JSONSchema() []byte { return []byte(schemaJSON) }
