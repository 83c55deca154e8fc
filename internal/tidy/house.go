// The picture of the house: floors, edges, modules, grades, limits and names, as tables.

package tidy

// floors lists the packages from the ground up. A package may import any package of a floor below its own. A name that
// ends in /* stands for every package beneath; "." is the module's front page.
var floors = []floor{
	{"0", []string{"metering/quantity", "iomap/tag", "journal/record",
		"internal/strictyaml", "internal/oneline", "internal/golden", "internal/script", "internal/tidy", "internal/vmbed/guest", "internal/vmbed/pid1"}},
	{"1", []string{"hal", "hal/linux", "hal/sim", "hal/fault", "hal/haltest", "hal/tpm"}},
	{"2", []string{"timebase", "timebase/system", "timebase/timetest"}},
	{"3", []string{"metering", "iomap", "iomap/cond", "journal", "journal/export", "journal/journaltest", "fieldbus/opcua/internal/chunk"}},
	{"4", []string{"recipe", "recipe/library", "recipe/sound", "recipe/chart", "recipe/batchml", "fieldbus", "fieldbus/line", "fieldbus/opcua", "fieldbus/opcua/server", "fieldbus/*"}},
	{"5", []string{"sequencer", "internal/grow"}},
	{"6a", []string{"batch", "batch/unitrun", "batch/jobs", "batch/executive/arbiter", "batch/executive/equipment", "batch/executive/roster"}},
	{"6b", []string{"batch/runner", "batch/evidence", "batch/executive/ledger", "batch/executive/api"}},
	{"6c", []string{"batch/executive/wire", "batch/executive/host", "batch/executive/registry", "batch/report", "batch/scada", "batch/batchtest", "batch/store", "batch/store/storetest"}},
	{"6d", []string{"batch/executive", "batch/executive/production", "batch/executive/bus", "batch/executive/gate", "batch/evidence/hub"}},
	{"6e", []string{"batch/operator", "batch/acceptance"}},
	{"7", []string{"examples/*", ".", "internal/crashlab", "internal/vmbed"}},
}

// namedEdges lists the imports that do not go down and are allowed all the same.
var namedEdges = []edge{
	{"journal/record", "metering/quantity", "decimals are written by one function"},
	{"hal/*", "hal", "they carry out or check the contracts that hal declares"},
	{"hal/sim", "timebase", "the simulated plant runs on the house's Clock"},
	{"timebase/*", "timebase", "they carry out the Clock that timebase declares"},
	{"iomap", "iomap/cond", "a mapping holds interlocks, and an interlock is a condition"},
	{"iomap", "metering", "a meter of a mapping has one of the methods of metering"},
	{"journal/*", "journal", "they read what journal writes"},
	{"recipe/*", "recipe", "they govern and exchange recipes"},
	{"fieldbus/*", "fieldbus", "a device driver serves the connection that fieldbus keeps"},
	{"fieldbus/trend", "journal", "a ring lies on the storage that journal asks for, and its cursor in slots of journal; it writes no record"},
	{"fieldbus/modbus", "fieldbus/line", "its tests put a device on a line"},
	{"fieldbus/opcua", "fieldbus/line", "its tests put a device on a line"},
	{"fieldbus/opcua/server", "fieldbus/opcua", "client and server have the same certificates, trust and policies"},
	{"fieldbus/scale", "fieldbus/line", "its tests put an instrument on a line"},
	{"fieldbus/bustest", "fieldbus/line", "the suite holds a driver against the contract that line declares"},
	{"batch/runner", "batch/evidence", "a run leaves its package"},
	{"batch/store/storetest", "batch/store", "a suite holds a plant, and its tests the stores, against what they promise"},
	{"batch/executive/host", "batch/executive/wire", "a runner reaches its outputs by the I/O process"},
}

// reserved lists the packages that only a given floor and those above it may import; below it, the shared nouns of
// floor 0 are spoken instead. Tests are not bound by it.
var reserved = []reserve{
	{"journal", "6a"},
}

// testOnly lists what a test file may import beside its own floor and those below it. A file of an external test
// package that declares an Example may import any package of the house.
var testOnly = []string{"internal/golden", "hal/sim", "hal/haltest", "timebase/timetest", "batch/batchtest"}

