// Package evidence packs what a run leaves behind, and verifies and replays it later without the controller.
//
// Start with [Pack], which makes a package of a finished run's directory, [Verify], which checks one, and [Replay], which feeds
// its inputs to the engine again and compares every decision. A package is a directory:
//
//	journal/       the journal itself, as package journal wrote it
//	files/         recipe, mapping and calibration, byte for byte as they were approved
//	events.tsv     one line for each record: number, leaf, link, body, parted by tabs
//	samples/       <meter_window_id>.tsv for each closed window: time, raw value, quality
//	notes/         <size>.note for each signed head: a C2SP signed note; the last one covers all records
//	keys/          <key id>.pem for each key that the records name: what openssl takes to verify the notes
//	derived/       events.csv and events.jsonl: the records for spreadsheets and queries, with hash_prev and hash_curr
//	manifest.json  what the package holds, what it proves and what it does not
//	verify.sh      verifies sums, chain and signatures with bash, coreutils and openssl, and nothing of ours
//	verify.py      the same with Python
//	SHA256SUMS     digests of all other files, for sha256sum -c
//
// [Export] makes an extract, a package of its own: the rows of all records, so that the chain holds, and the bodies of those that
// a [Query] means. [Select] hands over the records themselves. [Why] explains one of them, and [WhyStep] a step, by the records that
// led there.
//
// The rule that must not be broken: a package says no more than its records do. All in it can be made again from the records and
// the governed files, and whatever differs is found and named by record or file. What cannot be proven is said in words.
//
// A reader may bring witnesses to a verification, [VerifyWith]: keys of which he knows whose they are, and the controller's device
// journal, in which the heads of journals are kept.
//
// The package signs nothing, anchors nothing and repairs nothing. Only Pack, WriteFiles and WriteNote write, and only below the directory
// that they were given. Only [Release] removes a package, and only by a record.
package evidence

import "errors"

// Format is the version of the package's layout that this build writes and reads.
const Format = 2

// Limits of a package. What is beyond them is refused.
const (
	MaxFiles    = 100_000         // files and directories in a package
	MaxBytes    = int64(16 << 30) // bytes of all files together
	MaxEvents   = int64(4 << 30)  // bytes of events.tsv, and of one file in samples/
	MaxDerived  = int64(8 << 30)  // bytes of one file in derived/
	MaxManifest = 4 << 20         // bytes of manifest.json
	maxGoverned = 24              // files in files/: as many device profiles as a tag map may have, and the rest
	maxWindows  = 10_000          // metering windows of a batch
	maxLine     = 20 + 2*65 + 2   // bytes of a line of events.tsv, without its body
	maxName     = 4096            // bytes of a path within a package
	maxSums     = 16 << 20        // bytes of SHA256SUMS
	maxSegment  = 64 << 20        // bytes of one file of the journal
	maxProgram  = 1 << 20         // bytes of verify.sh and of verify.py
)

// What is refused, to be told apart with errors.Is.
var (
	// ErrNoPackage says that a directory holds no evidence package.
	ErrNoPackage = errors.New("evidence: no evidence package")
	// ErrOther says that a directory holds a package or files of another batch.
	ErrOther = errors.New("evidence: directory holds evidence of another batch")
	// ErrJournal says that a journal cannot be packed because it is damaged or not there.
	ErrJournal = errors.New("evidence: journal cannot be packed")
	// ErrNoDevice says that a directory which was named as that of the device journal holds none.
	ErrNoDevice = errors.New("evidence: no device journal")
	// ErrChain says that a package's records do not form one chain, so that they cannot be replayed.
	ErrChain = errors.New("evidence: chain broken")
)

// The names in a package.
const (
	journalDir    = "journal"
	segmentsDir   = "journal/segments"
	quarantineDir = "journal/quarantine"
	filesDir      = "files"
	samplesDir    = "samples"
	eventsName    = "events.tsv"
	manifestName  = "manifest.json"
	sumsName      = "SHA256SUMS"
	derivedDir    = "derived"
	csvName       = "derived/events.csv"
	jsonlName     = "derived/events.jsonl"
	verifyShName  = "verify.sh"
	verifyPyName  = "verify.py"
	lockName      = "journal/lock"
	tempSuffix    = ".tmp"
	sampleSuffix  = ".tsv"
	segmentSuffix = ".seg"
)
