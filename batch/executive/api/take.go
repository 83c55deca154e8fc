// What a request brings and what it gets: one JSON value each way.

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Body is what a request or an answer carries; Check refuses what is out of bounds.
type Body interface {
	Check() error
}

// Take reads the body of a request into v: one JSON value of UTF-8, MaxBody bytes at most, without unknown fields and without a field twice. An
// error is an *Error that says what to do.
func Take(w http.ResponseWriter, r *http.Request, v Body) error {
	no := func(status int, err error) error {
		return &Error{status, "api: " + r.Method + " " + r.URL.Path + ": " + err.Error()}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return no(http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes; send less at a time", MaxBody))
	case err != nil:
		return no(http.StatusBadRequest, fmt.Errorf("the body broke off: %w; send it again", err))
	}
	if err := decode(data, v); err != nil {
		return no(http.StatusBadRequest, err)
	}
	return nil
}

// decode reads one JSON value strictly.
func decode(data []byte, v Body) error {
	const want = "send one JSON object, as the comment of package api has it"
	if !utf8.Valid(data) {
		return errors.New("the body is no UTF-8; " + want)
	}
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return errors.New("the body is no JSON object; " + want)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w; %s", err, want)
	}
	if len(bytes.TrimRight(data[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("more stands behind the JSON object; send one")
	}
	if err := once(json.NewDecoder(bytes.NewReader(data))); err != nil {
		return err
	}
	return v.Check()
}

// once refuses an object that has a field twice, of which a reader takes the one or the other; names that differ in case only are the same to
// package json. The decoder has a value that is JSON.
func once(d *json.Decoder) error {
	type level struct {
		names map[string]bool // nil: a list
		value bool            // a value comes next, and no name
	}
	var in []level
	for {
		t, err := d.Token()
		if err != nil {
			return nil // the end
		}
		top := len(in) - 1
		switch t := t.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				in = in[:top]
				continue
			}
			if top >= 0 {
				in[top].value = false
			}
			l := level{}
			if t == '{' {
				l.names = map[string]bool{}
			}
			in = append(in, l)
			continue
		case string:
			if top >= 0 && in[top].names != nil && !in[top].value {
				name := strings.ToLower(t)
				if in[top].names[name] {
					return fmt.Errorf("field %.80q is there twice; send it once", t)
				}
				in[top].names[name], in[top].value = true, true
				continue
			}
		}
		if top >= 0 {
			in[top].value = false
		}
	}
}

// Reply answers a request with v, or with err where there is one: an Error as it is, any other as status 500.
func Reply(w http.ResponseWriter, v Body, err error) {
	status := http.StatusOK
	var data []byte
	if err == nil {
		data, err = json.Marshal(v)
	}
	if err != nil {
		e := &Error{Status: http.StatusInternalServerError, Message: cut(err.Error())}
		if errors.As(err, &e) {
			e = &Error{e.Status, cut(e.Message)}
		}
		if e.Status < 400 || e.Status > 599 {
			e.Status = http.StatusInternalServerError
		}
		status = e.Status
		data, _ = json.Marshal(e)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}

// cut shortens a text of an answer to MaxReason bytes.
func cut(s string) string {
	if len(s) <= MaxReason {
		return s
	}
	return strings.ToValidUTF8(s[:MaxReason-3], "") + "..."
}
