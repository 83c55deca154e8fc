// Tag map and device profiles in the store: those that are active for an active map, and those of a version that was published before.

package main

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
)

// pickBus finds the active tag map of an active map that names one, and the active profiles of its devices. A tag map calls the files of
// its profiles as it likes: which of them is which does not matter, since devices name their profile by ID and version.
func (d *device) pickBus(host hostFS, mapFile string) error {
	m, err := stored(host, mapFile, iomap.Parse)
	if err != nil || m.TagMap == "" {
		return err
	}
	at, err := d.pick(host, "tag_map", "", "-map")
	if err != nil {
		return err
	}
	if at == "" {
		return fmt.Errorf("controller: map %s %s names a tag map, and none is active; give -map FILE, or activate one with it", m.ID, m.Version)
	}
	alias := func(name, at string) {
		host.active[name] = host.active[strings.TrimPrefix(at, prefixActive+"/")]
	}
	alias(m.TagMap, at)
	t, err := stored(host, at, func(file string, src []byte) (*fieldbus.TagMap, error) { return fieldbus.ParseTagMap(file, src, nil) })
	if err != nil {
		return err
	}
	for i := range t.Files[:min(len(t.Files), len(t.Kinds))] {
		id, _, _ := strings.Cut(t.Kinds[i], " ")
		if at, err = d.pick(host, "device_profile", id, "-map"); err != nil {
			return fmt.Errorf("%w; tag map %s %s needs it", err, t.ID, t.Version)
		}
		alias(path.Join(path.Dir(m.TagMap), t.Files[i]), at)
	}
	return nil
}

// stored reads a file of the store and parses it.
func stored[T any](host hostFS, name string, parse func(file string, src []byte) (*T, error)) (*T, error) {
	f, err := host.Open(name)
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSmall))
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	return parse(name, src)
}

// published reads a tag map of a version that was published, with the profiles that it was published with.
func (d *device) published(name string, data []byte) (*fieldbus.TagMap, error) {
	t, err := fieldbus.ParseTagMap(name, data, nil)
	if err != nil {
		return nil, err
	}
	next := 0
	return fieldbus.ParseTagMap(name, data, func(file string) (*fieldbus.Profile, error) {
		if next == len(t.Kinds) {
			return nil, fmt.Errorf("controller: %s: no device is of its profile", file)
		}
		kind := t.Kinds[next]
		next++
		for _, e := range d.lib.Entries() {
			if e.Kind != "device_profile" || e.ID+" "+e.Version != kind {
				continue
			}
			store, err := d.files()
			if err != nil {
				return nil, err
			}
			src, err := store.Get(e.Digest)
			if err != nil {
				return nil, err
			}
			return fieldbus.ParseProfile(kind, src)
		}
		return nil, fmt.Errorf("controller: profile %s is not in the store", kind)
	})
}
