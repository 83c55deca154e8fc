// Connections: framing, with every head checked before anything is taken for it, and what is sent.

package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
)

// Sizes of the transport, OPC UA part 6 (7.1).
const (
	minChunk   = 8192
	maxChunk   = 65535
	maxHello   = 8 + 20 + 4 + 4096
	smallest   = 4096     // chunks of a message are as many as if each had this size
	strangers  = 64 << 10 // bytes of a message of who has no session
	headSize   = 8        // type, flag and size
	closeDelay = time.Second
	lingerTime = 200 * time.Millisecond
)

// conn is one connection. One goroutine reads and serves, another writes.
type conn struct {
	srv    *Server
	nc     net.Conn
	host   string // of the client
	began  time.Time
	dead   chan struct{} // closed when it is to end
	active atomic.Int32  // sessions that are active on it
	idle   atomic.Int64  // since when none is, ns

	// Of the goroutine that reads.
	r        *bufio.Reader
	recvSize int // of a chunk
	buf      []byte
	body     []byte // of a message whose last chunk has not come
	bodyID   uint32
	chunks   int
	until    time.Time // when it must have come
	opened   time.Time // when the last OpenSecureChannel came
	fails    int       // wrong passwords

	mu         sync.Mutex // of what follows, and of the channel's sending half
	ch         *channel   // nil before OpenSecureChannel; set by the goroutine that reads
	sendSize   int
	sendLimits [2]int // bytes and chunks of a message that the client takes; 0: any
	out        [][]byte
	queued     int // bytes in out and in the writer's hands
	killed     bool
	why        error
	finished   bool
	wake, room chan struct{}
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, nc: nc, began: time.Now(), dead: make(chan struct{}), r: bufio.NewReaderSize(nc, 4096), recvSize: maxHello,
		sendSize: minChunk, wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	c.idle.Store(c.began.UnixNano())
	c.host = nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(c.host); err == nil {
		c.host = host
	}
	return c
}

// run serves the connection until it ends.
func (c *conn) run() {
	defer c.srv.forget(c)
	var writer sync.WaitGroup
	writer.Go(c.write)
	err := c.serve()
	c.mu.Lock()
	if c.killed && c.why != nil {
		err = c.why
	}
	c.mu.Unlock()
	status, told := errors.AsType[ua.StatusCode](err)
	if told {
		c.srv.refuse(c.host, fmt.Errorf("opcua: server: connection: %w", err))
	}
	c.mu.Lock()
	if told {
		reason := err.Error()
		if _, secret := errors.AsType[withheld](err); secret {
			reason = status.Error()
		}
		c.push(errorMessage(status, reason))
	}
	c.finished = true
	c.mu.Unlock()
	c.kill(err)
	poke(c.wake)
	writer.Wait()
	if tcp, ok := c.nc.(*net.TCPConn); ok && told && c.srv.ctx.Err() == nil {
		// What the client has sent meanwhile would make the kernel take back what it was told.
		_ = tcp.CloseWrite()
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, tcp, strangers)
	}
	_ = c.nc.Close()
}

// kill lets the connection end; the client is told why if why is, or wraps, a ua.StatusCode. It waits for nobody.
func (c *conn) kill(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return
	}
	c.killed, c.why = true, why
	close(c.dead)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeDelay))
}

// overdue tells whether it had no session for too long, or lets its channel lapse.
func (c *conn) overdue(now time.Time) bool {
	if c.active.Load() == 0 {
		return now.Sub(time.Unix(0, c.idle.Load())) >= c.srv.o.Limits.Handshake
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ch != nil && c.ch.lapsed(now)
}

// serve reads and serves; it returns why it ends. A panic is a reason like others.
func (c *conn) serve() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fault in the server: %w", ua.StatusBadInternalError)
		}
	}()
	if err := c.hello(); err != nil {
		return err
	}
	for {
		kind, flag, chunk, err := c.next()
		if err != nil {
			return err
		}
		switch {
		case kind == "OPN" && flag == uacp.ChunkTypeFinal:
			err = c.open(chunk)
		case kind == "MSG":
			err = c.message(flag, chunk)
		case kind == "CLO" && flag == uacp.ChunkTypeFinal:
			if _, _, err = c.receive(chunk); err == nil {
				return io.EOF
			}
		default:
			err = fmt.Errorf("%.3q is not expected here: %w", kind, ua.StatusBadTCPMessageTypeInvalid)
		}
		if err == nil && c.fails >= maxFails {
			err = fmt.Errorf("%d wrong passwords: %w", c.fails, ua.StatusBadUserAccessDenied)
		}
		if err != nil {
			return err
		}
	}
}

