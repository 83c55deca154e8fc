// The simulated FRAM, in memory or in a file, and how a power cut tears a write.

package sim

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/batchkit/batchkit/hal"
)

// FRAM is the FRAM of a Board and implements hal.FRAM. In a file it is a stand-in for laptops and tests: it has the layout of the
// chip but not its speed, since WriteAt waits for the file system to say that the bytes are on the disk, and it protects nothing
// from roll-back, since it is put back with the disk that it lies on. Its Model says so.
type FRAM struct {
	board  *Board
	size   int64
	cells  []byte   // in memory
	file   *os.File // or in a file
	closed bool
	tear   bool  // the power was cut and has not yet caught a write
	fuse   int64 // bytes until an armed cut; negative: none
}

var _ hal.FRAM = (*FRAM)(nil)

const signalTear = 1 << 32 // of draw: where a write is torn, and what the byte in flight becomes

// Size implements hal.FRAM.
func (f *FRAM) Size() int64 { return f.size }

// Model implements hal.FRAM: a cut tears one byte, and a file is not apart from its disk.
func (f *FRAM) Model() hal.Model { return hal.Model{Tear: 1, Apart: f.cells != nil} }

// ReadAt implements hal.FRAM.
func (f *FRAM) ReadAt(p []byte, off int64) (n int, err error) {
	f.board.mu.Lock()
	defer f.board.mu.Unlock()
	if err := f.board.ready("FRAM", "fram", f.closed); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("sim: FRAM %q: read at %d: outside of %d bytes", "fram", off, f.size)
	}
	if off >= f.size {
		return 0, io.EOF
	}
	if rest := f.size - off; int64(len(p)) > rest {
		n, err = f.load(p[:rest], off)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return f.load(p, off)
}

// WriteAt implements hal.FRAM.
func (f *FRAM) WriteAt(p []byte, off int64) (n int, err error) {
	f.board.mu.Lock()
	defer f.board.mu.Unlock()
	if off < 0 || off > f.size-int64(len(p)) {
		return 0, fmt.Errorf("sim: FRAM %q: write of %d bytes at %d: outside of %d bytes", "fram", len(p), off, f.size)
	}
	err = f.board.ready("FRAM", "fram", f.closed)
	switch {
	case err == nil && f.fuse >= 0 && f.fuse < int64(len(p)):
		cut := int(f.fuse)
		f.board.powerOff(hal.ResetPower)
		return f.torn(p, off, cut)
	case errors.Is(err, hal.ErrPowerLost) && f.tear && len(p) > 0:
		// One of len+1 places: the cut may also come after the last byte and before the answer.
		f.tear = false
		return f.torn(p, off, int(draw(f.board.seed, signalTear, 2*f.board.cuts)%uint64(len(p)+1)))
	case err != nil:
		return 0, err
	}
	if f.fuse >= 0 {
		f.fuse -= int64(len(p))
	}
	return len(p), f.store(p, off)
}

// torn stores what is left of a write that was cut while byte cut was in flight.
func (f *FRAM) torn(p []byte, off int64, cut int) (int, error) {
	left := append([]byte(nil), p[:cut]...)
	if cut < len(p) {
		var old [1]byte
		if _, err := f.load(old[:], off+int64(cut)); err != nil {
			return 0, err
		}
		r := draw(f.board.seed, signalTear, 2*f.board.cuts+1)
		left = append(left, [...]byte{old[0], p[cut], byte(r >> 8), byte(r >> 16)}[r%4])
	}
	if err := f.store(left, off); err != nil {
		return 0, err
	}
	return cut, fmt.Errorf("sim: FRAM %q: write of %d bytes at %d: %w", "fram", len(p), off, hal.ErrPowerLost)
}

func (f *FRAM) open(path string) error {
	if f.size < 0 || f.size > 1<<30 {
		return fmt.Errorf("sim: FRAM %q: size %d: want at most %d bytes", "fram", f.size, 1<<30)
	}
	if path == "" {
		f.cells = make([]byte, f.size)
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("sim: FRAM %q: %w", path, err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = file.Truncate(f.size)
	} else if err == nil && info.Size() != f.size {
		err = fmt.Errorf("file has %d bytes, the chip has %d: remove it or change FRAMSize", info.Size(), f.size)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("sim: FRAM %q: %w", path, err), file.Close())
	}
	f.file = file
	return nil
}

func (f *FRAM) close() error {
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

func (f *FRAM) load(p []byte, off int64) (int, error) {
	if f.file != nil {
		return f.file.ReadAt(p, off)
	}
	return copy(p, f.cells[off:]), nil
}

func (f *FRAM) store(p []byte, off int64) error {
	if f.file == nil {
		copy(f.cells[off:], p)
		return nil
	}
	if _, err := f.file.WriteAt(p, off); err != nil {
		return err
	}
	return f.file.Sync()
}
