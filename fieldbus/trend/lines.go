// A sink: samples as lines of JSON, posted to a web address.

package trend

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/iomap/tag"
)

const (
	maxReply = 64 << 10 // bytes of an answer that are read
	maxSaid  = 200      // bytes of it that an error keeps
)

// Lines posts each batch to one address, a line of JSON for each sample:
//
//	{"seq":7,"channel":"ai/1","value":21.5,"form":"float32","bits":"41ac0000","quality":"GOOD","status":0,"mono_ns":"123","utc_ns":"0"}
//
// Numbers of 64 bits are text, since readers of JSON may make floats of them; value is null where it is no number. Any answer of
// the 200s acknowledges the whole batch, so a server answers when it has it for good, and passes over each seq that it has: a
// batch whose answer was lost comes again. The header Batchkit-Samples says "first-last". A redirection is refused: nothing is
// sent elsewhere.
type Lines struct {
	url    string
	client http.Client
}

var _ Sink = (*Lines)(nil)

// NewLines makes a sink of a web address. transport may be nil, for the standard one; it is where TLS, keys and proxies are set.
func NewLines(address string, transport http.RoundTripper) (*Lines, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("trend: address %q: give one such as https://historian.example/samples", address)
	}
	return &Lines{url: address, client: http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}, nil
}

// Send is part of Sink. It blocks for the network.
func (l *Lines) Send(ctx context.Context, batch []Sample) (acked uint64, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	var b []byte
	for i := range batch {
		b = line(b, &batch[i])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(string(b)))
	if err != nil {
		return 0, err
	}
	last := batch[len(batch)-1].Seq
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Batchkit-Samples", fmt.Sprintf("%d-%d", batch[0].Seq, last))
	res, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxReply)) // the status alone counts
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return 0, fmt.Errorf("it answers %s: %.*q", res.Status, maxSaid, said)
	}
	return last, nil
}

// line appends a sample.
func line(b []byte, s *Sample) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, s.Seq, 10)
	b = append(b, `,"channel":`...)
	b = appendText(b, s.Channel)
	b = append(b, `,"value":`...)
	b = appendValue(b, s)
	b = append(b, `,"form":"`+s.Form.String()+`","bits":"`...)
	b = strconv.AppendUint(b, s.Bits, 16)
	b = append(b, `","quality":"`+s.Quality.String()+`","status":`...)
	b = strconv.AppendUint(b, uint64(s.Status), 10)
	b = append(b, `,"mono_ns":"`...)
	b = strconv.AppendInt(b, s.Mono, 10)
	b = append(b, `","utc_ns":"`...)
	b = strconv.AppendInt(b, s.UTC, 10)
	return append(b, "\"}\n"...)
}

// appendText appends a text as JSON has it; it is UTF-8.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c == 0x7F || c == '\u2028' || c == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, string(c)...)
		}
	}
	return append(b, '"')
}

// appendValue appends what the bits stand for. Nothing is decided by it, so it may be a float.
func appendValue(b []byte, s *Sample) []byte {
	f, size := 0.0, 64
	switch s.Form {
	case tag.Bool:
		return strconv.AppendBool(b, s.Bits&1 == 1)
	case tag.Int:
		if n := int64(s.Bits); n > -1<<53 && n < 1<<53 {
			return strconv.AppendInt(b, n, 10)
		}
		return append(b, "null"...)
	case tag.Float32:
		f, size = float64(math.Float32frombits(uint32(s.Bits))), 32
	default:
		f = math.Float64frombits(s.Bits)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, size)
}
