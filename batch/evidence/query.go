// A query: which records of a journal are meant, by number, time, kind, and join keys.

package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchkit/batchkit/journal/record"
)

// maxWords is the greatest number of words of a query, and maxWord the most bytes of one.
const (
	maxWords = 64
	maxWord  = 1024
)

// ErrQuery is wrapped where the words of a query cannot be understood.
var ErrQuery = errors.New("evidence: no query")

// Query says which records are meant. The zero Query means all of them. As a part of the manifest it has one form, so two exports
// of one query are the same bytes.
type Query struct {
	First uint64   `json:"first_seq,string"` // lowest number; 0 is as good as 1
	From  string   `json:"from"`             // earliest ts_utc, RFC 3339 with nine digits; "" where there is none
	Keys  []Match  `json:"keys"`             // all keys must be met, each by one of the values that are given for it; sorted
	Kinds []string `json:"kinds"`            // values of event_type, one of which must be met where there are any; sorted
	Last  uint64   `json:"last_seq,string"`  // highest number; 0 for no limit
	To    string   `json:"to"`               // ts_utc before which a record must stand; "" where there is none
}

// Match is a key of a record and a value that it is to have. A list meets it where it holds the value.
type Match struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ParseQuery makes a query of words, at most 64 of 1,024 bytes:
//
//	seq=3..40             numbers; either end may be left out
//	kind=window_stop      value of event_type, as event_type=window_stop
//	from=TIME  to=TIME    ts_utc, RFC 3339, such as 2026-01-31T06:00:00Z; to is not in it
//	KEY=VALUE             any other key of a record, by its name or another accepted spelling, such as batch_id=B-0001
//
// Of words with the same key one must be met, and all keys must be. What cannot be understood is refused with ErrQuery.
func ParseQuery(words []string) (*Query, error) {
	q := &Query{Keys: []Match{}, Kinds: []string{}}
	if len(words) > maxWords {
		return nil, fmt.Errorf("%w: %d words, at most %d", ErrQuery, len(words), maxWords)
	}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok || len(word) > maxWord {
			return nil, fmt.Errorf("%w: %.80q is not KEY=VALUE of at most %d bytes", ErrQuery, word, maxWord)
		}
		if err := q.take(key, value); err != nil {
			return nil, err
		}
	}
	slices.Sort(q.Kinds)
	q.Kinds = slices.Compact(q.Kinds)
	slices.SortFunc(q.Keys, func(a, b Match) int {
		return strings.Compare(a.Key+"\x00"+a.Value, b.Key+"\x00"+b.Value)
	})
	q.Keys = slices.Compact(q.Keys)
	return q, nil
}

func (q *Query) take(key, value string) (err error) {
	switch key {
	case "seq":
		return q.numbers(value)
	case "from", "to":
		at, err := time.Parse(time.RFC3339, value)
		exact := at.UTC().Format("2006-01-02T15:04:05.000000000Z")
		if _, ok := record.ParseTime(exact); err != nil || !ok {
			return fmt.Errorf("%w: %s=%.80q is no time such as 2026-01-31T06:00:00Z", ErrQuery, key, value)
		}
		bound := &q.From
		if key == "to" {
			bound = &q.To
		}
		if *bound != "" {
			return fmt.Errorf("%w: %s is given twice", ErrQuery, key)
		}
		*bound = exact
	case "kind", record.EventType.String():
		if _, ok := record.ParseKind(value); !ok {
			return fmt.Errorf("%w: there are no records of kind %.80q; each says its own in event_type", ErrQuery, value)
		}
		q.Kinds = append(q.Kinds, value)
	default:
		if record.Lookup(key) == nil {
			return fmt.Errorf("%w: %.80q is no key of a record; it may be seq, kind, from, to, or a key such as batch_id or step_id", ErrQuery, key)
		}
		q.Keys = append(q.Keys, Match{key, value})
	}
	return nil
}

// numbers reads N, N..M, N.. and ..M.
func (q *Query) numbers(value string) (err error) {
	if q.First != 0 || q.Last != 0 {
		return fmt.Errorf("%w: seq is given twice", ErrQuery)
	}
	first, last, isRange := strings.Cut(value, "..")
	if !isRange {
		last = first
	}
	if first != "" {
		q.First, err = strconv.ParseUint(first, 10, 64)
	}
	if last != "" && err == nil {
		q.Last, err = strconv.ParseUint(last, 10, 64)
	}
	if err != nil || first != "" && q.First == 0 || last != "" && q.Last < max(q.First, 1) || value == ".." || value == "" {
		return fmt.Errorf("%w: seq=%.80q is no range of numbers such as 3..40", ErrQuery, value)
	}
	return nil
}

// Means tells whether a record is among those that are meant.
func (q *Query) Means(rec *record.Record) bool {
	seq, at := rec.Seq(), rec.Text(record.TsUTC)
	switch {
	case seq < q.First || q.Last != 0 && seq > q.Last:
		return false
	case (q.From != "" || q.To != "") && at == "":
		return false
	case q.From != "" && at < q.From || q.To != "" && at >= q.To: // of one width, so in the order of time
		return false
	case len(q.Kinds) > 0 && !slices.Contains(q.Kinds, rec.Kind.String()):
		return false
	}
	for i := 0; i < len(q.Keys); {
		key, met := q.Keys[i].Key, false
		for ; i < len(q.Keys) && q.Keys[i].Key == key; i++ {
			met = met || has(rec, key, q.Keys[i].Value)
		}
		if !met {
			return false
		}
	}
	return true
}

func has(rec *record.Record, key, value string) bool {
	return slices.ContainsFunc(record.Lookup(key), func(k record.Key) bool {
		return rec.Has(k) && (rec.Text(k) == value || slices.Contains(rec.Texts(k), value))
	})
}

// canonical tells whether a query is as ParseQuery would have made it.
func (q *Query) canonical() bool {
	again, err := ParseQuery(q.words())
	return err == nil && again.First == q.First && again.Last == q.Last && again.From == q.From && again.To == q.To &&
		slices.Equal(again.Keys, q.Keys) && slices.Equal(again.Kinds, q.Kinds)
}

// words gives the query as ParseQuery takes it.
func (q *Query) words() (words []string) {
	if q.First != 0 || q.Last != 0 {
		seq := ".."
		if q.First != 0 {
			seq = strconv.FormatUint(q.First, 10) + seq
		}
		if q.Last != 0 {
			seq += strconv.FormatUint(q.Last, 10)
		}
		words = append(words, "seq="+seq)
	}
	for _, w := range [...]struct{ key, value string }{{"from", q.From}, {"to", q.To}} {
		if w.value != "" {
			words = append(words, w.key+"="+w.value)
		}
	}
	for _, kind := range q.Kinds {
		words = append(words, "kind="+kind)
	}
	for _, m := range q.Keys {
		words = append(words, m.Key+"="+m.Value)
	}
	return words
}

// String gives the query in the words of ParseQuery, parted by spaces; "all" where it means every record.
func (q *Query) String() string {
	if words := q.words(); len(words) > 0 {
		return strings.Join(words, " ")
	}
	return "all"
}
