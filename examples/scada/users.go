// Users: a file of names with salted hashes of their passwords.

package main

import (
	"bufio"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits of users.
const (
	maxUsers    = 1024
	maxUser     = 64        // bytes of a name
	maxPassword = 256       // bytes
	minPassword = 8         // bytes of a new one
	rounds      = 200_000   // of a new one
	minRounds   = 100_000   // fewer are guessed too fast
	maxRounds   = 5_000_000 // more hold everybody up
	saltSize    = 16
)

// secret is what is known of a password.
type secret struct {
	rounds     int
	salt, hash []byte
}

// users are those of a file. One password is looked at at a time: who guesses takes one processor at most, and that of this process.
type users struct {
	mu   sync.Mutex
	list map[string]secret
	none secret // for a name that is not there: it takes as long as one that is
}

// login tells whether a name and a password belong together. It blocks for some tenths of a second.
func (u *users) login(name, password string) bool {
	s, known := u.list[name]
	if !known {
		s = u.none
	}
	if len(password) > maxPassword {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	got, err := pbkdf2.Key(sha256.New, password, s.salt, s.rounds, sha256.Size)
	return err == nil && subtle.ConstantTimeCompare(got, s.hash) == 1 && known
}

// readUsers reads a file of users. Lines that are empty or begin with # are passed over.
func readUsers(name string) (*users, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("scada: -users: %w", err)
	}
	defer f.Close()
	u := &users{list: map[string]secret{}, none: secret{rounds: rounds, salt: make([]byte, saltSize), hash: make([]byte, sha256.Size)}}
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		who, s, err := parseUser(text)
		if _, twice := u.list[who]; err == nil && twice {
			err = fmt.Errorf("user %q stands there twice", who)
		}
		if err == nil && len(u.list) == maxUsers {
			err = fmt.Errorf("more than %d users", maxUsers)
		}
		if err != nil {
			return nil, fmt.Errorf("scada: %s, line %d: %w; make lines with scada user NAME", name, n, err)
		}
		u.list[who] = s
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("scada: %s: %w", name, err)
	}
	if len(u.list) == 0 {
		return nil, fmt.Errorf("scada: %s: has no user, so nobody could come in; make lines with scada user NAME", name)
	}
	return u, nil
}

// parseUser reads one line.
func parseUser(text string) (name string, s secret, err error) {
	part := strings.Fields(text)
	if len(part) != 4 {
		return "", s, errors.New("a name, a number of rounds, a salt and a hash are wanted, parted by blanks")
	}
	if err := checkUser(part[0]); err != nil {
		return "", s, err
	}
	if s.rounds, err = strconv.Atoi(part[1]); err != nil || s.rounds < minRounds || s.rounds > maxRounds {
		return "", s, fmt.Errorf("rounds %.20q: %d to %d are wanted", part[1], minRounds, maxRounds)
	}
	var wrong error
	s.salt, err = hex.DecodeString(part[2])
	s.hash, wrong = hex.DecodeString(part[3])
	if err != nil || wrong != nil || len(s.salt) < saltSize || len(s.salt) > 2*maxUser || len(s.hash) != sha256.Size {
		return "", s, fmt.Errorf("salt and hash are hexadecimal, of %d bytes or more and %d bytes", saltSize, sha256.Size)
	}
	return part[0], s, nil
}

func checkUser(name string) error {
	if name == "" || len(name) > maxUser || !utf8.ValidString(name) || strings.ContainsAny(name, " \t\r\n#") {
		return fmt.Errorf("user %.70q: 1 to %d bytes without blanks and # are wanted", name, maxUser)
	}
	return nil
}

// newUser makes the line of a user.
func newUser(name, password string) (string, error) {
	if err := checkUser(name); err != nil {
		return "", err
	}
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("a password has %d to %d bytes", minPassword, maxPassword)
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	hash, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %x %x", name, rounds, salt, hash), nil
}

// user makes the line of a user whose password stands on the first line of the standard input.
func user(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: scada user NAME    asks for the password on the standard input, and prints a line for -users")
		return exitUsage
	}
	fmt.Fprintf(stderr, "password of %s: ", args[0])
	in := bufio.NewScanner(io.LimitReader(stdin, maxPassword+2))
	in.Scan()
	text, err := newUser(args[0], strings.TrimSuffix(in.Text(), "\r"))
	if err != nil {
		fmt.Fprintln(stderr, "scada:", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, text)
	return exitOK
}
