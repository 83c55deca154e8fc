// Tag map and device profiles of a batch: what is bound is what the files name, and does not contradict the I/O map.

package evidence

import (
	"fmt"
	"path"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/journal/record"
)

// profile reads the device profile that a tag map names, from files/, where it lies under its base name.
func (r *records) profile(name string) (*fieldbus.Profile, error) {
	for i := range r.files {
		if f := &r.files[i]; f.name == path.Base(name) {
			return fieldbus.ParseProfile(f.name, f.data)
		}
	}
	return nil, fmt.Errorf("%s/ has no device profile %q", filesDir, name)
}

// buses holds the tag map that is bound against the profiles that are, and against the mapping.
func (r *records) buses() {
	profiles := map[string]uint64{} // by digest: number of the record that binds one which no device is of
	tagMap := uint64(0)
	for i := range r.bound {
		switch b := &r.bound[i]; b.kind {
		case "device_profile":
			profiles[b.digest] = b.seq
		case "tag_map":
			tagMap = b.seq
		}
	}
	if tagMap == 0 && r.text(record.TagMapVersion) != "" {
		r.breach("records", 0, "%s is %.64q, and no tag map is bound", record.TagMapVersion, r.text(record.TagMapVersion))
	}
	if r.bus != nil {
		for _, p := range r.bus.Profiles {
			if profiles[p.Digest] == 0 {
				r.breach("records", tagMap, "the tag map names device profile %s %s, which no record binds", p.ID, p.Version)
			}
			delete(profiles, p.Digest)
		}
	}
	for i := range r.bound {
		if b := &r.bound[i]; b.kind == "device_profile" && profiles[b.digest] != 0 {
			r.breach("records", b.seq, "device profile %.64s %.64s is bound, and no tag map that is bound names it", b.id, b.version)
		}
	}
	switch {
	case r.m == nil || tagMap == 0:
	case r.m.TagMap == "":
		r.breach("records", tagMap, "a tag map is bound, and the mapping names none")
	case r.bus != nil:
		for _, f := range fieldbus.Check(r.bus, r.m, nil) {
			if f.Severity == iomap.Wrong {
				r.breach("files", tagMap, "tag map and mapping contradict each other: %s: %s", f.Where, f.Text)
			}
		}
	}
}
