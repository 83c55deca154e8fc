// Securing: tokens, numbers and sizes of the chunks of messages.

package server

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// newNonce makes random bytes that nobody guesses.
func newNonce() []byte {
	b := make([]byte, nonceSize)
	_, _ = rand.Read(b) // never fails
	return b
}

// receive checks a symmetric chunk, and gives its request and its part of the body, which is the caller's.
func (c *conn) receive(b []byte) (reqID uint32, body []byte, err error) {
	ch := c.ch
	if ch == nil {
		return 0, nil, fmt.Errorf("there is no channel yet: %w", ua.StatusBadTCPSecureChannelUnknown)
	}
	if len(b) < headSize+8 {
		return 0, nil, fmt.Errorf("chunk of %d bytes: %w", len(b), ua.StatusBadDecodingError)
	}
	if got := binary.LittleEndian.Uint32(b[8:]); got != ch.id {
		return 0, nil, fmt.Errorf("channel %d is not of this connection: %w", got, ua.StatusBadTCPSecureChannelUnknown)
	}
	t, now := ch.cur, time.Now()
	got := binary.LittleEndian.Uint32(b[12:])
	next := slices.IndexFunc(ch.next, func(t *token) bool { return t.id == got })
	if next >= 0 {
		t = ch.next[next]
	} else if got != t.id {
		return 0, nil, fmt.Errorf("token %d is not of this channel: %w", got, ua.StatusBadSecureChannelTokenUnknown)
	}
	if now.After(t.lapses) {
		return 0, nil, fmt.Errorf("token %d has lapsed: %w", t.id, ua.StatusBadSecureChannelTokenUnknown)
	}
	const n = headSize + 8
	plain, encrypted := b[n:], ch.sec.mode == ua.MessageSecurityModeSignAndEncrypt
	if t.algo != nil {
		var ok bool
		if plain, ok = chunk.Open(t.algo, b, n, encrypted, false); !ok {
			return 0, nil, ua.StatusBadSecurityChecksFailed
		}
	}
	if !encrypted {
		plain = bytes.Clone(plain)
	}
	if reqID, body, err = ch.sequence(plain); err != nil {
		return 0, nil, err
	}
	if next >= 0 { // the client has it, and uses no older one any more
		c.mu.Lock()
		ch.cur, ch.next = t, ch.next[next+1:]
		c.mu.Unlock()
	}
	return reqID, body, nil
}

// sequence checks the number of a chunk, which is one more than that before it: none is heard twice, and none is missing.
func (ch *channel) sequence(plain []byte) (reqID uint32, body []byte, err error) {
	if len(plain) < 8 {
		return 0, nil, fmt.Errorf("chunk without a sequence number: %w", ua.StatusBadDecodingError)
	}
	seq := binary.LittleEndian.Uint32(plain)
	if last := ch.heard.Last; !ch.heard.Follows(seq) {
		return 0, nil, fmt.Errorf("sequence number %d after %d: %w", seq, last, ua.StatusBadSequenceNumberInvalid)
	}
	return binary.LittleEndian.Uint32(plain[4:]), plain[8:], nil
}

// number appends the next sequence number and the request's.
func (ch *channel) number(b []byte, reqID uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, ch.sent.Next()), reqID)
}

// room gives how many bytes of a body a chunk of size has.
func (ch *channel) room(size int, t *token) int {
	size -= headSize + 8
	if t.algo != nil && ch.sec.mode == ua.MessageSecurityModeSignAndEncrypt {
		size = size/t.algo.BlockSize()*t.algo.PlaintextBlockSize() - 1
	}
	if t.algo != nil {
		size -= t.algo.SignatureLength()
	}
	return size - 8
}

// chunks makes the chunks of a response. The connection's mutex is held.
func (ch *channel) chunks(reqID uint32, body []byte, size int, most int) ([][]byte, error) {
	t := ch.cur
	if len(ch.next) > 0 && time.Now().After(t.lapses) {
		t = ch.next[0]
	}
	room := ch.room(size, t)
	if n := (len(body) + room - 1) / room; most > 0 && n > most {
		return nil, fmt.Errorf("response of %d chunks, the client takes %d: %w", n, most, ua.StatusBadResponseTooLarge)
	}
	var out [][]byte
	for {
		part, flag := body[:min(len(body), room)], byte('F')
		if body = body[len(part):]; len(body) > 0 {
			flag = 'C'
		}
		b := make([]byte, 0, headSize+8+8+len(part)+64)
		b = append(b, 'M', 'S', 'G', flag, 0, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, ch.id), t.id)
		b = append(ch.number(b, reqID), part...)
		b, err := chunk.Seal(t.algo, b, headSize+8, ch.sec.mode == ua.MessageSecurityModeSignAndEncrypt, false)
		if err != nil {
			return nil, err
		}
		if out = append(out, b); flag == 'F' {
			return out, nil
		}
	}
}
