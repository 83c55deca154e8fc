// RTU, claim by claim: what is sent when, what counts as the answer, and what ends a doubt.

package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted is a port whose far end does what the test says: for each request, pieces that come a while after it.
type scripted struct {
	near
	answer func(request []byte) []piece
	sent   [][]byte
}

type piece struct {
	after time.Duration // after the request, or the piece before
	bytes []byte
}

func (p *scripted) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, os.ErrClosed
	}
	p.writes = append(p.writes, time.Now())
	p.sent = append(p.sent, append([]byte(nil), b...))
	if p.answer == nil {
		return len(b), nil
	}
	wait := time.Duration(0)
	for _, x := range p.answer(p.sent[len(p.sent)-1]) {
		wait += x.after
		time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.in = append(p.in, x.bytes...)
			p.ring()
		})
	}
	return len(b), nil
}

// adu is a frame with its check sum.
func adu(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, crc(b)) }

// registers is the answer to a read of registers that are n, n+1, ...
func registers(request []byte, n uint16) []byte {
	count := binary.BigEndian.Uint16(request[4:])
	b := []byte{request[0], request[1], byte(2 * count)}
	for i := range count {
		b = binary.BigEndian.AppendUint16(b, n+i)
	}
	return adu(b...)
}

// own is the answer of a slave in which each register is its own address; writes are echoed, all else is refused.
func ownRTU(request []byte) []byte {
	switch request[1] {
	case readHolding, readInput:
		return registers(request, binary.BigEndian.Uint16(request[2:]))
	case writeCoil, writeRegister, maskWrite:
		return request
	case writeCoils, writeRegisters:
		return adu(request[:6]...)
	}
	return adu(request[0], request[1]|exception, 1)
}

func after(d time.Duration, b []byte) []piece { return []piece{{d, b}} }

// onLine runs a claim on a line of 19200 Bd, whose t3.5 is 2.005 ms, with a time-out of 100 ms.
func onLine(t *testing.T, claim func(t *testing.T, p *scripted, m *Client)) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{near: near{wake: make(chan struct{}, 1)}}
		m, err := NewRTU(p, &RTUOptions{Baud: 19200, Timeout: 100 * time.Millisecond})
		require.NoError(t, err)
		p.answer = func(q []byte) []piece { return after(time.Millisecond, ownRTU(q)) }
		claim(t, p, m)
		require.NoError(t, m.Close())
		time.Sleep(time.Minute) // what was on its way
	})
}

// holding reads n registers.
func holding(m *Client, unit uint8, a, n uint16) ([]uint16, error) {
	out := make([]uint16, n)
	err := m.ReadHolding(context.Background(), unit, a, out)
	return out, err
}

func TestALateReplyIsNeverTakenForAnother(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		late := func(q []byte) []piece { return after(150*time.Millisecond, ownRTU(q)) }
		right := p.answer
		p.answer = late
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		p.answer = right
		n := len(p.sent)
		_, err = holding(m, 1, 500, 2)
		require.ErrorIs(t, err, ErrDoubt)
		require.Len(t, p.sent, n, "nothing is sent in doubt")
		require.NoError(t, m.Prove(t.Context(), 1))
		require.Equal(t, uint16(1), binary.BigEndian.Uint16(p.sent[n][4:]), "a length that is not owed")
		got, err := holding(m, 1, 500, 2)
		require.NoError(t, err)
		require.Equal(t, []uint16{500, 501}, got)
	})
}

func TestALateReplyDuringTheProofIsNone(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		right := p.answer
		p.answer = nil
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		owed := registers([]byte{1, 3, 0, 10, 0, 2}, 10)
		p.answer = func([]byte) []piece { return after(5*time.Millisecond, owed) }
		require.ErrorIs(t, m.Prove(t.Context(), 1), ErrDoubt)
		p.answer = func(q []byte) []piece {
			return []piece{{5 * time.Millisecond, owed}, {30 * time.Millisecond, ownRTU(q)}}
		}
		require.NoError(t, m.Prove(t.Context(), 1))
		p.answer = right
		got, err := holding(m, 1, 500, 2)
		require.NoError(t, err)
		require.Equal(t, []uint16{500, 501}, got)
	})
}

