// Whatever comes from outside is answered, and changes nothing that it may not.

package registry_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/api"
	"github.com/batchkit/batchkit/batch/executive/registry"
)

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	s, err := registry.Open(t.TempDir(), "CELL-01", cell(), &api.Memory{}, nil)
	require.NoError(t, err)
	defer s.Close()
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/self", "", 200},
		{"GET", "/v1/model", "", 200},
		{"GET", "/v1/bindings?recipe=RINSE&unit=R101", "", 200},
		{"GET", "/v1/batches", "", 404},
		{"POST", "/v1/model", "{}", 404},
		{"POST", "/v1/model/changes", "", 400},
		{"POST", "/v1/model/changes", `{"base":1,"colour":"red"}`, 400},
		{"POST", "/v1/model/changes", `{"base":1} {}`, 400},
		{"POST", "/v1/model/changes", `{"base":-1}`, 400},
		{"POST", "/v1/model/changes", `{"base":1,"reason":"` + strings.Repeat("x", api.MaxText+1) + `"}`, 400},
		{"POST", "/v1/model/changes?dry=1", `{"base":1,"retire":["S901"]}`, 200},
		{"POST", "/v1/model/changes", `{"base":1,"retire":["S901"],"reason":"x"}`, 403},
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		require.Equal(t, c.status, w.Code, "%s %s: %s", c.method, c.path, w.Body)
		require.True(t, json.Valid(w.Body.Bytes()))
	}
	require.EqualValues(t, 1, s.Model().Version)
}

func FuzzAChangeFromOutsideIsAnsweredAndDryChangesNothing(f *testing.F) {
	s, err := registry.Open(f.TempDir(), "CELL-01", cell(), &api.Memory{}, nil)
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	h, digest := s.Handler(), s.Model().Digest
	f.Add([]byte(`{"base":1,"retire":["S901"]}`))
	f.Add([]byte(`{"base":1,"put":[{"equipment_id":"R103","level":"unit","parent":"CELL","owners":1,"map":"maps/R101.yaml"}],"reason":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/model/changes?dry=1", strings.NewReader(string(body))))
		require.True(t, json.Valid(w.Body.Bytes()))
		require.NotEqual(t, 500, w.Code, w.Body)
		require.Equal(t, digest, s.Model().Digest)
	})
}
