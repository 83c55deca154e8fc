// Channel: a connection with its secure channel (OPC UA part 6): messages in chunks, signed and encrypted, and the renewal of keys.

package opcua

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// Limits of what travels. Both sides are held to them.
const (
	maxChunk   = 65_535
	minChunk   = 8192 // part 6 (7.1.2.3): less no server may ask for
	maxChunks  = 64
	maxMessage = 1 << 20
	headSize   = 12 // message type, chunk type, size, channel
	seqSize    = 8  // sequence number, request
)

// Life of the keys of a channel: what is asked for, and the shortest that is put up with.
const (
	keyLife    = time.Hour
	minKeyLife = time.Second
)

// security is how a channel is secured. The zero value is not at all.
type security struct {
	policy Policy
	own    *Identity
	peer   []byte // DER of the server's certificate, which is trusted
	key    *rsa.PublicKey
}

// uri gives the policy of part 7, and mode the mode.
func (p Policy) uri() string {
	return [...]string{ua.SecurityPolicyURINone, ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIBasic256Sha256,
		ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss}[p]
}

func (p Policy) mode() ua.MessageSecurityMode {
	return [...]ua.MessageSecurityMode{ua.MessageSecurityModeNone, ua.MessageSecurityModeSign, ua.MessageSecurityModeSignAndEncrypt,
		ua.MessageSecurityModeSignAndEncrypt, ua.MessageSecurityModeSignAndEncrypt}[p]
}

// asymmetric gives the algorithms of the keys in the certificates.
func (s *security) asymmetric() (*uapolicy.EncryptionAlgorithm, error) {
	if s.policy == None {
		return uapolicy.Asymmetric(ua.SecurityPolicyURINone, nil, nil)
	}
	return uapolicy.Asymmetric(s.policy.uri(), s.own.Key, s.key)
}

// keys are those of one token of a channel.
type keys struct {
	token uint32
	algo  *uapolicy.EncryptionAlgorithm
	until time.Time // no message is taken by them after it
}

// channel is a connection and its secure channel. Send is for any number of goroutines, receive for one.
type channel struct {
	conn net.Conn
	in   *bufio.Reader
	sec  security
	asym *uapolicy.EncryptionAlgorithm
	life time.Duration // of keys that is asked for
	most int           // bytes of a chunk that the server takes

	over atomic.Bool // nothing is sent any more but a farewell

	out  sync.Mutex // for what is sent
	seq  chunk.Count
	last uint32 // request
	send keys
	buf  []byte

	mu     sync.Mutex // for what is received by
	taken  [8]keys    // the newest first; a server answers by those that a request came by
	id     uint32
	renew  time.Time // when new keys are due
	nonce  []byte    // of the OpenSecureChannel under way
	asking bool      // for new keys
	opened bool

	// Of who receives.
	got    chunk.Count
	frame  []byte
	whole  []byte // chunks of a message that is not complete
	chunks int
	of     uint32 // its request
}

// dial connects and says hello. Ctx ends it.
func dial(ctx context.Context, addr, endpoint string, sec security) (ch *channel, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
		}
	}()
	ch = &channel{conn: conn, in: newReader(conn), sec: sec, life: keyLife}
	if ch.asym, err = sec.asymmetric(); err != nil {
		return nil, err
	}
	hello := binary.LittleEndian.AppendUint32([]byte("HELF"), uint32(32+len(endpoint)))
	for _, n := range [...]uint32{0, maxChunk, maxChunk, maxMessage, maxChunks, uint32(len(endpoint))} {
		hello = binary.LittleEndian.AppendUint32(hello, n)
	}
	if _, err = conn.Write(append(hello, endpoint...)); err != nil {
		return nil, err
	}
	kind, b, err := ch.message()
	if err != nil {
		return nil, err
	}
	c := cursor{b: b[8:]}
	c.take(4)
	most := c.u32() // what it receives
	if kind != "ACKF" || c.bad || most < minChunk {
		return nil, fmt.Errorf("%w: to hello it says %q", errAnswer, kind)
	}
	ch.most = int(min(most, maxChunk))
	return ch, nil
}

