// Hostile cells, slots and keys: whatever they hold, with checksums that are right, is refused or is what was written.

package journal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
)

// hostileChip is a chip with one slot, which is that of journal J.
func hostileChip(t testing.TB) (*sim.Board, *Anchor) {
	b, err := sim.NewBoard(1, &sim.BoardOptions{FRAMSize: 32 << 10})
	require.NoError(t, err)
	require.NoError(t, FormatChip(b.FRAM(), 1, 0, ""))
	c, err := OpenChip(b.FRAM(), "")
	require.NoError(t, err)
	a, err := c.Take("J")
	require.NoError(t, err)
	return b, a
}

func put(t testing.TB, a *Anchor, data []byte, off int64) {
	_, err := a.chip.f.WriteAt(data, off)
	require.NoError(t, err)
}

// resealed makes the checksums of heads and ring right.
func resealed(data []byte, sum uint32) {
	for at := 0; at+markSize <= len(data) && at < slotHeads; at += markApart {
		copy(data[at:], markMagic)
		binary.LittleEndian.PutUint32(data[at+markCRC:], crc32.Checksum(data[at:at+markCRC], castagnoli))
	}
	for at := slotHeads; at+ringHead < len(data); {
		n := int(binary.LittleEndian.Uint32(data[at:]))
		if n < 1 || n > MaxBody || ringSize(n) > len(data)-at {
			at += maxTear
			continue
		}
		one := data[at:][:ringSize(n)]
		binary.LittleEndian.PutUint32(one[4:], frameSum(sum, one[:len(one)-ringTag]))
		at += len(one)
	}
}

func FuzzASlotThatIsHostile(f *testing.F) {
	var c Chain
	c.Add([]byte("one"))
	end, sum := c, ringSum("J", 1)
	heads := make([]byte, slotHeads)
	copy(heads, (&mark{id: "J", generation: 1, epoch: 1, segment: 1, at: c, accepted: 3}).encode(nil))
	ring := appendRinged(nil, 2, 1, []byte("two"))
	ring = appendRinged(ring, 3, 1, []byte("three"))
	last := sealRinged(ring, sum, c)
	f.Add(append(heads, ring...), false)
	f.Add(append(heads, ring...), true)
	b, a := hostileChip(f)
	defer b.Close()
	blank := make([]byte, slotHeads+a.ring)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		data = data[:min(len(data), len(blank))]
		if seal {
			resealed(data, sum)
		}
		put(t, a, blank, a.base)
		put(t, a, data, a.base)
		m, err := a.recall()
		require.NoError(t, err)
		r := reader{rec: found{memory: m}}
		r.rec.JournalID, r.rec.Head, r.rec.Epoch, r.rec.Segment, r.rec.Outcome = "J", end, 1, 1, Clean
		at := end
		r.fn = func(seq uint64, body []byte, c Chain) error {
			at.Add(body)
			require.Equal(t, at, c)
			return nil
		}
		r.compare()
		require.NoError(t, r.hold())
		require.Equal(t, at, r.rec.Head)
		if r.rec.Head.N > last.N && r.rec.Outcome == Clean {
			t.Log("more was taken over than was written: whoever writes the chip can deceive")
		}
		require.Equal(t, m.state == AnchorHeld, m.headed())
	})
}

func TestOnlyAHeadThatEncodeWroteIsOne(t *testing.T) {
	for _, id := range []string{"J", strings.Repeat("x", maxJournalID)} {
		m := mark{id: id, generation: 5, epoch: 2, segment: 3, at: Chain{N: 7, Link: Leaf(nil)}, accepted: 9, flags: flagClean}
		whole := m.encode(nil)
		got, ok := decodeMark(whole)
		require.True(t, ok)
		require.Equal(t, m, got)
		for i := range whole {
			whole[i] ^= 0x10
			_, ok := decodeMark(whole)
			require.False(t, ok, "byte %d", i)
			whole[i] ^= 0x10
		}
	}
	for _, generation := range []uint64{0, 1<<64 - 1} {
		_, ok := decodeMark((&mark{id: "J", generation: generation}).encode(nil))
		require.False(t, ok, "behind %d there is none", generation)
	}
}

