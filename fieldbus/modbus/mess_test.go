// A device, with its network, that mixes up its replies; for clients of any make.

package modbus

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// mess owes replies, doubles them, mixes them up and passes them to later connections. What it holds depends on the number of the
// transaction, so that an old value is a wrong one. What it never does is to put values of another request, or a write that was not
// done, into a reply that is in every field the one that was asked for: nobody could tell.
type mess struct {
	far
	rng    *rand.Rand
	busy   sync.Mutex // over all that follows
	serial uint64
	now    *asked // this transaction
	done   bool   // its write
	cut    bool   // a reply of this transaction was cut: nothing is put among the others that might fill it up to the byte
	owed   [][]byte
	kinds  [20]int
}

func newMess(seed uint64) *mess {
	m := &mess{rng: rand.New(rand.NewPCG(seed, 1))}
	m.far.answer = m.answer
	return m
}

func (m *mess) value(unit uint8, table Table, address uint16) uint16 {
	h := (m.serial<<32 | uint64(address)<<16 | uint64(unit)<<8 | uint64(table)) * 0x9E3779B97F4A7C15
	return uint16(h >> 48)
}

func (m *mess) answer(request []byte) [][]byte {
	m.busy.Lock()
	defer m.busy.Unlock()
	reply := right(request, func(table Table, address uint16) uint16 { return m.value(request[6], table, address) })
	if len(m.owed) > 20 {
		m.owed = m.owed[10:]
	}
	m.owed = append(m.owed, reply)
	m.carriedOut(request, true)
	kind := m.rng.IntN(2 * len(m.kinds))
	if kind >= len(m.kinds) || len(m.owed) == 1 || m.cut {
		return [][]byte{reply}
	}
	old := m.owed[m.rng.IntN(len(m.owed)-1)]
	m.kinds[kind]++
	return m.spoil(kind, request, reply, old)
}

// of gives how often each kind of fault was made, while an older connection may still be answered.
func (m *mess) of() []int {
	m.busy.Lock()
	defer m.busy.Unlock()
	return slices.Clone(m.kinds[:])
}

// carriedOut notes what became of this transaction. What an older connection had under way is answered yet, to nobody.
func (m *mess) carriedOut(request []byte, done bool) {
	if a := m.now; request[7] == a.function && request[6] == a.unit && binary.BigEndian.Uint16(request[8:]) == a.address {
		m.done = done
	}
}

// spoil makes of a reply what the kind says; old is one that was owed before.
func (m *mess) spoil(kind int, request, reply, old []byte) [][]byte {
	noise := make([]byte, 1+m.rng.IntN(300))
	for i := range noise {
		noise[i] = byte(m.rng.Uint32())
	}
	switch kind {
	case 0: // late: it is owed
		return nil
	case 1: // doubled
		return [][]byte{reply, reply}
	case 2: // doubled, in one piece
		return [][]byte{slices.Concat(reply, reply)}
	case 3: // out of turn
		return [][]byte{old, reply}
	case 4:
		return [][]byte{reply, old}
	case 5: // another's
		return [][]byte{old}
	case 6: // another's, and the request never came to the device
		m.carriedOut(request, false)
		return [][]byte{old}
	case 7: // another's head, of none that may be under way beside it
		if binary.BigEndian.Uint16(reply)-binary.BigEndian.Uint16(old)+8 < 16 {
			return nil
		}
		return [][]byte{slices.Concat(old[:8], reply[8:])}
	case 8: // another's values, of another length, under the head of this: a gateway that takes a late reply for this one
		return [][]byte{m.under(reply, old)}
	case 9: // cut
		m.cut = true
		return [][]byte{reply[:m.rng.IntN(len(reply))]}
	case 10:
		return [][]byte{reply[:m.rng.IntN(len(reply))], hangUp}
	case 11: // echoed
		return [][]byte{request, reply}
	case 12: // foreign: another unit's
		foreign := slices.Clone(reply)
		foreign[6]++
		return [][]byte{foreign, reply}
	case 13: // foreign: another function's
		foreign := slices.Clone(reply)
		foreign[7] ^= 1
		return [][]byte{foreign}
	case 14:
		return [][]byte{noise, reply}
	case 15:
		return [][]byte{append(slices.Clone(reply), noise...)}
	case 16: // a bit of the head wrong, but none that makes the number of a transaction under way beside it
		bad := slices.Clone(reply)
		bad[m.rng.IntN(8)] ^= 0x40
		return [][]byte{bad}
	case 17: // in pieces
		at := m.rng.IntN(len(reply))
		return [][]byte{reply[:at:at], reply[at:]}
	case 18: // a refusal, after which nothing was done
		m.carriedOut(request, false)
		return [][]byte{refused(request, Busy)}
	default: // the refusal of another
		return [][]byte{refused(old[:8], IllegalAddress)}
	}
}

// under puts the body of old under the head of reply, or cuts the body short where both are as long.
func (m *mess) under(reply, old []byte) []byte {
	body := old[8:]
	if reply[7] != old[7] || len(body) == len(reply[8:]) {
		body = slices.Clone(reply[8 : len(reply)-2])
		if len(body) > 0 {
			body[0] = byte(len(body) - 1)
		}
	}
	mixed := slices.Concat(reply[:8], body)
	binary.BigEndian.PutUint16(mixed[4:], uint16(len(mixed)-6))
	return mixed
}

// listen puts the mess on the network.
func (m *mess) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer func() { _ = conn.Close() }()
				for {
					request, err := readFrame(conn)
					if err != nil {
						return
					}
					for _, frame := range m.reply(request) {
						if _, err := conn.Write(frame); err != nil || len(frame) == 0 {
							return
						}
					}
				}
			})
		}
	})
	return l.Addr().String()
}