func TestARefusalProvesOnlyIfNoneOfItsFunctionIsOwed(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = nil
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		p.answer = func(q []byte) []piece { return after(time.Millisecond, adu(q[0], q[1]|exception, 2)) }
		require.ErrorIs(t, m.Prove(t.Context(), 1), ErrDoubt, "function 3 is owed, and so may its refusal be")
		require.NoError(t, m.Prove(t.Context(), 1), "function 4 is not")
		require.Equal(t, byte(readInput), p.sent[len(p.sent)-1][1])
		_, err = holding(m, 1, 10, 2)
		require.ErrorIs(t, err, IllegalAddress)
	})
}

func TestTimeAloneProvesWhereNothingElseCan(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		require.NoError(t, m.SetSlave(t.Context(), 1, Slave{Late: 3 * time.Second, NoProbe: true}))
		p.answer = nil
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, m.Prove(t.Context(), 1), ErrDoubt)
		time.Sleep(time.Second)
		require.NoError(t, m.Prove(t.Context(), 1))
		require.Len(t, p.sent, 1, "nobody was asked")
	})
}

func TestASlaveThatOwesTooMuchIsLeftAloneUntilTheOldestIsTooOld(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		right := p.answer
		p.answer = nil
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		seen := map[string]bool{}
		for range 100 {
			require.ErrorIs(t, m.Prove(t.Context(), 1), ErrDoubt)
		}
		require.Len(t, p.sent, maxOwed)
		for _, q := range p.sent {
			require.False(t, seen[string(q)], "no question twice: % x", q)
			seen[string(q)] = true
		}
		require.ErrorIs(t, m.WriteRegister(t.Context(), 1, 5, 5), ErrDoubt)
		time.Sleep(58 * time.Second)
		p.answer = right
		require.NoError(t, m.Prove(t.Context(), 1))
	})
}

func TestAnotherSlaveIsSafeFromTheLateReply(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = func(q []byte) []piece {
			if q[0] == 1 {
				return after(103*time.Millisecond, ownRTU(q))
			}
			return after(20*time.Millisecond, ownRTU(q))
		}
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt)
		got, err := holding(m, 2, 500, 2) // the reply of slave 1 comes meanwhile
		require.NoError(t, err)
		require.Equal(t, []uint16{500, 501}, got)
	})
}

func TestAnAnswerIsFoundAmongWhateverElseIsOnTheLine(t *testing.T) {
	foreign := adu(9, 3, 4, 0xDE, 0xAD, 0xBE, 0xEF)
	for name, line := range map[string]func(q, a []byte) []piece{
		"noise before":        func(_, a []byte) []piece { return after(0, append([]byte{0xFF, 0}, a...)) },
		"noise apart":         func(_, a []byte) []piece { return []piece{{0, []byte{0xFF, 0}}, {20e6, a}} },
		"noise behind":        func(_, a []byte) []piece { return after(0, append(a, 0xFF, 0)) },
		"noise around":        func(_, a []byte) []piece { return after(0, append(append([]byte{0xFF}, a...), 0)) },
		"a hole of 30 ms":     func(_, a []byte) []piece { return []piece{{0, a[:4]}, {30e6, a[4:]}} },
		"byte by byte":        func(_, a []byte) (all []piece) { return bytewise(a, time.Millisecond) },
		"the request":         func(q, a []byte) []piece { return after(0, append(q, a...)) },
		"the request apart":   func(q, a []byte) []piece { return []piece{{0, q}, {20e6, a}} },
		"half the request":    func(q, a []byte) []piece { return []piece{{0, q[:5]}, {20e6, a}} },
		"another's frame":     func(_, a []byte) []piece { return after(0, append(foreign, a...)) },
		"half of another's":   func(_, a []byte) []piece { return after(0, append(foreign[:5:5], a...)) },
		"doubled":             func(_, a []byte) []piece { return after(0, append(a, a...)) },
		"a wrong one, broken": func(_, a []byte) []piece { return after(0, append(adu(1, 3, 4, 0, 1, 0, 2)[:8:8], a...)) },
	} {
		t.Run(name, func(t *testing.T) {
			onLine(t, func(t *testing.T, p *scripted, m *Client) {
				p.answer = func(q []byte) []piece { return line(append([]byte(nil), q...), ownRTU(q)) }
				for i := range uint16(5) {
					got, err := holding(m, 1, 100*i, 2)
					require.NoError(t, err)
					require.Equal(t, []uint16{100 * i, 100*i + 1}, got)
				}
			})
		})
	}
}

