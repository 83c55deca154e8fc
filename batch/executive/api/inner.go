// What the processes say to each other.

package api

import "github.com/batchkit/batchkit/batch/executive/equipment"

// Claim is what a runner asks of the manager, or gives back: it is said again until the manager has taken it, and means the same then.
type Claim struct {
	Batch     string   `json:"batch_id"`
	ID        uint32   `json:"claim"`
	Step      string   `json:"step_id,omitempty"`
	Equipment []string `json:"equipment,omitempty"`
}

// Ruling is an event of /v1/rulings: what the manager says of a claim or a message. When the stream begins it says all that stands.
type Ruling struct {
	Kind      string   `json:"kind"` // granted, queued, refused; delivered, unanswered
	ID        uint32   `json:"claim,omitempty"`
	Equipment []string `json:"equipment,omitempty"`
	Token     uint64   `json:"token,omitempty"`
	Place     int64    `json:"place,omitempty"`
	Owner     string   `json:"owner,omitempty"`
	Since     int64    `json:"since_ns,omitempty"`
	Key       string   `json:"key,omitempty"`
	Message   string   `json:"message,omitempty"`
	From      string   `json:"from,omitempty"`
	Reason    string   `json:"reason,omitempty"`
}

// Message is a message action of a batch: post, take, meet, or forget (it waits no longer).
type Message struct {
	Batch    string `json:"batch_id"`
	Do       string `json:"do"`
	Group    string `json:"group"`
	Message  string `json:"message,omitempty"`
	Partners int    `json:"partners,omitempty"`
	Key      string `json:"key"` // names this one action for ever
}

// Binding is what a batch is bound to, by the runtime server.
type Binding struct {
	Recipe     string            `json:"recipe_id"`
	Version    string            `json:"recipe_version"`
	Unit       string            `json:"unit"`
	Model      uint64            `json:"equipment_model_version"`
	Main       string            `json:"recipe_file"` // name in Files
	Map        string            `json:"map_file"`
	Files      map[string][]byte `json:"files"` // recipe, map, and all that the map names
	Rights     Rights            `json:"rights"`
	Nodes      []string          `json:"nodes,omitempty"`      // other boards that the map reaches: its channels "n2:..." are those of n2, where n2 is one of these
	Unapproved bool              `json:"unapproved,omitempty"` // no file is held against an approval
	Approvals  []Approval        `json:"approvals,omitempty"`  // otherwise, of each governed file
}

// Approval is under what a governed file may be used.
type Approval struct {
	Kind          string `json:"kind"` // recipe, mapping, calibration, tag_map or device_profile
	ID            string `json:"id"`
	Version       string `json:"version"`
	Digest        string `json:"digest"`
	Approval      string `json:"approval_id"`
	By            string `json:"approved_by"`
	EffectiveFrom int64  `json:"effective_from_ns,omitempty"` // ns UTC; 0: at once
	Expiry        int64  `json:"expiry_ns,omitempty"`         // ns UTC; 0: never
}

// Rights are the security data: who may do what.
type Rights struct {
	Edges []int               `json:"edges,omitempty"` // users of the system that may name an operator and his role
	Local map[string]string   `json:"local,omitempty"` // role of a local user, by UID; "*" is any other
	Roles map[string][]string `json:"roles,omitempty"` // what a role may do: create, command, answer, remove, force_remove, restart, reorder, force_release, change_model, plan; "*" is all
}

// Fence has the I/O process refuse whoever had the equipment before: Token is the new one. With Safe, outputs are driven to their safe values, and
// the answer comes when they are confirmed, or after ten seconds with what is not.
type Fence struct {
	Order
	Equipment []string `json:"equipment"`
	Token     uint64   `json:"token"`
	Batch     string   `json:"batch_id"` // who had it
	Safe      bool     `json:"safe,omitempty"`
}

// Fenced answers a Fence. One that comes under a token that is past changes nothing of that equipment: Greater is then the greatest token that the
// I/O process has seen for any of it, above which another Fence is to be.
type Fenced struct {
	Greater     uint64   `json:"greater_token,omitempty"` // 0: all was fenced
	Confirmed   []string `json:"confirmed,omitempty"`     // channel=value
	Unconfirmed []string `json:"unconfirmed,omitempty"`   // channel: why
}

// Wire is what the I/O process has.
type Wire struct {
	Equipment []WireEquipment `json:"equipment"`
	Runners   []string        `json:"runners,omitempty"` // batches that are connected
	Lost      string          `json:"lost,omitempty"`    // why the port was lost last
	Floors    bool            `json:"floors,omitempty"`  // of several boards: its manager has told it which tokens were given, so it takes runners of others
}

// WireEquipment is what the I/O process knows of one piece of equipment.
type WireEquipment struct {
	ID       string   `json:"equipment_id"`
	Channels []string `json:"channels"`
	Token    uint64   `json:"token"`
	Batch    string   `json:"batch_id,omitempty"`
	Safe     bool     `json:"safe"` // all its outputs read their safe values
}

// Model is what the runtime server has.
type Model struct {
	Version uint64      `json:"equipment_model_version"`
	Digest  string      `json:"digest"`
	Items   []Equipment `json:"equipment"`
	Recipes []Recipe    `json:"recipes"`
	Rights  Rights      `json:"rights"`
	Aside   []string    `json:"aside,omitempty"` // what was found and not taken, each with the reason
}

// Recipe is a recipe that batches may be made of.
type Recipe struct {
	ID      string   `json:"recipe_id"`
	Version string   `json:"recipe_version"`
	Title   string   `json:"title,omitempty"`
	Units   []string `json:"units"` // those that it can run on

	// Sizes of batches, such as "40 kg": which one has that is not said, and from where to where they go.
	Nominal string `json:"batch_size,omitempty"`
	Min     string `json:"batch_size_min,omitempty"`
	Max     string `json:"batch_size_max,omitempty"`
}

// Equipment is one element of the equipment hierarchy.
type Equipment = equipment.Item

// ModelChange adds, changes, retires or brings back elements, all or none.
type ModelChange struct {
	Order
	equipment.Change
}

// Impact is what a change touches.
type Impact = equipment.Impact
