// Whether what is cut is cut: who has which connection, as the kernel tells it.

//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// established is how /proc/net/tcp writes the state of a connection that is there.
const established = "01"

// connections are those of this host that go to some ports: by inode, the port.
func (b *boardsRig) connections(ports map[uint64]string) map[string]string {
	b.t.Helper()
	f, err := os.Open("/proc/net/tcp")
	require.NoError(b.t, err)
	defer f.Close()
	list := map[string]string{}
	for in := bufio.NewScanner(f); in.Scan(); {
		words := strings.Fields(in.Text()) // sl local rem st tx:rx tr:when retrnsmt uid timeout inode
		if len(words) < 10 || words[3] != established {
			continue
		}
		_, port, _ := strings.Cut(words[2], ":")
		n, err := strconv.ParseUint(port, 16, 16)
		require.NoError(b.t, err)
		if node, ok := ports[n]; ok {
			list["socket:["+words[9]+"]"] = node
		}
	}
	return list
}

// around are the connections by which a process of a board reaches the bus process of another one beside the links of the test.
func (b *boardsRig) around() (list []string) {
	b.t.Helper()
	ports := map[uint64]string{}
	for _, site := range b.sites {
		for _, at := range []string{site.Routes[site.Node], site.Clients[site.Node]} {
			_, port, err := net.SplitHostPort(at)
			require.NoError(b.t, err)
			n, err := strconv.ParseUint(port, 10, 16)
			require.NoError(b.t, err)
			ports[n] = site.Node
		}
	}
	to := b.connections(ports)
	home, err := filepath.Abs("x")
	require.NoError(b.t, err)
	looked := 0
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(b.t, err)
	for _, proc := range all {
		dir, err := os.Readlink(filepath.Join(proc, "cwd"))
		rest, ok := strings.CutPrefix(dir, home+"/")
		if err != nil || !ok {
			continue
		}
		from, _, _ := strings.Cut(rest, "/")
		if from == hubRole { // it reaches the bus as the first board does
			from = b.sites[0].Node
		}
		fds, _ := filepath.Glob(filepath.Join(proc, "fd", "*"))
		for _, fd := range fds {
			socket, _ := os.Readlink(fd)
			node, ok := to[socket]
			if ok {
				looked++
			}
			if ok && node != from {
				list = append(list, fmt.Sprintf("process %s of %s to %s", filepath.Base(proc), rest, node))
			}
		}
	}
	require.Positive(b.t, looked, "no process is connected to its own server: what is looked at is the wrong thing")
	slices.Sort(list)
	return list
}

// onlyByLinks holds that there are none.
func (b *boardsRig) onlyByLinks() {
	b.t.Helper()
	require.Empty(b.t, b.around(), "what is cut is not cut")
}