func bytewise(a []byte, apart time.Duration) (all []piece) {
	for _, b := range a {
		all = append(all, piece{apart, []byte{b}})
	}
	return all
}

func TestAnAnswerInsideAnothersFrameIsNone(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = func(q []byte) []piece {
			inside := registers([]byte{1, 3, 0, 0, 0, 2}, 666)
			carrier := adu(append([]byte{9, 3, byte(len(inside) + 3), 7, 7, 7}, inside...)...)
			return []piece{{0, carrier[:len(carrier)-2]}, {1e6, carrier[len(carrier)-2:]}, {20e6, ownRTU(q)}}
		}
		got, err := holding(m, 1, 500, 2)
		require.NoError(t, err)
		require.Equal(t, []uint16{500, 501}, got)
	})
}

func TestTwoAnswersAtOnceThatDifferAreNone(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = func(q []byte) []piece { return after(0, append(registers(q, 7), ownRTU(q)...)) }
		_, err := holding(m, 1, 500, 2)
		require.ErrorIs(t, err, ErrStray)
		require.ErrorIs(t, err, ErrDoubt)
	})
}

func TestAnAnswerThatNobodyAskedForIsADoubt(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = func(q []byte) []piece { return []piece{{0, ownRTU(q)}, {1e6, registers(q, 7)}} }
		_, err := holding(m, 1, 10, 2)
		require.NoError(t, err)
		_, err = holding(m, 1, 20, 2) // before which it is heard
		require.ErrorIs(t, err, ErrDoubt)
		require.Len(t, p.sent, 1, "not sent")
		_, err = holding(m, 2, 10, 2)
		require.NoError(t, err, "another slave is not concerned")
		require.NoError(t, m.Prove(t.Context(), 1))
	})
}

func TestNothingIsSentBeforeTheLineWasSilentFor35Characters(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		gap := silence35(19200, 11)
		require.Equal(t, 2005208*time.Nanosecond, gap.Round(0))
		begin := time.Now()
		_, err := holding(m, 1, 0, 1)
		require.NoError(t, err)
		require.Equal(t, gap, p.writes[0].Sub(begin), "nobody knows what was before")
		_, err = holding(m, 1, 0, 1)
		require.NoError(t, err)
		require.Equal(t, time.Millisecond+gap, p.writes[1].Sub(p.writes[0]))
		p.in = []byte("noise")
		time.Sleep(time.Second)
		begin = time.Now()
		_, err = holding(m, 1, 0, 1)
		require.NoError(t, err)
		require.Equal(t, gap, p.writes[2].Sub(begin), "nobody knows when that came")
	})
}

func TestALineThatIsNeverSilentIsSaidToBe(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					p.mu.Lock()
					p.in = append(p.in, 0x55)
					p.ring()
					p.mu.Unlock()
				}
			}
		}()
		err := m.WriteRegister(t.Context(), 1, 1, 1)
		close(stop)
		require.ErrorIs(t, err, ErrDoubt)
		require.NotErrorIs(t, err, ErrUnknown)
		require.Contains(t, err.Error(), "not silent")
		require.Empty(t, p.sent)
	})
}

func TestAPauseIsKept(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		require.NoError(t, m.SetSlave(t.Context(), 1, Slave{Pause: 50 * time.Millisecond}))
		for range 2 {
			_, err := holding(m, 1, 0, 1)
			require.NoError(t, err)
		}
		require.Equal(t, 51*time.Millisecond, p.writes[1].Sub(p.writes[0]))
		_, err := holding(m, 2, 0, 1)
		require.NoError(t, err)
		require.Less(t, p.writes[2].Sub(p.writes[1]), 10*time.Millisecond, "another slave does not wait for it")
	})
}

