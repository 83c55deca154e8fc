// The reference that ptp4l stands for: its port, its offset, and whether it is still told the time.

package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/batchkit/batchkit/timebase"
)

// PTPSocket is where ptp4l answers without being configured to.
const PTPSocket = "/var/run/ptp4l"

// TraceableClass is the greatest clock class of a grandmaster that has UTC, or has just lost it (IEEE 1588 table 5: 6 and 7).
const TraceableClass = 7

// unsaidAccuracy counts for a grandmaster that does not say how accurate it is, ns.
const unsaidAccuracy = 100 * int64(time.Microsecond)

// maxPTPPorts is how many ports of ptp4l are looked through for the one that follows a master.
const maxPTPPorts = 16

// PTPOptions are what a reference to ptp4l may be told besides; nil is all zero.
type PTPOptions struct {
	Dir    string // where our own socket lies, which ptp4l must be able to write to; "": beside ptp4l's
	Domain uint8  // of ptp4l
	Class  uint8  // greatest clock class of a grandmaster that is believed; 0: TraceableClass. Above it, its time need not be UTC
	Device string // clock of the network interface, such as /dev/ptp0; "": what the interface of the port says
}

// PTP is a reference of kind PTP, told by ptp4l of linuxptp 3.1 and later. Where that keeps the clock of a network interface, the wall
// clock is held against it by the kernel. One goroutine may use it.
type PTP struct {
	clock timebase.Clock
	at    string
	opt   PTPOptions
	trail trail
}

// NewPTP makes a reference to the ptp4l whose socket lies at that path; "" is PTPSocket. The clock runs at speed 1.
func NewPTP(clock timebase.Clock, at string, opt *PTPOptions) *PTP {
	if at == "" {
		at = PTPSocket
	}
	p := &PTP{clock: clock, at: at}
	if opt != nil {
		p.opt = *opt
	}
	if p.opt.Class == 0 {
		p.opt.Class = TraceableClass
	}
	return p
}

// ptpAnswers is what ptp4l was asked in one reading.
type ptpAnswers struct {
	status ptpStatus
	parent ptpParent
	time   ptpTime
	port   ptpPort // the one that follows a master, else the first
	number uint16  // of it
	delay  int64
	props  ptpProperties
}

// Read implements timebase.Reference; it blocks for at most a second. It is good as long as a port is SLAVE, messages that tell the time
// come in (the newest is no older than four of their intervals and a second), the class of the grandmaster is believed, and what
// lies between its time and UTC is known. Ptp4l itself goes on naming its master and the last offset when that is lost. Heard is when
// the last such message came in. The bound is the mean delay of the path, by which the offset is wrong where all of it lies in one
// direction, the accuracy that the grandmaster says it has, and the width of the window in which two clocks were read.
func (p *PTP) Read(ctx context.Context) (timebase.Reading, error) {
	l, err := call(ctx, p.at, p.opt.Dir)
	if err == nil {
		defer l.close()
		var a ptpAnswers
		if a, err = p.ask(l); err == nil {
			return p.judge(&a), nil
		}
	}
	return timebase.Reading{}, fmt.Errorf("system: ptp4l at %s: %w; is it running, and may this process write to its socket?", p.at, err)
}

// ask asks for all that one reading rests on.
func (p *PTP) ask(l *line) (a ptpAnswers, err error) {
	if a.status, err = ptpCall(p, l, ptpTimeStatusNP, allPorts, decodeTimeStatus); err != nil {
		return a, err
	}
	if a.parent, err = ptpCall(p, l, ptpParentDataSet, allPorts, decodeParent); err != nil {
		return a, err
	}
	if a.time, err = ptpCall(p, l, ptpTimePropertiesDataSet, allPorts, decodeTime); err != nil {
		return a, err
	}
	if a.delay, err = ptpCall(p, l, ptpCurrentDataSet, allPorts, decodeDelay); err != nil {
		return a, err
	}
	ports, err := ptpCall(p, l, ptpDefaultDataSet, allPorts, decodePorts)
	if err != nil {
		return a, err
	}
	for n := range min(ports, maxPTPPorts) {
		port, err := ptpCall(p, l, ptpPortDataSet, uint16(n+1), decodePort)
		if err != nil {
			return a, fmt.Errorf("port %d: %w", n+1, err)
		}
		if n == 0 || port.state == ptpSlave {
			a.port, a.number = port, uint16(n+1)
		}
		if port.state == ptpSlave {
			break
		}
	}
	if a.number == 0 {
		return a, fmt.Errorf("it has no ports")
	}
	a.props, err = ptpCall(p, l, ptpPortPropertiesNP, a.number, decodeProperties)
	return a, err
}

