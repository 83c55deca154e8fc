// References against real daemons: what they say, and that their loss is found while they say that all is well.

package system

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestChronydIsFollowedAndItsLossFoundWhileItSaysThatAllIsWell(t *testing.T) {
	need(t, "chrony", "chronyd")
	t.Parallel()
	dir, server := shortDir(t), freePort(t)
	stop := ntpServer(t, dir, server)
	address, socket := ntpClient(t, dir, server)
	c := NewClock(1)
	refs, err := ParseRefs(c, "site=chrony:"+address)
	require.NoError(t, err)
	refs[0].Every = 200 * time.Millisecond
	w := follow(t, c, refs)

	// The first readings are worse than the later ones where a busy machine held up their datagrams.
	o := comes(t, w, func(o *timebase.Observation) bool {
		return o.Sync == timebase.NTPSync && max(o.Offset, -o.Offset) < int64(time.Millisecond) && o.Bound < int64(10*time.Millisecond)
	}, "it follows the clock that it is held against")
	require.Equal(t, "site", o.Source)
	r, err := NewChrony(c, socket, nil).Read(t.Context())
	require.NoError(t, err, "its socket answers as well")
	require.True(t, r.Good, r.Why)
	left, err := filepath.Glob(socket + ".*")
	require.NoError(t, err)
	require.Empty(t, left, "our own socket is gone again")

	stop()
	killed := c.Now()
	o = becomes(t, w, timebase.Holdover)
	t.Logf("found %s after the source was killed: %s", short(o.Mono-killed), o.Why)
	require.Contains(t, o.Why, "chronyd: not updated for ")
	track, err := tracking(t, address)
	require.NoError(t, err)
	require.NotEqual(t, chronyUnsynchronised, track.leap, "chronyd itself still calls its clock synchronised")

	ntpServer(t, dir, server)
	o = becomes(t, w, timebase.NTPSync)
	require.Equal(t, timebase.Raised, o.Reason)
}

// tracking asks a chronyd for what it says of its clock.
func tracking(t *testing.T, address string) (chronyTrack, error) {
	l, err := call(t.Context(), address, "")
	if err != nil {
		return chronyTrack{}, err
	}
	defer l.close()
	b, err := chronyCall(l, chronyAskTracking, 0, chronyTrackingLen)
	if err != nil {
		return chronyTrack{}, err
	}
	return decodeTracking(b)
}

func TestAnOffsetThatChronydMeasuresHasItsSign(t *testing.T) {
	need(t, "chrony", "chronyd")
	t.Parallel()
	const ahead = 250 * time.Millisecond // of the server
	const noise = int64(10 * time.Millisecond)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go serveTime(conn, ahead)
	address, _ := ntpClient(t, shortDir(t), conn.LocalAddr().(*net.UDPAddr).Port)
	// The wall clock is behind, and chronyd may not steer it. The first readings may be worse than this on a busy machine, but none has the
	// wrong sign that is not lost in its bound.
	reads(t, NewChrony(NewClock(1), address, nil), func(r *timebase.Reading) bool {
		require.False(t, r.Good && r.Offset > max(r.Bound, noise), "%+v", *r)
		off := r.Offset + int64(ahead)
		return r.Good && max(off, -off) <= noise
	})
}

// serveTime answers as an NTP server whose clock is ahead of this one.
func serveTime(conn net.PacketConn, ahead time.Duration) {
	stamp := func(b []byte, at time.Time) {
		binary.BigEndian.PutUint32(b, uint32(at.Unix()+2_208_988_800))
		binary.BigEndian.PutUint32(b[4:], uint32(uint64(at.Nanosecond())<<32/1_000_000_000))
	}
	var b [128]byte
	for {
		n, from, err := conn.ReadFrom(b[:])
		if err != nil {
			return
		}
		if n < 48 {
			continue
		}
		now := time.Now().Add(ahead)
		answer := make([]byte, 48)
		answer[0], answer[1], answer[2], answer[3] = 4<<3|4, 1, b[2], 0xec // version 4, server; stratum 1; 2^-20 s
		copy(answer[12:], "TEST")
		stamp(answer[16:], now)
		copy(answer[24:32], b[40:48])
		stamp(answer[32:], now)
		stamp(answer[40:], time.Now().Add(ahead))
		_, _ = conn.WriteTo(answer, from)
	}
}

func TestPtp4lIsFollowedAndItsLossFoundWhileItNamesItsMaster(t *testing.T) {
	need(t, "linuxptp and iproute2", "ptp4l", "pmc", "ip", "setpriv")
	t.Parallel()
	rig := newPTPRig(t)
	_, stop := rig.ptp(t, rig.master, "clockClass 6\npriority1 10\n")
	socket, _ := rig.ptp(t, rig.slave, "slaveOnly 1\n")
	c := NewClock(1)
	refs, err := ParseRefs(c, "plant=ptp:"+socket+"?class=248")
	require.NoError(t, err)
	w := follow(t, c, refs)

	o := comes(t, w, func(o *timebase.Observation) bool { // the first readings may be worse on a busy machine
		return o.Sync == timebase.PTPLocked && max(o.Offset, -o.Offset) < int64(time.Millisecond)
	}, "both ends have one clock")
	require.Equal(t, "plant", o.Source)
	stop()
	killed := c.Now()
	o = becomes(t, w, timebase.Holdover)
	t.Logf("found %s after the grandmaster was killed: %s", short(o.Mono-killed), o.Why)
	a := asked(t, socket)
	require.True(t, a.status.present, "ptp4l itself still names its master")
	frozen := a.status.offset
	require.Equal(t, frozen, asked(t, socket).status.offset)

	_, _ = rig.ptp(t, rig.master, "clockClass 6\npriority1 10\n")
	o = becomes(t, w, timebase.PTPLocked)
	require.Equal(t, timebase.Raised, o.Reason)
}

