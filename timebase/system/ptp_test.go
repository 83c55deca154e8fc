// What ptp4l says: how it is read, what is refused, and what a reading makes of it.

package system

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

// ptpData is what a ptp4l with software stamps answers that follows a grandmaster with UTC.
func ptpData(id, port uint16) []byte {
	b := make([]byte, map[uint16]int{ptpTimeStatusNP: 50, ptpParentDataSet: 32, ptpTimePropertiesDataSet: 4, ptpCurrentDataSet: 18,
		ptpDefaultDataSet: 20, ptpPortDataSet: 26, ptpPortPropertiesNP: 13 + 4}[id])
	switch id {
	case ptpTimeStatusNP:
		binary.BigEndian.PutUint64(b, 0xffffffffffffff00) // -256
		binary.BigEndian.PutUint64(b[8:], uint64(time.Now().Add(-500*time.Millisecond).UnixNano()))
		b[41] = 1
	case ptpParentDataSet:
		b[19], b[20] = 6, 0x21
	case ptpTimePropertiesDataSet:
		b[1], b[2] = 37, ptpTimescalePTP|ptpUTCValid|ptpLeap59
	case ptpCurrentDataSet:
		binary.BigEndian.PutUint64(b[10:], 3000<<16)
	case ptpDefaultDataSet:
		b[3] = 2
	case ptpPortDataSet:
		b[9], b[10] = byte(port), map[uint16]byte{1: 6, 2: ptpSlave}[port]
	case ptpPortPropertiesNP:
		b[9], b[10], b[12] = byte(port), ptpSlave, 4
		copy(b[13:], "eth1")
	}
	return b
}

// ptpAnswerTo lays out an answer to a request.
func ptpAnswerTo(request, data []byte) []byte {
	b := append(append([]byte(nil), request...), data...)
	copy(b[34:44], request[20:30]) // to who asked
	b[46] = ptpResponse
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[50:], uint16(2+len(data)))
	return b
}

// ptp4l answers as one, in its own words where change has some.
func ptp4l(t *testing.T, change func(id uint16, b []byte) [][]byte) string {
	t.Helper()
	path := filepath.Join(shortTemp(t), "ptp4l")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Skip("no sockets of that sort here:", err)
	}
	answers(t, conn, func(_ int, request []byte) [][]byte {
		id := binary.BigEndian.Uint16(request[52:])
		b := ptpAnswerTo(request, ptpData(id, binary.BigEndian.Uint16(request[42:])))
		if change == nil {
			return [][]byte{b}
		}
		return change(id, b)
	})
	return path
}

// shortTemp is a directory whose name leaves room for that of a socket.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bk")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestWhatPtp4lSaysIsRead(t *testing.T) {
	at := ptp4l(t, nil)
	r, err := NewPTP(NewClock(1), at, nil).Read(t.Context())
	require.NoError(t, err)
	require.True(t, r.Good, r.Why)
	require.GreaterOrEqual(t, r.Mono-r.Heard, int64(500*time.Millisecond))
	r.Mono, r.UTC, r.Heard = 0, 0, 0
	require.Equal(t, timebase.Reading{Good: true, Offset: -256, Bound: 3000 + 100, Leap: -1}, r)
	left, err := filepath.Glob(at + ".*")
	require.NoError(t, err)
	require.Empty(t, left, "our own socket is gone again")
}

func TestAPTPIsGoodOnlyWhereAllOfItIs(t *testing.T) {
	for want, change := range map[string]func(id uint16, data []byte){
		"ptp4l: port 1 is LISTENING": func(id uint16, b []byte) {
			if id == ptpPortDataSet {
				b[10] = 4 * b[9] // the second says 8
			}
		},
		"ptp4l: no grandmaster": func(id uint16, b []byte) {
			if id == ptpTimeStatusNP {
				b[41] = 0
			}
		},
		"ptp4l: nothing has told it the time": func(id uint16, b []byte) {
			if id == ptpTimeStatusNP {
				clear(b[8:16])
			}
		},
		"ptp4l: nothing has told it the time for 3m": func(id uint16, b []byte) {
			if id == ptpTimeStatusNP {
				binary.BigEndian.PutUint64(b[8:], uint64(time.Now().Add(-200*time.Second).UnixNano()))
			}
		},
		"ptp4l: clock class 248 of the grandmaster: up to 7 is believed": func(id uint16, b []byte) {
			if id == ptpParentDataSet {
				b[19] = 248
			}
		},
		"ptp4l: the time of the grandmaster is not that of PTP, and need not be UTC": func(id uint16, b []byte) {
			if id == ptpTimePropertiesDataSet {
				b[2] &^= ptpTimescalePTP
			}
		},
		"ptp4l: the grandmaster does not know what lies between its time and UTC": func(id uint16, b []byte) {
			if id == ptpTimePropertiesDataSet {
				b[2] &^= ptpUTCValid
			}
		},
		"ptp4l: the clock of interface eth1 is not found: ": func(id uint16, b []byte) {
			if id == ptpPortPropertiesNP {
				b[11] = 1 // hardware stamps
			}
		},
	} {
		at := ptp4l(t, func(id uint16, b []byte) [][]byte {
			change(id, b[ptpHead+ptpTLVHead:])
			return [][]byte{b}
		})
		if want == "ptp4l: the clock of interface eth1 is not found: " {
			if _, err := phcOf("eth1"); err == nil {
				continue // this machine has one
			}
		}
		r, err := NewPTP(NewClock(1), at, nil).Read(t.Context())
		require.NoError(t, err, want)
		require.Contains(t, r.Why, want)
		require.False(t, r.Good, want)
	}
}

