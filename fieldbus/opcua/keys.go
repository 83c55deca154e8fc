// Keys: how a channel is opened, and how it comes to new keys before the old ones end.

package opcua

import (
	"encoding/binary"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus/opcua/internal/chunk"
)

// ask sends an OpenSecureChannel, the first one or one that renews. Its answer goes to adopt.
func (ch *channel) ask(number uint32, renew bool, within time.Duration) error {
	nonce, err := ch.asym.MakeNonce()
	if err != nil {
		return err
	}
	kind := ua.SecurityTokenRequestTypeIssue
	if renew {
		kind = ua.SecurityTokenRequestTypeRenew
	}
	body, err := encoded(&ua.OpenSecureChannelRequest{RequestType: kind, SecurityMode: ch.sec.policy.mode(), ClientNonce: nonce,
		RequestedLifetime: uint32(ch.life.Milliseconds())}, nil, number, within)
	if err != nil {
		return err
	}
	ch.mu.Lock()
	ch.nonce = nonce
	ch.mu.Unlock()
	ch.out.Lock()
	defer ch.out.Unlock()
	secured := ch.sec.policy != None
	var own, peer []byte
	if secured {
		own, peer = ch.sec.own.Certificate, ch.sec.peer
	}
	b := chunk.Opening(ch.id, ch.sec.policy.uri(), own, peer)
	head := len(b)
	b = binary.LittleEndian.AppendUint32(b, ch.seq.Next())
	b = binary.LittleEndian.AppendUint32(b, number)
	b = append(b, body...)
	if b, err = chunk.Seal(ch.asym, b, head, secured, secured && ch.sec.key.Size() > 256); err != nil {
		return err
	}
	if err := ch.patience(within); err != nil {
		return err
	}
	_, err = ch.conn.Write(b)
	return err
}

// adopt takes the keys over that the answer to an OpenSecureChannel has. The old ones are taken until they end: what the
// server sent before it had new ones may be on its way.
func (ch *channel) adopt(body []byte) error {
	c, err := answer(body, id.OpenSecureChannelResponse_Encoding_DefaultBinary)
	if err != nil {
		return err
	}
	c.take(4)
	channel, token := c.u32(), c.u32()
	c.take(8) // its time, which may be any
	life := min(time.Duration(c.u32())*time.Millisecond, ch.life)
	nonce := append([]byte(nil), c.bytes()...)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch {
	case c.bad || ch.nonce == nil || ch.opened && channel != ch.id:
		return errAnswer
	case life < minKeyLife:
		return errNoKeys
	case ch.sec.policy != None && len(nonce) != len(ch.nonce):
		return errAnswer
	}
	algo, err := symmetric(ch.sec.policy, ch.nonce, nonce)
	if err != nil {
		return err
	}
	now := time.Now()
	k := keys{token: token, algo: algo, until: now.Add(life + life/4)}
	copy(ch.taken[1:], ch.taken[:])
	ch.taken[0] = k
	ch.renew, ch.nonce, ch.opened, ch.asking = now.Add(life*3/4), nil, true, false
	ch.out.Lock()
	ch.id, ch.send = channel, k
	ch.out.Unlock()
	return nil
}

// due tells whether new keys are to be asked for, which is then up to the caller.
func (ch *channel) due() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.opened || ch.asking || time.Now().Before(ch.renew) {
		return false
	}
	ch.asking = true
	return true
}

// encoded gives a request with its type and head.
func encoded(req ua.Request, auth []byte, number uint32, within time.Duration) ([]byte, error) {
	req.SetHeader(&ua.RequestHeader{AuthenticationToken: ua.NewTwoByteNodeID(0), Timestamp: time.Now(), RequestHandle: number,
		TimeoutHint: uint32(within.Milliseconds())})
	b, err := ua.Encode(req)
	if err != nil {
		return nil, err
	}
	head := []byte{1, 0, 0, 0}
	binary.LittleEndian.PutUint16(head[2:], ua.ServiceTypeID(req))
	if auth != nil {
		b = append(auth[:len(auth):len(auth)], b[2:]...) // in place of a NodeId of two bytes
	}
	return append(head, b...), nil
}