func TestABroadcastIsNotAnsweredAndItsOutcomeNotKnown(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = nil
		err := m.WriteRegister(t.Context(), 0, 1, 1)
		require.ErrorIs(t, err, ErrUnknown)
		require.NotErrorIs(t, err, ErrDoubt)
		p.answer = func(q []byte) []piece { return after(0, ownRTU(q)) }
		_, err = holding(m, 1, 0, 1)
		require.NoError(t, err)
		require.Equal(t, 100*time.Millisecond, p.writes[1].Sub(p.writes[0]), "the turnaround")
		_, err = holding(m, 0, 0, 1)
		require.ErrorContains(t, err, "only writes")
		require.Error(t, m.ReadWriteRegisters(t.Context(), 0, 0, make([]uint16, 1), 0, []uint16{1}))
		require.Len(t, p.sent, 2)
	})
}

func TestAWriteWithoutAnswerIsUnknownAndOnlyADifferentOneIsSentInDoubt(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		_, err := holding(m, 1, 0, 1)
		require.NoError(t, err)
		right := p.answer
		p.answer = nil
		err = m.WriteRegister(t.Context(), 1, 5, 1)
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorIs(t, err, ErrDoubt)
		n := len(p.sent)
		err = m.WriteRegister(t.Context(), 1, 5, 1)
		require.ErrorIs(t, err, ErrDoubt)
		require.NotErrorIs(t, err, ErrUnknown)
		require.Len(t, p.sent, n, "the first one's confirmation could be taken for its own")
		p.answer = func(q []byte) []piece { return []piece{{0, p.sent[n-1]}, {10e6, ownRTU(q)}} }
		require.NoError(t, m.WriteRegister(t.Context(), 1, 5, 0))
		require.Equal(t, 10*time.Millisecond+silence35(19200, 11), time.Since(p.writes[n])+silence35(19200, 11))
		p.answer = right
		got, err := holding(m, 1, 5, 1)
		require.NoError(t, err, "a confirmation that was not owed is a proof")
		require.Equal(t, []uint16{5}, got)
	})
}

func TestAnEchoConfirmsNoWrite(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		dead := func(q []byte) []piece { return after(0, q) } // an adapter that echoes, and nobody behind it
		p.answer = dead
		err := m.WriteRegister(t.Context(), 1, 5, 1)
		require.ErrorIs(t, err, ErrDoubt)
		require.NotErrorIs(t, err, ErrUnknown, "a read was to show whether the line echoes")
		require.Equal(t, byte(readHolding), p.sent[0][1])
		p.answer = func(q []byte) []piece { return []piece{{0, q}, {20e6, ownRTU(q)}} }
		require.NoError(t, m.Prove(t.Context(), 1))
		require.NoError(t, m.WriteRegister(t.Context(), 1, 5, 1))
		require.NoError(t, m.MaskWrite(t.Context(), 1, 5, 1, 2))
		p.answer = dead
		require.ErrorIs(t, m.WriteCoil(t.Context(), 1, 5, true), ErrUnknown)
	})
}

func TestEveryFunctionIsCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		m, err := NewRTU(newNear(newBus(ctx, 1, char115200, time.Second, 7), 0), &RTUOptions{Baud: 115200})
		require.NoError(t, err)
		words, bits := make([]uint16, 125), make([]bool, 2000)
		require.NoError(t, m.ReadCoils(ctx, 7, 0, bits))
		require.Equal(t, word(7, readCoils, 1999)&1 == 1, bits[1999])
		require.NoError(t, m.ReadDiscrete(ctx, 7, 3, bits[:9]))
		require.Equal(t, word(7, readDiscrete, 11)&1 == 1, bits[8])
		require.NoError(t, m.ReadHolding(ctx, 7, 0, words))
		require.Equal(t, word(7, readHolding, 124), words[124])
		require.NoError(t, m.ReadInput(ctx, 7, 9, words[:2]))
		require.Equal(t, word(7, readInput, 10), words[1])
		require.NoError(t, m.WriteCoil(ctx, 7, 1, true))
		require.NoError(t, m.WriteRegister(ctx, 7, 1, 0xF0F0))
		require.NoError(t, m.WriteCoils(ctx, 7, 2, []bool{true, false, true}))
		require.NoError(t, m.WriteRegisters(ctx, 7, 2, make([]uint16, MaxWrite)))
		require.NoError(t, m.MaskWrite(ctx, 7, 1, 0x00FF, 0x1200))
		require.NoError(t, m.ReadWriteRegisters(ctx, 7, 0, words[:3], 2, []uint16{9}))
		require.Equal(t, []uint16{word(7, readHolding, 0), 0x12F0, 9}, words[:3])
		require.NoError(t, m.ReadCoils(ctx, 7, 1, bits[:4]))
		require.Equal(t, []bool{true, true, false, true}, bits[:4])
		reads := []Read{{Unit: 7, Table: Holding, Address: 1, Out: words[:1]}, {Unit: 7, Table: Coil, Address: 1, Out: words[1:3]}}
		require.NoError(t, m.ReadAll(ctx, reads))
		require.Equal(t, []uint16{0x12F0, 1, 1}, words[:3])
	})
}