// newReader reads a connection a chunk at a time.
func newReader(conn net.Conn) *bufio.Reader { return bufio.NewReaderSize(conn, maxChunk) }

// symmetric gives the algorithms of the keys that two nonces make.
func symmetric(p Policy, ours, theirs []byte) (*uapolicy.EncryptionAlgorithm, error) {
	return uapolicy.Symmetric(p.uri(), ours, theirs)
}

// heads are the chunks that there are behind hello.
var heads = []string{"MSGF", "MSGC", "MSGA", "OPNF", "ACKF", "ERRF"}

// message reads one chunk, head and all. It is valid until the next.
func (ch *channel) message() (kind string, b []byte, err error) {
	if ch.frame == nil {
		ch.frame = make([]byte, maxChunk)
	}
	if _, err = io.ReadFull(ch.in, ch.frame[:8]); err != nil {
		return "", nil, err
	}
	size := binary.LittleEndian.Uint32(ch.frame[4:])
	for _, h := range heads {
		if string(ch.frame[:4]) == h {
			kind = h
		}
	}
	switch {
	case kind == "":
		return "", nil, fmt.Errorf("%w: a message begins with %q", errAnswer, ch.frame[:4])
	case size < headSize || size > maxChunk:
		return "", nil, fmt.Errorf("%w: a message has %d bytes; %d to %d are taken", errAnswer, size, headSize, maxChunk)
	}
	if _, err = io.ReadFull(ch.in, ch.frame[8:size]); err != nil {
		return "", nil, err
	}
	if kind == "ERRF" {
		c := cursor{b: ch.frame[8:size]}
		code := c.u32()
		return "", nil, fmt.Errorf("the server ends the connection: %v, %.100q", ua.StatusCode(code), c.bytes())
	}
	return kind, ch.frame[:size], nil
}

// receive reads until a message is whole, and gives its request, its body, valid until the next, and whether it is an OpenSecureChannel.
// A fault belongs to the request; any other error ends the connection.
func (ch *channel) receive() (request uint32, body []byte, opn bool, err error) {
	for {
		kind, b, err := ch.message()
		if err != nil {
			return 0, nil, false, err
		}
		opn := kind == "OPNF"
		var plain []byte
		switch {
		case kind == "ACKF":
			return 0, nil, false, fmt.Errorf("%w: a second acknowledgement", errAnswer)
		case opn:
			plain, err = ch.openSealed(b)
		default:
			plain, err = ch.unseal(b)
		}
		if err != nil {
			return 0, nil, false, err
		}
		c := cursor{b: plain}
		seq, request := c.u32(), c.u32()
		if c.bad {
			return 0, nil, false, errAnswer
		}
		if last := ch.got.Last; !ch.got.Follows(seq) {
			return 0, nil, false, fmt.Errorf("%w: sequence number %d after %d", errAnswer, seq, last)
		}
		if ch.chunks > 0 && (request != ch.of || opn) {
			return 0, nil, false, fmt.Errorf("%w: chunks of two messages are mixed", errAnswer)
		}
		if kind == "MSGA" {
			ch.whole, ch.chunks = ch.whole[:0], 0
			return request, nil, false, fault(c.u32())
		}
		ch.of, ch.chunks = request, ch.chunks+1
		if ch.chunks > maxChunks || len(ch.whole)+len(c.b) > maxMessage {
			return 0, nil, false, fmt.Errorf("a message is longer than %d bytes or %d chunks; read fewer nodes at a time", maxMessage, maxChunks)
		}
		if kind == "MSGC" {
			ch.whole = append(ch.whole, c.b...)
			continue
		}
		body = c.b
		if ch.chunks > 1 {
			ch.whole = append(ch.whole, c.b...)
			body = ch.whole
		}
		ch.whole, ch.chunks = ch.whole[:0], 0
		return request, body, opn, nil
	}
}

