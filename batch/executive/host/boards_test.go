// Claims about a batch whose equipment lies on two boards: what is cut is lost there, and nothing else is.

package host

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/ledger"
	"github.com/batchkit/batchkit/batch/executive/wire"
)

// farMap has a valve on this board and one on n2, where its level is read, too.
const farMap = `mapping: CELL-IO
version: "1.0"
schema_version: 1
device_id: CTRL-01
equipment_id: UNIT-1
resources:
  - {resource_id: LINE_1, equipment_id: CELL-LINE-1, between_batches: true}
  - {resource_id: LINE_2, equipment_id: CELL-LINE-2, between_batches: true}
tags:
  - {logical_tag: XV1, physical_channel: do/1, direction: out, resource: LINE_1, type: switch, words: [closed, open], safe_value: closed, stale_after: 5 s}
  - {logical_tag: XV2, physical_channel: "n2:do/1", direction: out, resource: LINE_2, type: switch, words: [closed, open], safe_value: closed, stale_after: 5 s}
  - {logical_tag: LT2, physical_channel: "n2:ai/1", direction: in, type: number, form: int, resolution: 1 L, gain: 1 L, stale_after: 5 s}
`

// farRecipe opens a valve, waits, and closes it; VALVE and LINE say which.
const farRecipe = `recipe: FILL
version: "1.0"
schema_version: 1
title: Fill
recovery: resume
batch_size: {nominal: 20 kg, min: 10 kg, max: 50 kg}
procedure:
  id: FILL
  level: operation
  sequence:
    - id: CHARGE
      level: phase
      uses: [LINE]
      timeout: 10 h
      actions:
        - set: {VALVE: open}
        - delay: 60 s
        - set: {VALVE: closed}
        - delay: 5 s
`

// io is an I/O process over a board, which ends with the site.
func (s *site) io(node string, b *board, line string, listen func(h http.Handler)) {
	s.t.Helper()
	dir := s.t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger"), node, "device", nil)
	require.NoError(s.t, err)
	io, err := wire.New(b, l, &wire.ServerOptions{Dir: dir, Node: node})
	require.NoError(s.t, err)
	io.SetModel([]api.Equipment{{ID: line, Level: "equipment_module", Owners: 1, Channels: []string{"do/1"}, Safe: map[string]string{"do/1": "0"}}})
	s.wg.Go(func() {
		_ = io.Run(s.ctx)
		_ = l.Close()
	})
	listen(io.Handler())
}

// cable is what n2 is reached by; it can be cut, and then what is said is swallowed.
type cable struct {
	net.Listener
	mu  sync.Mutex
	cut bool
}

type strand struct {
	net.Conn
	c *cable
}

func (c *cable) is() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

// Accept implements net.Listener.
func (c *cable) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil || !c.is() {
			return &strand{conn, c}, err
		}
		conn.Close()
	}
}

// Write implements net.Conn.
func (s *strand) Write(p []byte) (int, error) {
	if s.c.is() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

// two gives the site a board n1, which it has, and a board n2, at the end of a cable.
func (s *site) two() (far *board, line *cable) {
	s.t.Helper()
	s.order.Batch = "n1.B-0001"
	s.opt.Port = nil
	s.bound.Nodes = []string{"n2"}
	s.bound.Files["maps/map.yaml"] = []byte(farMap)
	s.io("n1", s.board, "CELL-LINE-1", func(h http.Handler) { s.serve(api.IO, h) })
	far, line = &board{}, &cable{}
	s.io("n2", far, "CELL-LINE-2", func(h http.Handler) {
		l, err := s.net.Listen(api.Remote("n2", api.IO))
		require.NoError(s.t, err)
		line.Listener = l
		s.wg.Go(func() {
			_ = api.ServeWith(s.ctx, line, h, &api.ServeOptions{Peer: func(net.Conn) api.Peer { return api.Peer{UID: -1, PID: -1, Node: "n1", There: 1000} }})
		})
		s.serve("far", h)
	})
	c := s.net.Dial("far")
	defer c.Close()
	for {
		err := c.Call(s.ctx, http.MethodPost, "/v1/floors", &api.Floors{}, nil)
		if err == nil {
			return far, line
		}
		require.ErrorContains(s.t, err, "does not run")
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *site) recipe(line, valve string) {
	s.bound.Files["recipe.yaml"] = []byte(strings.NewReplacer("LINE", line, "VALVE", valve).Replace(farRecipe))
}

func TestABatchDrivesEquipmentOfAnotherBoard(t *testing.T) {
	inBubble(t, func(s *site) {
		far, _ := s.two()
		s.recipe("LINE_2", "XV2")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return far.output() == 1 })
		require.Zero(t, s.board.output())
		s.until(func(api.Batch) bool { return far.output() == 0 })
		require.Equal(t, "Complete", s.lives(api.Ended).State)
		s.removed()
	})
}

func TestABatchOnThisBoardGoesOnWhenTheOtherIsCutOff(t *testing.T) {
	inBubble(t, func(s *site) {
		far, line := s.two()
		s.recipe("LINE_1", "XV1")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return s.board.output() == 1 })
		line.set(true)
		b := s.lives(api.Ended)
		require.Equal(t, "Complete", b.State, b.Reason)
		require.Zero(t, s.board.output())
		require.Zero(t, far.opened)
		s.removed()
	})
}

func TestABatchOnABoardThatIsCutOffIsHeldAndGoesOnWhenItIsBack(t *testing.T) {
	inBubble(t, func(s *site) {
		far, line := s.two()
		s.recipe("LINE_2", "XV2")
		s.manager()
		s.runtime()
		s.begin()
		s.lives(api.Ready)
		s.tell("start")
		s.until(func(api.Batch) bool { return far.output() == 1 })
		begun := time.Now()
		line.set(true)
		s.until(func(api.Batch) bool { return far.output() == 0 })
		require.Less(t, time.Since(begun), 4*time.Second, "n2 has made safe what it heard no more of")
		b := s.until(func(b api.Batch) bool { return strings.HasPrefix(b.State, "H") })
		require.Less(t, time.Since(begun), 4*time.Second)
		b = s.until(func(b api.Batch) bool { return b.State == "Held" })
		require.Contains(t, b.Reason, "board n2 is not reached: ")

		line.set(false)
		b = s.until(func(b api.Batch) bool { return !strings.Contains(b.Reason, "n2") })
		require.Equal(t, "Held", b.State, "it goes on when a person says so")
		time.Sleep(3 * time.Second)
		status, words := s.tell("restart")
		require.Zero(t, status, words)
		s.until(func(api.Batch) bool { return far.output() == 1 })
		require.Equal(t, "Complete", s.lives(api.Ended).State)
		s.removed()
	})
}
