// This file runs the decoder, and turns its one syntax error into a message with an exact place.

package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// syntaxError is why the decoder stopped, and where.
type syntaxError struct {
	line, column int
	msg          string
}

var errGivenUp = errors.New("yaml: the YAML reader cannot make sense of this")

// decode returns the first two documents of text, and what ended reading before the end of the text, if anything did.
func decode(text string) (first, second *yaml.Node, bad *syntaxError) {
	dec := yaml.NewDecoder(strings.NewReader(text))
	// The decoder panics on some malformed input ("please report").
	defer func() {
		if recover() != nil {
			bad = explain(dec, errGivenUp)
		}
	}()
	for {
		n := new(yaml.Node)
		if err := dec.Decode(n); err == io.EOF {
			return first, second, nil
		} else if err != nil {
			return first, second, explain(dec, err)
		}
		if first == nil {
			first = n
		} else if second == nil {
			second = n
		}
	}
}

var yamlPrefix = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// explain gives a place and plain words to an error of the decoder. The error itself names no column, and often the line where the
// mapping around the mistake begins; the decoder knows the place, but only in fields that it does not export. They are read by
// reflection, and if they are not as expected the line that the error names is used.
func explain(dec *yaml.Decoder, err error) *syntaxError {
	prefix := yamlPrefix.FindStringSubmatch(err.Error())
	bad := &syntaxError{column: 1, msg: strings.TrimPrefix(err.Error(), prefix[0])}
	bad.line, _ = strconv.Atoi(prefix[1]) // no number is line 0, which is moved into the file like any other place
	mark := []string{"parser", "parser", "problem_mark"}
	context := field(dec, "parser", "parser", "context")
	switch {
	case err == errGivenUp:
		mark = []string{"parser", "parser", "mark"}
	case strings.HasPrefix(bad.msg, "unknown anchor"):
		mark = []string{"parser", "event", "start_mark"}
	case context.Kind() == reflect.String && strings.HasPrefix(context.String(), "while scanning"):
		// What began at the context, such as a quote, has no end; that it was noticed later helps nobody.
		mark = []string{"parser", "parser", "context_mark"}
	}
	line, column := field(dec, append(mark, "line")...), field(dec, append(mark, "column")...)
	if line.CanInt() && column.CanInt() {
		bad.line, bad.column = int(line.Int())+1, int(column.Int())+1
	}
	bad.msg = plainWords(bad.msg)
	return bad
}

// field returns the field that the names lead to, or the zero Value.
func field(dec *yaml.Decoder, names ...string) reflect.Value {
	v := reflect.ValueOf(dec)
	for _, name := range names {
		v = reflect.Indirect(v)
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		v = v.FieldByName(name)
	}
	return v
}

// syntaxAdvice says what usually lies behind a message of the decoder.
var syntaxAdvice = map[string]string{
	"mapping values are not allowed in this context":         `wrong indent, or text with ": " in it that must be quoted`,
	"did not find expected key":                              "wrong indent, a list item among keys, or text after a closing quote",
	"did not find expected '-' indicator":                    "wrong indent, or a key among list items",
	"did not find expected ',' or ']'":                       "a comma is missing, or the list is not closed by ]",
	"did not find expected ',' or '}'":                       "a comma is missing, or the mapping is not closed by }",
	"did not find expected node content":                     "a value is missing here, or a bracket is not closed",
	"could not find expected ':'":                            "a key without a colon, or wrong indent",
	"found character that cannot start any token":            "text that begins with this character must be quoted",
	"found unexpected end of stream":                         "the quote that opens here is not closed",
	"did not find expected <document start>":                 "text after the end of the document",
	"block sequence entries are not allowed in this context": "a list begins on the line after its key",
	"found invalid Unicode character escape code":            "write the character itself",
}

func plainWords(msg string) string {
	if strings.HasPrefix(msg, "unknown anchor") {
		return aliasMessage
	}
	if advice, ok := syntaxAdvice[msg]; ok {
		return fmt.Sprintf("not valid YAML: %s (%s)", advice, msg)
	}
	return "not valid YAML: " + msg
}
