// Tests of the command on packages that the runner has made of the demo.

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/batch/evidence"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/runner"
	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/sequencer"
)

// demoRun runs the demo in virtual time, with a fault if one is given, and leaves its package.
func demoRun(t *testing.T, seed uint64, fault ...string) (dir string) {
	t.Helper()
	plan, err := batch.Load(os.DirFS("../controller/demo"), "recipe.yaml", "map.yaml", nil)
	require.NoError(t, err)
	b, err := plan.Bind("B-0001", "", batch.Unapproved, &batch.BindOptions{Seed: seed})
	require.NoError(t, err)
	plant := sim.NewPlant(seed)
	opt := &runner.Options{Virtual: &runner.Virtual{},
		Ask: func(r *runner.Runner, p runner.Prompt) { _ = r.Answer(p.ID, "ok", "auto", "operator") }}
	if len(fault) > 0 {
		f, err := sim.ParseFault(fault[0], fault[1:])
		require.NoError(t, err)
		f.At = 4_000_000_000
		require.NoError(t, plant.Fault(f))
		if f.Kind == sim.Refuse {
			opt.Schedule = []runner.Scheduled{{At: 9_000_000_000, Do: func(r *runner.Runner) {
				_ = r.Tell(runner.Command{Command: sequencer.Abort, Operator: "op1", Reason: "the valve does not answer"})
			}}}
		}
	}
	dir = filepath.Join(t.TempDir(), "B-0001")
	_, err = runner.Run(context.Background(), b, runner.Rig{Port: plant, Dir: dir}, opt)
	if err != nil && !errors.Is(err, runner.ErrOutputs) {
		require.ErrorIs(t, err, runner.ErrNobody, "seed %d", seed)
	}
	return dir
}

// command runs the command and returns what it printed.
func command(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestAWholePackageVerifiesAndReplays(t *testing.T) {
	dir := demoRun(t, 1)
	code, out, errs := command("verify", dir)
	require.Equal(t, exitOK, code, out+errs)
	require.Equal(t, 12, strings.Count(out, "ok    "))
	require.True(t, strings.HasSuffix(out, "\nran without approval; verified, 12 checks hold; no anchor, no signature\n"), out)
	require.Equal(t, 1, strings.Count(out, "ran without approval"))
	require.NotContains(t, out, "ATTENTION")
	require.Contains(t, out, "batch B-0001 is Complete")
	require.Contains(t, out, "not proven:")
	require.Contains(t, out, "no anchor")

	code, out, errs = command("replay", dir)
	require.Equal(t, exitOK, code, out+errs)
	require.Contains(t, out, "decisions compared")
	require.Contains(t, out, "\nran without approval\n")
	require.Contains(t, out, "0 divergences")
}

func TestBatchesInWhichThingsWentWrongVerifyAndReplay(t *testing.T) {
	for seed, fault := range [][]string{{"silent", "ctr/1", "2s"}, {"bad", "ctr/2", "500ms"}, {"frozen", "3s"}, {"slow", "do/1", "1500ms", "5s"},
		{"leak", "A", "3s"}, {"estop", "1s"}, {"nopower", "1s"}} {
		dir := demoRun(t, uint64(seed)+2, fault...)
		code, out, errs := command("verify", dir)
		require.Equal(t, exitOK, code, "%v: %s%s", fault, out, errs)
		code, out, errs = command("replay", dir)
		require.Equal(t, exitOK, code, "%v: %s%s", fault, out, errs)
	}
}

func TestARecordThatWasTouchedIsNamed(t *testing.T) {
	dir := demoRun(t, 1)
	name := filepath.Join(dir, "events.tsv")
	events, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := bytes.SplitAfter(events, []byte{'\n'})
	at := len(bytes.Join(lines[:11], nil)) + len(lines[11])/2
	events[at] ^= 1
	require.NoError(t, os.WriteFile(name, events, 0o640))

	code, out, _ := command("verify", dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "FAIL  chain: record 12: ")
	require.True(t, strings.HasSuffix(out, "\nNOT VERIFIED: 5 of 13 checks failed: sums, chain, records, journal, derived\n"), out)
	require.Equal(t, 1, strings.Count(out, "FAIL  chain"))
	require.NotContains(t, out, "\nproven:")
	code, _, errs := command("replay", dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "record 12")
	require.Contains(t, errs, "see: evidence verify")

	require.NoError(t, os.WriteFile(name, events[:at], 0o640))
	code, out, _ = command("verify", dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "record 12: its line is cut off")
}

func TestARunThatHasNotEndedIsToldLoudlyAndOnce(t *testing.T) {
	dir := demoRun(t, 2, "silent", "ctr/1", "2s")
	code, out, _ := command("verify", dir)
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "\nATTENTION: the run has not ended: last state Held, windows A, B open; ran without approval; ")
	require.Contains(t, out, "what is recorded so far is whole")
	require.Equal(t, 1, strings.Count(out, "the run has not ended"))
	require.NotContains(t, out, " verified")
	code, out, _ = command("replay", dir)
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "\nATTENTION: the run has not ended: ")

	put(t, dir, "manifest.json", []byte("{}"))
	code, out, _ = command("verify", dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "\nATTENTION: the run has not ended: ")
	require.True(t, strings.HasSuffix(out, "\nNOT VERIFIED: 3 of 13 checks failed: sums, chain, manifest\n"), out)
}

