// The disk's plug: a server of the network block device protocol for one client, which knows reading, writing and flushing.

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// device is what serve exports. Requests come one at a time.
type device interface {
	size() int64
	read(p []byte, off int64)
	write(p []byte, off int64) error
	flush()
	// answered tells that the client has been sent the answers to all requests so far, or is being sent them: of what it
	// asks from now on, it may have waited for any of them.
	answered()
}

// Numbers of the protocol.
const (
	nbdMagic       = "NBDMAGICIHAVEOPT"
	nbdFixed       = 1 // both sides: fixed newstyle
	nbdNoZeroes    = 2 // both sides: nothing behind the answer to optExport
	nbdHasFlags    = 1
	nbdSendsFlush  = 4
	optExport      = 1
	optAbort       = 2
	optInfo        = 6
	optGo          = 7
	optReplyMagic  = 0x3e889045565a9
	repAck         = 1
	repInfo        = 3
	repUnsupported = 1<<31 + 1
	requestMagic   = 0x25609513
	answerMagic    = 0x67446698
	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdFlush       = 3
	errInvalid     = 22
	maxRequest     = 64 << 20
)

// wire is one connection under way. Answers gather in out until they are sent: none may leave by itself before the device
// was told.
type wire struct {
	c   net.Conn
	r   *bufio.Reader
	out bytes.Buffer
	dev device
}

// serve answers one client until it goes away.
func serve(c net.Conn, dev device) error {
	defer c.Close()
	s := &wire{c: c, r: bufio.NewReaderSize(c, 1<<20), dev: dev}
	ready, err := s.negotiate()
	if err == nil && ready {
		err = s.requests()
	}
	if errors.Is(err, io.EOF) { // a machine that is switched off says no goodbye
		return nil
	}
	return err
}

// number reads a big-endian number of so many bytes.
func (s *wire) number(bytes int) (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(s.r, b[8-bytes:])
	return binary.BigEndian.Uint64(b[:]), err
}

// numbers reads several.
func (s *wire) numbers(widths ...int) ([]uint64, error) {
	all := make([]uint64, len(widths))
	for i, w := range widths {
		n, err := s.number(w)
		if err != nil {
			return nil, err
		}
		all[i] = n
	}
	return all, nil
}

// put adds values to what is sent next, big-endian.
func (s *wire) put(values ...any) error {
	for _, v := range values {
		if err := binary.Write(&s.out, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

// send sends what was put.
func (s *wire) send() error {
	_, err := s.c.Write(s.out.Bytes())
	s.out.Reset()
	return err
}

// negotiate is false if the client only wanted to look.
func (s *wire) negotiate() (ready bool, err error) {
	if err := s.put([]byte(nbdMagic), uint16(nbdFixed|nbdNoZeroes)); err != nil {
		return false, err
	}
	if err := s.send(); err != nil {
		return false, err
	}
	flags, err := s.number(4)
	if err != nil {
		return false, err
	}
	for {
		h, err := s.numbers(8, 4, 4)
		if err != nil {
			return false, err
		}
		if h[2] > maxRequest {
			return false, fmt.Errorf("nbd: option %d of %d bytes", h[1], h[2])
		}
		if _, err := s.r.Discard(int(h[2])); err != nil {
			return false, err
		}
		over, err := s.option(uint32(h[1]), flags&nbdNoZeroes == 0)
		if err == nil {
			err = s.send()
		}
		if err != nil || over {
			return h[1] != optAbort, err
		}
	}
}

// option answers one option and tells whether it was the last.
func (s *wire) option(opt uint32, zeroes bool) (over bool, err error) {
	const flags = uint16(nbdHasFlags | nbdSendsFlush)
	size := uint64(s.dev.size())
	switch opt {
	case optExport:
		err = s.put(size, flags)
		if err == nil && zeroes {
			err = s.put(make([]byte, 124))
		}
		return true, err
	case optAbort:
		return true, s.put(uint64(optReplyMagic), opt, uint32(repAck), uint32(0))
	case optInfo, optGo:
		return opt == optGo, s.put(
			uint64(optReplyMagic), opt, uint32(repInfo), uint32(12), uint16(0), size, flags,
			uint64(optReplyMagic), opt, uint32(repAck), uint32(0))
	}
	return false, s.put(uint64(optReplyMagic), opt, uint32(repUnsupported), uint32(0))
}

// requests answers all that has arrived before it sends the answers. So what lies between two answered calls was asked
// for before any of it was answered, and a flush among it need not cover a write beside it.
func (s *wire) requests() error {
	for {
		over, err := s.request()
		if err != nil || over {
			return err
		}
		if s.r.Buffered() > 0 {
			continue
		}
		s.dev.answered()
		if err := s.send(); err != nil {
			return err
		}
	}
}

func (s *wire) request() (over bool, err error) {
	h, err := s.numbers(4, 2, 2, 8, 8, 4)
	if err != nil {
		return false, err
	}
	cmd, handle, off, n := h[2], h[3], int64(h[4]), int64(h[5])
	if h[0] != requestMagic || n > maxRequest || off < 0 || off > s.dev.size()-n {
		return false, fmt.Errorf("nbd: request %d of %d bytes at %d, magic %x", cmd, n, off, h[0])
	}
	answer := func(code uint32) error { return s.put(uint32(answerMagic), code, handle) }
	switch cmd {
	case cmdRead:
		p := make([]byte, n)
		s.dev.read(p, off)
		return false, errors.Join(answer(0), s.put(p))
	case cmdWrite:
		p := make([]byte, n)
		if _, err := io.ReadFull(s.r, p); err != nil {
			return false, err
		}
		if err := s.dev.write(p, off); err != nil {
			return false, err
		}
		return false, answer(0)
	case cmdFlush:
		s.dev.flush()
		return false, answer(0)
	case cmdDisconnect:
		return true, nil
	}
	return false, answer(errInvalid)
}
