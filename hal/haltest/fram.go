// The suite of memory that holds its bytes without supply.

package haltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/batchkit/batchkit/hal"
)

// FRAMOptions are the options of FRAM.
type FRAMOptions struct {
	Device string      // name in reports; "" is "fram"
	At     int64       // where the range begins that the suite may write and restores; 128 bytes at least are needed
	Len    int64       // its length; 0: up to 4096 bytes
	Power  PowerSwitch // of the memory; nil: what a cut leaves is not checked
	Clock  Clock       // nil: the process's
}

// ByteCutter is a PowerSwitch that can meet a write: the supply fails while byte n, counted from 0, of what is written from the call on
// is in flight. A negative n disarms it.
type ByteCutter interface {
	PowerSwitch
	CutAtByte(n int64)
}

// FRAM holds memory against hal.FRAM and the tearing model that it declares. It writes within the options' range, and tries, at both
// ends of the memory, what is to be refused; what it finds there it puts back.
func FRAM(ctx context.Context, dev hal.FRAM, o *FRAMOptions) (Report, error) {
	if o == nil {
		o = &FRAMOptions{}
	}
	s, err := begin(ctx, "FRAM", named(o.Device, "fram"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	f := &memory{suite: s, dev: dev, at: o.At, power: o.Power}
	f.declares(o.Len)
	if f.n == 0 {
		return s.end()
	}
	f.edges()
	if !f.save() {
		return s.end()
	}
	f.writes()
	f.together()
	f.outlives()
	f.tears()
	f.putBack()
	return s.end()
}

// memory is a run of FRAM.
type memory struct {
	*suite
	dev         hal.FRAM
	size, at, n int64
	model       hal.Model
	power       PowerSwitch
	saved       []byte
}

// declares checks what the device says of itself, and decides on the range.
func (f *memory) declares(want int64) {
	f.check("Size is more than 0 and does not change", "return the capacity of the part, found when it was opened", func() error {
		f.size = f.dev.Size()
		if again := f.dev.Size(); f.size <= 0 || again != f.size {
			return fmt.Errorf("%d, then %d", f.size, again)
		}
		return nil
	})
	f.check("Model says how many bytes a cut may ruin", "declare Tear: 1 for FRAM, the word of MRAM, the page of an EEPROM", func() error {
		if f.model = f.dev.Model(); f.model.Tear < 1 || f.model != f.dev.Model() {
			return fmt.Errorf("%+v, then %+v", f.model, f.dev.Model())
		}
		return nil
	})
	if want == 0 {
		want = min(4096, f.size-f.at)
	}
	if f.at < 0 || want < 128 || f.at > f.size-want {
		f.skip("everything that writes", fmt.Sprintf("a range of 128 bytes within the %d of the memory; it was given %d from %d on",
			f.size, want, f.at))
		return
	}
	f.n = want
}

// edges tries what leaves the memory.
func (f *memory) edges() {
	ends := make([]byte, 32) // of the first and the last 16 bytes
	read := func(p []byte) error {
		_, err := f.dev.ReadAt(p[:16], 0)
		if err == nil {
			_, err = f.dev.ReadAt(p[16:], f.size-16)
		}
		if errors.Is(err, io.EOF) { // io.ReaderAt allows it at the very end
			err = nil
		}
		return err
	}
	f.check("a range that leaves the memory is refused whole", "compare offset and length with Size before the first byte moves", func() error {
		if err := read(ends); err != nil {
			return fmt.Errorf("reading both ends: %w", err)
		}
		after := make([]byte, 32)
		for _, w := range []struct{ off, n int64 }{{f.size - 1, 2}, {f.size, 1}, {f.size + 64, 1}, {-1, 2}, {f.size - 8, 16}} {
			p := bytes.Repeat([]byte{^ends[31]}, int(w.n))
			p[w.n-1] = ^ends[0] // what wraps comes out at the beginning
			n, err := f.dev.WriteAt(p, w.off)
			if rerr := read(after); rerr != nil {
				return fmt.Errorf("reading both ends: %w", rerr)
			}
			changed := !bytes.Equal(ends, after)
			if changed {
				_, _ = f.dev.WriteAt(ends[:16], 0)
				_, _ = f.dev.WriteAt(ends[16:], f.size-16)
			}
			if err == nil || n != 0 || changed {
				return fmt.Errorf("a write of %d bytes at %d of %d gave %d, %v; bytes at the ends changed: %t", w.n, w.off, f.size, n, err, changed)
			}
		}
		return nil
	})
	f.check("ReadAt is io.ReaderAt: fewer bytes come with an error, io.EOF at the end", "see io.ReaderAt", func() error {
		p := make([]byte, 16)
		if n, err := f.dev.ReadAt(p, f.size-8); n != 8 || !errors.Is(err, io.EOF) {
			return fmt.Errorf("16 bytes, 8 before the end: %d, %v", n, err)
		}
		if n, err := f.dev.ReadAt(p, f.size); n != 0 || !errors.Is(err, io.EOF) {
			return fmt.Errorf("16 bytes at the end: %d, %v", n, err)
		}
		if n, err := f.dev.ReadAt(p, -1); err == nil {
			return fmt.Errorf("16 bytes at -1: %d, %v", n, err)
		}
		return nil
	})
}

// save keeps what the range holds.
func (f *memory) save() bool {
	f.saved = make([]byte, f.n)
	return f.check("what was written can be read", "see that the part answers", func() error {
		_, err := f.dev.ReadAt(f.saved, f.at)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
}

// putBackTime is what restoring may take: an EEPROM at the far end of a slow bus takes more than a second for 4096 bytes.
const putBackTime = 10 * time.Second

// putBack restores it.
func (f *memory) putBack() {
	f.slow = putBackTime
	f.restore("what the suite overwrote is restored", "write the part anew: what it held is lost", func() error {
		if err := f.put(f.saved, 0); err != nil {
			return err
		}
		return f.holds(f.saved, 0)
	})
}

// put writes into the range.
func (f *memory) put(p []byte, off int64) error {
	n, err := f.dev.WriteAt(p, f.at+off)
	if err == nil && n != len(p) {
		err = fmt.Errorf("%d and no error", n)
	}
	if err != nil {
		return fmt.Errorf("a write of %d bytes at %d: %w", len(p), f.at+off, err)
	}
	return nil
}

// holds compares a part of the range.
func (f *memory) holds(want []byte, off int64) error {
	got := make([]byte, len(want))
	if n, err := f.dev.ReadAt(got, f.at+off); n != len(got) {
		return fmt.Errorf("a read of %d bytes at %d: %d, %v", len(got), f.at+off, n, err)
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("byte %d is %#02x, where %#02x was written", f.at+off+int64(i), got[i], want[i])
		}
	}
	return nil
}

// writes holds all that was written against what is read, neighbours included.
func (f *memory) writes() {
	all := make([]byte, f.n)
	took := map[int][]int64{}
	var reads []int64
	kept := f.check("a write changes the bytes that it names, to what it names, and no other", "look at addressing and at page borders", func() error {
		for i := range all {
			all[i] = byte(i*7 + i>>8)
		}
		if err := f.put(all, 0); err != nil {
			return err
		}
		lens := []int{1, 2, 7, 16, 64, 100, 0}
		for i := range 56 {
			n := lens[i%len(lens)]
			off := int64(i*37) % (f.n - int64(n) + 1)
			p := pattern(n, byte(i))
			ns, err := f.timed(func() error { return f.put(p, off) })
			if err != nil {
				return err
			}
			took[n] = append(took[n], ns)
			copy(all[off:], p)
			ns, err = f.timed(func() error { return f.holds(all, 0) })
			if err != nil {
				return fmt.Errorf("after a write of %d bytes at %d: %w", n, f.at+off, err)
			}
			reads = append(reads, ns)
		}
		return nil
	})
	if !kept { // a call that hangs may write them still
		return
	}
	one, some, many := took[1], took[16], took[64]
	f.figure("write_1_byte_ns", &one)
	f.figure("write_16_bytes_ns", &some)
	f.figure("write_64_bytes_ns", &many)
	f.figure(fmt.Sprintf("read_%d_bytes_ns", f.n), &reads)
}

func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i)*31 ^ seed ^ 0xA5
	}
	return p
}

