// The management messages of IEEE 1588, as ptp4l takes and answers them on its socket: one request, and what six answers say.

package system

import (
	"encoding/binary"
	"fmt"
)

// The layout: big-endian; a head of 48 bytes, one TLV with its type, its length and the id of what is asked for, then the data.
const (
	ptpManagement = 0x0d // type of message
	ptpVersion    = 2
	ptpHead       = 48
	ptpTLVHead    = 6
	ptpControl    = 4
	ptpInterval   = 0x7f

	ptpGet      = 0
	ptpResponse = 2

	ptpTLVManagement = 1
	ptpTLVError      = 2
)

// What is asked for; NP are ids of linuxptp's own.
const (
	ptpDefaultDataSet        = 0x2000
	ptpCurrentDataSet        = 0x2001
	ptpParentDataSet         = 0x2002
	ptpTimePropertiesDataSet = 0x2003
	ptpPortDataSet           = 0x2004
	ptpTimeStatusNP          = 0xc000
	ptpPortPropertiesNP      = 0xc004
)

// allPorts is the port number that stands for every port.
const allPorts = 0xffff

// ptpSlave is the state of a port that follows a master.
const ptpSlave = 9

// portState names the state of a port.
func portState(n int) string {
	names := [...]string{"?", "INITIALIZING", "FAULTY", "DISABLED", "LISTENING", "PRE_MASTER", "MASTER", "PASSIVE", "UNCALIBRATED", "SLAVE",
		"GRAND_MASTER"}
	if n < 0 || n >= len(names) {
		n = 0
	}
	return names[n]
}

// Flags of TIME_PROPERTIES_DATA_SET.
const (
	ptpLeap61       = 1 << 0
	ptpLeap59       = 1 << 1
	ptpUTCValid     = 1 << 2
	ptpTimescalePTP = 1 << 3
)

// ptpAsk lays out a request for one data set of one port, or of all, in a domain.
func ptpAsk(id, sequence, port uint16, domain uint8, us uint16) []byte {
	b := make([]byte, ptpHead+ptpTLVHead)
	b[0], b[1], b[4] = ptpManagement, ptpVersion, domain
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[28:], us)
	binary.BigEndian.PutUint16(b[30:], sequence)
	b[32], b[33] = ptpControl, ptpInterval
	for i := 34; i < 42; i++ {
		b[i] = 0xff // whichever clock answers here
	}
	binary.BigEndian.PutUint16(b[42:], port)
	b[46] = ptpGet
	binary.BigEndian.PutUint16(b[48:], ptpTLVManagement)
	binary.BigEndian.PutUint16(b[50:], 2) // the id alone
	binary.BigEndian.PutUint16(b[52:], id)
	return b
}

// ptpIsFor tells whether a datagram is an answer to the request of that sequence number and id.
func ptpIsFor(b []byte, id, sequence, us uint16) bool {
	if len(b) < ptpHead+ptpTLVHead || b[0]&0x0f != ptpManagement || b[46]&0x0f != ptpResponse ||
		binary.BigEndian.Uint16(b[30:]) != sequence || binary.BigEndian.Uint16(b[42:]) != us {
		return false
	}
	switch binary.BigEndian.Uint16(b[48:]) {
	case ptpTLVManagement:
		return binary.BigEndian.Uint16(b[52:]) == id
	case ptpTLVError: // its id stands behind the error
		return len(b) >= ptpHead+8 && binary.BigEndian.Uint16(b[54:]) == id
	}
	return false
}

// ptpBody checks an answer and returns the data behind the id.
func ptpBody(b []byte, length int) ([]byte, error) {
	if len(b) < ptpHead+ptpTLVHead {
		return nil, fmt.Errorf("answer of %d bytes: too short", len(b))
	}
	if b[1]&0x0f != ptpVersion {
		return nil, fmt.Errorf("answer in version %d of PTP: only %d is understood", b[1]&0x0f, ptpVersion)
	}
	if binary.BigEndian.Uint16(b[48:]) != ptpTLVManagement {
		return nil, fmt.Errorf("refused with error %d of management", binary.BigEndian.Uint16(b[52:]))
	}
	if whole := int(binary.BigEndian.Uint16(b[2:])); whole > len(b) || whole < ptpHead+ptpTLVHead+length {
		return nil, fmt.Errorf("answer of %d bytes that says %d: %d are wanted", len(b), whole, ptpHead+ptpTLVHead+length)
	}
	if said := int(binary.BigEndian.Uint16(b[50:])); said < 2+length || said > len(b)-ptpHead-4 {
		return nil, fmt.Errorf("data of %d bytes: %d are wanted", said, 2+length)
	}
	return b[ptpHead+ptpTLVHead:], nil
}

