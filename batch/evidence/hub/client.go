// The hub over HTTP: the side that asks. It gives up soon what hangs, so that a link that is back is used at once.

package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchkit/batchkit/journal"
	"github.com/batchkit/batchkit/journal/export"
)

const (
	defaultPatience = 500 * time.Millisecond
	maxPatience     = 30 * time.Second
	lists           = 20       // times the patience that a list, or an answer of a query, may take
	maxReply        = 64 << 10 // bytes of an answer that is no list, file or record
	maxList         = 128 << 20
	maxEdges        = 10_000 // journals of which it is remembered how they stand
)

// ClientOptions are the settings of a Client; nil means all zero.
type ClientOptions struct {
	Token string      // is sent as Authorization: Bearer
	Node  string      // is sent as the name of the node, which only Anybody believes
	TLS   *tls.Config // for https: the plant's authorities, and a client certificate. Nil: those of the system, and none

	// Patience is how long a connection, or the answer to a small question, may take: after that the link counts as cut. It is to
	// be longer than the link's way there and back. A list, or one answer of a query, may take twenty times that. Rows may take
	// as long, or three times what rows took last; that grows up to 30 s while the hub answers small questions. Zero means 500
	// ms.
	Patience time.Duration
}

// Client is a hub at the far end of HTTP, as an export.Sink and export.Announcer. With export.Options of Least 100 ms and Most
// 200 ms, rows flow again within a second of the link being back. Its methods may be called from any goroutine. Its errors wrap
// those of the Hub.
type Client struct {
	base *url.URL
	opt  ClientOptions
	http *http.Client

	mu    sync.Mutex
	rows  time.Duration // how long rows may take
	edges map[string]export.Edge
}

// NewClient makes a client for the hub at an address such as https://hub.plant.example:8443; it does not connect. What the
// environment says of proxies does not count, and a redirection is not followed: a token goes nowhere else.
func NewClient(address string, opt *ClientOptions) (*Client, error) {
	c := &Client{edges: map[string]export.Edge{}}
	if opt != nil {
		c.opt = *opt
	}
	c.opt.Patience = cmp.Or(c.opt.Patience, defaultPatience)
	c.rows = c.opt.Patience
	var err error
	if c.base, err = url.Parse(address); err != nil || c.base.Scheme != "http" && c.base.Scheme != "https" || c.base.Host == "" || c.base.RawQuery != "" {
		return nil, fmt.Errorf("hub: %.200q is no address such as https://hub.plant.example:8443", address)
	}
	dial := &net.Dialer{Timeout: c.opt.Patience, KeepAlive: 15 * time.Second}
	c.http = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dial.DialContext, TLSClientConfig: c.opt.TLS, TLSHandshakeTimeout: 2 * c.opt.Patience,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // one request at a time on a connection: one that hangs holds up no other
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
	}
	return c, nil
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Announce implements export.Announcer; it goes out with the next question.
func (c *Client) Announce(journalID string, edge export.Edge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.edges) >= maxEdges {
		clear(c.edges)
	}
	c.edges[journalID] = edge
}

// Held implements export.Sink.
func (c *Client) Held(ctx context.Context, journalID string) (journal.Chain, error) {
	return c.chain(ctx, c.opt.Patience, http.MethodGet, journalID, "", nil)
}

// Take implements export.Sink.
func (c *Client) Take(ctx context.Context, journalID string, rows []export.Row) (journal.Chain, error) {
	var lines []byte
	for i := range rows {
		lines = rows[i].Append(lines)
	}
	c.mu.Lock()
	patience := c.rows
	c.mu.Unlock()
	began := time.Now()
	at, err := c.chain(ctx, patience, http.MethodPost, journalID, "rows", lines)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.rows = min(max(c.opt.Patience, 3*time.Since(began)), maxPatience)
	case errors.Is(err, errHangs):
		c.rows = min(max(c.rows, 2*patience), maxPatience)
	}
	return at, err
}

// errHangs says that no answer came in time: whether it was carried out nobody knows.
var errHangs = errors.New("no answer in time")

