// What is new in the files that are to be approved, against the versions that were published last.

package main

import (
	"fmt"
	"io"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/library"
)

// mostNews is how many differences between two versions are shown; evidence diff shows all.
const mostNews = 40

// news says what is new in the files of a plan, but in its calibration.
func (d *device) news(plan *batch.Plan, stdout io.Writer) error {
	if d.id == "" {
		return nil // nothing was ever published here
	}
	for i := range plan.Files {
		f := &plan.Files[i]
		var compare func(name string, data []byte) ([]string, error)
		switch f.Kind {
		case "recipe":
			compare = func(name string, data []byte) ([]string, error) {
				before, err := recipe.Parse(name, data)
				if err != nil {
					return nil, err
				}
				return recipe.Diff(before, plan.Recipe), nil
			}
		case "mapping":
			compare = func(name string, data []byte) ([]string, error) {
				before, err := iomap.Parse(name, data)
				if err != nil {
					return nil, err
				}
				return worded(iomap.Diff(before, plan.Map)), nil
			}
		case "tag_map":
			compare = func(name string, data []byte) ([]string, error) {
				before, err := d.published(name, data)
				if err != nil {
					return nil, err
				}
				return worded(fieldbus.Diff(before, plan.TagMap)), nil
			}
		case "device_profile":
			compare = func(name string, data []byte) ([]string, error) {
				before, err := fieldbus.ParseProfile(name, data)
				if err != nil {
					return nil, err
				}
				now, err := fieldbus.ParseProfile(f.Name, f.Data)
				if err != nil {
					return nil, err
				}
				return worded(fieldbus.DiffProfile(before, now)), nil
			}
		default:
			continue
		}
		if err := d.newsOf(f, compare, stdout); err != nil {
			return err
		}
	}
	return nil
}

// worded are changes as lines.
func worded[T interface{ String() string }](changes []T) (lines []string) {
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

// newsOf says what is new in one file, against the version of it that was published last. A version whose file is not kept, or cannot be
// read any more, is passed over.
func (d *device) newsOf(f *batch.File, compare func(name string, data []byte) ([]string, error), stdout io.Writer) error {
	store, err := d.files()
	if err != nil {
		return err
	}
	entries := d.lib.Entries()
	for i := len(entries) - 1; i >= 0; i-- {
		e := &entries[i]
		if e.Kind != f.Kind || e.ID != f.ID || e.Version == f.Version || e.State < library.StatePublished {
			continue
		}
		data, err := store.Get(e.Digest)
		if err != nil {
			continue
		}
		changes, err := compare(e.ID+" "+e.Version, data)
		if err != nil {
			continue
		}
		fmt.Fprintf(stdout, "%s %s %s differs from %s in %d ways\n", f.Kind, f.ID, f.Version, e.Version, len(changes))
		for _, line := range changes[:min(len(changes), mostNews)] {
			fmt.Fprintln(stdout, "  "+line)
		}
		return nil
	}
	return nil
}
