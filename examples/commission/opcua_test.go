// The claims of the two commands about OPC UA.

package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/fieldbus"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

// sub runs a subcommand with a standard input.
func sub(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code, done := subcommand(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	require.True(t, done)
	return code, stdout.String(), stderr.String()
}

// plant starts a server with something to be found, which has the certificate in dir and believes those in trust, and gives its endpoint. How
// a server that is not ours is browsed is a matter of fieldbus/opcua.
func plant(t *testing.T, dir, trust string) string {
	t.Helper()
	id, err := opcua.LoadIdentity(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	clients, err := opcua.LoadTrust(trust)
	require.NoError(t, err)
	space := server.NewSpace("urn:batchkit:browse")
	level := space.Variable(space.Folder(server.Node{}, "Reactor 1"), "Level", "Level of the vessel", server.Float64)
	space.Set(level, server.Value{Bits: math.Float64bits(1.5)})
	s, err := server.Serve("127.0.0.1:0", space, &server.Options{Identity: id, Trust: clients, Policies: []opcua.Policy{opcua.Basic256Sha256},
		Login: func(user, password string) bool { return user == "op" && password == "secret" }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return "opc.tcp://" + s.Addr()
}

func TestAServerIsBrowsedByAControllerThatHasMadeItsIdentity(t *testing.T) {
	dir := t.TempDir()
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	code, out, errs := sub(t, "", "identity", in("own"), "-name", "tank", "-uri", "urn:plant:tank", "-host", "10.0.0.2", "-host", "tank")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "certificate of urn:plant:tank, SHA-1 ")
	code, _, errs = sub(t, "", "identity", "-name", "tank", "-uri", "urn:plant:tank", "-host", "10.0.0.2", in("own"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "cert.pem: it is there already and is not replaced")
	key, err := os.Stat(in("own", "key.pem"))
	require.NoError(t, err)
	if runtime.GOOS != "windows" { // which has no such modes
		require.Equal(t, os.FileMode(0o600), key.Mode().Perm(), "no one else reads the key")
	}

	code, _, errs = sub(t, "", "identity", in("server"), "-name", "plant", "-uri", "urn:batchkit:plant", "-host", "localhost")
	require.Equal(t, exitOK, code, errs)
	require.NoError(t, os.Mkdir(in("trust"), 0o755))
	require.NoError(t, os.Mkdir(in("clients"), 0o755))
	for from, to := range map[string]string{in("server", "cert.pem"): in("trust", "plant.pem"), in("own", "cert.pem"): in("clients", "tank.pem")} {
		pem, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, pem, 0o644))
	}
	endpoint := plant(t, in("server"), in("clients"))
	secure := []string{"browse", endpoint, "-policy", "basic256sha256", "-cert", in("own", "cert.pem"), "-key", in("own", "key.pem"),
		"-trust", in("trust"), "-user", "op", "-device", "R1", "-o", in("out")}
	code, _, errs = sub(t, "wrong\n", secure...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "BadUserAccessDenied")
	require.NotContains(t, errs, "wrong")
	require.NoDirExists(t, in("out"))
	code, _, errs = sub(t, "secret\n", append(secure, "-node", "i=99999")...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "not looked at: what is beneath the beginning: BadNodeID", "why nothing was found is told where nothing can be drafted")
	code, out, errs = sub(t, "secret\n", secure...)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "not looked at: the server's own objects")
	profile, err := os.ReadFile(in("out", opcua.ProfileFile))
	require.NoError(t, err)
	bus, err := os.ReadFile(in("out", opcua.TagMapFile))
	require.NoError(t, err)
	m, err := fieldbus.ParseTagMap(opcua.TagMapFile, bus, func(string) (*fieldbus.Profile, error) { return fieldbus.ParseProfile(opcua.ProfileFile, profile) })
	require.NoError(t, err)
	require.Equal(t, "R1", m.Devices[0].Name)
	require.NotNil(t, m.Owner("Reactor_1.Level"))
	code, _, errs = sub(t, "secret\n", secure...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "profile.yaml: it is there already and is not replaced")

	t.Setenv(passwordVariable, "secret")
	require.NoError(t, os.Remove(in("out", opcua.ProfileFile)))
	code, _, errs = sub(t, "", secure...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "bus.yaml: it is there already and is not replaced", "neither is written")
	require.NoError(t, os.Remove(in("out", opcua.TagMapFile)))
	code, _, errs = sub(t, "", secure...)
	require.Equal(t, exitOK, code, errs)
	again, err := os.ReadFile(in("out", opcua.ProfileFile))
	require.NoError(t, err)
	require.Equal(t, string(profile), string(again))
}

func TestACommandLineAboutOPCUAThatMeansNothingIsExplained(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"commission browse: one endpoint such as opc.tcp://": {"browse", "-o", dir},
		"commission browse: -o DIR is wanted":                {"browse", "opc.tcp://plc"},
		"flag provided but not defined: -password":           {"browse", "opc.tcp://plc", "-password", "secret"},
		"one directory is wanted":                            {"identity", "a", "b"},
		"-name, -uri and -host are wanted":                   {"identity", dir},
	} {
		code, _, errs := sub(t, "", args...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, errs, want)
	}
	for want, args := range map[string][]string{
		`policy "x": must be one of none, `:                       {"-policy", "x"},
		"policy basic256sha256 wants -cert, -key and -trust":      {"-policy", "basic256sha256"},
		`password of "op": set OPCUA_PASSWORD`:                    {"-user", "op"},
		`endpoint "tcp://plc:502": must be opc.tcp://HOST:PORT`:   {},
		"opcua: browse: nodes -1: must be 1 to 200000":            {"-nodes", "-1"},
		"certificates: no such file or directory|cannot find the": {"-trust", filepath.Join(dir, "certificates")},
	} {
		code, _, errs := sub(t, "", append([]string{"browse", "tcp://plc:502", "-o", dir}, args...)...)
		require.Equal(t, exitFailed, code, args)
		a, b, _ := strings.Cut(want, "|")
		require.True(t, strings.Contains(errs, a) || b != "" && strings.Contains(errs, b), errs)
	}
	code, _, errs := sub(t, "secret\n", "browse", "opc.tcp://plc:502", "-o", dir, "-user", "op")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "-user op: wants -trust")
	for _, args := range [][]string{{"browse", "-help"}, {"identity", "-help"}} {
		code, _, errs := sub(t, "", args...)
		require.Equal(t, exitOK, code)
		require.Contains(t, errs, "usage: commission "+args[0])
	}
	_, _, errs = command(t, "-help")
	require.Contains(t, errs, "commission browse ENDPOINT -o DIR", "who asks for help hears of both commands")
	require.Contains(t, errs, "commission identity DIR")
	_, done := subcommand(t.Context(), []string{"-selftest"}, nil, nil, nil)
	require.False(t, done)
}