// ptpCall asks for one data set and reads the answer.
func ptpCall[T any](p *PTP, l *line, id, port uint16, decode func([]byte) (T, error)) (answer T, err error) {
	sequence, us := uint16(rand.Uint32()), uint16(os.Getpid())
	b, err := l.ask(ptpAsk(id, sequence, port, p.opt.Domain, us), func(b []byte) bool { return ptpIsFor(b, id, sequence, us) })
	if err == nil {
		answer, err = decode(b)
	}
	if err != nil {
		return answer, fmt.Errorf("data set 0x%04x: %w", id, err)
	}
	return answer, nil
}

// judge makes a reading of what ptp4l said.
func (p *PTP) judge(a *ptpAnswers) (r timebase.Reading) {
	r.Mono, r.UTC = look(p.clock)
	between, why := p.between(a)
	age := int64(0)
	if a.props.software {
		age = r.UTC - a.status.ingress // it is stamped with the wall clock
	}
	switch {
	case a.status.ingress > 0:
		r.Heard = p.trail.heardAt(a.status.ingress, r.Mono, age)
	case p.trail.seen != 0:
		r.Heard = p.trail.heard
	}
	r.Offset = a.status.offset + between.offset
	r.Bound = max(addBound(addBound(max(a.delay, 0), accuracyOf(a.parent.accuracy)), between.bound), 1)
	switch {
	case a.time.flags&ptpLeap61 != 0:
		r.Leap = 1
	case a.time.flags&ptpLeap59 != 0:
		r.Leap = -1
	}
	if r.Why = p.why(a, r.Mono-r.Heard); r.Why == "" {
		r.Why = why
	}
	r.Good = r.Why == ""
	return r
}

// why says why what ptp4l stands for is not good, or nothing.
func (p *PTP) why(a *ptpAnswers, age int64) string {
	sync := int64(time.Second)
	if a.port.logSync >= 0 {
		sync <<= a.port.logSync
	} else {
		sync >>= -a.port.logSync
	}
	switch limit := 4*sync + hearSlack; {
	case a.port.state != ptpSlave:
		return fmt.Sprintf("ptp4l: port %d is %s", a.number, portState(a.port.state))
	case !a.status.present:
		return "ptp4l: no grandmaster"
	case a.status.ingress <= 0:
		return "ptp4l: nothing has told it the time"
	case age > limit:
		return fmt.Sprintf("ptp4l: nothing has told it the time for %s, of %s allowed", short(age), short(limit))
	case a.parent.class > p.opt.Class:
		return fmt.Sprintf("ptp4l: clock class %d of the grandmaster: up to %d is believed", a.parent.class, p.opt.Class)
	case a.time.flags&ptpTimescalePTP == 0 && p.opt.Class <= TraceableClass:
		return "ptp4l: the time of the grandmaster is not that of PTP, and need not be UTC"
	case a.time.flags&ptpTimescalePTP != 0 && a.time.flags&ptpUTCValid == 0:
		return "ptp4l: the grandmaster does not know what lies between its time and UTC"
	}
	return ""
}

// gap is what lies between the wall clock and the clock that ptp4l keeps, once UTC is made of that.
type gap struct{ offset, bound int64 }

// between finds that gap: none where ptp4l keeps the wall clock itself, and then it has made UTC of its master's time.
func (p *PTP) between(a *ptpAnswers) (gap, string) {
	if a.props.software {
		return gap{}, ""
	}
	device := p.opt.Device
	if device == "" {
		var err error
		if device, err = phcOf(a.props.network); err != nil {
			return gap{}, fmt.Sprintf("ptp4l: the clock of interface %s is not found: %v", a.props.network, err)
		}
	}
	g, err := phcGap(device)
	if err != nil {
		return gap{}, fmt.Sprintf("ptp4l: clock %s: %v", device, err)
	}
	if a.time.flags&ptpTimescalePTP != 0 {
		g.offset += a.time.utcOffset * int64(time.Second)
	}
	return g, ""
}
