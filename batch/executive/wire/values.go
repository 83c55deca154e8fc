// What the board reads, for whoever only looks.

package wire

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/iomap/tag"
)

// How values are shown.
const (
	valuesEvery = 100 * time.Millisecond // between two looks of one who watches: the newest value is shown, those between are not
	maxLookers  = 4                      // who watch values at a time
)

// serveValues answers GET /v1/values: an event "value" with an api.Value for each channel, and again when one has changed; a comment each second says
// that the process lives. Whoever watches costs the polling of the board nothing but the time of a look.
func (s *Server) serveValues(w http.ResponseWriter, r *http.Request) {
	select {
	case s.lookers <- struct{}{}:
		defer func() { <-s.lookers }()
	default:
		api.Reply(w, nil, &api.Error{Status: http.StatusServiceUnavailable, Message: "wire: as many watch the values as may; end one of them"})
		return
	}
	out := api.NewStream(w)
	look, beat := time.NewTicker(valuesEvery), time.NewTicker(api.Heartbeat)
	defer look.Stop()
	defer beat.Stop()
	shown := map[string]tag.Raw{}
	for {
		for _, raw := range s.changed(shown) {
			data, err := json.Marshal(s.show(raw))
			if err == nil {
				err = out.Send("value", "", data)
			}
			if err != nil {
				return
			}
		}
		select {
		case <-look.C:
		case <-beat.C:
			if out.Beat() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// changed gives the values that are others than were shown, and takes them as shown.
func (s *Server) changed(shown map[string]tag.Raw) (list []tag.Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, v := range s.values {
		raw := v.raw
		if raw.Channel == "" { // a runner watches it, and the port has none
			continue
		}
		if was, known := shown[c]; !known || was.Bits != raw.Bits || was.Form != raw.Form || was.Quality != raw.Quality {
			shown[c] = raw
			list = append(list, raw)
		}
	}
	return list
}

// show writes a value as others read it.
func (s *Server) show(raw tag.Raw) *api.Value {
	v := &api.Value{Channel: raw.Channel, Form: raw.Form.String(), Quality: raw.Quality.String()}
	switch raw.Form {
	case tag.Bool:
		v.Value = strconv.FormatUint(raw.Bits&1, 10)
	case tag.Float32:
		v.Value = strconv.FormatFloat(float64(math.Float32frombits(uint32(raw.Bits))), 'g', -1, 32)
	case tag.Float64:
		v.Value = strconv.FormatFloat(math.Float64frombits(raw.Bits), 'g', -1, 64)
	default:
		v.Value = strconv.FormatInt(int64(raw.Bits), 10)
	}
	if utc := s.ledger.UTC(); utc != 0 {
		v.At = time.Unix(0, utc-max(s.clock.Now()-raw.At, 0)).UTC().Format(time.RFC3339Nano)
	}
	return v
}
