// How Check is used, and what it says.

package tidy_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/batchkit/batchkit/internal/tidy"
)

func ExampleCheck() {
	root, err := os.MkdirTemp("", "tidy")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	files := map[string]string{
		"go.mod":       "module example.com/house\n",
		"hal/board.go": "// Package hal is a board.\npackage hal\n\nimport _ \"example.com/house/batch\"\n",
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}

	found, err := tidy.Check(root)
	if err != nil {
		panic(err)
	}
	for _, v := range found {
		fmt.Println(v)
	}
	// Output:
	// hal/board.go:4: floor: hal imports example.com/house/batch: floor 6a is above floor 1
}