// openSealed opens an OpenSecureChannel: by the keys of the certificates, and from the server that was asked and no other.
func (ch *channel) openSealed(b []byte) ([]byte, error) {
	c := cursor{b: b[headSize:]}
	uri, sender, thumb := c.bytes(), c.bytes(), c.bytes()
	if c.bad || string(uri) != ch.sec.policy.uri() {
		return nil, fmt.Errorf("%w: it opens a channel by policy %.100q and not %q", errAnswer, uri, ch.sec.policy.uri())
	}
	if ch.sec.policy == None {
		return c.b, nil
	}
	own := sha1.Sum(ch.sec.own.Certificate)
	if !bytes.HasPrefix(sender, ch.sec.peer) || !bytes.Equal(thumb, own[:]) {
		return nil, fmt.Errorf("%w: the certificates of the channel are others than those it was asked for with", errAnswer)
	}
	plain, ok := chunk.Open(ch.asym, b, len(b)-len(c.b), true, ch.sec.own.Key.Size() > 256)
	if !ok {
		return nil, errSeal
	}
	return plain, nil
}

// unseal opens a message by the keys of its token.
func (ch *channel) unseal(b []byte) ([]byte, error) {
	c := cursor{b: b[8:]}
	id, token := c.u32(), c.u32()
	ch.mu.Lock()
	var with *keys
	for i := range ch.taken {
		if k := &ch.taken[i]; k.algo != nil && k.token == token && time.Now().Before(k.until) {
			with = k
			break
		}
	}
	known := id == ch.id
	var algo *uapolicy.EncryptionAlgorithm
	if with != nil {
		algo = with.algo
	}
	ch.mu.Unlock()
	if c.bad || !known || algo == nil {
		return nil, fmt.Errorf("%w: it is of channel %d, token %d, which is not open", errAnswer, id, token)
	}
	if ch.sec.policy == None {
		return c.b, nil
	}
	plain, ok := chunk.Open(algo, b, headSize+4, ch.sec.policy != Basic256Sha256Sign, false)
	if !ok {
		return nil, errSeal
	}
	return plain, nil
}

// errSeal is of a message that is not what was sealed.
var errSeal = fmt.Errorf("%w: a signature or its padding is wrong", errAnswer)

// request sends a message, MSG or CLO, in as many chunks as it takes, within a time. Sent tells whether all of it went.
func (ch *channel) request(message string, number uint32, body []byte, within time.Duration) (sent bool, err error) {
	ch.out.Lock()
	defer ch.out.Unlock()
	if err := ch.patience(within); err != nil {
		return false, err
	}
	algo := ch.send.algo
	room := ch.most - headSize - 4 - seqSize - algo.SignatureLength() - 2*32 // with padding
	for first := true; first || len(body) > 0; first = false {
		part := body[:min(room, len(body))]
		body = body[len(part):]
		flag := byte('F')
		if len(body) > 0 {
			flag = 'C'
		}
		b := append(append(ch.buf[:0], message...), flag)
		b = append(b, 0, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, ch.id)
		b = binary.LittleEndian.AppendUint32(b, ch.send.token)
		b = binary.LittleEndian.AppendUint32(b, ch.seq.Next())
		b = binary.LittleEndian.AppendUint32(b, number)
		b = append(b, part...)
		ch.buf = b[:0]
		if b, err = chunk.Seal(algo, b, headSize+4, ch.sec.policy.mode() == ua.MessageSecurityModeSignAndEncrypt, false); err != nil {
			return false, err
		}
		if _, err = ch.conn.Write(b); err != nil {
			return false, err
		}
	}
	return true, nil
}

// patience gives the server a time to take what is sent next. After hurry that is a farewell or nothing.
func (ch *channel) patience(within time.Duration) error {
	if err := ch.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if ch.over.Load() && within > byeWait {
		return errClosed
	}
	return nil
}

// hurry ends what is being sent to a server that does not take it.
func (ch *channel) hurry() {
	ch.over.Store(true)
	_ = ch.conn.SetWriteDeadline(time.Now().Add(byeWait))
}

// number gives the number of a request.
func (ch *channel) number() uint32 {
	ch.out.Lock()
	defer ch.out.Unlock()
	if ch.last++; ch.last == 0 {
		ch.last = 1
	}
	return ch.last
}

// errNoKeys is why a channel is given up whose server gives keys that nobody can use.
var errNoKeys = errors.New("the server gives keys that live less than a second")
