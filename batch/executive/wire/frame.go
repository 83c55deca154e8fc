// Frames: what crosses the connection of a runner and the I/O process, once both have agreed to it.

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/batchkit/batchkit/iomap/tag"
)

// Limits of a frame and of a hello.
const (
	maxText  = 400 // bytes of a name or a reason
	maxFrame = 512 // bytes of a frame behind its length
	maxNames = 4096
)

// kind is the first byte of a frame. Behind it stand the fields of its kind, in the order of the table, big-endian; a text is the rest.
type kind byte

// The kinds of frames. Those of the runner:
const (
	kWrite  kind = 1 // seq, id, channel (place in the outputs of the hello), form, bits, at (the deadline; 0: none), token, safe
	kCancel kind = 2 // seq: that write is called off
	kTime   kind = 3 // at: the runner's time. The answer has it too, and now
	kGrant  kind = 4 // token, text: the equipment that the batch has from now on
	kFree   kind = 5 // text: the equipment that it has no more
	kHead   kind = 6 // seq, link, text: a record of the batch's journal, its link, and the journal
	kBye    kind = 7 // the runner goes, and leaves nothing behind
)

// Those of the I/O process:
const (
	kValue kind = 16 // channel (place in the channels of the hello), form, quality, bits, at
	kDone  kind = 17 // seq, outcome, text
	kNow   kind = 18 // at, now: the answer to a kTime
)

// What became of a write.
const (
	done    byte = iota
	refused      // tag.ErrRefused
	unknown      // tag.ErrUnknown
	failed       // an error that says neither
	outcomes
)

// frame has the fields of all kinds; those that its kind does not have are zero.
type frame struct {
	kind    kind
	seq     uint64
	id      uint32
	channel uint16
	form    tag.Form
	quality tag.Quality
	bits    uint64
	at      int64
	now     int64
	token   uint64
	safe    bool
	outcome byte
	link    [32]byte
	text    string
}

// errFrame says that what came is no frame.
var errFrame = errors.New("wire: that is no frame")

// size is what the fields of a kind have in bytes, text aside, and whether a text follows.
func (k kind) size() (n int, text, ok bool) {
	switch k {
	case kWrite:
		return 8 + 4 + 2 + 1 + 8 + 8 + 8 + 1, false, true
	case kCancel, kTime:
		return 8, false, true
	case kGrant:
		return 8, true, true
	case kFree:
		return 0, true, true
	case kHead:
		return 8 + 32, true, true
	case kBye:
		return 0, false, true
	case kValue:
		return 2 + 1 + 1 + 8 + 8, false, true
	case kDone:
		return 8 + 1, true, true
	case kNow:
		return 16, false, true
	}
	return 0, false, false
}

// append adds the frame with its length. A text that is too long is cut.
func (f *frame) append(to []byte) []byte {
	at := len(to)
	b := append(to, 0, 0, byte(f.kind))
	u64 := binary.BigEndian.AppendUint64
	switch f.kind {
	case kWrite:
		b = binary.BigEndian.AppendUint32(u64(b, f.seq), f.id)
		b = append(binary.BigEndian.AppendUint16(b, f.channel), byte(f.form))
		b = append(u64(u64(u64(b, f.bits), uint64(f.at)), f.token), bit(f.safe))
	case kCancel:
		b = u64(b, f.seq)
	case kTime:
		b = u64(b, uint64(f.at))
	case kGrant:
		b = u64(b, f.token)
	case kHead:
		b = append(u64(b, f.seq), f.link[:]...)
	case kValue:
		b = append(binary.BigEndian.AppendUint16(b, f.channel), byte(f.form), byte(f.quality))
		b = u64(u64(b, f.bits), uint64(f.at))
	case kDone:
		b = append(u64(b, f.seq), f.outcome)
	case kNow:
		b = u64(u64(b, uint64(f.at)), uint64(f.now))
	}
	if _, text, _ := f.kind.size(); text {
		b = append(b, clip(f.text)...)
	}
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// clip cuts a text to what a frame may have, and what is no UTF-8 out of it.
func clip(s string) string {
	out := make([]rune, 0, len(s))
	n := 0
	for _, r := range s {
		if n += utf8.RuneLen(r); n > maxText {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// fields takes the fields of a frame off its bytes.
type fields struct{ b []byte }

func (f *fields) u8() byte {
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) u16() uint16 {
	v := binary.BigEndian.Uint16(f.b)
	f.b = f.b[2:]
	return v
}

func (f *fields) u32() uint32 {
	v := binary.BigEndian.Uint32(f.b)
	f.b = f.b[4:]
	return v
}

func (f *fields) u64() uint64 {
	v := binary.BigEndian.Uint64(f.b)
	f.b = f.b[8:]
	return v
}

// parse reads the bytes of a frame behind its length. There is one way only to write a frame, and no other is taken.
func parse(b []byte) (f frame, err error) {
	if len(b) == 0 || len(b) > maxFrame {
		return f, fmt.Errorf("%w: %d bytes", errFrame, len(b))
	}
	f.kind = kind(b[0])
	in := fields{b[1:]}
	n, text, ok := f.kind.size()
	if !ok || len(in.b) < n || len(in.b)-n > maxText || !text && len(in.b) != n {
		return f, fmt.Errorf("%w: kind %d of %d bytes", errFrame, b[0], len(b))
	}
	safe := byte(0)
	switch f.kind {
	case kWrite:
		f.seq, f.id, f.channel, f.form = in.u64(), in.u32(), in.u16(), tag.Form(in.u8())
		f.bits, f.at, f.token, safe = in.u64(), int64(in.u64()), in.u64(), in.u8()
	case kCancel:
		f.seq = in.u64()
	case kTime:
		f.at = int64(in.u64())
	case kGrant:
		f.token = in.u64()
	case kHead:
		f.seq = in.u64()
		f.link, in.b = [32]byte(in.b[:32]), in.b[32:]
	case kValue:
		f.channel, f.form, f.quality = in.u16(), tag.Form(in.u8()), tag.Quality(in.u8())
		f.bits, f.at = in.u64(), int64(in.u64())
	case kDone:
		f.seq, f.outcome = in.u64(), in.u8()
	case kNow:
		f.at, f.now = int64(in.u64()), int64(in.u64())
	}
	if text {
		f.text = string(in.b)
	}
	f.safe = safe == 1
	if safe > 1 || f.form > tag.Float64 || f.quality != tag.Bad && f.quality != tag.Good || f.outcome >= outcomes || f.at < 0 || f.now < 0 ||
		!utf8.ValidString(f.text) {
		return f, fmt.Errorf("%w: a field of kind %d has no such value", errFrame, b[0])
	}
	return f, nil
}

// readFrame reads one frame; buf has room for maxFrame bytes.
func readFrame(r io.Reader, buf []byte) (frame, error) {
	if _, err := io.ReadFull(r, buf[:2]); err != nil {
		return frame{}, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if n == 0 || n > maxFrame {
		return frame{}, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return frame{}, err
	}
	return parse(buf[:n])
}