// next reads one chunk whole; it is valid until the next one.
func (c *conn) next() (kind string, flag byte, chunk []byte, err error) {
	if c.chunks == 0 {
		c.until = time.Time{}
	}
	c.deadline(c.until)
	if _, err = c.r.Peek(1); err != nil {
		return "", 0, nil, c.readError(err)
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(c.srv.o.Limits.Handshake)
		c.deadline(c.until)
	}
	head, err := c.r.Peek(headSize)
	if err != nil {
		return "", 0, nil, c.readError(err)
	}
	kind, flag = string(head[:3]), head[3]
	size := binary.LittleEndian.Uint32(head[4:])
	switch kind {
	case "HEL", "OPN", "MSG", "CLO":
	default:
		return "", 0, nil, fmt.Errorf("%.3q is no message: %w", kind, ua.StatusBadTCPMessageTypeInvalid)
	}
	if flag != uacp.ChunkTypeFinal && flag != uacp.ChunkTypeIntermediate && flag != uacp.ChunkTypeAbort {
		return "", 0, nil, fmt.Errorf("chunk %q is neither C, F nor A: %w", flag, ua.StatusBadTCPMessageTypeInvalid)
	}
	if size < headSize+4 || uint64(size) > uint64(c.recvSize) {
		return "", 0, nil, fmt.Errorf("chunk of %d bytes, 12 to %d are taken: %w", size, c.recvSize, ua.StatusBadTCPMessageTooLarge)
	}
	if cap(c.buf) < int(size) {
		c.buf = make([]byte, size)
	}
	chunk = c.buf[:size]
	if _, err = io.ReadFull(c.r, chunk); err != nil {
		return "", 0, nil, c.readError(err)
	}
	return kind, flag, chunk, nil
}

// readError tells why nothing more is read: the client has gone, it was too slow, or the connection was to end.
func (c *conn) readError(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.killed && c.why != nil:
		return c.why
	case c.killed:
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("message did not come to its end: %w", ua.StatusBadTimeout)
	}
	return io.EOF
}

// deadline sets when reading ends at the latest; zero: never.
func (c *conn) deadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.killed {
		_ = c.nc.SetReadDeadline(t)
	}
}

// hello reads what a connection begins with, and agrees on sizes.
func (c *conn) hello() error {
	kind, flag, chunk, err := c.next()
	if err != nil {
		return err
	}
	if kind != "HEL" || flag != uacp.ChunkTypeFinal {
		return fmt.Errorf("%.3q before HEL: %w", kind, ua.StatusBadTCPMessageTypeInvalid)
	}
	var h uacp.Hello
	if _, err := h.Decode(chunk[headSize:]); err != nil {
		return fmt.Errorf("HEL is malformed: %w", ua.StatusBadDecodingError)
	}
	if len(h.EndpointURL) > 4096 {
		return fmt.Errorf("HEL has a URL of %d bytes: %w", len(h.EndpointURL), ua.StatusBadTCPEndpointURLInvalid)
	}
	if h.ReceiveBufSize < minChunk || h.SendBufSize < minChunk {
		return fmt.Errorf("HEL has buffers of %d and %d bytes, %d is the least: %w", h.ReceiveBufSize, h.SendBufSize, minChunk,
			ua.StatusBadConnectionRejected)
	}
	c.recvSize = int(min(h.SendBufSize, maxChunk))
	message := c.srv.o.Limits.Message
	ack := uacp.Acknowledge{
		ReceiveBufSize: uint32(c.recvSize), SendBufSize: min(h.ReceiveBufSize, maxChunk),
		MaxMessageSize: uint32(message), MaxChunkCount: uint32(message / smallest),
	}
	body, err := ack.Encode()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendSize = int(ack.SendBufSize)
	c.sendLimits = [2]int{int(min(h.MaxMessageSize, maxMessage)), int(min(h.MaxChunkCount, maxMessage))}
	c.push(frame("ACKF", body))
	return nil
}

