// Status codes: the published table, and what is read that stands in none.

package unitrun

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodesAreThePublishedOnes(t *testing.T) {
	for _, c := range []struct {
		state  State
		name   string
		code   uint32
		native int
	}{
		{Idle, "Idle", 8388608, 23}, {Created, "Created", 65569, 16}, {Active, "Active", 131171, 17}, {Paused, "Paused", 262241, 18},
		{Ready, "Ready", 1048616, 20}, {Finished, "Finished", 16777264, 24}, {Canceled, "Canceled for restart", 2097444, 21},
	} {
		require.Equal(t, c.name, c.state.String())
		require.EqualValues(t, c.code, c.state.Status(), c.name)
		require.EqualValues(t, 1<<c.native, c.state.Status()&^0xffff, c.name)
		got, odd := Status(c.code).State()
		require.Equal(t, c.state, got)
		require.Empty(t, odd)
		again, ok := ParseState(c.name)
		require.True(t, ok)
		require.Equal(t, c.state, again)
	}
	require.EqualValues(t, 1<<17+MetaTracked+MetaRunning+MetaCreated+MetaStarted, Active.Status(), "the example of the seed")
}

func TestMetaBitsDescribeThePresentStateAlone(t *testing.T) {
	for s := Idle; s < stateCount; s++ {
		code := s.Status()
		require.Equal(t, s == Created || s == Active || s == Paused, code&MetaTracked != 0, s)
		require.Equal(t, code&MetaTracked != 0, s.Tracked(), s)
		require.Equal(t, s == Active, code&MetaRunning != 0, s)
		require.Equal(t, s == Active || s == Paused, code&MetaStarted != 0, "%s: Ready lacks the started bit", s)
		require.Equal(t, s != Idle, code&MetaCreated != 0, s)
		require.Equal(t, s == Ready, code&MetaReady != 0, "%s: Finished lacks the ready bit", s)
		require.Equal(t, s == Canceled, code&(MetaCanceled|MetaRegret) == MetaCanceled|MetaRegret, s)
		require.Zero(t, code&MetaFailure|code&Reserved19|code&Reserved22, "%s: reserved", s)
	}
	require.Zero(t, NoState.Status()+stateCount.Status())
	require.Empty(t, NoState.String()+stateCount.String())
}

func TestCodesOfNoStateAreReadAndTold(t *testing.T) {
	for _, c := range []struct {
		code  uint32
		state State
		odd   string
		text  string
	}{
		{131171, Active, "", "131171: Active, tracked, running, created, started"},
		{131170, Active, "code 131170 has the native bit of Active and not its meta bits, which are 99", "131170: Active, running, created, started"},
		{1<<19 + 0xa0, NoState, "code 524448 has native bit 19, which is reserved", "524448: not known, created, failure"},
		{1<<22 + 0x24, NoState, "code 4194340 has native bit 22, which is reserved", "4194340: not known, canceled, created"},
		{1 << 31, NoState, "code 2147483648 has native bit 31, which no state has", "2147483648: not known"},
		{0, NoState, "code 0 has 0 native bits; a state has one", "0: not known"},
		{3 << 16, NoState, "code 196608 has 2 native bits; a state has one", "196608: not known"},
		{131171 + 1<<15, Active, "code 163939 has the native bit of Active and not its meta bits, which are 99", "163939: Active, tracked, running, created, started"},
	} {
		got, odd := Status(c.code).State()
		require.Equal(t, c.state, got)
		require.Equal(t, c.odd, odd)
		require.Equal(t, c.text, Status(c.code).String())
	}
	_, ok := ParseState("")
	require.False(t, ok)
	got, ok := ParseState("canceled")
	require.True(t, ok)
	require.Equal(t, Canceled, got)
}

func TestAFaultyTableOfStatesIsRefused(t *testing.T) {
	require.NoError(t, states.check())
	for want, spoil := range map[string]func(*rows){
		"unitrun: state 2 has no name":                                     func(r *rows) { r[Created].name = "" },
		"unitrun: Created: code 65570 is not 2^16 + 33":                    func(r *rows) { r[Created].code++ },
		"unitrun: Active: native bit 16 is another state's":                func(r *rows) { r[Active].native, r[Active].code = 16, 1<<16|r[Active].metas },
		"unitrun: Active: native bit 15 or metas 0x63 are no such bits":    func(r *rows) { r[Active].native = 15 },
		"unitrun: Finished: native bit 24 or metas 0x200 are no such bits": func(r *rows) { r[Finished].metas = 1 << 9 },
		"unitrun: Paused: code 524385 has a reserved bit":                  func(r *rows) { r[Paused].native, r[Paused].code = 19, 1<<19|r[Paused].metas },
		"unitrun: Finished: code 16777392 has a reserved bit":              func(r *rows) { r[Finished].metas |= MetaFailure; r[Finished].code |= MetaFailure },
		"unitrun: Canceled for restart: code 2097444 is not 2^22 + 292":    func(r *rows) { r[Canceled].native = 22 },
	} {
		table := states
		spoil(&table)
		require.EqualError(t, table.check(), want)
	}
}