// together writes two ranges at once.
func (f *memory) together() {
	f.check("every method may be called from any goroutine", "put a lock around the bus transfer", func() error {
		half := f.n / 2
		var wait sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wait.Go(func() {
				for round := range 8 {
					p := pattern(48, byte(16*i+round))
					if errs[i] = f.put(p, int64(i)*half); errs[i] == nil {
						errs[i] = f.holds(p, int64(i)*half)
					}
					if errs[i] != nil {
						return
					}
				}
			})
		}
		wait.Wait()
		return errors.Join(errs...)
	})
}

// outlives cuts the supply after a write has returned.
func (f *memory) outlives() {
	const promise = "a write that returned nil is in the cells"
	if f.power == nil {
		f.skip(promise, "a PowerSwitch")
		return
	}
	f.check(promise, "return when the part has finished its write cycle, and not when the bytes were handed over", func() error {
		p := pattern(64, 0x3C)
		if err := f.put(p, 32); err != nil {
			return err
		}
		if err := f.cycle(); err != nil {
			return err
		}
		if err := f.holds(p, 32); err != nil {
			return fmt.Errorf("power went and came after a write of %d bytes that had returned nil, and %w", len(p), err)
		}
		return nil
	})
}

func (f *memory) cycle() error {
	if err := f.power.PowerOff(f.ctx); err != nil {
		return fmt.Errorf("PowerOff: %w", err)
	}
	if err := f.power.PowerOn(f.ctx); err != nil {
		return fmt.Errorf("PowerOn: %w", err)
	}
	return nil
}

