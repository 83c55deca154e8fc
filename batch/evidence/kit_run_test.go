// How tests run the programs in a package: as processes, and Python many times in one interpreter.

package evidence

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs runs both programs of the kit for one test.
type programs struct {
	t            testing.TB
	bash, python string
	in           io.Writer // of the interpreter that stays; nil: it was not needed yet
	out          *bufio.Reader
}

// newPrograms skips where a program lacks what it needs.
func newPrograms(t *testing.T) *programs {
	tool(t, "sha256sum", "GNU coreutils")
	return &programs{t: t, bash: tool(t, "bash", "bash"), python: tool(t, "python3", "Python 3")}
}

// each are the names of the programs.
func (p *programs) each() []string { return []string{verifyShName, verifyPyName} }

// run gives what a program says of a package, and whether its exit code is 0. The first package that Python judges in a test it judges
// as a process and in the interpreter that stays, to the same words; those after it in the latter alone, unless BATCHKIT_LONG is 1.
func (p *programs) run(program, dir string) (text string, ok bool) {
	p.t.Helper()
	if program == verifyShName {
		return p.process(p.bash, program, dir)
	}
	first := p.in == nil
	if first {
		p.stay()
	}
	_, err := fmt.Fprintln(p.in, dir)
	require.NoError(p.t, err)
	var status, n int
	_, err = fmt.Fscanf(p.out, "%d %d\n", &status, &n)
	require.NoError(p.t, err)
	said := make([]byte, n)
	_, err = io.ReadFull(p.out, said)
	require.NoError(p.t, err)
	if first || long() {
		text, ok = p.process(p.python, program, dir)
		require.Equal(p.t, text, string(said), "as a process, and in an interpreter that stays")
		require.Equal(p.t, ok, status == 0)
	}
	return string(said), status == 0
}

func (p *programs) process(tool, program, dir string) (text string, ok bool) {
	out, err := exec.Command(tool, filepath.Join("kit", program), dir).CombinedOutput()
	return string(out), err == nil
}

// stay starts the interpreter, which ends with the test.
func (p *programs) stay() {
	cmd := exec.Command(p.python, filepath.Join("testdata", "again.py"), filepath.Join("kit", verifyPyName))
	in, err := cmd.StdinPipe()
	require.NoError(p.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(p.t, err)
	require.NoError(p.t, cmd.Start())
	p.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	p.in, p.out = in, bufio.NewReader(out)
}
