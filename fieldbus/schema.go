// The JSON Schemas of profiles and tag maps, for editors.

package fieldbus

import _ "embed" // the schemas

//go:embed profile.schema.json
var profileSchema string

//go:embed tagmap.schema.json
var tagMapSchema string

// ProfileSchema returns profile.schema.json, the JSON Schema (draft 2020-12) of device profiles, for editors. What it refuses
// ParseProfile refuses; ParseProfile refuses more, since names, units, addresses and times are no matter of form. The caller owns the
// bytes.
func ProfileSchema() []byte { return []byte(profileSchema) }

// TagMapSchema returns tagmap.schema.json, that of tag maps. See ProfileSchema.
func TagMapSchema() []byte { return []byte(tagMapSchema) }
