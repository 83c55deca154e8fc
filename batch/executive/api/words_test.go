// Tests of the words: what they look like, and what is refused.

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/batch/executive/equipment"
	"github.com/batchkit/batchkit/internal/golden"
)

// bodies is a new one of each request and answer.
func bodies() []Body {
	return []Body{&Self{}, &Batch{}, &Batches{}, &Create{}, &Command{}, &PromptAnswer{}, &Removal{}, &Restart{}, &Accepted{}, &Holding{}, &Holdings{},
		&Reorder{}, &Claim{}, &Ruling{}, &Message{}, &Binding{}, &Fence{}, &Fenced{}, &Wire{}, &Model{}, &ModelChange{}, &Impact{}, &Order{}, &Nodes{}, &Floors{},
		&Job{}, &Jobs{}, &AddJobs{}, &JobCommand{}, &JobsAccepted{}, &JobSlot{}, &JobSlots{}, &ProcessView{}, &Processes{}, &ProcessCommand{}, &JobNotice{},
		&Run{}, &Runs{}, &RunCreate{}, &RunCommand{}, &RunAccepted{}, &UnitSlots{}, &Material{}, &Materials{}, &MaterialOrder{}}
}

// fill gives every field a value that is its name.
func fill(v reflect.Value, name string) {
	if r, ok := v.Addr().Interface().(*Rights); ok {
		*r = Rights{Edges: []int{33}, Local: map[string]string{"1000": "a"}, Roles: map[string][]string{"a": {MayCommand}}}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fill(v.Field(i), tag)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(name))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("a").Convert(v.Type().Key()), e)
	case reflect.String:
		words := map[string]string{"role": Manager, "life": string(Active), "kind": "granted", "do": "meet", "": "text"}
		v.SetString(name)
		if w, ok := words[name]; ok {
			v.SetString(w)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(2)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(3)
	default:
		panic(v.Kind().String())
	}
}

func filled(b Body) Body {
	fill(reflect.ValueOf(b).Elem(), "")
	return b
}

func take(t testing.TB, body []byte, v Body) error {
	t.Helper()
	return Take(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/x", bytes.NewReader(body)), v)
}

func TestEachWordHasTheFormThatIsOnFileAndIsReadAsItWasSaid(t *testing.T) {
	var all bytes.Buffer
	for _, b := range bodies() {
		data, err := json.MarshalIndent(filled(b), "", " ")
		require.NoError(t, err)
		name := reflect.TypeOf(b).Elem().Name()
		fmt.Fprintf(&all, "%s %s\n", name, data)
		again := reflect.New(reflect.TypeOf(b).Elem()).Interface().(Body)
		if data[0] == '[' { // an answer, and no request
			require.NoError(t, json.Unmarshal(data, again))
			require.NoError(t, again.Check(), name)
		} else {
			require.NoError(t, take(t, data, again), name)
		}
		require.Equal(t, b, again)
	}
	golden.Check(t, "testdata/words.golden", all.Bytes())
}

func TestNoTextListOrTableOfARequestIsWithoutABound(t *testing.T) {
	long := strings.Repeat("x", MaxReason+1)
	for _, b := range bodies() {
		name := reflect.TypeOf(b).Elem().Name()
		if name == "Impact" {
			continue // an answer, of a package that makes no more than the model has
		}
		filled(b)
		walk(reflect.ValueOf(b).Elem(), name, func(where string, v reflect.Value) {
			old := reflect.ValueOf(v.Interface())
			switch v.Kind() {
			case reflect.String:
				v.SetString(long)
			case reflect.Slice:
				many := reflect.MakeSlice(v.Type(), MaxBatches+1, MaxBatches+1)
				v.Set(many)
			case reflect.Map:
				many := reflect.MakeMap(v.Type())
				for i := range MaxChannels + 1 {
					k := reflect.ValueOf(fmt.Sprint("k", i)).Convert(v.Type().Key())
					many.SetMapIndex(k, reflect.Zero(v.Type().Elem()))
				}
				v.Set(many)
			}
			require.Error(t, b.Check(), where)
			v.Set(old)
			require.NoError(t, b.Check(), where)
		})
	}
}

// walk visits every text, list and table that can be set.
func walk(v reflect.Value, where string, visit func(where string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), where+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // its length is that of the body
		}
		visit(where, v)
		walk(v.Index(0), where+"[0]", visit)
	case reflect.String, reflect.Map:
		visit(where, v)
	}
}

