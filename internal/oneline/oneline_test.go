// Tests of lines of which each value has one.

package oneline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var errBad = errors.New("bad")

type thing struct {
	Name  string `json:"name"`
	Count int    `json:"count,omitempty"`
}

func (t *thing) Append(dst []byte) ([]byte, error) {
	if t.Name == "" {
		return dst, fmt.Errorf("%w: name is missing", errBad)
	}
	return Append(dst, t, 40, errBad)
}

func TestAValueIsOneLineAndALineOneValue(t *testing.T) {
	line, err := (&thing{Name: "a<b", Count: 3}).Append([]byte("x "))
	require.NoError(t, err)
	require.Equal(t, `x {"name":"a\u003cb","count":3}`, string(line))
	v, err := Parse[thing](line[2:], 40, errBad)
	require.NoError(t, err)
	require.Equal(t, thing{Name: "a<b", Count: 3}, v)
}

func TestNoOtherSpellingIsTaken(t *testing.T) {
	for _, c := range [...][2]string{
		{`{"name":"a<b"}`, "not written as"},
		{`{"name":"a" }`, "not written as"},
		{`{"Name":"a"}`, "not written as"},
		{`{"name":"a","count":0}`, "not written as"},
		{`{"name":"b","name":"a"}`, "not written as"},
		{`{"name":"a"}{}`, "not written as"},
		{"{\"name\":\"a\"}\n", "not written as"},
		{`{"name":"a","more":1}`, "unknown field"},
		{`{"count":1}`, "name is missing"},
		{`{"name":"` + strings.Repeat("a", 30) + `"}`, "41 bytes; at most 40"},
		{``, "EOF"}, {`null`, "name is missing"}, {`[]`, "cannot unmarshal"},
	} {
		v, err := Parse[thing]([]byte(c[0]), 40, errBad)
		require.ErrorIs(t, err, errBad, c[0])
		require.ErrorContains(t, err, c[1], c[0])
		require.Zero(t, v, c[0])
	}
}

func TestWhatIsRefusedAppendsNothing(t *testing.T) {
	for _, v := range [...]thing{{}, {Name: strings.Repeat("a", 30)}} {
		line, err := v.Append([]byte("x"))
		require.ErrorIs(t, err, errBad)
		require.Equal(t, "x", string(line), err)
	}
}
