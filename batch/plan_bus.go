// The buses of a plan: tag map and device profiles, read and held against the I/O map.

package batch

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
)

// buses reads the tag map that the I/O map names, and its profiles; nil where it names none.
func (p *Plan) buses(fsys fs.FS, mapFile string) (files []File, err error) {
	if p.Map.TagMap == "" {
		return nil, nil
	}
	name := path.Join(path.Dir(mapFile), p.Map.TagMap)
	src, err := read(fsys, "tag map", name)
	if err != nil {
		return nil, fmt.Errorf("%w; %s names it, and it is looked for beside that file", err, mapFile)
	}
	files = []File{{}}
	p.TagMap, err = fieldbus.ParseTagMap(name, src, func(profile string) (*fieldbus.Profile, error) {
		file, read, err := p.profile(fsys, path.Join(path.Dir(name), profile))
		if err == nil {
			files = append(files, file)
		}
		return read, err
	})
	if err != nil {
		return nil, err
	}
	files[0] = file("tag_map", name, p.TagMap.ID, p.TagMap.Version, src)
	return files, p.agrees(name, mapFile)
}

// profile reads a device profile.
func (p *Plan) profile(fsys fs.FS, name string) (File, *fieldbus.Profile, error) {
	src, err := read(fsys, "device profile", name)
	if err != nil {
		return File{}, nil, err
	}
	profile, err := fieldbus.ParseProfile(name, src)
	if err != nil {
		return File{}, nil, err
	}
	return file("device_profile", name, profile.ID, profile.Version, src), profile, nil
}

// agrees refuses what cannot be between the I/O map and its tag map, all at once.
func (p *Plan) agrees(name, mapFile string) error {
	var wrong []string
	for _, f := range fieldbus.Check(p.TagMap, p.Map, nil) {
		if f.Severity == iomap.Wrong {
			wrong = append(wrong, f.Where+": "+f.Text+"; "+f.Do)
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("batch: tag map %s does not fit %s: %s", name, mapFile, strings.Join(wrong, "\n"))
}