func TestOutputsThatWereNotConfirmedSafeAreToldLoudly(t *testing.T) {
	dir := demoRun(t, 1, "refuse", "do/1", "60s")
	for _, verb := range []string{"verify", "replay"} {
		code, out, errs := command(verb, dir)
		require.Equal(t, exitOK, code, out+errs)
		require.Contains(t, out, "\nATTENTION: OUTPUTS NOT CONFIRMED SAFE when the run ended: XV101; ran without approval")
	}
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o640))
}

func TestWordsOfThePackageInErrorsDoNotReachTheTerminalAsTheyAre(t *testing.T) {
	require.Equal(t, "parts at record 9:\n journal \\u202e\\u001b[2J\n engine \\u009b", plain(errors.New("parts at record 9:\n journal \u202e\x1b[2J\n engine \u009b")))
	dir := demoRun(t, 1)
	recipe, err := os.ReadFile(filepath.Join(dir, "files", "recipe.yaml"))
	require.NoError(t, err)
	put(t, dir, "files/recipe.yaml", append(recipe, "\nx: \u202e\u009b31m\n"...))
	for _, verb := range []string{"verify", "replay"} {
		code, out, errs := command(verb, dir)
		require.Equal(t, exitFound, code)
		require.NotContains(t, out+errs, "\u202e")
		require.NotContains(t, out+errs, "\u009b")
	}
}

func TestWhatIsNoPackageIsRefusedWithWhatToDo(t *testing.T) {
	for _, verb := range []string{"verify", "replay"} {
		code, out, errs := command(verb, filepath.Join(t.TempDir(), "nowhere"))
		require.Equal(t, exitFound, code)
		require.Empty(t, out)
		require.Contains(t, errs, "the directory of a batch?")
		code, _, errs = command(verb, t.TempDir())
		require.Equal(t, exitFound, code)
		require.Contains(t, errs, "no evidence package")
		require.Contains(t, errs, "events.tsv")
	}
}

func TestAnythingElseShowsHowItIsUsed(t *testing.T) {
	for _, args := range [][]string{nil, {"verify"}, {"verify", "a", "b"}, {"verify", "-mend", "a"}, {"replay", "a", "b"}, {"mend", "a"}} {
		code, out, errs := command(args...)
		require.Equal(t, exitUsage, code)
		require.Empty(t, out)
		require.Equal(t, usage, errs)
	}
	for _, args := range [][]string{{"-h"}, {"query", "-help"}} {
		code, out, errs := command(args...)
		require.Equal(t, exitOK, code)
		require.Equal(t, usage, out+errs)
	}
}

func TestAnExtractIsExportedVerifiesAndIsQueried(t *testing.T) {
	dir, to := demoRun(t, 1), filepath.Join(t.TempDir(), "x")
	code, out, errs := command("export", dir, to, "kind=window_stop", "kind=command")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `: 3 of \d+ records with their bodies: kind=command kind=window_stop\nexport_ref [0-9a-f]{64}\n$`, out)
	_, ref, _ := strings.Cut(out, "\n")
	code, out, errs = command("verify", to)
	require.Equal(t, exitOK, code, out+errs)
	require.Contains(t, out, ref, "the same export_ref")
	require.Equal(t, 4, strings.Count(out, "open  "))
	for _, line := range []string{"V0 sums: HOLDS", "V1 chain: HOLDS", "V2 tree and signatures: NONE", "V3 anchors: NONE", "V4 semantics: IN PART"} {
		require.Contains(t, out, "\n"+line)
	}
	require.NotContains(t, out, "ATTENTION", "how the run ended is not known")

	for _, from := range []string{dir, to, filepath.Join(dir, "journal")} {
		code, out, errs = command("query", from, "meter_window_id=A", "kind=window_stop")
		require.Equal(t, exitOK, code, errs)
		require.Equal(t, 1, strings.Count(out, "\n"))
		require.Equal(t, from == to, strings.Contains(errs, "is an extract: of "), errs)
		part := strings.Split(strings.TrimSuffix(out, "\n"), "\t")
		require.Len(t, part, 5)
		leaf := sha256.Sum256([]byte("\x00" + part[4]))
		require.Equal(t, hex.EncodeToString(leaf[:]), part[2])
		link := sha256.Sum256([]byte(part[0] + "\n" + part[1] + "\n" + part[2] + "\n"))
		require.Equal(t, hex.EncodeToString(link[:]), part[3])
	}
	for _, args := range [][]string{{"query", dir, "colour=red"}, {"export", dir, to}, {"export", dir, filepath.Join(to, "y"), "seq=0"}} {
		code, out, errs = command(args...)
		require.Equal(t, exitFound, code)
		require.Empty(t, out)
		require.NotEmpty(t, errs)
	}
}

