// The job: what the host wants run in the guest, and the archive that brings it there.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// jobFile is where the guest finds its job.
const jobFile = "/vmbed.json"

// job is what one machine does: programs, run one after the other.
type job struct {
	Programs []program `json:"programs"`
	Disk     bool      `json:"disk"` // there is one, to be mounted at diskAt
}

// program is one with its arguments, and where and in which environment it shall run. Paths are those of the guest, in which all
// that was brought lies where it lies on the host.
type program struct {
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// nextProgram is the line of the console before the output of each program but the first.
const nextProgram = "vmbed: the next program"

// newLife is what the guest tells the host before the statuses of its programs.
const newLife = "life"

// environment is that of a job: what the guest needs, and those of the host's variables that are meant for Go and for tests.
func environment(host []string) []string {
	env := []string{"BATCHKIT_BED=1", "HOME=/root", "PATH=/bin:/sbin", "TMPDIR=/tmp"}
	for _, v := range host {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "BATCHKIT_BED"):
		case strings.HasPrefix(name, "BATCHKIT_"), name == "GODEBUG", name == "GOGC", name == "GOMAXPROCS", name == "GOTRACEBACK":
			env = append(env, v)
		}
	}
	return env
}

// archive writes files in the form that the kernel unpacks at its start: cpio, "newc". The kernel takes several behind each other.
type archive struct {
	w     io.Writer
	inode int
	dirs  map[string]bool // made already
	err   error
}

func newArchive(w io.Writer) *archive { return &archive{w: w, dirs: map[string]bool{"/": true}} }

const (
	typeFile = 0o100000
	typeDir  = 0o040000
	typeLink = 0o120000
)

// entry writes one entry. Its name is an absolute path; what lies above it is made.
func (a *archive) entry(name string, mode uint32, data []byte) {
	if dir := path.Dir(name); !a.dirs[dir] {
		a.dirs[dir] = true
		a.entry(dir, typeDir|0o755, nil)
	}
	a.raw(strings.TrimPrefix(name, "/"), mode, data)
}

func (a *archive) raw(name string, mode uint32, data []byte) {
	a.inode++
	head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, p := range [][]byte{[]byte(head), make([]byte, -len(head)&3), data, make([]byte, -len(data)&3)} {
		if a.err == nil {
			_, a.err = a.w.Write(p)
		}
	}
}

// file brings one file of the host, at another path where that is wanted.
func (a *archive) file(host, guest string) {
	data, err := os.ReadFile(host)
	if err != nil {
		a.err = err
		return
	}
	info, err := os.Stat(host)
	if err != nil {
		a.err = err
		return
	}
	a.entry(guest, typeFile|uint32(info.Mode().Perm()), data)
}

// tree brings a file or a directory with all in it, at the path that it has on the host. What is neither a file, a directory nor a
// link is left out.
func (a *archive) tree(root string) {
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if !a.dirs[name] {
				a.dirs[name] = true
				a.entry(name, typeDir|0o755, nil)
			}
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(name)
			if err != nil {
				return err
			}
			a.entry(name, typeLink|0o777, []byte(to))
		case d.Type().IsRegular():
			a.file(name, name)
		}
		return a.err
	})
	if a.err == nil {
		a.err = err
	}
}

// pack writes the archive of a job: the program that is the first process, the job, and what is brought along.
func pack(w io.Writer, first string, j job, bring []string) error {
	a := newArchive(w)
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	a.file(first, "/init")
	a.entry(jobFile, typeFile|0o644, text)
	a.entry("/etc/hosts", typeFile|0o644, []byte("127.0.0.1 localhost\n"))
	a.entry("/etc/passwd", typeFile|0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.entry("/etc/group", typeFile|0o644, []byte("root:x:0:\n"))
	dirs := []string{"/root", "/tmp"}
	for _, p := range j.Programs {
		dirs = append(dirs, p.Dir)
	}
	for _, dir := range dirs {
		if !a.dirs[dir] {
			a.dirs[dir] = true
			a.entry(dir, typeDir|0o755, nil)
		}
	}
	for _, root := range bring {
		a.tree(root)
	}
	a.raw("TRAILER!!!", 0, nil)
	return a.err
}