func TestWhichHeadIsBelieved(t *testing.T) {
	b, a := hostileChip(t)
	defer b.Close()
	own := func(g uint64) []byte { return (&mark{id: "J", generation: g, at: Chain{N: g}}).encode(nil) }
	foreign := (&mark{id: "K", generation: 9}).encode(nil)
	bad, none := []byte("bkhead01"), []byte{}
	for i, c := range []struct {
		heads [2][]byte
		state AnchorState
		mark  uint64
		copy  int
		notes int
	}{
		{[2][]byte{none, none}, AnchorNew, 0, 1, 0}, {[2][]byte{bad, none}, AnchorUnreadable, 0, 1, 1},
		{[2][]byte{none, bad}, AnchorUnreadable, 0, 1, 1}, {[2][]byte{bad, bad}, AnchorUnreadable, 0, 1, 2},
		{[2][]byte{own(1), none}, AnchorHeld, 1, 0, 0}, {[2][]byte{none, own(1)}, AnchorHeld, 1, 1, 0},
		{[2][]byte{own(2), none}, AnchorHeld, 2, 0, 1}, {[2][]byte{own(2), own(3)}, AnchorHeld, 3, 1, 0},
		{[2][]byte{own(4), own(3)}, AnchorHeld, 4, 0, 0}, {[2][]byte{own(4), own(2)}, AnchorHeld, 4, 0, 1},
		{[2][]byte{own(2), foreign}, AnchorHeld, 2, 0, 1}, {[2][]byte{foreign, own(2)}, AnchorHeld, 2, 1, 1},
		{[2][]byte{foreign, none}, AnchorForeign, 0, 1, 1}, {[2][]byte{own(2), bad}, AnchorHeld, 2, 0, 1},
	} {
		put(t, a, make([]byte, slotHeads), a.base)
		put(t, a, c.heads[0], a.base)
		put(t, a, c.heads[1], a.base+markApart)
		m, err := a.recall()
		require.NoError(t, err)
		require.Equal(t, c.state, m.state, i)
		require.Equal(t, c.mark, m.mark.at.N, i)
		require.Equal(t, c.copy, m.copy, "%d: the other copy is the one that is written next", i)
		require.Len(t, m.notes, c.notes, "%d: %q", i, m.notes)
	}
}

func TestOnlyATableThatFitsItsChipIsOne(t *testing.T) {
	const chip = 32 << 10
	good := table{generation: 1, chip: chip, slot: 4 << 10, ids: []string{"J", ""}}
	_, ok := decodeTable(good.encode(), chip)
	require.True(t, ok)
	_, ok = decodeTable((&table{generation: 1, chip: chip, slot: 8 << 10, saved: 1536, ids: []string{""}}).encode(), chip)
	require.True(t, ok)
	for i := range tableSize {
		b := good.encode()
		b[i] ^= 0x10
		_, ok := decodeTable(b, chip)
		require.False(t, ok, "byte %d", i)
	}
	four := []string{"", "", "", ""}
	for _, bad := range []table{
		{chip: chip - 1, slot: 4 << 10, ids: four}, {chip: chip, slot: 256, ids: four}, {chip: chip, slot: 0, ids: four},
		{chip: chip, slot: -4096, ids: four}, {chip: chip, slot: 1 << 62, ids: four}, {chip: chip, slot: 8 << 10, ids: four},
		{chip: chip, slot: 1000, ids: four}, {chip: chip, slot: 4 << 10}, {chip: chip, slot: 512, ids: []string{"a b"}},
		{chip: chip, slot: 512, ids: []string{strings.Repeat("x", maxJournalID+1)}},
		{chip: chip, slot: 8 << 10, saved: 2048, ids: []string{""}}, {chip: chip, slot: 8 << 10, saved: 512, ids: []string{""}},
		{chip: chip, slot: 8 << 10, saved: 1100, ids: []string{""}}, {chip: chip, slot: 8 << 10, saved: -1024, ids: []string{""}},
		{chip: chip, slot: 8 << 10, saved: 1 << 62, ids: []string{""}},
	} {
		_, ok := decodeTable(bad.encode(), chip)
		require.False(t, ok, "%+v", bad)
	}
	b := good.encode()
	binary.LittleEndian.PutUint32(b[64:], 1<<31)
	binary.LittleEndian.PutUint32(b[tableCRC:], crc32.Checksum(b[:tableCRC], castagnoli))
	_, ok = decodeTable(b, chip)
	require.False(t, ok, "an id that is longer than the table")
}

