// How quick the client is, in ratios within one run: beside libmodbus in C, and several under way beside one.

package modbus

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// atEnv names the server that BenchmarkRead reads from.
const atEnv = "BATCHKIT_MODBUS_AT"

// libmodbus builds testdata/libmodbus.c.
func libmodbus(t testing.TB) string {
	t.Helper()
	for tool, of := range map[string]string{"gcc": "gcc", "pkg-config": "pkg-config", "taskset": "util-linux"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: install %s", tool, of)
		}
	}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libmodbus").Output()
	if err != nil {
		t.Skip("no libmodbus: install libmodbus-dev")
	}
	program := filepath.Join(t.TempDir(), "libmodbus")
	args := append([]string{"-O2", "-Wall", "-Werror", "-o", program, "testdata/libmodbus.c"}, strings.Fields(string(flags))...)
	said, err := exec.Command("gcc", args...).CombinedOutput()
	require.NoError(t, err, "%s", said)
	return program
}

// served starts a server and gives the port that it prints.
func served(t testing.TB, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	port, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(port)
}

// BenchmarkRead reads holding registers, from the server that the environment names, or else from one in this process.
func BenchmarkRead(b *testing.B) {
	at := os.Getenv(atEnv)
	for _, n := range []int{10, 125} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			addr := at
			if at == "" {
				addr = "127.0.0.1:" + served(b, libmodbus(b), "serve")
			}
			c, err := Dial(b.Context(), addr, &Options{Timeout: 10 * time.Second})
			require.NoError(b, err)
			defer func() { _ = c.Close() }()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			out := make([]uint16, n)
			b.ReportAllocs()
			for range 500 {
				require.NoError(b, c.ReadHolding(ctx, 1, 10, out))
			}
			b.ResetTimer()
			for range b.N {
				if err := c.ReadHolding(ctx, 1, 10, out); err != nil || out[0] != 10 {
					b.Fatal(out[0], err)
				}
			}
		})
	}
}

// BenchmarkReadBesideLibmodbus gives how many reads this client does in the time of 100 of libmodbus's, at the same server of
// libmodbus, with client and server on one core and on two. Rounds of both take turns, and the quickest of each counts: it is the one
// that the rest of the machine disturbed least.
func BenchmarkReadBesideLibmodbus(b *testing.B) {
	program := libmodbus(b)
	self, err := os.Executable()
	require.NoError(b, err)
	const times, rounds = "5000", 9
	for _, cores := range []struct{ name, client string }{{"one_core", "0"}, {"two_cores", "1"}} {
		port := served(b, "taskset", "-c", "0", program, "serve")
		for _, n := range []string{"10", "125"} {
			b.Run(cores.name+"/"+n, func(b *testing.B) {
				var theirs, ours []float64
				for range rounds {
					out, err := exec.Command("taskset", "-c", cores.client, program, "read", port, n, times).Output()
					require.NoError(b, err)
					theirs = append(theirs, number(b, string(out)))
					cmd := exec.Command("taskset", "-c", cores.client, self, "-test.run=^$", "-test.bench=^BenchmarkRead$/^"+n+"$", "-test.benchtime="+times+"x")
					cmd.Env = append(os.Environ(), atEnv+"=127.0.0.1:"+port)
					out, err = cmd.CombinedOutput()
					require.NoError(b, err, "%s", out)
					before, _, found := bytes.Cut(out, []byte(" ns/op"))
					require.True(b, found, "%s", out)
					fields := bytes.Fields(before)
					ours = append(ours, number(b, string(fields[len(fields)-1])))
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(slices.Min(theirs)/1000, "us_libmodbus")
				b.ReportMetric(slices.Min(ours)/1000, "us_ours")
				b.ReportMetric(100*slices.Min(theirs)/slices.Min(ours), "%_of_libmodbus")
			})
		}
	}
}

func number(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	require.NoError(t, err)
	return v
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// delayed puts a wire before a server on which everything takes that long in each direction, for one client after another.
func delayed(t testing.TB, server string, each time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				return
			}
			go late(client, far, each)
			late(far, client, each)
		}
	}()
	return l.Addr().String()
}

// late passes on what comes by one connection to the other, so much later, until either ends.
func late(from, to net.Conn, by time.Duration) {
	type piece struct {
		b  []byte
		at time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 4096)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			pieces <- piece{b[:n], time.Now().Add(by)}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.b); err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	for range pieces {
	}
}

// BenchmarkInFlight gives how many times as many reads are done with several under way as with one, over a wire of 2 ms there and back.
func BenchmarkInFlight(b *testing.B) {
	addr := delayed(b, "127.0.0.1:"+served(b, libmodbus(b), "serve"), time.Millisecond)
	took := map[int]time.Duration{}
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, err := Dial(b.Context(), addr, &Options{InFlight: n})
			require.NoError(b, err)
			defer func() { _ = c.Close() }()
			reads := make([]Read, 400)
			for i := range reads {
				reads[i] = Read{Unit: 1, Table: Holding, Address: uint16(i), Out: make([]uint16, 10)}
			}
			for range b.N {
				require.NoError(b, c.ReadAll(b.Context(), reads))
			}
			for i, r := range reads {
				require.EqualValues(b, i+9, r.Out[9])
			}
			took[n] = b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(took[1])/float64(took[n]), "x_one")
		})
	}
}

// BenchmarkCancellation gives how long after its context a blocked read returns.
func BenchmarkCancellation(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { _ = l.Close() }()
	var took []float64
	for i := range b.N {
		c, err := Dial(b.Context(), l.Addr().String(), &Options{Timeout: time.Hour})
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		var cancelled time.Time
		time.AfterFunc(10*time.Millisecond+time.Duration(i%30)*100*time.Microsecond, func() { cancelled = time.Now(); cancel() })
		require.ErrorIs(b, c.ReadHolding(ctx, 1, 1, make([]uint16, 1)), context.Canceled)
		took = append(took, time.Since(cancelled).Seconds()*1000)
	}
	slices.Sort(took)
	b.ReportMetric(median(took), "ms_median")
	b.ReportMetric(took[len(took)*99/100], "ms_p99")
	b.ReportMetric(took[len(took)-1], "ms_most")
}
