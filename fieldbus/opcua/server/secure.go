// Securing: sequence numbers, signatures, encryption and padding of chunks.

package server

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// newNonce makes random bytes that nobody guesses.
func newNonce() []byte {
	b := make([]byte, nonceSize)
	_, _ = rand.Read(b) // never fails
	return b
}

// receive checks a symmetric chunk, and gives its request and its part of the body, which is the caller's.
func (c *conn) receive(chunk []byte) (reqID uint32, body []byte, err error) {
	ch := c.ch
	if ch == nil {
		return 0, nil, fmt.Errorf("there is no channel yet: %w", ua.StatusBadTCPSecureChannelUnknown)
	}
	if len(chunk) < headSize+8 {
		return 0, nil, fmt.Errorf("chunk of %d bytes: %w", len(chunk), ua.StatusBadDecodingError)
	}
	if got := binary.LittleEndian.Uint32(chunk[8:]); got != ch.id {
		return 0, nil, fmt.Errorf("channel %d is not of this connection: %w", got, ua.StatusBadTCPSecureChannelUnknown)
	}
	t, now := ch.cur, time.Now()
	got := binary.LittleEndian.Uint32(chunk[12:])
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
	plain := bytes.Clone(chunk[n:])
	if t.algo != nil {
		if plain, err = unsealed(t.algo, chunk, n, ch.sec.mode == ua.MessageSecurityModeSignAndEncrypt); err != nil {
			return 0, nil, err
		}
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

// unsealed checks and decrypts a symmetric chunk whose head has n bytes.
func unsealed(a *uapolicy.EncryptionAlgorithm, chunk []byte, n int, encrypted bool) ([]byte, error) {
	whole := slices.Clone(chunk)
	if encrypted {
		p, err := a.Decrypt(chunk[n:])
		if err != nil {
			return nil, ua.StatusBadSecurityChecksFailed
		}
		whole = append(whole[:n], p...)
	}
	plain, err := unsigned(a, whole, n)
	if err == nil && encrypted {
		plain, err = unpadded(plain, false)
	}
	return plain, err
}

// unsigned checks the signature at the end of b, and gives what is between it and the first n bytes.
func unsigned(a *uapolicy.EncryptionAlgorithm, b []byte, n int) ([]byte, error) {
	end := len(b) - a.RemoteSignatureLength()
	if end < n || a.VerifySignature(b[:end], b[end:]) != nil {
		return nil, ua.StatusBadSecurityChecksFailed
	}
	return b[n:end], nil
}

// unpadded takes the padding from the end; wide: its size has two bytes, for keys of more than 2048 bits.
func unpadded(b []byte, wide bool) ([]byte, error) {
	var pad int
	switch n := len(b); {
	case wide && n >= 2:
		pad = int(b[n-1])<<8 + int(b[n-2]) + 2
	case !wide && n >= 1:
		pad = int(b[n-1]) + 1
	}
	if pad == 0 || pad > len(b) {
		return nil, ua.StatusBadSecurityChecksFailed
	}
	return b[:len(b)-pad], nil
}

// sealed signs b, whose head has n bytes, and encrypts what follows the head if it is to be.
func sealed(a *uapolicy.EncryptionAlgorithm, b []byte, n int, encrypt, wide bool) ([]byte, error) {
	size := len(b) + a.SignatureLength()
	if encrypt {
		block, sizes := a.PlaintextBlockSize(), 1
		if wide {
			sizes = 2
		}
		pad := (block - (size-n+sizes)%block) % block
		b = append(b, bytes.Repeat([]byte{byte(pad)}, pad+1)...)
		if wide {
			b = append(b, byte(pad>>8))
		}
		size = n + (size-n+sizes+pad)/block*a.BlockSize()
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(size))
	sig, err := a.Signature(b)
	if err != nil {
		return nil, err
	}
	if b = append(b, sig...); !encrypt {
		return b, nil
	}
	p, err := a.Encrypt(b[n:])
	if err != nil {
		return nil, err
	}
	return append(b[:n], p...), nil
}

// sequence checks the number of a chunk, which is one more than that before it: none is heard twice, and none is missing.
func (ch *channel) sequence(plain []byte) (reqID uint32, body []byte, err error) {
	if len(plain) < 8 {
		return 0, nil, fmt.Errorf("chunk without a sequence number: %w", ua.StatusBadDecodingError)
	}
	seq := binary.LittleEndian.Uint32(plain)
	if wrapped := ch.heard >= seqWrap && seq < 1024; ch.spoken && seq != ch.heard+1 && !wrapped {
		return 0, nil, fmt.Errorf("sequence number %d after %d: %w", seq, ch.heard, ua.StatusBadSequenceNumberInvalid)
	}
	ch.heard, ch.spoken = seq, true
	return binary.LittleEndian.Uint32(plain[4:]), plain[8:], nil
}

// number appends the next sequence number and the request's.
func (ch *channel) number(b []byte, reqID uint32) []byte {
	if ch.sent++; ch.sent > seqWrap {
		ch.sent = 1
	}
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, ch.sent), reqID)
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
		if t.algo == nil {
			binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		} else {
			var err error
			if b, err = sealed(t.algo, b, headSize+8, ch.sec.mode == ua.MessageSecurityModeSignAndEncrypt, false); err != nil {
				return nil, err
			}
		}
		if out = append(out, b); flag == 'F' {
			return out, nil
		}
	}
}