func TestOfTwoTablesTheNewerOneCounts(t *testing.T) {
	for newer := range 2 {
		b, a := hostileChip(t)
		t1, _, err := a.chip.table()
		require.NoError(t, err)
		t1.generation, t1.ids = t1.generation+1, []string{"K"}
		put(t, a, t1.encode(), int64(newer)*tableSize)
		ids, err := a.chip.Journals()
		require.NoError(t, err)
		require.Equal(t, []string{"K"}, ids, newer)
		require.NoError(t, b.Close())
	}
}

func TestATagIsOfOneRecordOfOneEpochOfOneJournal(t *testing.T) {
	sum := ringSum("J", 1)
	require.NotEqual(t, sum, ringSum("J", 2))
	require.NotEqual(t, sum, ringSum("K", 1))
	ring := make([]byte, 80)
	putTag(ring[72:], sum, 5)
	require.True(t, bears(ring, sum, 5), "at the end of the ring, too")
	for _, seq := range []uint64{4, 6, 5 + 1<<32} {
		require.False(t, bears(ring, sum, seq))
	}
	require.False(t, bears(ring, ringSum("J", 2), 5))
}

func FuzzATableThatIsHostile(f *testing.F) {
	b, a := hostileChip(f)
	defer b.Close()
	table := make([]byte, 2*tableSize)
	require.NoError(f, readCells(a.chip.f, table, 0))
	f.Add(table, false)
	f.Add(table, true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		copy(table, data)
		for i := range 2 {
			if one := table[i*tableSize:][:tableSize]; seal {
				copy(one, chipMagic)
				binary.LittleEndian.PutUint32(one[tableCRC:], crc32.Checksum(one[:tableCRC], castagnoli))
			}
		}
		put(t, a, table, 0)
		c, err := OpenChip(a.chip.f, "")
		if err != nil {
			require.ErrorIs(t, err, ErrChip)
			return
		}
		for _, id := range []string{"J", "K"} {
			got, err := c.Take(id)
			if err != nil {
				require.ErrorIs(t, err, ErrNoSlot)
				continue
			}
			require.GreaterOrEqual(t, got.base, int64(2*tableSize))
			require.LessOrEqual(t, got.base+slotHeads+int64(got.ring), a.chip.f.Size())
			_, err = got.recall()
			require.NoError(t, err)
			require.NoError(t, c.Release(id))
		}
	})
}

func TestACheckpointThatWriteDoesNotMakeIsNone(t *testing.T) {
	s := &Checkpoints{id: "J"}
	whole, _ := s.encode(&Checkpoint{Generation: 3, Head: Chain{N: 5}, Payload: []byte("state")})
	for n := range len(whole) {
		_, why := s.decode(whole[:n])
		require.Equal(t, n < checkpointHeader+5, why != "", n)
	}
	for what, change := range map[string]func(b []byte){
		"version": func(b []byte) { b[8] = 0 }, "no state": func(b []byte) { b[64] = 0 }, "long id": func(b []byte) { b[15] = 0xFF },
		"behind the id": func(b []byte) { b[73] = 1 }, "after no record": func(b []byte) { b[24] = 0 }, "no generation": func(b []byte) { b[16] = 0 },
		"another id": func(b []byte) { b[72] = 'K' },
	} {
		b := bytes.Clone(whole)
		change(b)
		sum := slotSum(b, int(b[64]))
		copy(b[checkpointSum:], sum[:])
		_, why := s.decode(b)
		require.NotEmpty(t, why, what)
	}
}