// chain asks what is held, or sends rows.
func (c *Client) chain(ctx context.Context, patience time.Duration, method, id, what string, body []byte) (at journal.Chain, err error) {
	if !validID(id) {
		return at, fmt.Errorf("%w: journal id %.80q", ErrRows, id)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: %s", errHangs, patience))
	defer cancel()
	head := http.Header{}
	c.mu.Lock()
	if edge, ok := c.edges[id]; ok {
		head.Set(headDurable, strconv.FormatUint(edge.Durable, 10))
		head.Set(headAcked, strconv.FormatUint(edge.Acked, 10))
	}
	c.mu.Unlock()
	resp, err := c.ask(ctx, method, c.base.JoinPath("v1", "journals", id, what), head, body)
	if err != nil {
		return at, err
	}
	defer resp.Body.Close()
	var h held
	if err := decode(ctx, resp, maxReply, &h); err != nil {
		return at, err
	}
	link, err := hex.DecodeString(h.Link)
	if err != nil || len(link) != len(at.Link) {
		return at, fmt.Errorf("hub: %s answers with the link %.80q", c.base.Host, h.Link)
	}
	return journal.Chain{N: h.N, Link: journal.Hash(link)}, nil
}

// ask sends a request, and gives an answer that is no error.
func (c *Client) ask(ctx context.Context, method string, to *url.URL, head http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	req.Header = head
	if c.opt.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opt.Token)
	}
	if c.opt.Node != "" {
		req.Header.Set(headNode, c.opt.Node)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", late(ctx, err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var w wrong
	if data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply)); err != nil || json.Unmarshal(data, &w) != nil || w.Error == "" {
		return nil, errors.Join(fmt.Errorf("hub: %s answers %s, as no hub does", c.base.Host, resp.Status), late(ctx, err))
	}
	for _, k := range kinds {
		if k.kind == w.Kind {
			return nil, &refusal{k.err, w.Error}
		}
	}
	return nil, fmt.Errorf("hub: %s: %.2000s", c.base.Host, w.Error)
}

// refusal is an error of the hub, in its own words.
type refusal struct {
	kind error
	text string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// Unwrap gives what it is.
func (r *refusal) Unwrap() error { return r.kind }

// late says why a context ended, where that is why something failed.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// decode reads an answer.
func decode[T any](ctx context.Context, resp *http.Response, most int64, v *T) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("hub: reading an answer: %w", late(ctx, err))
	}
	return nil
}

// Journals tells how each journal stands at the hub.
func (c *Client) Journals(ctx context.Context) (list []Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, lists*c.opt.Patience)
	defer cancel()
	resp, err := c.ask(ctx, http.MethodGet, c.base.JoinPath("v1", "journals"), http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return list, decode(ctx, resp, maxList, &list)
}

// File calls fn for each row of a journal as the hub has it, after it was held against the chain here: the hub need not be
// believed.
func (c *Client) File(ctx context.Context, journalID string, fn func(*export.Row) error) error {
	if !validID(journalID) {
		return fmt.Errorf("%w: journal id %.80q", ErrQuery, journalID)
	}
	resp, err := c.ask(ctx, http.MethodGet, c.base.JoinPath("v1", "journals", journalID, "file"), http.Header{}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return ReadRows(ctx, resp.Body, fn)
}

// Records calls fn with the lines of the records that the words of a query mean, as evidence.Row.Append writes them, answer by
// answer, until there are no more, and returns how many the hub does not know the kind of.
func (c *Client) Records(ctx context.Context, words []string, fn func(lines []byte) error) (left uint64, err error) {
	var next string
	for {
		var n uint64
		n, next, err = c.records(ctx, words, next, fn)
		if left += n; err != nil || next == "" {
			return left, err
		}
	}
}

func (c *Client) records(ctx context.Context, words []string, after string, fn func([]byte) error) (left uint64, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lists*c.opt.Patience)
	defer cancel()
	to := c.base.JoinPath("v1", "records")
	to.RawQuery = url.Values{"q": words, "after": {after}}.Encode()
	resp, err := c.ask(ctx, http.MethodGet, to, http.Header{}, nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	lines, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+longest+1<<10))
	if err != nil {
		return 0, "", fmt.Errorf("hub: reading records: %w", late(ctx, err))
	}
	next = strings.TrimSpace(resp.Header.Get(headNext))
	if next != "" && next == after {
		return 0, "", fmt.Errorf("hub: %s does not go on behind %.100s", c.base.Host, next)
	}
	left, _ = strconv.ParseUint(resp.Header.Get(headLeft), 10, 64)
	return left, next, fn(lines)
}