// message takes a chunk of a message, and serves the message with its last one.
func (c *conn) message(flag byte, chunk []byte) error {
	id, body, err := c.receive(chunk)
	if err != nil {
		return err
	}
	if c.chunks > 0 && id != c.bodyID {
		return fmt.Errorf("chunk of request %d within request %d: %w", id, c.bodyID, ua.StatusBadDecodingError)
	}
	if flag == uacp.ChunkTypeAbort {
		c.body, c.chunks = nil, 0
		return nil
	}
	limit := strangers
	if c.active.Load() > 0 {
		limit = c.srv.o.Limits.Message
	}
	if c.chunks++; len(c.body)+len(body) > limit || c.chunks > max(limit/smallest, 1) {
		return fmt.Errorf("message of more than %d bytes or %d chunks: %w", limit, limit/smallest, ua.StatusBadTCPMessageTooLarge)
	}
	c.bodyID = id
	if c.chunks > 1 || flag != uacp.ChunkTypeFinal {
		c.body = append(c.body, body...)
		body = c.body
	}
	if flag != uacp.ChunkTypeFinal {
		return nil
	}
	c.body, c.chunks = nil, 0
	if len(body) > strangers { // large ones are few at a time, since decoding takes many times their room
		select {
		case c.srv.large <- struct{}{}:
			defer func() { <-c.srv.large }()
		case <-c.dead:
			return io.EOF
		}
	}
	return c.request(id, body)
}

// write writes what is queued, until the connection is finished or its client does not read.
func (c *conn) write() {
	for {
		c.mu.Lock()
		batch, finished := c.out, c.finished
		c.out = nil
		c.mu.Unlock()
		if len(batch) == 0 {
			if finished {
				return
			}
			<-c.wake
			continue
		}
		for _, f := range batch {
			c.mu.Lock()
			if !c.killed {
				_ = c.nc.SetWriteDeadline(time.Now().Add(c.srv.o.Limits.Handshake))
			}
			c.mu.Unlock()
			if _, err := c.nc.Write(f); err != nil {
				c.kill(nil)
				c.mu.Lock()
				c.finished, c.out = true, nil // nothing is queued any more: killed
				c.mu.Unlock()
				return
			}
			c.mu.Lock()
			c.queued -= len(f)
			c.mu.Unlock()
			poke(c.room)
		}
	}
}

// push queues bytes. mu is held.
func (c *conn) push(f []byte) {
	if !c.finished {
		c.out = append(c.out, f)
		c.queued += len(f)
		poke(c.wake)
	}
}

// await waits until there is room to send; false: the connection ends.
func (c *conn) await() bool {
	for {
		c.mu.Lock()
		full, killed := c.queued >= c.srv.o.Limits.Message, c.killed
		c.mu.Unlock()
		if killed || !full {
			return !killed
		}
		select {
		case <-c.room:
		case <-c.dead:
		}
	}
}

// poke wakes who waits at a channel with room for one, now or later.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// frame puts the head before a message of the transport.
func frame(kind string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(headSize+len(body)))
	return append(b, body...)
}

// errorMessage makes the message after which a connection is closed.
func errorMessage(status ua.StatusCode, reason string) []byte {
	body, err := (&uacp.Error{ErrorCode: uint32(status), Reason: reason[:min(len(reason), 4000)]}).Encode()
	if err != nil {
		return nil
	}
	return frame("ERRF", body)
}
