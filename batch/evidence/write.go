// Writing: every file under another name first, made durable, then renamed.

package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// temp is a file that is being written under another name.
type temp struct {
	name string
	f    *os.File
	w    *bufio.Writer
	done bool
}

func (p *packer) temp(name string) (*temp, error) {
	f, err := p.root.OpenFile(name+tempSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	t := &temp{name: name, f: f, w: bufio.NewWriter(f)}
	p.temps = append(p.temps, t)
	return t, nil
}

// keep makes a file durable and gives it its name.
func (t *temp) keep(root *os.Root) error {
	t.done = true
	if err := errors.Join(t.w.Flush(), t.f.Sync(), t.f.Close()); err != nil {
		return fmt.Errorf("evidence: %s: %w", t.name, err)
	}
	if err := root.Rename(t.name+tempSuffix, t.name); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return nil
}

// discard removes what was not kept.
func (p *packer) discard() {
	for _, t := range p.temps {
		if !t.done {
			t.done = true
			t.f.Close()
			_ = p.root.Remove(t.name + tempSuffix)
		}
	}
}

// MakeDir makes a directory and all above it that are lacking, every new name durable: what a batch does must not rest on records
// in a directory that a cut of the power takes away.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MakeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("evidence: %w", err)
	}
	d, err := os.Open(above)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && runtime.GOOS != "windows" {
		return fmt.Errorf("evidence: %s: %w", above, err)
	}
	return nil
}

// syncDirs makes the names in directories durable, where the system lets a directory be flushed.
func syncDirs(root *os.Root, names ...string) error {
	for _, name := range names {
		d, err := root.Open(name)
		if err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		err = d.Sync()
		d.Close()
		if err != nil && runtime.GOOS != "windows" {
			return fmt.Errorf("evidence: %s: %w", name, err)
		}
	}
	return nil
}

// replace writes a whole file under another name, makes it durable and renames it.
func replace(root *os.Root, name string, data []byte) error {
	p := packer{root: root}
	defer p.discard()
	t, err := p.temp(name)
	if err != nil {
		return err
	}
	if _, err := t.w.Write(data); err != nil {
		return fmt.Errorf("evidence: %s: %w", name, err)
	}
	return t.keep(root)
}