// modules lists the third-party packages, by import path prefix, and where they may be imported; any other is refused.
var modules = []module{
	{prefix: "golang.org/x/sys", in: []string{"hal/linux", "timebase/system", "journal", // journal: file locks, cache control
		"internal/crashlab", "internal/vmbed", "internal/vmbed/pid1", "internal/vmbed/guest"}}, // they are or test the inside of a Linux
	{prefix: "github.com/goburrow/serial", in: []string{"hal/linux"}},
	{prefix: "github.com/goburrow/modbus", tests: true}, // the control of campaigns: a client that is fooled
	{prefix: "github.com/tarm/serial", in: []string{"hal/linux"}},
	{prefix: "github.com/warthog618/go-gpiocdev", in: []string{"hal/linux"}},
	{prefix: "github.com/gopcua/opcua", in: []string{"fieldbus/opcua", "fieldbus/opcua/server", "fieldbus/opcua/internal/chunk"}},
	{prefix: "github.com/simonvetter/modbus", in: []string{"fieldbus/modbus/server"}},
	{prefix: "github.com/looplab/fsm", in: []string{"recipe/library"}, tests: true},
	{prefix: "github.com/santhosh-tekuri/jsonschema/v6", tests: true}, // the schemas for editors are held against the parsers
	{prefix: "github.com/stretchr/testify/require", tests: true},
	{prefix: "go.yaml.in/yaml/v3", in: []string{"internal/strictyaml"}},
	{prefix: "github.com/expr-lang/expr", in: []string{"recipe"}},
	{prefix: "golang.org/x/mod/sumdb/note", in: []string{"journal"}},
	{prefix: "golang.org/x/mod/sumdb/tlog", tests: true},                            // the tree is held against it
	{prefix: "github.com/google/go-tpm/tpm2", in: []string{"hal/tpm"}, tests: true}, // tests elsewhere bring a key of their own
	{prefix: "github.com/nats-io/nats.go", in: []string{"batch/executive/bus", "batch/evidence/hub"}},
	{prefix: "github.com/nats-io/nats-server/v2/server", in: []string{"batch/executive/bus"}, tests: true},
	{prefix: "github.com/nats-io/nkeys", in: []string{"batch/executive/bus"}, tests: true},
	{prefix: "github.com/anishathalye/porcupine", tests: true}, // histories of logs are held against it
	{prefix: "modernc.org/sqlite", in: []string{"batch/store"}},
	{prefix: "github.com/jackc/pgx/v5", in: []string{"batch/store"}},
	{prefix: "golang.org/x/term", in: []string{"examples/*"}},
}

// grades says what a package's code may do; tests are not bound by it. A package that is not listed is blocking.
var grades = []gradeRow{
	{pure, []string{"recipe", "recipe/sound", "recipe/chart", "metering", "metering/quantity", "iomap", "iomap/tag", "iomap/cond", "journal/record",
		"sequencer", "batch", "batch/unitrun", "batch/jobs", "batch/executive/arbiter", "batch/executive/equipment", "batch/executive/roster", "timebase", "fieldbus"}},
	{starting, []string{"fieldbus/opcua", "fieldbus/opcua/server"}}, // a subscription and a server go on by themselves, until Close
	{blocking, []string{"journal", "journal/export", "fieldbus/*", "hal/linux", "hal/tpm", "recipe/library",
		"batch/store", "batch/evidence", "batch/batchtest", "batch/executive/ledger"}},
	{starting, []string{"batch/scada", "batch/runner", "batch/executive", "batch/executive/wire", "batch/executive/host", "batch/executive/registry", "batch/executive/api", "batch/executive/bus", "batch/executive/gate", "batch/executive/production", "batch/evidence/hub", "batch/store/storetest", "batch/operator", "examples/*", "hal/sim", "hal/haltest", "timebase/system",
		"internal/crashlab", "internal/vmbed"}},
}

// impure lists the standard packages, with all beneath them, that pure code may not import, except in the packages named.
var impure = []impurity{
	{path: "context", except: []string{"iomap/tag", "timebase", "batch/executive/arbiter"}}, // they declare the contracts Port, Clock and Log
	{path: "io/fs", except: []string{"batch", "recipe"}},                                    // they load from a file system they were handed
	{path: "os"}, {path: "io/ioutil"}, {path: "path/filepath"}, {path: "syscall"}, {path: "net"},
	{path: "sync"}, {path: "log"},
	{path: "math/rand"}, {path: "crypto/rand"}, {path: "hash/maphash"},
}

// pureNames lists the standard packages of which pure code may use only some names.
var pureNames = []nameRow{
	{path: "time", only: []string{"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}},
	{path: "time", in: "timebase", only: []string{"Unix", "UTC", "Time", "RFC3339", "RFC3339Nano"}},
	{path: "math", only: []string{"MaxInt", "MinInt", "MaxInt8", "MinInt8", "MaxInt16", "MinInt16", "MaxInt32",
		"MinInt32", "MaxInt64", "MinInt64", "MaxUint", "MaxUint8", "MaxUint16", "MaxUint32", "MaxUint64"}},
}

// floatTypes are the types whose arithmetic may differ between architectures.
var floatTypes = []string{"float32", "float64", "complex64", "complex128"}

// maxFileLines and maxFuncLines are the sizes that fit the reader, tests included. A function counts from func to its
// closing brace.
const (
	maxFileLines = 500
	maxFuncLines = 70
)

// stdMethods are the methods whose signatures the standard library sets (errors, database/sql, fmt, container/heap).
var stdMethods = []string{"As", "Scan", "Format", "Push", "Pop"}

// drawers are the directory names that say nothing about what lies in them.
var drawers = []string{"util", "utils", "common", "types", "helpers", "misc"}

// topLevel is all that may lie in the module's root, beside names that begin with a dot and directories that .gitignore
// names.
var topLevel = []string{"recipe", "batch", "sequencer", "metering", "timebase", "iomap", "journal", "fieldbus", "hal",
	"examples", "internal", "go.mod", "go.sum", "doc.go", "README.md", "LICENSE", "ARCHITECTURE.md", "CHANGELOG.md"}

// marks are the words of unfinished work; written in two parts, so that this file does not hold them.
var marks = []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}
