// Link: what becomes of the way to one device. A pure machine.

package fieldbus

// LinkState is the state of a link (watchdog_state).
type LinkState uint8

// The states. Control writes are let through in Up and Degraded alone; what is read counts as GOOD there alone.
const (
	Down       LinkState = iota // no connection; the next try has a time
	Connecting                  // one is tried
	Syncing                     // connected: every control tag is read once before any counts
	Up
	Degraded // connected, and answers are missing: fewer than what demotes it
	Doubt    // a reply is owed: nothing counts until the device has proved what it answers to
	Demoted  // it has left the scan for a while, so that it does not slow the others of its line
	linkStates
)

var linkStateNames = [linkStates]string{"DOWN", "CONNECTING", "SYNCING", "UP", "DEGRADED", "DOUBT", "DEMOTED"}

// String gives the name that records use in watchdog_state; "" for what is no state.
func (s LinkState) String() string {
	if s < linkStates {
		return linkStateNames[s]
	}
	return ""
}

// LinkConfig is what is declared of a link. Times in ns; zeros, and what is below zero, stand for the defaults in brackets.
type LinkConfig struct {
	First, Longest int64  // least pause before a try to connect that follows one (200 ms), and the longest (30 s)
	Seed           uint64 // of the jitter, with the device's name: controllers of one network want seeds of their own, lest all come back at once
	Demote         int    // misses in a row after which the device is demoted (3), or, of one alone on its connection, the connection is given up
	DemotedFor     int64  // (10 s); what comes back has one try until it is synced
	Alone          bool   // the connection is its own: a device that is missed is reconnected and not demoted
	Owes           bool   // a late reply may be taken for another's (RTU): a miss is doubt, and so is each new connection
	Reconnect      int64  // declared; 0: nothing is declared
	Silence        int64  // without a valid reply for so long it is missed (watchdog); 0: never
	Steady         int64  // without a miss for so long a link that is Degraded is Up again by its next valid reply (10 s)
	Paths          int    // ways to it (1); more than one can fail over
}

// LinkEventKind says what happened on a link.
type LinkEventKind uint8

// What may happen.
const (
	Opened   LinkEventKind = iota + 1 // the connection stands
	Refused                           // it could not be made, or was lost: Detail says why
	Synced                            // every control tag was read once
	Answered                          // a valid reply came
	Missed                            // no reply, or none that counts, in its time
	Proved                            // the device has proved what it answers to
	Carrier                           // the interface of the path in Path has lost its carrier
	Held                              // a batch holds the device (Count 1), or does not any more (0): no fail-back meanwhile
	Tick                              // time has come
	Foreign                           // it is not the device that was meant: Detail says which it is
	linkEvents
)

// LinkEvent is one thing that happened.
type LinkEvent struct {
	Kind   LinkEventKind
	Path   int
	Count  int // Synced: tags that were read; Held
	Detail string
}

// LinkEffectKind says what is to be done, or told.
type LinkEffectKind uint8

// What a link wants done.
const (
	Open  LinkEffectKind = iota + 1 // connect by Path
	Close                           // close the connection
	Sync                            // read every control tag, then say Synced
	Probe                           // have the device prove what it answers to, then say Proved or Missed
	Tell                            // Event belongs on record
)

// LinkEffect is one consequence.
type LinkEffect struct {
	Kind  LinkEffectKind
	Path  int
	Event Event
}

// EventKind is the kind of an Event.
type EventKind uint8

// What is told of a bus.
const (
	LinkChanged  EventKind = iota + 1 // link_state: the state of a link has changed
	LinkFailover                      // link_failover_event
	Resynced                          // resync_complete_event
	SLABroken                         // link_state: a link is down for longer than was declared
	WriteTold                         // bus_write: a write was blocked, or its outcome is unknown, or was found by reading back
	PointChanged                      // point_quality: a point came to be BAD, or GOOD again, while its link is up
	Measured                          // bus_measures: how long control took
	Backlog                           // telemetry_backlog: what was buffered, sent, acknowledged, dropped
)

// Event is something of a bus that belongs on record. Fields that a kind does not have are zero.
type Event struct {
	Kind                                  EventKind
	At                                    int64 // monotonic ns on the line's clock
	Device                                string
	Channel                               string
	Old, New                              LinkState // of LinkChanged; New of SLABroken and of a write: how the link is
	Cause                                 string
	Status                                Status
	From, To                              string // Failover: paths
	Reconnects                            uint64 // reconnect_count: never goes back
	Took                                  int64  // ns: in the old state; from loss to now (Resynced, SLABroken, LinkFailover: gap); latency (Measured: the greatest)
	Age                                   int64  // ns: since the last valid reply, of a write, a point: since its value was read as GOOD; -1: never
	Limit                                 int64  // ns: what was declared; latency_budget; of a write, a point: stale budget
	Count                                 int64  // Resynced: tags; Measured: exchanges
	Over                                  int64  // Measured: exchanges over the budget
	WriteID                               uint32
	Outcome                               string // WriteTold: CONFIRMED, REFUSED, UNKNOWN
	Buffered, Sent, Acknowledged, Dropped int64  // Backlog
}
