// Whose a journal is, and what is remembered of it besides its rows: one small file, written anew as a whole.

package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
)

const maxOwner = 4 << 10 // bytes of that file

// owned is its form.
type owned struct {
	Journal string `json:"journal"`
	Node    string `json:"node"`
	counts
}

// owner writes it, and returns when that is durable. One that is there of another journal stays, as on a disk that takes a and A
// for one.
func (b *book) owner() error {
	if _, there := b.hub.root.Lstat(b.name(ownerExt)); there == nil {
		if _, err := b.readOwner(); err != nil {
			return err
		}
	}
	data, err := json.Marshal(owned{b.id, b.node, b.counts})
	if err == nil {
		err = writeFile(b.hub.root, b.name(ownerExt), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	return nil
}

// remember writes it anew where the journal has an owner. What cannot be written is counted until the hub is closed.
func (b *book) remember() {
	if b.node == "" {
		return
	}
	if err := b.owner(); err != nil {
		b.trouble = err.Error()
	}
}

// whose reads it into the state.
func (b *book) whose() error {
	o, err := b.readOwner()
	if err == nil {
		b.node, b.counts = o.Node, o.counts
	}
	return err
}

func (b *book) readOwner() (o owned, err error) {
	f, err := openRegular(b.hub.root, b.name(ownerExt), os.O_RDONLY)
	if err != nil {
		return o, fmt.Errorf("hub: journal %s: %w", b.id, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxOwner))
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	if err != nil || o.Journal != b.id || !validID(o.Node) {
		return o, errors.Join(fmt.Errorf("%w: journal %s: %s says of itself that it is of journal %.80q of node %.80q; "+
			"where it was lost, write it anew as {\"journal\":ID,\"node\":NODE}", ErrDamaged, b.id, b.name(ownerExt), o.Journal, o.Node), err)
	}
	return o, nil
}

// writeFile writes a file anew, durably: who reads it sees all of the old one or all of the new one.
func writeFile(root *os.Root, name string, data []byte) error {
	temp := name + ".new"
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return roomy(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return roomy(errors.Join(err, root.Remove(temp)))
	}
	return syncDir(root, path.Dir(name))
}

// roomy adds ErrFull to an error that says that the disk is full.
func roomy(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