// ptpStatus is what TIME_STATUS_NP says.
type ptpStatus struct {
	offset  int64 // of the clock that is kept to its master, ns
	ingress int64 // when the last message that told the time came in, ns, by the clock that is kept; 0: none
	present bool
}

func decodeTimeStatus(b []byte) (s ptpStatus, err error) {
	if b, err = ptpBody(b, 50); err != nil {
		return s, err
	}
	return ptpStatus{offset: int64(binary.BigEndian.Uint64(b)), ingress: int64(binary.BigEndian.Uint64(b[8:])),
		present: binary.BigEndian.Uint32(b[38:]) != 0}, nil
}

// ptpPort is what PORT_DATA_SET says.
type ptpPort struct {
	state   int
	logSync int // log2 of the seconds between the messages that tell the time, as this port would send them
}

func decodePort(b []byte) (p ptpPort, err error) {
	if b, err = ptpBody(b, 26); err != nil {
		return p, err
	}
	p = ptpPort{state: int(b[10]), logSync: int(int8(b[22]))}
	if p.logSync < -16 || p.logSync > 16 {
		return p, fmt.Errorf("interval between sync messages 2^%d s: 2^-16 to 2^16 are known", p.logSync)
	}
	return p, nil
}

// ptpParent is what PARENT_DATA_SET says of the grandmaster.
type ptpParent struct{ class, accuracy uint8 }

func decodeParent(b []byte) (p ptpParent, err error) {
	if b, err = ptpBody(b, 32); err != nil {
		return p, err
	}
	return ptpParent{class: b[19], accuracy: b[20]}, nil
}

// ptpTime is what TIME_PROPERTIES_DATA_SET says.
type ptpTime struct {
	utcOffset int64 // TAI - UTC, s
	flags     uint8
}

func decodeTime(b []byte) (t ptpTime, err error) {
	if b, err = ptpBody(b, 4); err != nil {
		return t, err
	}
	return ptpTime{utcOffset: int64(int16(binary.BigEndian.Uint16(b))), flags: b[2]}, nil
}

// decodeDelay reads the mean delay of the path, ns, from CURRENT_DATA_SET.
func decodeDelay(b []byte) (int64, error) {
	b, err := ptpBody(b, 18)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(b[10:])) >> 16, nil
}

// decodePorts reads the number of ports from DEFAULT_DATA_SET.
func decodePorts(b []byte) (int, error) {
	b, err := ptpBody(b, 20)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint16(b[2:])), nil
}

// ptpProperties is what PORT_PROPERTIES_NP says.
type ptpProperties struct {
	software bool   // the clock that is kept is the system's
	network  string // interface
}

func decodeProperties(b []byte) (p ptpProperties, err error) {
	if b, err = ptpBody(b, 13); err != nil {
		return p, err
	}
	n := int(b[12])
	if n > len(b)-13 || n > 64 {
		return p, fmt.Errorf("name of an interface of %d bytes: too long", n)
	}
	return ptpProperties{software: b[11] == 0, network: string(b[13 : 13+n])}, nil
}

// accuracyOf gives the accuracy that a grandmaster says it has, ns; one that is said to be worse than 10 s, or not at all, counts as
// unsaidAccuracy.
func accuracyOf(code uint8) int64 {
	table := [...]int64{25, 100, 250, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 1_000_000, 2_500_000, 10_000_000, 25_000_000,
		100_000_000, 250_000_000, 1_000_000_000, 10_000_000_000} // from 0x20, IEEE 1588-2008 table 6
	switch {
	case code >= 0x17 && code < 0x20: // of the edition of 2019: better than 25 ns
		return table[0]
	case code >= 0x20 && int(code) < 0x20+len(table):
		return table[code-0x20]
	case code == 0x31:
		return 100_000_000_000
	}
	return unsaidAccuracy
}
