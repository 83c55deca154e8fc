// A connection that begins as a request and goes on in words of its own.

package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// upgraded is a connection of which the first bytes may have been read already.
type upgraded struct {
	net.Conn
	r io.Reader
}

func (u *upgraded) Read(p []byte) (int, error) { return u.r.Read(p) }

// Upgrade connects anew, sends in to path, and returns the connection once the other side has agreed to go on in protocol. It blocks until
// then, or until ctx ends; ctx means nothing to the connection after that. What is refused is an *Error.
func (c *Client) Upgrade(ctx context.Context, path, protocol string, in Body) (net.Conn, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://executive"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("api: %s: %w", c.name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	r := bufio.NewReader(conn)
	err = exchange(conn, r, req)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		conn.Close()
		var refused *Error
		if errors.As(err, &refused) {
			return nil, err
		}
		return nil, fmt.Errorf("api: POST %s: %s: %w", path, c.name, err)
	}
	return &upgraded{conn, r}, nil
}

// exchange sends a request that asks for an upgrade and reads what is said of it.
func exchange(conn net.Conn, r *bufio.Reader, req *http.Request) error {
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	defer resp.Body.Close()
	e := &Error{Status: resp.StatusCode}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(text, e) != nil || e.Message == "" {
		e.Message = "api: " + req.URL.Path + ": the answer is " + resp.Status
	}
	e.Status = resp.StatusCode
	return e
}

// Upgrade answers a request whose body has been taken, and returns its connection, which goes on in protocol and is the caller's to close. Where it
// returns an error, it has answered with that.
func Upgrade(w http.ResponseWriter, r *http.Request, protocol string) (net.Conn, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		err := &Error{http.StatusUpgradeRequired, "api: " + r.URL.Path + ": it goes on in " + protocol + "; ask for that by Upgrade"}
		Reply(w, nil, err)
		return nil, err
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		Reply(w, nil, err)
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return &upgraded{conn, buf.Reader}, nil
}