func TestARequestThatIsNotAsDocumentedIsRefusedAndSaysWhatToDo(t *testing.T) {
	for body, want := range map[string]string{
		``:                                       "is no JSON object; send one",
		`null`:                                   "is no JSON object",
		`[]`:                                     "is no JSON object",
		`{"command":"start"`:                     "unexpected EOF; send one JSON object",
		`{"command":"start"} {}`:                 "more stands behind the JSON object; send one",
		`{"command":"start"} x`:                  "more stands behind",
		`{"command":"x","Forc":1}`:               `unknown field "Forc"; send one`,
		`{"command":"start","command":"abort"}`:  `field "command" is there twice; send it once`,
		`{"command":"start","COMMAND":"abort"}`:  `field "COMMAND" is there twice`,
		`{"command":3}`:                          "cannot unmarshal number",
		`{}`:                                     "command is missing; give it",
		"{\"command\":\"\xff\"}":                 "is no UTF-8",
		`{"command":"start","reason":"a\u0007"}`: "control character U+0007; leave it out",
		`{"command":"start","reason":"` + strings.Repeat("é", 201) + `"}`: "reason has 402 bytes; at most 400 are taken",
	} {
		var e *Error
		require.ErrorAs(t, take(t, []byte(body), &Command{}), &e, body)
		require.Equal(t, http.StatusBadRequest, e.Status)
		require.ErrorContains(t, e, "api: POST /v1/x: ", body)
		require.ErrorContains(t, e, want, body)
	}
	var e *Error
	require.ErrorAs(t, take(t, []byte(`{"command":"`+strings.Repeat("x", MaxBody)+`"}`), &Command{}), &e)
	require.Equal(t, http.StatusRequestEntityTooLarge, e.Status)
	require.ErrorContains(t, e, "more than 1048576 bytes; send less at a time")
	require.NoError(t, take(t, []byte("\n {\"command\":\"start\",\"reason\":\"a\\nb\"} \n"), &Command{}))
}

func TestWhatIsOutOfBoundsIsRefused(t *testing.T) {
	order := Order{Operator: "a"}
	for want, b := range map[string]Body{
		"batch_id manager is the name of a process": &Create{ID: "manager", Recipe: "R"},
		"batch_id production is the name of a proc": &Create{ID: "production", Recipe: "R"},
		`batch_id "../x": an identifier has`:        &Create{ID: "../x", Recipe: "R"},
		`batch_id ".x"`:                             &Create{ID: ".x", Recipe: "R"},
		"batch_id \"" + strings.Repeat("x", 65):     &Create{ID: strings.Repeat("x", 65), Recipe: "R"},
		"recipe_id is missing":                      &Create{ID: "B-1"},
		`unit "a b"`:                                &Create{Recipe: "R", Unit: "a b"},
		"priority is 1000000001":                    &Create{Recipe: "R", Priority: 1_000_000_001},
		"place is 0; it is 1 to":                    &Reorder{Batch: "B", Order: order},
		"equipment: R1 is there twice":              &Claim{Batch: "B", Equipment: []string{"R1", "R2", "R1"}},
		"equipment has 65 entries":                  &Claim{Batch: "B", Equipment: make([]string, 65)},
		`do "shout": it is one of`:                  &Message{Batch: "B", Do: "shout", Key: "k", Group: "g"},
		"key is missing":                            &Message{Batch: "B", Do: "post", Group: "g"},
		"group is missing":                          &Message{Batch: "B", Do: "take", Key: "k"},
		"partners is 1; it is 2 to 64":              &Message{Batch: "B", Do: "meet", Key: "k", Group: "g", Partners: 1},
		"equipment is missing":                      &Fence{Batch: "B", Token: 1},
		"token is 0":                                &Fence{Batch: "B", Equipment: []string{"R1"}},
		`life "Gone"`:                               &Batch{ID: "B", Life: "Gone"},
		`kind "maybe"`:                              &Ruling{Kind: "maybe"},
		"put, entry 2: owners is 65":                &ModelChange{Change: equipment.Change{Put: []Equipment{{ID: "A"}, {ID: "B", Owners: 65}}}},
		"return: R1 is there twice":                 &ModelChange{Change: equipment.Change{Return: []string{"R1", "R1"}}},
		"edge -1 is no user":                        &Binding{Rights: Rights{Edges: []int{-1}}},
	} {
		require.ErrorContains(t, b.Check(), want)
	}
	require.NoError(t, (&Message{Batch: "B", Do: "forget", Key: "k"}).Check())
	require.NoError(t, (&Create{Recipe: "R", ID: "B-0001.a_b"}).Check())
}

func TestAnAnswerIsAnErrorAsItIsAndAnyOtherErrorHasStatus500(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{&Error{409, "no"}, 409, "no"},
		{fmt.Errorf("wrapped: %w", &Error{403, "not you"}), 403, "not you"},
		{fmt.Errorf("broken"), 500, "broken"},
		{&Error{200, "odd"}, 500, "odd"},
	} {
		w := httptest.NewRecorder()
		Reply(w, nil, c.err)
		var e Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
		require.Equal(t, Error{c.status, c.text}, e)
		require.Equal(t, c.status, w.Code)
	}
	w := httptest.NewRecorder()
	Reply(w, nil, fmt.Errorf("%s", strings.Repeat("é", MaxReason)))
	require.Less(t, w.Body.Len(), MaxReason+64)
}

func FuzzTake(f *testing.F) {
	for i, b := range bodies() {
		data, err := json.Marshal(filled(b))
		require.NoError(f, err)
		f.Add(i, data)
	}
	f.Add(4, []byte(`{"command":"start","command":"abort"}`))
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		all := bodies()
		b := all[((which%len(all))+len(all))%len(all)]
		if err := take(t, data, b); err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			return
		}
		said, err := json.Marshal(b)
		require.NoError(t, err)
		if len(said) > MaxBody || said[0] != '{' {
			return
		}
		again := reflect.New(reflect.TypeOf(b).Elem()).Interface().(Body)
		require.NoError(t, take(t, said, again), "what was taken is said and taken again")
	})
}