func FuzzACheckpointThatIsHostile(f *testing.F) {
	s := &Checkpoints{id: "J"}
	whole, _ := s.encode(&Checkpoint{Generation: 3, Head: Chain{N: 5, Link: Leaf(nil)}, Payload: []byte("state")})
	f.Add(whole, true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal && len(data) >= checkpointHeader {
			copy(data, checkpointMagic)
			binary.LittleEndian.PutUint32(data[8:], formatVersion)
			if size := binary.LittleEndian.Uint64(data[64:]); size <= uint64(len(data)-checkpointHeader) {
				sum := slotSum(data, int(size))
				copy(data[checkpointSum:], sum[:])
			}
		}
		if c, why := s.decode(data); why == "" {
			again, digest := s.encode(&c)
			require.Equal(t, digest, c.Digest)
			require.Equal(t, again[:checkpointHeader+len(c.Payload)], data[:checkpointHeader+len(c.Payload)])
		}
	})
}

func FuzzAPublicKeyIsReadInOneForm(f *testing.F) {
	for _, k := range []*Key{edKey(f, 1), p256Key(f)} {
		f.Add(k.Public().SPKI())
		f.Add(k.Public().PEM())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := ParsePublicKey(data); err == nil {
			require.Equal(t, data, k.SPKI())
			k.verify(data, data)
			again, err := ParsePEM(k.PEM())
			require.NoError(t, err)
			require.True(t, again.Equal(k))
		} else {
			require.ErrorIs(t, err, ErrKey)
		}
		if k, err := ParsePEM(data); err == nil {
			require.Equal(t, strings.TrimSpace(string(k.PEM())), strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n")))
		}
	})
}

