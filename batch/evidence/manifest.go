// The manifest: what a package holds, said once, in the canonical form of records.

package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
)

// Manifest is manifest.json: keys sorted, no white space, 64-bit counters as decimal strings. All of it can be made again from
// the rest of the package, except JournalOutcome where journal/ was left out.
type Manifest struct {
	Anchor         string           `json:"anchor"` // where the head of the chain is kept besides; "none"
	BatchID        string           `json:"batch_id"`
	BatchState     string           `json:"batch_state"`   // last state of the batch
	Bodies         uint64           `json:"bodies,string"` // records whose bodies are there; in an extract the rest are left out
	Derived        []string         `json:"derived"`       // files that are made of the records and prove nothing themselves
	DeviceID       string           `json:"device_id"`
	DryRun         bool             `json:"dry_run,omitempty"` // nothing was driven
	Ending         string           `json:"ending"`            // outputs_safe, outputs_not_confirmed, engine_fault; "" where the run has not ended
	Engine         int64            `json:"engine"`            // engine number that decided
	EquipmentID    string           `json:"equipment_id"`
	Files          []ManifestFile   `json:"files"` // in the order in which the records bind them
	FirstSeq       uint64           `json:"first_seq,string"`
	Format         int              `json:"format"` // of the package
	JournalID      string           `json:"journal_id"`
	JournalOutcome string           `json:"journal_outcome"` // what reading the journal came to: CLEAN or TORN_TAIL
	LastLink       string           `json:"last_link"`       // link of the last record, hex
	LastSeq        uint64           `json:"last_seq,string"`
	NotProven      []string         `json:"not_proven"` // what the package cannot show, in words
	Proven         []string         `json:"proven"`     // what it shows where Verify finds no fault, in words
	Selection      *Query           `json:"selection"`  // which bodies an extract holds; null where the package is whole
	Unapproved     bool             `json:"unapproved"` // the batch ran without approval
	Unsafe         []string         `json:"unsafe"`     // outputs that were not confirmed to be safe when the run ended
	Windows        []ManifestWindow `json:"windows"`    // closed windows, in the order in which they opened
}

// ManifestFile is one governed file.
type ManifestFile struct {
	ApprovalID    string `json:"approval_id"` // "" where nobody approved it
	Digest        string `json:"digest"`      // SHA-256, hex
	Name          string `json:"name"`        // base name in files/
	ObjectID      string `json:"object_id"`
	ObjectKind    string `json:"object_kind"` // recipe, mapping, calibration, tag_map or device_profile
	ObjectVersion string `json:"object_version"`
}

// ManifestWindow is one closed metering window.
type ManifestWindow struct {
	Digest        string `json:"digest"` // SHA-256 of its sample file, hex
	MeterWindowID string `json:"meter_window_id"`
	Name          string `json:"name"` // base name in samples/
	Samples       uint64 `json:"samples,string"`
}

// manifest makes the manifest of the records that were seen.
func (r *records) manifest(head journal.Chain, outcome string) *Manifest {
	engine, _ := strconv.ParseInt(r.text(record.Engine), 10, 64)
	m := &Manifest{Anchor: "none", BatchID: r.text(record.BatchID), BatchState: r.state, Bodies: r.n,
		Derived: derivedNames(), DeviceID: r.text(record.DeviceID),
		DryRun: r.dry(), Ending: r.ending(), Engine: engine, EquipmentID: r.text(record.EquipmentID), Files: []ManifestFile{}, FirstSeq: min(head.N, 1), Format: Format,
		JournalID: r.text(record.JournalID), JournalOutcome: outcome, LastLink: head.Link.String(), LastSeq: head.N,
		NotProven: r.notProven(unanchored(), r.signed.notProven()), Proven: append(r.proven(), r.signed.proven()...),
		Unapproved: r.unapproved(), Unsafe: []string{}, Windows: []ManifestWindow{}}
	if r.end != nil {
		m.Unsafe = append(m.Unsafe, r.end.Texts(record.Values)...)
	}
	for _, b := range r.bound {
		m.Files = append(m.Files, ManifestFile{ApprovalID: b.approval.ID, Digest: b.digest, Name: b.file, ObjectID: b.id,
			ObjectKind: b.kind, ObjectVersion: b.version})
	}
	for _, w := range r.windows.closed() {
		m.Windows = append(m.Windows, ManifestWindow{Digest: w.digest(), MeterWindowID: w.id, Name: w.id + sampleSuffix, Samples: w.samples})
	}
	return m
}

// encode gives the bytes of manifest.json.
func (m *Manifest) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("evidence: %s: %w", manifestName, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// parseManifest reads manifest.json and refuses what encode would not have written.
func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	again, err := m.encode()
	if err == nil && !bytes.Equal(again, data) {
		err = fmt.Errorf("it is not in canonical form")
	}
	return &m, err
}

// difference names the first key in which two manifests differ; key is "" where there is none.
func difference(is, want []byte) (key, isValue, wantValue string) {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(is, &a) != nil || json.Unmarshal(want, &b) != nil {
		return "", "", ""
	}
	for k := range b {
		if !bytes.Equal(a[k], b[k]) && (key == "" || k < key) {
			key, isValue, wantValue = k, string(a[k]), string(b[k])
		}
	}
	return key, isValue, wantValue
}
