// Package chunk secures the chunks of OPC UA messages (part 6, 6.7) for who asks and for who answers: heads of OpenSecureChannel,
// sequence numbers, padding, signatures and encryption. It reads and writes nothing, and keeps no key.
package chunk

import (
	"crypto/sha1"
	"encoding/binary"
	"math"

	"github.com/gopcua/opcua/uapolicy"
)

// numbers is the room of the sequence number and the request's, which stand before a chunk's part of the body.
const numbers = 8

// Open decrypts b, if it is encrypted, behind a head of so many bytes, and checks its signature and its padding. It gives what stands
// between, numbers first; false where anything is wrong, or there is no room for numbers. Wide says that the size of the padding has two
// bytes, as with keys of more than 2048 bits. B stays as it is; what is given lies in b where nothing is encrypted.
func Open(a *uapolicy.EncryptionAlgorithm, b []byte, head int, encrypted, wide bool) ([]byte, bool) {
	if encrypted {
		if len(b) <= head {
			return nil, false
		}
		p, err := a.Decrypt(b[head:])
		if err != nil {
			return nil, false
		}
		b = append(b[:head:head], p...)
	}
	end := len(b) - a.RemoteSignatureLength()
	if end < head+numbers || a.VerifySignature(b[:end], b[end:]) != nil {
		return nil, false
	}
	if encrypted {
		pad := 1 + int(b[end-1])
		if wide {
			pad = 2 + (int(b[end-2]) | int(b[end-1])<<8)
		}
		if end -= pad; end < head+numbers {
			return nil, false
		}
	}
	return b[head:end], true
}

// Seal sets the size of b in its head, pads and signs it, and encrypts what is behind the head if it is to be. Without an algorithm it
// sets the size alone. It may use the room behind b.
func Seal(a *uapolicy.EncryptionAlgorithm, b []byte, head int, encrypt, wide bool) ([]byte, error) {
	if a == nil {
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		return b, nil
	}
	size := len(b) + a.SignatureLength()
	if encrypt {
		block, extra := a.PlaintextBlockSize(), 1
		if wide {
			extra = 2
		}
		pad := (block - (size-head+extra)%block) % block
		for range pad + 1 {
			b = append(b, byte(pad))
		}
		if wide {
			b = append(b, byte(pad>>8))
		}
		size = head + (size-head+extra+pad)/block*a.BlockSize()
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(size))
	signature, err := a.Signature(b)
	if err != nil {
		return nil, err
	}
	b = append(b, signature...)
	if !encrypt {
		return b, nil
	}
	p, err := a.Encrypt(b[head:])
	if err != nil {
		return nil, err
	}
	return append(b[:head], p...), nil
}

// Opening makes the head of an OpenSecureChannel, its size still to be set. Own and peer are the certificates; both are nil where nothing
// is secured.
func Opening(channel uint32, policy string, own, peer []byte) []byte {
	var thumb []byte
	if peer != nil {
		sum := sha1.Sum(peer)
		thumb = sum[:]
	}
	b := binary.LittleEndian.AppendUint32([]byte("OPNF\x00\x00\x00\x00"), channel)
	return AppendBytes(AppendBytes(AppendBytes(b, []byte(policy)), own), thumb)
}

// AppendBytes appends a ByteString or String; nil is null.
func AppendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.LittleEndian.AppendUint32(b, math.MaxUint32)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
}
