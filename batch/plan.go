// Package batch is one run of one recipe: recipe, I/O map, tag map, calibration and batch size bound into a pure machine.
//
// Start with [Load], which reads the files and holds them against each other, [Plan.Bind], which makes a [Batch] of them, and
// [Batch.Start], which gives its [Machine]. The loop that feeds a machine with real inputs is package batch/runner; [Replay]
// feeds one from a journal.
//
// The rule that must not be broken: a batch is a pure function of engine number, recipe, mapping, tag map and calibration versions,
// and ordered inputs. Everything that a Machine decides can be decided again from the records of its inputs, byte for byte.
//
// The package touches no disk, device or clock.
package batch

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/recipe/sound"
)

// Engine is the engine number. It grows whenever a released trace would come out differently.
const Engine = 1

// MaxFile is the greatest size of a governed file in bytes.
const MaxFile = 1 << 20

// File is one governed file, as it was read.
type File struct {
	Kind    string // recipe, mapping, calibration, tag_map or device_profile
	Name    string // base name, under which a package keeps it
	ID      string
	Version string
	Data    []byte
	Digest  string // SHA-256 of Data, hex
}

// Plan is a recipe with the map, the calibration and the tag map that it is to run on, read and held against each other.
type Plan struct {
	Recipe      *recipe.Recipe
	Map         *iomap.Map
	Calibration *metering.Calibration
	TagMap      *fieldbus.TagMap    // nil where the map names none
	Files       []File              // recipe, mapping, calibration, tag map, device profiles
	Actions     []recipe.ActionType // OEM action types that the recipe may ask for
	Proof       *sound.Proof        // that the recipe is sound, or NOT PROVED; nil where LoadOptions.Bound is set
}

// LoadOptions are the options of Load. Nil is the same as the zero value.
type LoadOptions struct {
	Actions []recipe.ActionType // OEM action types that recipes may ask for; none by default
	Bound   bool                // a batch is bound to these files already: the recipe is not proved anew
	States  int                 // states that the proof explores at most, 0: sound.DefaultStates
}

