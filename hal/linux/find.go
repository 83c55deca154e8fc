// Names: a device is found by what its driver or its maker calls it, and not by the number that the kernel happened to give it.

package linux

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// sysTree is where the kernel shows its devices.
const sysTree = "/sys"

// maxDevices is how many devices of one kind are looked at.
const maxDevices = 256

// listed is a device that sysfs shows.
type listed struct {
	node  string   // what to open, such as /dev/rtc0
	dir   string   // where sysfs tells of it, in the tree
	says  string   // it, for a person
	names []string // what it may be called
}

// textOf reads a small file of a tree; ok is false where it is not there.
func textOf(sys fs.FS, name string) (string, bool) {
	f, err := sys.Open(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText))
	return strings.TrimSpace(string(data)), err == nil
}

// driverOf names the driver of a device, "" where sysfs shows none.
func driverOf(sys fs.FS, dir string) string {
	to, err := fs.ReadLink(sys, path.Join(dir, "driver"))
	if err != nil {
		return ""
	}
	return path.Base(to)
}

// children lists the entries of a directory of a tree, in order; none where it is not there.
func children(sys fs.FS, dir string) []string {
	list, _ := fs.ReadDir(sys, dir) // ReadDir sorts; a bus without devices may have no directory
	var names []string
	for _, e := range list[:min(len(list), maxDevices)] {
		names = append(names, e.Name())
	}
	return names
}

// choose finds the one device of that name. A name that begins with / is a path, which need not be in the list.
func choose(what, name string, list []listed) (listed, error) {
	var hit []listed
	for _, d := range list {
		if d.node == name || slices.Contains(d.names, name) {
			hit = append(hit, d)
		}
	}
	if len(hit) == 1 {
		return hit[0], nil
	}
	if len(hit) > 1 {
		return listed{}, fmt.Errorf("linux: %s %q: %d are called so, say which: %s", what, name, len(hit), words(hit))
	}
	if strings.HasPrefix(name, "/") {
		if _, err := os.Stat(name); err == nil {
			return listed{node: name, says: name}, nil
		}
	}
	return listed{}, fmt.Errorf("linux: %s %q: %w; there are: %s", what, name, fs.ErrNotExist, words(list))
}

// plain is what a device calls itself, as it may be shown.
func plain(s string) string {
	if s == "" || printable(s) {
		return s
	}
	return strconv.Quote(s[:min(len(s), 64)])
}

// words lists devices for a person.
func words(list []listed) string {
	var b strings.Builder
	for i, d := range list[:min(len(list), 16)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.says)
	}
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > 16:
		fmt.Fprintf(&b, " and %d more", len(list)-16)
	}
	return b.String()
}