func TestAGrandmasterIsBelievedWhereItsTimeIsUTC(t *testing.T) {
	need(t, "linuxptp and iproute2", "ptp4l", "pmc", "ip", "setpriv")
	t.Parallel()
	rig := newPTPRig(t)
	master, _ := rig.ptp(t, rig.master, "clockClass 6\npriority1 10\n")
	socket, _ := rig.ptp(t, rig.slave, "slaveOnly 1\n")
	strict := NewPTP(NewClock(1), socket, nil)
	reads(t, strict, func(r *timebase.Reading) bool {
		return r.Why == "ptp4l: the time of the grandmaster is not that of PTP, and need not be UTC"
	})
	grandmaster := func(class, valid string) {
		command(t, "pmc", "-u", "-b", "0", "-s", master, "-i", filepath.Join(rig.dir, "pmc"), "SET GRANDMASTER_SETTINGS_NP clockClass "+class+
			" clockAccuracy 0x21 offsetScaledLogVariance 0xffff currentUtcOffset 0 leap61 1 leap59 0 currentUtcOffsetValid "+valid+
			" ptpTimescale 1 timeTraceable 1 frequencyTraceable 1 timeSource 0x20")
	}
	grandmaster("6", "0")
	reads(t, strict, func(r *timebase.Reading) bool {
		return r.Why == "ptp4l: the grandmaster does not know what lies between its time and UTC"
	})
	grandmaster("52", "1")
	reads(t, strict, func(r *timebase.Reading) bool {
		return r.Why == "ptp4l: clock class 52 of the grandmaster: up to 7 is believed"
	})
	grandmaster("6", "1")
	r := reads(t, strict, func(r *timebase.Reading) bool { return r.Good })
	require.EqualValues(t, 1, r.Leap)
	require.Less(t, r.Bound, unsaidAccuracy, "the grandmaster says what it is worth, and the path is short")
	left, err := filepath.Glob(socket + ".*")
	require.NoError(t, err)
	require.Equal(t, []string{socket + ".conf"}, left, "our own sockets are gone again")
}

// asked asks a ptp4l for all there is.
func asked(t *testing.T, socket string) ptpAnswers {
	t.Helper()
	p := NewPTP(NewClock(1), socket, nil)
	l, err := call(t.Context(), socket, "")
	require.NoError(t, err)
	defer l.close()
	a, err := p.ask(l)
	require.NoError(t, err)
	return a
}

func TestADaemonThatIsNotThereIsAnErrorThatSaysWhere(t *testing.T) {
	t.Parallel()
	c := NewClock(1)
	_, err := NewChrony(c, "127.0.0.1:1", nil).Read(t.Context())
	require.ErrorContains(t, err, "system: chronyd at 127.0.0.1:1: ")
	require.ErrorContains(t, err, "refused; is it running, and may this process ask it?")
	dir := shortDir(t)
	_, err = NewPTP(c, dir+"/ptp4l", nil).Read(t.Context())
	require.ErrorContains(t, err, "system: ptp4l at "+dir+"/ptp4l: ")
	require.ErrorIs(t, err, os.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestPTPGivesWayToNTPAndThatToAHoldoverAndPTPComesBack takes about half a minute.
func TestPTPGivesWayToNTPAndThatToAHoldoverAndPTPComesBack(t *testing.T) {
	if os.Getenv("BATCHKIT_LONG") == "" {
		t.Skip("takes half a minute; wants BATCHKIT_LONG=1")
	}
	need(t, "chrony, linuxptp and iproute2", "chronyd", "ptp4l", "ip", "setpriv")
	t.Parallel()
	dir, server := shortDir(t), freePort(t)
	stopNTP := ntpServer(t, dir, server)
	address, _ := ntpClient(t, dir, server)
	rig := newPTPRig(t)
	_, stopPTP := rig.ptp(t, rig.master, "clockClass 6\npriority1 10\n")
	socket, _ := rig.ptp(t, rig.slave, "slaveOnly 1\n")
	c := NewClock(1)
	refs, err := ParseRefs(c, "plant=ptp:"+socket+"?class=248,site=chrony:"+address)
	require.NoError(t, err)
	w := follow(t, c, refs)
	becomes(t, w, timebase.PTPLocked)
	time.Sleep(6 * time.Second) // until chronyd is believed as well
	stopPTP()
	require.Equal(t, "site", becomes(t, w, timebase.NTPSync).Source)
	stopNTP()
	becomes(t, w, timebase.Holdover)
	_, _ = rig.ptp(t, rig.master, "clockClass 6\npriority1 10\n")
	require.Equal(t, "plant", becomes(t, w, timebase.PTPLocked).Source)
}
