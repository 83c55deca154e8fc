// Fuzzing of the framer: it never panics, and what it accepts is the literal text of a frame that came in.

package scale

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/iomap/tag"
)

// formats are those of testdata, in the order of their names.
func formats(t testing.TB) (all []*Format) {
	files, err := filepath.Glob("testdata/profiles/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		p, err := fieldbus.ParseProfile(file, src)
		require.NoError(t, err)
		f, err := NewFormat(p)
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// plainly reads the number of a place in another way than the package does: as a fraction, in the resolution of the place.
func plainly(t *testing.T, f *Format, fr *frame, p *place) *big.Rat {
	sp := fr.spans[p.field]
	text := strings.NewReplacer(" ", "", string(f.mark), ".").Replace(string(fr.bytes[sp.from:sp.to]))
	v, ok := new(big.Rat).SetString(text)
	if !ok || strings.ContainsAny(text, "eE/xXpP_") {
		t.Fatalf("%q is no number", text)
	}
	ten := big.NewRat(10, 1)
	if f.decimals != nil {
		for n := f.decimals.of(fr) + f.fixed; n != 0; {
			if n > 0 {
				v.Quo(v, ten)
				n--
			} else {
				v.Mul(v, ten)
				n++
			}
		}
	}
	if f.is(negative, fr) && f.frame.fields[p.field] == "weight" {
		v.Neg(v)
	}
	gain := big.NewRat(p.gain.Coef, 1)
	for range p.gain.Scale {
		gain.Quo(gain, ten)
	}
	return v.Quo(v, gain)
}

func FuzzFramer(f *testing.F) {
	all := formats(f)
	seeds := []string{
		"ST,GS,+00012.34kg\r\nST,GS,+00012.35kg\r\n", "S S     100.00 g\r\nS I\r\nI4 A \"77\"\r\n", "\x02,0 001234000010\rW", "+   123.45 g  \r\n",
		"    High      \r\n", "Z A\r\nT S     100.00 g\r\n",
	}
	if b, err := all[3].Append(nil, map[string]string{"a": ",", "b": "0", "c": " ", "weight": "001234", "tare": "10"}); err == nil {
		seeds = append(seeds, string(b)+string(b))
	}
	for i := range all {
		for _, s := range seeds {
			f.Add(uint8(i), uint8(5), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, which, step uint8, in []byte) {
		form := all[int(which)%len(all)]
		r := &framer{format: form}
		var s said
		for rest := in; len(rest) > 0; {
			room := r.room()
			if len(room) == 0 {
				t.Fatal("no room")
			}
			n := copy(room, rest[:min(len(rest), 1+int(step))])
			r.heard(n)
			rest = rest[n:]
			for r.next(&s) {
				held(t, form, &s, in[:len(in)-len(rest)])
			}
		}
	})
}

// held holds what was accepted against what came in.
func held(t *testing.T, form *Format, s *said, in []byte) {
	b := s.frame.bytes
	if len(b) > form.most || !bytes.Contains(in, b) {
		t.Fatalf("%q did not come in", b)
	}
	if !s.plain {
		return
	}
	var again frame
	if n, v := form.frame.match(b, &again); v != whole || n != len(b) {
		t.Fatalf("%q does not fit its template", b)
	}
	for i := range form.places {
		p := &form.places[i]
		got := form.reading(p, &s.frame)
		if p.kind != numeric || got.Quality != tag.Good {
			continue
		}
		if want := plainly(t, form, &s.frame, p); want.Cmp(new(big.Rat).SetInt64(int64(got.Bits))) != 0 {
			t.Fatalf("%q gives %d at %s, and says %v", b, int64(got.Bits), p.name, want)
		}
		if form.unit != "" && !form.is(unitIs, &s.frame) {
			t.Fatalf("%q is in another unit", b)
		}
	}
	texts := map[string]string{}
	for i, name := range form.frame.fields {
		texts[name] = string(b[again.spans[i].from:again.spans[i].to])
	}
	made, err := form.Append(nil, texts)
	if err != nil || !bytes.Equal(made, b) {
		t.Fatalf("%q was made of what was read of %q: %v", made, b, err)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(`{status 2},{weight 9}{unit 2}\r\n`, "status=ST|S & status!=OL", "a.0-2 - 2", "xor negated", "weight stable")
	f.Add(`\x02{a 1}{begin}{weight 6}\r{check 2}`, "!a.3", "2", "sum 7bit", "stable")
	f.Fuzz(func(t *testing.T, template, stable, decimals, check, at string) {
		p := &fieldbus.Profile{ID: "F", Protocol: Protocol, Points: []fieldbus.Point{{Name: "W", At: at, Type: fieldbus.Int32}}}
		for k, v := range map[string]string{"frame": template, "stable": stable, "decimals": decimals, "check": check, "unit": "kg", "unit.is": "unsaid"} {
			p.Settings = append(p.Settings, fieldbus.Setting{Key: k, Text: v})
		}
		p.Points[0].Scale.Given, p.Points[0].Scale.Gain.Coef, p.Points[0].Scale.Gain.Unit = true, 1, "kg"
		form, err := NewFormat(p)
		if err != nil {
			return
		}
		r := &framer{format: form}
		var s said
		r.heard(copy(r.room(), template+stable+template))
		for r.next(&s) {
			_ = form.reading(&form.places[0], &s.frame)
		}
	})
}
