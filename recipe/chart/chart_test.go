// What is drawn is what runs: goldens, and every element exactly once.

package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/internal/golden"
	"github.com/batchkit/batchkit/recipe"
)

// recipes are those that between them use every construct, and the demo.
func recipes(t *testing.T) map[string]*recipe.Recipe {
	files, err := filepath.Glob("../testdata/right/*.yaml")
	require.NoError(t, err)
	all := map[string]*recipe.Recipe{}
	for _, f := range append(files, "../../examples/controller/demo/recipe.yaml") {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		r, err := recipe.Parse(f, src)
		require.NoError(t, err)
		all[strings.ToLower(r.ID)] = r
	}
	return all
}

func TestChartsAndTablesOfRecipes(t *testing.T) {
	for name, r := range recipes(t) {
		golden.Check(t, filepath.Join("testdata", name+".svg"), SVG(r))
		golden.Check(t, filepath.Join("testdata", name+".txt"), []byte(Table(r)))
	}
}

func TestEveryElementIsDrawnOnceInAWellFormedDrawing(t *testing.T) {
	for name, r := range recipes(t) {
		words := texts(t, SVG(r))
		var each func(e *recipe.Element)
		each = func(e *recipe.Element) {
			heads := 0
			for _, w := range words {
				if w == e.ID || strings.HasPrefix(w, e.ID+"  "+e.Level.String()) {
					heads++
				}
			}
			require.Equal(t, 1, heads, "%s: %s", name, e.ID)
			for _, c := range e.Children {
				each(c)
			}
		}
		each(r.Root)
	}
}

func TestTextOfARecipeCannotLeaveItsPlace(t *testing.T) {
	r := &recipe.Recipe{ID: "R", Title: `</text><script>alert("x")</script>`, Root: &recipe.Element{ID: "P", Level: recipe.Phase}}
	require.NotContains(t, string(SVG(r)), "<script>")
	require.Contains(t, texts(t, SVG(r)), "R   "+r.Title)
}

// texts are the texts of a drawing, which is XML.
func texts(t *testing.T, svg []byte) (list []string) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	in := false
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		switch tok := tok.(type) {
		case xml.StartElement:
			in = tok.Name.Local == "text"
		case xml.EndElement:
			in = false
		case xml.CharData:
			if in {
				list = append(list, string(tok))
			}
		}
	}
}
