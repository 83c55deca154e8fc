// The files of the cell, as they are laid into the directory of an executive.

package main

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed cell
var files embed.FS

// The directories of an executive.
const (
	dirCell = "cell" // equipment model, maps, recipes, rights: what the runtime server reads
	dirRun  = "run"  // sockets
)

// layOut makes the directory of an executive. Files that are there are left as they are: they are the user's.
func layOut(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, dirRun), 0o750); err != nil {
		return err
	}
	return fs.WalkDir(files, dirCell, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Base(name) != "UNIT.yaml" {
			return lay(filepath.Join(dir, filepath.FromSlash(name)), data)
		}
		for _, unit := range units { // one map for each unit, of the same wires
			own := strings.ReplaceAll(string(data), "{{unit}}", unit)
			if err := lay(filepath.Join(dir, filepath.FromSlash(path.Dir(name)), unit+".yaml"), []byte(own)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lay writes a file that is not there.
func lay(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
