// Operations: what is written into the log of an arbiter, and nothing else decides.

package arbiter

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/batchkit/batchkit/internal/oneline"
)

// Limits of what a book takes. What is beyond one is refused, and nothing is cut off.
const (
	MaxText      = 400     // bytes of a name, a reason or a message
	MaxSet       = 256     // pieces of equipment of one operation
	MaxOwners    = 64      // batches that may have one piece at a time
	MaxEquipment = 1 << 16 // pieces of equipment
	MaxBatches   = 1 << 16 // batches that have claims, groups or keys
	MaxClaims    = 1024    // claims of a batch that stand
	MaxGroups    = 4096    // groups of partners
	MaxPartners  = 64      // batches of one group
	MaxMessages  = 255     // messages of one group that nobody has taken
	MaxWaits     = 256     // messages that one batch waits for
	MaxMarks     = 64      // nodes that have a mark
	MaxOp        = 64 << 20
)

// MaxToken is the greatest number that a Floor may give: no log is long enough to count from there to the end.
const MaxToken = 1 << 60

// ErrOp: bytes that are no operation, or an operation that cannot be written.
var ErrOp = errors.New("arbiter: no operation")

// OpKind is what is asked of a book.
type OpKind uint8

// The kinds of operations.
const (
	Request OpKind = iota + 1 // a batch asks for a whole set: Batch, ID, Step, Equipment, Priority. What its step asked for before ends
	Release                   // it gives back a claim, by ID, and with Step all that the step asked for before by lower numbers
	Leave                     // a batch is gone for good: its claims, waits and keys end; for its messages as Quit of all groups
	Raise                     // each grant of Batch, with Equipment each that has some of it, gets a new token: who had the old one is refused at the wire
	Force                     // a person takes Equipment from who has it, with Batch from that one, by a new token that nobody has: Actor, Role, Reason
	Reorder                   // a person puts the waiting claim of Batch and ID to Place, 1 for who is next: Actor, Role, Reason
	Floor                     // tokens go on above Token: the wire has seen greater ones
	Post                      // a batch sends Message to Group, where one other partner takes it: Batch, Key
	Take                      // a batch takes the oldest message of Group that another has sent, "" or Message, or waits for one: Batch, Key
	Meet                      // a batch waits at Message of Group until Partners batches do, itself among them: Batch, Key
	Forget                    // a batch waits for a message no longer; it may ask with the same Key again: Batch, Key
	Join                      // a batch is a partner of Group from now on: Batch
	Whole                     // the whole book, in State: what stands before it in the log may go
	Stock                     // each of Equipment may be had by Owners batches at a time, 0: it is not arbitrated; Retired: nobody gets it any more
	Quit                      // a batch is no partner of Group any more, "" of any: who waits for its messages is released with Reason
	Mark                      // the node Batch has on record what all operations up to Place came to, of Token last, and has given ID numbers to batches; Key is the life of who says so; Retired: a person strikes it out: Actor, Role, Reason
)

// kindNames are the words of kinds in a log.
var kindNames = [...]string{"", "request", "release", "leave", "raise", "force", "reorder", "floor", "post", "take", "meet", "forget", "join",
	"whole", "stock", "quit", "mark"}