func TestAnswersOfPtp4lThatCannotBeRightAreRefused(t *testing.T) {
	for want, change := range map[string]func(id uint16, b []byte) []byte{
		"data set 0xc000: refused with error 6": func(_ uint16, b []byte) []byte {
			binary.BigEndian.PutUint16(b[48:], ptpTLVError)
			copy(b[54:], b[52:54])
			b[52], b[53] = 0, 6
			return b
		},
		"answer in version 1 of PTP":       func(_ uint16, b []byte) []byte { b[1] = 1; return b },
		"answer of 60 bytes that says 104": func(_ uint16, b []byte) []byte { return b[:60] },
		"data of 9 bytes: 52 are wanted":   func(_ uint16, b []byte) []byte { b[51] = 9; return b },
		"data of 500 bytes: 52 are wanted": func(_ uint16, b []byte) []byte { b[50], b[51] = 1, 0xf4; return b },
		"it has no ports": func(id uint16, b []byte) []byte {
			if id == ptpDefaultDataSet {
				b[ptpHead+ptpTLVHead+3] = 0
			}
			return b
		},
		"port 1: data set 0x2004: interval between sync messages 2^100 s": func(id uint16, b []byte) []byte {
			if id == ptpPortDataSet {
				b[ptpHead+ptpTLVHead+22] = 100
			}
			return b
		},
		"name of an interface of 200 bytes": func(id uint16, b []byte) []byte {
			if id == ptpPortPropertiesNP {
				b[ptpHead+ptpTLVHead+12] = 200
			}
			return b
		},
		"i/o timeout; is it running": func(_ uint16, b []byte) []byte { b[31] ^= 1; return b },
	} {
		at := ptp4l(t, func(id uint16, b []byte) [][]byte { return [][]byte{change(id, b)} })
		ctx, cancel := context.WithTimeout(t.Context(), patienceFor(want))
		r, err := NewPTP(NewClock(1), at, nil).Read(ctx)
		cancel()
		require.ErrorContains(t, err, want)
		require.Zero(t, r, want)
	}
}

func TestPtp4lIsSilentWhereWhatItSaysStandsStill(t *testing.T) {
	frozen := uint64(time.Now().UnixNano())
	at := ptp4l(t, func(id uint16, b []byte) [][]byte {
		if id == ptpTimeStatusNP {
			binary.BigEndian.PutUint64(b[ptpHead+ptpTLVHead+8:], frozen)
		}
		return [][]byte{b}
	})
	p := NewPTP(NewClock(1), at, nil)
	one, err := p.Read(t.Context())
	require.NoError(t, err)
	two, err := p.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, one.Heard, two.Heard)
	require.Greater(t, two.Mono, one.Mono)
}

func TestTheAccuracyThatAGrandmasterSaysCounts(t *testing.T) {
	for code, want := range map[uint8]time.Duration{0x1f: 25, 0x20: 25, 0x21: 100, 0x23: time.Microsecond, 0x29: time.Millisecond,
		0x2f: time.Second, 0x30: 10 * time.Second, 0x31: 100 * time.Second, 0xfe: 100 * time.Microsecond, 0: 100 * time.Microsecond} {
		require.EqualValues(t, want, accuracyOf(code), "0x%02x", code)
	}
}

func FuzzAnswersOfPtp4l(f *testing.F) {
	for _, id := range []uint16{ptpTimeStatusNP, ptpParentDataSet, ptpTimePropertiesDataSet, ptpCurrentDataSet, ptpDefaultDataSet,
		ptpPortDataSet, ptpPortPropertiesNP} {
		f.Add(ptpAnswerTo(ptpAsk(id, 7, 1, 0, 9), ptpData(id, 1)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = ptpIsFor(b, ptpTimeStatusNP, 7, 9)
		var a ptpAnswers
		a.status, _ = decodeTimeStatus(b)
		a.parent, _ = decodeParent(b)
		a.time, _ = decodeTime(b)
		a.delay, _ = decodeDelay(b)
		a.port, _ = decodePort(b)
		a.number, a.props.software = 1, true
		if n, err := decodePorts(b); err == nil && (n < 0 || n > 1<<16) {
			t.Fatal(n)
		}
		if p, err := decodeProperties(b); err == nil && len(p.network) > 64 {
			t.Fatal(p)
		}
		p := NewPTP(NewClock(1), "", nil)
		r := p.judge(&a)
		if r.Bound <= 0 || r.Heard > r.Mono || r.Good != (r.Why == "") {
			t.Fatalf("%+v of %+v", r, a)
		}
	})
}
