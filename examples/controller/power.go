// A cut of the power: the controller is gone from one moment to the next, the outputs of the board drop, and both boot again.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// outage is how long a board is without power, in real time.
const outage = time.Second

// powercut runs the same command line in a process of its own, kills that after the time of -powercut, cuts the power of the board
// with it, and runs the command line again. It returns the exit code of the last of them.
func powercut(ctx context.Context, f *flags, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c, atTerminal := stdin.(*console)
	restore := func() {}
	if atTerminal {
		stdin, stdout = os.Stdin, os.Stdout
		if state, err := term.GetState(int(os.Stdin.Fd())); err == nil {
			// A controller that was killed leaves the terminal as it had it.
			restore = func() { _ = term.Restore(int(os.Stdin.Fd()), state) }
		}
		defer restore()
		go func() {
			for range c.interrupts { // the controller has them too, and asks
			}
		}()
	}
	life := func(cut <-chan time.Time) (code int, killed bool) {
		cmd := exec.Command(os.Args[0], without(args, "powercut")...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
		if self, err := os.Executable(); err == nil {
			cmd.Path = self
		}
		if err := cmd.Start(); err != nil {
			fmt.Fprintf(stderr, "controller: -powercut: %v\n", err)
			return exitFailed, false
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for told := ctx.Done(); ; {
			select {
			case err := <-ended:
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					return exitFailed, killed
				}
				return cmd.ProcessState.ExitCode(), killed
			case <-cut:
				killed = cmd.Process.Kill() == nil
			case <-told:
				told = nil
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}
	code, killed := life(time.After(f.powercut))
	if !killed || ctx.Err() != nil {
		return code
	}
	if restore(); atTerminal {
		fmt.Fprint(stdout, "\x1b[?25h")
	}
	at, living := findPlant(filepath.Join(f.out, "plant"))
	err := errors.New("it is not there")
	if living {
		err = switchOn(ctx, at, coilPower)
	}
	if err != nil {
		fmt.Fprintf(stderr, "controller: -powercut: the power of the board was not cut: %v\n", err)
	}
	fmt.Fprintf(stdout, "\r\n--- power cut after %s: the controller is gone, and the outputs of the board have dropped; it boots in %s ---\r\n\n", f.powercut, outage)
	select {
	case <-time.After(outage):
	case <-ctx.Done():
	}
	code, _ = life(nil)
	return code
}

// without leaves a flag and its value out of a command line.
func without(args []string, name string) []string {
	args = slices.Clone(args)
	for i := 0; i < len(args); i++ {
		switch flag := strings.TrimLeft(args[i], "-"); {
		case flag == args[i]:
		case flag == name:
			args = slices.Delete(args, i, min(i+2, len(args)))
			i--
		case strings.HasPrefix(flag, name+"="):
			args = slices.Delete(args, i, i+1)
			i--
		}
	}
	return args
}