// Load reads a recipe file, a map file, the calibration file and the tag map that the map names, beside it, and the device profiles that
// the tag map names, beside that, and holds them against each other: what [fieldbus.Check] finds wrong between map and tag map is refused. The error shows everything that is wrong with one file, each with file, line and column; what is wrong between recipe
// and map is shown once both can be read. Then the recipe is proved to be sound ([sound.Check]), or refused with what leads to its
// getting stuck; whether it could be proved at all is for Plan.Proof to tell.
func Load(fsys fs.FS, recipeFile, mapFile string, opt *LoadOptions) (*Plan, error) {
	p := &Plan{}
	if opt != nil {
		p.Actions = opt.Actions
	}
	src, err := read(fsys, "map", mapFile)
	if err != nil {
		return nil, err
	}
	if p.Map, err = iomap.Parse(mapFile, src); err != nil {
		return nil, err
	}
	calSrc := []byte(nil)
	calFile := ""
	if p.Map.Calibration != "" {
		calFile = path.Join(path.Dir(mapFile), p.Map.Calibration)
		if calSrc, err = read(fsys, "calibration", calFile); err != nil {
			return nil, fmt.Errorf("%w; %s names it, and it is looked for beside that file", err, mapFile)
		}
		if p.Calibration, err = metering.ParseCalibration(calFile, calSrc); err != nil {
			return nil, err
		}
	} else if p.Calibration = (&metering.Calibration{}); len(p.Map.Meters) > 0 {
		return nil, fmt.Errorf("batch: %s: it has meters but names no calibration file; add a line such as \"calibration: calibration.yaml\"", mapFile)
	}
	bus, err := p.buses(fsys, mapFile)
	if err != nil {
		return nil, err
	}
	rsrc, err := read(fsys, "recipe", recipeFile)
	if err != nil {
		return nil, err
	}
	if p.Recipe, err = recipe.Parse(recipeFile, rsrc); err != nil {
		return nil, err
	}
	p.Files = append(p.Files, file("recipe", recipeFile, p.Recipe.ID, p.Recipe.Version, rsrc),
		file("mapping", mapFile, p.Map.ID, p.Map.Version, src))
	if calFile != "" {
		p.Files = append(p.Files, file("calibration", calFile, p.Calibration.ID, p.Calibration.Version, calSrc))
	}
	p.Files = append(p.Files, bus...)
	if err := p.fits(recipeFile, mapFile); err != nil {
		return nil, err
	}
	if err := p.distinct(); err != nil {
		return nil, err
	}
	formula, err := p.Recipe.Resolve(p.Recipe.Nominal)
	if err != nil {
		return nil, err
	}
	c := compiler{plan: p, formula: formula, report: func(n noder, format string, args ...any) { n.Errorf(format, args...) }}
	c.compile()
	if err := p.Recipe.Doc.Err(); err != nil {
		return nil, err
	}
	if opt == nil || !opt.Bound {
		c.prove(opt)
	}
	if err := p.Recipe.Doc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// read reads a whole file; what says in errors what it is read as.
func read(fsys fs.FS, what, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		// The words of the system differ from one to the next and name no remedy.
		return nil, fmt.Errorf("batch: %s %s: %w; check its path", what, name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("batch: %s: %w", what, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("batch: %s %s: it is a directory; name the file in it", what, name)
	}
	buf := make([]byte, MaxFile+1)
	n := 0
	for n < len(buf) {
		k, err := f.Read(buf[n:])
		n += k
		if err != nil {
			break
		}
	}
	if n > MaxFile {
		return nil, fmt.Errorf("batch: %s %s: larger than %d bytes; is it the right file?", what, name, MaxFile)
	}
	if info != nil && info.Size() != int64(n) {
		return nil, fmt.Errorf("batch: %s %s: only %d of %d bytes could be read; check the medium", what, name, n, info.Size())
	}
	return bytes.Clone(buf[:n]), nil // the batch keeps it, and not the room for the largest
}

func file(kind, name, id, version string, data []byte) File {
	sum := sha256.Sum256(data)
	return File{Kind: kind, Name: path.Base(name), ID: id, Version: version, Data: data, Digest: hex.EncodeToString(sum[:])}
}

// distinct refuses names that a package cannot hold, and two files of one name, which it could not keep apart.
func (p *Plan) distinct() error {
	for i := range p.Files {
		if name := p.Files[i].Name; !isFileName(name) {
			return fmt.Errorf("batch: %s file %q: its name goes into the evidence; use at most 100 printable characters, no backslash, no leading dot, "+
				"and no ending .tmp", p.Files[i].Kind, name)
		}
		for k := range p.Files[:i] {
			if p.Files[i].Name == p.Files[k].Name {
				return fmt.Errorf("batch: %s and %s have the same file name %q; rename one", p.Files[k].Kind, p.Files[i].Kind, p.Files[i].Name)
			}
		}
	}
	return nil
}

// Approval is what stands behind a governed file.
type Approval struct {
	ID            string // approval_id
	By            string // approved_by
	EffectiveFrom int64  // ns UTC; 0: at once
	Expiry        int64  // ns UTC; 0: never
}

// Release answers for governed files: Approved returns the approval under which a file may be used, or an error that says why
// it may not. Package recipe/library has the real one.
type Release interface {
	Approved(kind, id, version, digest string) (Approval, error)
}

// Unapproved is the Release that lets everything run and approves of nothing. Every record of a batch that is bound with it
// says so.
const Unapproved unapproved = 0

type unapproved int

// Approved returns an empty approval.
func (unapproved) Approved(kind, id, version, digest string) (Approval, error) {
	return Approval{}, nil
}

// BindOptions are the options of Bind. Nil is the same as the zero value.
type BindOptions struct {
	Operator  string // operator who answers for the batch; "" is "local", local:1000 a user of this board, nats:anna one of the bus
	JournalID string // name of the batch's journal, unique for ever; "" is the batch id
	Seed      uint64 // seed of the simulation that the batch runs on; 0: none, or not told
	RestartOf string // the batch in whose place this one is begun, by a recovery rule; "": none. It begins with the formula of the recipe

	// InFlight is what earlier batches of the recipe have learnt of what runs in: the newest of each window and meter. What this recipe and
	// its equipment have no use for is left out of account. A value outside the recipe's limits is refused with an *InFlightError.
	InFlight []InFlight

	// BlockAge is the time in ns after which an input block is sealed, and so what a cut of the power may lose of the inputs: 100 ms to
	// 10 min; 0: one second. An hour of sixteen tags that are read every 100 ms takes about 1.8 MB of evidence at one second, 310 kB at ten
	// and 150 kB at a minute, where one value in twenty differs from the one before.
	BlockAge int64

	// DryRun has the batch drive nothing: what it would write is on record and reaches no port (runner.Rig.Model says what answers). Every
	// record of the batch says so.
	DryRun bool

	EquipmentModel uint64 // version of the equipment model that the batch is bound to; 0: none, or not told
}

// Batch is a plan bound to a batch id, a size and the approvals of its files. It is never changed after Bind.
type Batch struct {
	ID        string
	JournalID string
	Operator  string
	Size      quantity.Quantity
	Plan      *Plan
	Approvals []Approval // of Plan.Files
	Seed      uint64
	RestartOf string
	DryRun    bool       // it drives nothing
	BlockAge  int64      // ns after which an input block is sealed
	Equipment *Equipment // what names of the recipe stand for on the map
	InFlight  []InFlight // of BindOptions: what its windows work with, in the order of the recipe
	Model     uint64     // BindOptions.EquipmentModel

	unapproved bool
	prog       *program
	formula    recipe.Formula // at Size
}

// Bind makes a batch of a plan. Size is a quantity such as "200 kg", or "" for the recipe's nominal size. The error says which
// limit is broken, or which file may not be used and why.
func (p *Plan) Bind(id, size string, rel Release, opt *BindOptions) (*Batch, error) {
	b := &Batch{ID: id, JournalID: id, Operator: "local", Size: p.Recipe.Nominal, Plan: p, BlockAge: BlockAge}
	if opt != nil {
		b.BlockAge = cmp.Or(opt.BlockAge, BlockAge)
		b.Seed, b.RestartOf, b.DryRun, b.Model = opt.Seed, opt.RestartOf, opt.DryRun, opt.EquipmentModel
		if opt.Operator != "" {
			b.Operator = opt.Operator
		}
		if opt.JournalID != "" {
			b.JournalID = opt.JournalID
		}
	}
	for _, name := range [...][2]string{{"batch id", b.ID}, {"journal id", b.JournalID}, {"operator", person(b.Operator)}} {
		if !isName(name[1]) {
			return nil, fmt.Errorf("batch: %s %q: 1 to 64 letters, digits, '.', '_', '-' are wanted, the first a letter or digit", name[0], name[1])
		}
	}
	if b.BlockAge < 100_000_000 || b.BlockAge > 600_000_000_000 || b.BlockAge%1_000_000 != 0 {
		return nil, fmt.Errorf("batch: block age of %d ns: 100 ms to 10 min, in whole ms, are wanted", b.BlockAge)
	}
	if b.RestartOf != "" && (!isName(b.RestartOf) || b.RestartOf == b.ID) {
		return nil, fmt.Errorf("batch: restart of %q: the id of another batch is wanted", b.RestartOf)
	}
	var inFlight []InFlight
	if opt != nil {
		inFlight = opt.InFlight
	}
	if err := p.history(inFlight); err != nil {
		return nil, err
	}
	if size != "" {
		q, err := quantity.Parse(size)
		if err != nil {
			return nil, fmt.Errorf("batch: size: %w; write it like %q", err, p.Recipe.Nominal)
		}
		b.Size = q
	}
	_, b.unapproved = rel.(unapproved)
	for i := range p.Files {
		f := &p.Files[i]
		a, err := rel.Approved(f.Kind, f.ID, f.Version, f.Digest)
		if err != nil {
			return nil, fmt.Errorf("batch: %s %s %s (%s): %w", f.Kind, f.ID, f.Version, f.Name, err)
		}
		b.Approvals = append(b.Approvals, a)
	}
	formula, err := p.Recipe.Resolve(b.Size)
	if err != nil {
		return nil, fmt.Errorf("batch: size %s: %w", b.Size, err)
	}
	var first error
	c := compiler{plan: p, formula: formula, inFlight: inFlight, report: func(n noder, format string, args ...any) {
		if first == nil {
			first = fmt.Errorf("batch: size %s: %s: %s", b.Size, n.Pos(), fmt.Sprintf(format, args...))
		}
	}}
	b.prog, b.formula = c.compile(), formula
	b.Equipment, b.InFlight = b.prog.equipment, c.taken
	if c.outside != nil {
		return nil, c.outside
	}
	return b, first
}

// isFileName tells whether a package can hold a file of that name: sha256sum has no way to list others.
func isFileName(s string) bool {
	return s != "" && len(s) <= 100 && utf8.ValidString(s) && !strings.HasSuffix(s, ".tmp") && !strings.HasPrefix(s, ".") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) })
}

// What begins the name of a user of this board, and of one of the bus, as an edge of the board has it.
const (
	local = "local:"
	byBus = "nats:"
)

// person is the part of an operator's name that must be a name: that of a user of this board has local before it, and "?" behind that is one who is
// not known; that of one of the bus has byBus before it.
func person(s string) string {
	if user, ok := strings.CutPrefix(s, local); ok {
		return strings.Replace(user, "?", "unknown", 1)
	}
	return strings.TrimPrefix(s, byBus)
}

// isName tells whether s may name a batch, a journal or a person in records and paths.
func isName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