func TestACancelledReadEndsAtOnceAndIsOwed(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = nil
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		begin := time.Now()
		err := m.ReadHolding(ctx, 1, 0, make([]uint16, 1))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, ErrDoubt)
		require.Equal(t, 30*time.Millisecond, time.Since(begin))
		err = m.ReadHolding(ctx, 2, 0, make([]uint16, 1))
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrDoubt, "not sent")
		require.Len(t, p.sent, 1)
	})
}

func TestALineThatIsLostEndsTheClientAndWhatIsOwedIsHandedOn(t *testing.T) {
	onLine(t, func(t *testing.T, p *scripted, m *Client) {
		p.answer = func([]byte) []piece {
			p.closed = true
			p.ring()
			return nil
		}
		_, err := holding(m, 1, 10, 2)
		require.ErrorIs(t, err, os.ErrClosed)
		require.NotErrorIs(t, err, ErrDoubt, "the session is over")
		_, err = holding(m, 1, 10, 2)
		require.ErrorIs(t, err, ErrDown)
		require.ErrorIs(t, m.Prove(t.Context(), 1), ErrDown)

		again := &scripted{near: near{wake: make(chan struct{}, 1)}}
		again.answer = func(q []byte) []piece { return after(0, ownRTU(q)) }
		next, err := NewRTU(again, &RTUOptions{Baud: 19200, After: m})
		require.NoError(t, err)
		_, err = holding(next, 1, 10, 2)
		require.ErrorIs(t, err, ErrDoubt, "the slave may answer the new session what the old one asked")
		require.NoError(t, next.Prove(t.Context(), 1))
		_, err = holding(next, 1, 10, 2)
		require.NoError(t, err)
	})
}

// mutePort returns nothing and no error, as a library may when an adapter was pulled out.
type mutePort struct{ scripted }

func (*mutePort) Read(context.Context, []byte) (int, error) { return 0, nil }

func TestAPortThatGivesNothingAndNoErrorIsLost(t *testing.T) {
	m, err := NewRTU(&mutePort{scripted{near: near{wake: make(chan struct{}, 1)}}}, &RTUOptions{Baud: 115200})
	require.NoError(t, err)
	_, err = holding(m, 1, 0, 1)
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, err = holding(m, 1, 0, 1)
	require.ErrorIs(t, err, ErrDown)
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, o := range []RTUOptions{{}, {Baud: 10}, {Baud: 9600, Bits: 5}, {Baud: 9600, Timeout: -1}, {Baud: 9600, Turnaround: -1}} {
		_, err := NewRTU(&scripted{}, &o)
		require.ErrorContains(t, err, "modbus: line \"RTU\"")
	}
	m, err := NewRTU(&scripted{}, &RTUOptions{Baud: 9600, Name: "south"})
	require.NoError(t, err)
	require.ErrorContains(t, m.SetSlave(t.Context(), 0, Slave{}), `"south"`)
	require.Error(t, m.SetSlave(t.Context(), 1, Slave{Late: -1}))
	_, err = DialRTU(t.Context(), "127.0.0.1:1", &RTUOptions{Timeout: time.Second})
	require.ErrorIs(t, err, ErrDown)
	require.True(t, errors.Is(err, ErrDown))
}