// String is the word of a kind.
func (k OpKind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// MarshalText implements encoding.TextMarshaler.
func (k OpKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *OpKind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i < 1 {
		return fmt.Errorf("%w: kind %.40q is not known", ErrOp, text)
	}
	*k = OpKind(i)
	return nil
}

// Op is one operation. What does not belong to its kind is empty.
type Op struct {
	Kind      OpKind   `json:"op"`
	At        int64    `json:"at,omitempty"` // UTC in ns since 1970, by who asks; 0: not known. It orders nothing
	Batch     string   `json:"batch,omitempty"`
	ID        uint32   `json:"claim,omitempty"`     // claim within the batch; the same number is the same claim
	Step      string   `json:"step,omitempty"`      // element of the recipe that asks
	Equipment []string `json:"equipment,omitempty"` // equipment_id of each
	Priority  int64    `json:"priority,omitempty"`  // of a Request: a greater one comes before, among equals the earlier
	Place     int64    `json:"place,omitempty"`
	Token     uint64   `json:"token,omitempty"`
	Owners    int      `json:"owners,omitempty"`
	Retired   bool     `json:"retired,omitempty"`
	Group     string   `json:"group,omitempty"` // messages: who may send to whom
	Message   string   `json:"message,omitempty"`
	Key       string   `json:"key,omitempty"` // names one message action of a batch for ever, so that what is said twice counts once; of a Mark: NodeMark.Life
	Partners  int      `json:"partners,omitempty"`
	Actor     string   `json:"actor,omitempty"` // who asks, where that is a person
	Role      string   `json:"role,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	State     []byte   `json:"state,omitempty"`
}

// Append appends the operation as one line of JSON, the only one that ParseOp takes for it. What a book would refuse for its form
// alone, and what has more than MaxOp bytes, is ErrOp, and nothing is appended.
func (o *Op) Append(dst []byte) ([]byte, error) {
	if err := o.check(); err != nil {
		return dst, fmt.Errorf("%w: %s: %w", ErrOp, o.Kind, err)
	}
	return oneline.Append(dst, o, MaxOp, ErrOp)
}

// ParseOp reads what Append wrote, and nothing else: other spellings of the same operation are ErrOp, too.
func ParseOp(line []byte) (Op, error) { return oneline.Parse[Op](line, MaxOp, ErrOp) }

// check refuses what no book takes, whatever stands in it.
func (o *Op) check() error {
	if o.Kind == 0 || int(o.Kind) >= len(kindNames) {
		return errors.New("its kind is not known; set Kind")
	}
	for _, f := range [...]struct{ name, text string }{{"batch", o.Batch}, {"step", o.Step}, {"group", o.Group}, {"message", o.Message}, {"key", o.Key},
		{"actor", o.Actor}, {"role", o.Role}, {"reason", o.Reason}} {
		if err := checkText(f.name, f.text); err != nil {
			return err
		}
	}
	if len(o.Equipment) > MaxSet {
		return fmt.Errorf("it names %d pieces of equipment; at most %d are taken", len(o.Equipment), MaxSet)
	}
	for i, id := range o.Equipment {
		if id == "" || slices.Contains(o.Equipment[:i], id) {
			return fmt.Errorf("equipment %q is empty or named twice; name each once", id)
		}
		if err := checkText("equipment", id); err != nil {
			return err
		}
	}
	if len(o.State) > MaxOp/4*3-1024 {
		return fmt.Errorf("state has %d bytes; at most %d are taken", len(o.State), MaxOp/4*3-1024)
	}
	return o.checkKind()
}

// checkKind refuses an operation that lacks what its kind needs.
func (o *Op) checkKind() error {
	needs := func(there bool, what string) error {
		if there {
			return nil
		}
		return errors.New(what)
	}
	batch := needs(o.Batch != "", "batch is missing; say whose it is")
	set := needs(len(o.Equipment) > 0, "equipment is missing; name it")
	claim := needs(o.ID > 0, "claim is 0; number claims from 1")
	actor := needs(o.Actor != "", "actor is missing; say which person orders it")
	key := needs(o.Key != "" && o.Group != "", "key or group is missing; name the action, and the group of its partners")
	switch o.Kind {
	case Request:
		return cmp.Or(batch, claim, set)
	case Release:
		return cmp.Or(batch, claim)
	case Leave, Raise, Quit:
		return batch
	case Force:
		return cmp.Or(set, actor)
	case Reorder:
		return cmp.Or(batch, claim, actor, needs(o.Place > 0, "place is less than 1; 1 is who is next"))
	case Floor:
		return needs(o.Token <= MaxToken, "token is beyond 1<<60; look at who wrote it to the wire")
	case Post, Take, Forget:
		return cmp.Or(batch, key)
	case Meet:
		return cmp.Or(batch, key, needs(o.Partners >= 2 && o.Partners <= MaxPartners, "partners is not 2 to 64"))
	case Join:
		return cmp.Or(batch, needs(o.Group != "", "group is missing; name it"))
	case Mark:
		return cmp.Or(needs(o.Batch != "", "batch is missing; name the node"), needs(o.Place > 0 || o.Retired, "place is less than 1; operations are numbered from 1"),
			needs(o.Retired || o.Token <= uint64(o.Place), "token is greater than place; it is the last of the operations that are on record"),
			needs(!o.Retired || o.Actor != "", "actor is missing; say which person strikes the node out"))
	case Stock:
		return cmp.Or(set, needs(o.Owners >= 0 && o.Owners <= MaxOwners, "owners is not 0 to 64"))
	}
	return nil
}

// checkText refuses a text that is too long or no UTF-8.
func checkText(name, text string) error {
	if len(text) > MaxText || !utf8.ValidString(text) {
		return fmt.Errorf("%s has %d bytes, or is no UTF-8; at most %d are taken", name, len(text), MaxText)
	}
	return nil
}