func TestAKeyOfAnOddCurveOrPointIsRefusedAndACopyIsTaken(t *testing.T) {
	x, y := big.NewInt(1), big.NewInt(1)
	for _, k := range []*ecdsa.PublicKey{nil, {}, {Curve: elliptic.P256()}, {Curve: elliptic.P256(), X: x}, {Curve: elliptic.P256(), X: x, Y: y},
		{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, {Curve: elliptic.P256().Params(), X: x, Y: y}} {
		_, err := NewPublicKey(k)
		require.ErrorIs(t, err, ErrKey)
	}
	_, err := NewPublicKey(ed25519.PublicKey{1, 2})
	require.ErrorIs(t, err, ErrKey)
	raw := append(ed25519.PublicKey(nil), edKey(t, 1).public.key.(ed25519.PublicKey)...)
	k, err := NewPublicKey(raw)
	require.NoError(t, err)
	clear(raw)
	require.Equal(t, edKey(t, 1).public, k)
}

func TestAProtectionThatIsNoneIsNotTheBestOne(t *testing.T) {
	require.Empty(t, Protection(9).String())
	_, err := NewKey(device, SecureElement+1, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	require.ErrorIs(t, err, ErrKey)
}

func TestAPEMFileWithAnythingBesideItsBlockIsRefused(t *testing.T) {
	text := string(edKey(t, 1).Public().PEM())
	for _, good := range []string{text, strings.ReplaceAll(text, "\n", "\r\n"), "\n" + text + "\n\n"} {
		_, err := ParsePEM([]byte(good))
		require.NoError(t, err)
	}
	for _, bad := range []string{"a word before\n" + text, "-----BEGIN X-----\n" + text, strings.Replace(text, "KEY-----\n", "KEY-----\nA: b\n\n", 1),
		strings.Replace(text, "\nM", "\n M", 1)} {
		_, err := ParsePEM([]byte(bad))
		require.ErrorIs(t, err, ErrKey, "%q", bad)
	}
}

// twin returns a second P-256 signature of what sig signs, made without the key.
func twin(t *testing.T, sig []byte) []byte {
	var pair struct{ R, S *big.Int }
	_, err := asn1.Unmarshal(sig, &pair)
	require.NoError(t, err)
	pair.S.Sub(elliptic.P256().Params().N, pair.S)
	out, err := asn1.Marshal(pair)
	require.NoError(t, err)
	return out
}

// withSignature puts another signature, its key's id before it, into a note.
func withSignature(text string, sig []byte) string {
	return text[:strings.LastIndexByte(text, ' ')+1] + base64.StdEncoding.EncodeToString(sig) + "\n"
}

func TestTheTwinOfAP256SignatureProvesTheSameHeadAndNoOther(t *testing.T) {
	k := p256Key(t)
	text, err := SignHead(k, someHead(5))
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text[strings.LastIndexByte(text, ' ')+1:]))
	require.NoError(t, err)
	other := withSignature(text, append(raw[:4:4], twin(t, raw[4:])...))
	require.NotEqual(t, text, other)
	n, err := ReadNote(other)
	require.NoError(t, err)
	require.NoError(t, n.Verify(device, k.Public()), "a note is what it says, and not its bytes")
	require.Equal(t, someHead(5).Text(), n.Text)
	for _, sig := range [][]byte{append(raw[:len(raw):len(raw)], 0), raw[:5], raw[:len(raw)-1]} {
		n, err := ReadNote(withSignature(text, sig))
		require.NoError(t, err)
		require.ErrorIs(t, n.Verify(device, k.Public()), ErrNote)
	}
}

func TestANoteOfOneJournalIsNoNoteOfAnother(t *testing.T) {
	k := edKey(t, 1)
	for _, origin := range []string{"a", "/J", "a/", "a/J 1", "a/J\n", "ä/J", "a+b/J", "a/J+1", "a/" + strings.Repeat("x", maxJournalID+1)} {
		_, err := SignHead(k, &Head{Origin: origin})
		require.ErrorIs(t, err, ErrNote, "%q", origin)
		_, err = SignKeyEvent(origin, KeyProvisioned, k, nil)
		require.ErrorIs(t, err, ErrNote, "%q", origin)
	}
	_, err := SignHead(k, &Head{Origin: Origin("plant.example/line-1", "J-1")})
	require.NoError(t, err, "what stands behind the last slash is the journal")
	text, err := SignKeyEvent("a/J", KeyProvisioned, k, nil)
	require.NoError(t, err)
	n, err := ReadNote(text)
	require.NoError(t, err)
	require.ErrorIs(t, CheckKeyEvent(n, "a/K", KeyProvisioned, device, k.public, "", nil), ErrNote)
	_, err = n.Head()
	require.ErrorIs(t, err, ErrNote)
}

func TestARotationThatOnlyTheNewKeyHasSignedIsNone(t *testing.T) {
	k := edKey(t, 1)
	raw, err := sign(keyStatement("a/J", KeyRotated, k.public, nil), k)
	require.NoError(t, err)
	n, err := ReadNote(raw)
	require.NoError(t, err)
	require.ErrorIs(t, CheckKeyEvent(n, "a/J", KeyRotated, device, k.public, "", nil), ErrNote)
	for _, state := range []KeyState{"", "lost", "provisioned\nx"} {
		_, err := SignKeyEvent("a/J", state, k, nil)
		require.ErrorContains(t, err, "no state of a key")
		require.ErrorContains(t, CheckKeyEvent(n, "a/J", state, device, k.public, "", nil), "no state of a key")
	}
}