// keyed writes the public half of a key to a file.
func keyed(t *testing.T, seed byte) string {
	k, err := journal.NewPublicKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)).Public())
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(name, k.PEM(), 0o600))
	return name
}

// deviceOf makes a device journal that keeps one head.
func deviceOf(t *testing.T, rep *evidence.Report, size uint64) string {
	dir := filepath.Join(t.TempDir(), "device")
	w, err := journal.Create(dir, journal.Header{JournalID: "D-1"}, nil)
	require.NoError(t, err)
	var b record.Body
	b.Begin(record.KindHeadAnchored)
	b.Count(record.EventSeq, 1)
	b.Text(record.JournalID, "D-1")
	b.Int(record.Epoch, 1)
	b.Count(record.TsMonoNS, 1)
	b.Text(record.SyncState, "UNSET")
	b.Text(record.TimeSource, "")
	b.Text(record.DeviceID, "CTRL-1")
	b.Text(record.AnchoredJournalID, rep.JournalID)
	b.Count(record.HeadSize, size)
	b.Text(record.HeadLink, rep.Link)
	body, err := b.Append(nil)
	require.NoError(t, err)
	require.NoError(t, w.Append(1, body))
	require.NoError(t, w.Close())
	return dir
}

func TestAKeyAndADeviceJournalAreWitnesses(t *testing.T) {
	dir := demoRun(t, 1)
	rep, err := evidence.Verify(dir)
	require.NoError(t, err)
	code, out, errs := command("verify", "-device", deviceOf(t, rep, rep.Records), dir)
	require.Equal(t, exitOK, code, out+errs)
	require.Contains(t, out, "\nV3 anchors: HOLDS")
	require.Contains(t, out, ", which are all, are those whose head record 1 of device journal D-1 keeps; it is CLEAN, and no signed head")
	code, out, _ = command("verify", "-device", deviceOf(t, rep, rep.Records+1), dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "tail lost")
	code, out, _ = command("verify", "-trust", keyed(t, 1), "-trust", keyed(t, 2), dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "FAIL  signatures: no head is signed by a key that was given")

	code, _, errs = command("verify", "-device", t.TempDir(), dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "a controller keeps its device journal in out/device")
	put(t, dir, "no.pem", []byte("no key"))
	code, _, errs = command("verify", "-trust", filepath.Join(dir, "no.pem"), dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "as openssl pkey -pubout writes it")
}

func TestReconcileSaysWhatItWantsAndWhatIsNotThere(t *testing.T) {
	code, _, errs := command("reconcile", "x", "-device", "y", "-window", "A")
	require.Equal(t, exitUsage, code)
	require.Regexp(t, "^evidence: reconcile wants DIR first, then -device, -by and -reason, and either -csv, or -window and -total\n", errs)
	code, _, errs = command("reconcile", "x", "-device", "y", "-csv", filepath.Join(t.TempDir(), "none.csv"), "-by", "ann", "-reason", "late")
	require.Equal(t, exitFound, code)
	require.Regexp(t, "^evidence: -csv: open .*none.csv", errs)
	require.NotContains(t, errs, "the directory of a batch")
}

func TestALedgerOfAProcessIsVerifiedAndListed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manager")
	l, err := ledger.Open(dir, "board-1", "manager", nil)
	require.NoError(t, err)
	_, err = l.Append(func(b *record.Body) {
		b.Begin(record.KindHeadAnchored)
		b.Text(record.AnchoredJournalID, "J-1")
		b.Count(record.HeadSize, 7)
		b.Text(record.HeadLink, strings.Repeat("ab", 32))
	})
	require.NoError(t, err)
	for beside := range 2 { // while it is written, and after that
		code, out, errs := command("verify", dir)
		require.Equal(t, exitOK, code, errs)
		require.Regexp(t, "^journal manager-[0-9a-f]{16} of board-1: 1 records, last link [0-9a-f]{64}.*; none is signed\nnot proven: that nothing was cut off", out)
		code, out, errs = command("query", dir, "kind=head_anchored")
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, "J-1")
		if beside == 0 {
			require.NoError(t, l.Close())
		}
	}
	code, out, _ := command("verify", "-trust", keyed(t, 1), dir)
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "no head is signed by a key that was given")
	names, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
	require.NoError(t, err)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	at := bytes.Index(data, []byte("abab"))
	require.Positive(t, at)
	data[at] = 'c'
	require.NoError(t, os.WriteFile(names[0], data, 0o600))
	code, out, _ = command("verify", dir)
	require.Equal(t, exitFound, code, out)
	require.Contains(t, out, "NOT VERIFIED")
}