// cuts is how many bytes are in flight in the writes that tears cuts.
const cuts = 24

// tears cuts a write at each of its bytes.
func (f *memory) tears() {
	promise := fmt.Sprintf("a cut leaves new bytes before it, old ones behind it, and ruins %d", f.model.Tear)
	cutter, ok := f.power.(ByteCutter)
	tear := int64(f.model.Tear)
	begin := (tear - f.at%tear) % tear // the first whole unit within the range
	switch {
	case !ok:
		f.skip(promise, "a PowerSwitch that has CutAtByte")
		return
	case tear < 1 || begin+4*tear > f.n || begin+64 > f.n:
		f.skip(promise, fmt.Sprintf("a range that holds four units of %d bytes and 64 bytes", tear))
		return
	}
	off := begin + tear + 3%tear
	f.check(promise, "declare the Tear that the part has, or write in ascending order", func() error {
		var wrong []error
		for k := range int64(cuts) {
			if err := f.torn(cutter, off, k); err != nil {
				wrong = append(wrong, err)
			}
			if len(wrong) == 3 {
				break
			}
		}
		return errors.Join(wrong...)
	})
}

// torn cuts a write at off while its byte k is in flight.
func (f *memory) torn(cutter ByteCutter, off, k int64) error {
	n := min(f.n-off, cuts+4)
	old, fresh := bytes.Repeat([]byte{0xAA}, int(f.n)), bytes.Repeat([]byte{0x55}, int(n))
	if err := f.put(old, 0); err != nil {
		return err
	}
	cutter.CutAtByte(k)
	said, cut := f.dev.WriteAt(fresh, f.at+off)
	cutter.CutAtByte(-1)
	if err := f.power.PowerOn(f.ctx); err != nil {
		return fmt.Errorf("PowerOn: %w", err)
	}
	got := make([]byte, f.n)
	if m, err := f.dev.ReadAt(got, f.at); int64(m) != f.n {
		return fmt.Errorf("after a cut at byte %d: a read of %d bytes: %d, %v", k, f.n, m, err)
	}
	where := fmt.Sprintf("a write of %d bytes at %d, cut while byte %d was in flight, gave %d, %v", n, f.at+off, k, said, cut)
	whole := bytes.Equal(got[off:off+n], fresh)
	switch {
	case cut == nil && !whole:
		return fmt.Errorf("%s, but its bytes are not in the cells", where)
	case cut != nil && !errors.Is(cut, hal.ErrPowerLost):
		return fmt.Errorf("%s, which does not wrap hal.ErrPowerLost", where)
	}
	unit := (f.at + off + k) / int64(f.model.Tear) * int64(f.model.Tear)
	for i, b := range got {
		a := f.at + int64(i)
		in := int64(i) - off // place within the write
		want := old[i]
		switch {
		case in >= 0 && in < int64(said) && b != 0x55:
			return fmt.Errorf("%s, but byte %d, which is surely new by that, is %#02x", where, a, b)
		case cut == nil && in >= 0 && in < n, a >= unit && a < unit+int64(f.model.Tear):
			continue
		case in >= 0 && in < k:
			want = 0x55
		}
		if b != want {
			return fmt.Errorf("%s, and byte %d is %#02x, where %#02x was to be: the unit that may be ruined is %d to %d",
				where, a, b, want, unit, unit+int64(f.model.Tear)-1)
		}
	}
	return nil
}
