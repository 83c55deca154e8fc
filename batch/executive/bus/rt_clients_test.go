// Tests of who sees run-time data by MQTT and by websocket.

package bus

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
)

// mqtt is a client of MQTT 3.1.1 with as much of it as these tests need.
type mqtt struct {
	t    *testing.T
	c    net.Conn
	r    *bufio.Reader
	kept [][]byte // messages that came before they were wanted, each behind its kind
}

// text is a text as MQTT has it: its length, and it.
func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// packet sends a packet.
func (m *mqtt) packet(kind byte, parts ...[]byte) {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	_, err := m.c.Write(append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
	require.NoError(m.t, err)
}

// read reads the next packet.
func (m *mqtt) read() (kind byte, body []byte, err error) {
	_ = m.c.SetReadDeadline(time.Now().Add(patience))
	if kind, err = m.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(m.r)
	if err == nil {
		body = make([]byte, n)
		_, err = io.ReadFull(m.r, body)
	}
	return kind, body, err
}

// dialMQTT connects as a user, and gives what the server says of it: 0 is yes.
func dialMQTT(t *testing.T, addr, user, password string) (m *mqtt, code byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	m = &mqtt{t: t, c: c, r: bufio.NewReader(c)}
	m.packet(0x10, text("MQTT"), []byte{4, 0xC2, 0, 60}, text("wall-panel"), text(user), text(password))
	kind, body, err := m.read()
	require.NoError(t, err)
	require.EqualValues(t, 0x20, kind)
	return m, body[1]
}

// subscribe gives the quality that is granted, 0x80 for a refusal.
func (m *mqtt) subscribe(filter string) byte {
	m.packet(0x82, []byte{0, 1}, text(filter), []byte{0})
	kind, body, err := m.read()
	for err == nil && kind&0xF0 == 0x30 { // it may come before the answer
		m.kept = append(m.kept, append([]byte{kind}, body...))
		kind, body, err = m.read()
	}
	require.NoError(m.t, err)
	require.EqualValues(m.t, 0x90, kind)
	return body[2]
}

// message reads the next message.
func (m *mqtt) message() (topic string, retained bool, data []byte) {
	var kind byte
	var body []byte
	var err error
	if len(m.kept) > 0 {
		kind, body, m.kept = m.kept[0][0], m.kept[0][1:], m.kept[1:]
	} else {
		kind, body, err = m.read()
	}
	require.NoError(m.t, err)
	require.EqualValues(m.t, 0x30, kind&0xF0)
	n := int(binary.BigEndian.Uint16(body))
	return string(body[2 : 2+n]), kind&1 != 0, body[2+n:]
}

// wall is a plant where one node shows a batch, and the wall may look by all ways.
func wall(t *testing.T) (p *plant, s *stub) {
	t.Helper()
	p = newPlantOf(t, func(o *ServerOptions) { o.MQTT, o.Websocket = free(t), free(t) })
	s = newStub(t, "n1")
	s.set(func() { s.list = []api.Batch{{ID: "n1.B-0001", Life: api.Ready}} })
	bridged(t, s, &Options{URL: p.url, Seed: p.seeds["n1"]}, &BridgeOptions{Tell: s.tell})
	return p, s
}

func TestAnMQTTClientSeesBatchesUnderTheirIDs(t *testing.T) {
	p, s := wall(t)
	_, code := dialMQTT(t, p.opt.MQTT, "wall", "not as long as this")
	require.NotZero(t, code)
	m, code := dialMQTT(t, p.opt.MQTT, "wall", "as long as this")
	require.Zero(t, code)
	require.Zero(t, m.subscribe("rt/n1/batch/n1.B-0001"))
	for _, life := range []api.Life{api.Active, api.Ended} {
		s.set(func() { s.list[0].Life = life })
		for {
			topic, retained, data := m.message()
			require.Equal(t, "rt/n1/batch/n1.B-0001", topic)
			require.False(t, retained, "what the bus shows is never a retained message")
			if lifeOf(data) == life {
				break
			}
		}
	}
	require.EqualValues(t, 0x80, m.subscribe("arb/#"))
}

func TestAnMQTTClientThatOnlyWatchesCommandsNothing(t *testing.T) {
	p, s := wall(t)
	m, code := dialMQTT(t, p.opt.MQTT, "wall", "as long as this")
	require.Zero(t, code)
	for _, topic := range []string{"cmd/n1/wall", "rt/n1/batch/n1.B-0001"} {
		data, err := json.Marshal(start(""))
		require.NoError(t, err)
		m.packet(0x30, text(topic), data)
	}
	require.Zero(t, m.subscribe("rt/n1/batch/+"))
	s.set(func() { s.list[0].Life = api.Active })
	for {
		_, _, data := m.message()
		require.Contains(t, string(data), "batch_id")
		if lifeOf(data) == api.Active {
			break
		}
	}
	require.Empty(t, s.ordered())
}

func TestAWebsocketClientSeesBatches(t *testing.T) {
	p, s := wall(t)
	var refusedToo error
	refusals := make(chan error, 16)
	c, err := nats.Connect("ws://"+p.opt.Websocket, nats.UserInfo("wall", "as long as this"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err }))
	require.NoError(t, err)
	defer c.Close()
	require.True(t, strings.HasPrefix(c.ConnectedUrl(), "ws://"))
	sub, err := c.SubscribeSync("rt.n1.batch.*")
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	s.set(func() { s.list[0].Life = api.Active })
	for {
		m, err := sub.NextMsg(patience)
		require.NoError(t, err)
		require.Equal(t, "rt.n1.batch."+Token("n1.B-0001"), m.Subject)
		if lifeOf(m.Data) == api.Active {
			break
		}
	}
	require.NoError(t, c.Publish("cmd.n1.wall", []byte(`{}`)))
	select {
	case refusedToo = <-refusals:
	case <-time.After(patience):
		refusedToo = errors.New("nothing was refused")
	}
	require.ErrorIs(t, refusedToo, nats.ErrPermissionViolation)
	for try := 0; try == 0 || try < 20 && !errors.Is(err, nats.ErrAuthorization); try++ { // the connection may be gone before the reason is read
		_, err = nats.Connect("ws://"+p.opt.Websocket, nats.UserInfo("wall", "x"))
		require.Error(t, err)
	}
	require.ErrorIs(t, err, nats.ErrAuthorization, fmt.Sprint(err))
}

func TestAKeyOfANodeOpensNothingWhereNoCertificateIsAskedFor(t *testing.T) {
	t.Parallel()
	p := newPlantOf(t, func(o *ServerOptions) { o.Websocket = free(t) })
	for name, in := range map[string]bool{"n1": false, "hub": false, "root": false, "anna": true} {
		opt, err := nats.NkeyOptionFromSeed(p.seeds[name])
		require.NoError(t, err)
		c, err := nats.Connect("ws://"+p.opt.Websocket, opt)
		if in {
			require.NoError(t, err, name)
			c.Close()
			continue
		}
		require.Error(t, err, name) // the connection may be gone before the reason is read
	}
}
