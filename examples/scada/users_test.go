// Users, policies, and what the receiver lets in.

package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/scada"
	"github.com/batchkit/batchkit/fieldbus/opcua"
	"github.com/batchkit/batchkit/fieldbus/opcua/server"
)

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestAPasswordIsKeptAsASaltedHashAndNothingElseLetsIn(t *testing.T) {
	var out, said bytes.Buffer
	require.Equal(t, exitOK, run(context.Background(), []string{"user", "anna"}, strings.NewReader("correct horse\n"), &out, &said))
	require.NotContains(t, out.String(), "horse")
	other, err := newUser("bert", "correct horse")
	require.NoError(t, err)
	require.NotEqual(t, strings.Fields(out.String())[3], strings.Fields(other)[3], "equal passwords have different salts")
	u, err := readUsers(file(t, "# who may look\n\n"+out.String()+other+"\n"))
	require.NoError(t, err)
	require.True(t, u.login("anna", "correct horse"))
	for _, wrong := range [][2]string{{"anna", "correct hors"}, {"anna", ""}, {"carl", "correct horse"}, {"", ""}, {"anna", strings.Repeat("x", maxPassword+1)}} {
		require.False(t, u.login(wrong[0], wrong[1]), wrong)
	}
}

func TestAFileOfUsersThatIsNotRightIsRefusedWithItsLine(t *testing.T) {
	good, err := newUser("anna", "correct horse")
	require.NoError(t, err)
	part := strings.Fields(good)
	for text, want := range map[string]string{
		"":                                  "has no user",
		"anna secret":                       "line 1: a name, a number of rounds",
		good + "\n" + good:                  "line 2: user \"anna\" stands there twice",
		"anna 1 " + part[2] + " " + part[3]: "rounds \"1\"",
		"anna 9999999 " + part[2] + " " + part[3]:                      "rounds \"9999999\"",
		"anna 200000 00 " + part[3]:                                    "salt and hash",
		"anna 200000 " + part[2] + " zz":                               "salt and hash",
		strings.Repeat("a", 65) + " 200000 " + part[2] + " " + part[3]: "1 to 64 bytes",
	} {
		_, err := readUsers(file(t, text))
		require.ErrorContains(t, err, want)
	}
	for name, password := range map[string]string{"a b": "correct horse", "": "correct horse", "anna": "short"} {
		_, err := newUser(name, password)
		require.Error(t, err)
	}
}

func TestWhoIsLetInIsSaidAsAWhole(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	o, err := (&flags{}).options(now)
	require.NoError(t, err)
	require.Equal(t, []opcua.Policy{opcua.None}, o.Policies)
	require.Nil(t, o.Write, "nothing is ever written")
	cert, key, trust := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), filepath.Join(dir, "trust")
	require.NoError(t, os.Mkdir(trust, 0o750))
	for want, f := range map[string]flags{
		"one without the other":                                {cert: cert},
		"wants -cert, -key and -trust":                         {policy: "basic256sha256"},
		"-policy: opcua: policy":                               {policy: "basic128"},
		"on an encrypted connection":                           {users: file(t, must(newUser("anna", "correct horse")))},
		"-policy basic256sha256: wants -cert, -key and -trust": {cert: cert, key: key},
	} {
		_, err := f.options(now)
		require.ErrorContains(t, err, want)
	}
	f := flags{cert: cert, key: key, trust: trust, uri: "urn:test:scada", hosts: "localhost,127.0.0.1", users: file(t, must(newUser("anna", "correct horse")))}
	o, err = f.options(now)
	require.NoError(t, err)
	require.Equal(t, "basic256sha256, aes128-sha256-rsaoaep, aes256-sha256-rsapss", named(o.Policies))
	again, err := f.options(now)
	require.NoError(t, err)
	require.Equal(t, o.Identity.Certificate, again.Identity.Certificate, "what was made once is used again")
	require.True(t, o.Login("anna", "correct horse"))
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func TestValuesComeInByASocketAndNoMoreThanAFewAreHeard(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // the name of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "w.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	_, err = receive("unix:"+path, nil)
	require.ErrorContains(t, err, "another process listens there")
	require.NoError(t, stale.Close()) // it died, and its socket is there still
	taken := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	in, err := receive("unix:"+path, taken)
	require.NoError(t, err)
	require.Equal(t, "unix:"+path, in.url)
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	res, err := client.Post("http://x/", "", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	client.CloseIdleConnections()
	require.NoError(t, in.close())
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = receive("unix:"+path, nil)
	require.ErrorContains(t, err, "no socket")

	in, err = receive("127.0.0.1:0", taken)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.close()) })
	for range maxPosters { // they say nothing, and take all the room that there is
		c, err := net.Dial("tcp", in.at)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", in.at)
		if err != nil {
			return true
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, err = c.Read(make([]byte, 1))
		return err == io.EOF
	}, 20*time.Second, 5*time.Millisecond, "one more is closed at once")
}

func TestWhatStandsInRecordsDoesNotCommandTheTerminal(t *testing.T) {
	got := line(&scada.Status{Newest: "B-1\x1b[2J\u009b0m\r\n\u202eé Running", Fault: "a\x07b"}, &server.Stats{})
	require.Contains(t, got, "B-1?[2J?0m???é Running")
	require.Contains(t, got, "a?b")
}
