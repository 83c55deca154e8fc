// Scripts: files of a package, and of whoever has more, each of which is played.

package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scripts is where a package keeps its own.
const scripts = "testdata/scenarios"

// Scripts plays each *.txt of testdata/scenarios as a test of its name, and holds what it comes to against the file beside it that ends in .golden. Where
// folder is not "" those in it are played, too, and held against nothing; of a folder that has one named room, those in that: one folder can have the
// scripts of several packages. There must be some in each.
func Scripts(t *testing.T, folder, room string, play func(t testing.TB, name string, src []byte) (text string, err error)) {
	t.Helper()
	dirs := []string{scripts}
	if own := filepath.Join(folder, room); folder != "" {
		if at, err := os.Stat(own); err == nil && at.IsDir() {
			folder = own
		}
		dirs = append(dirs, folder)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
		if err != nil || len(files) == 0 {
			t.Errorf("golden: no *.txt in %s", dir)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				text, err := play(t, filepath.Base(file), src)
				t.Log("\n" + text)
				if err != nil {
					t.Fatal(err)
				}
				if dir == scripts {
					Check(t, strings.TrimSuffix(filepath.ToSlash(file), ".txt")+".golden", []byte(text))
				}
			})
		}
	}
}
