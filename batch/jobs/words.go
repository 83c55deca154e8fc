// The words of kinds, as they stand in events, records and answers.

package jobs

import (
	"fmt"
	"slices"
	"strconv"
)

// word gives the word of a number, which says itself where it has none.
func word(words []string, what string, i int) string {
	if i > 0 && i < len(words) || i == 0 && words[0] != "" {
		return words[i]
	}
	return what + " " + strconv.Itoa(i)
}

// number gives the number of a word.
func number(words []string, what string, text []byte) (int, error) {
	i := slices.Index(words, string(text))
	if i < 0 || words[i] == "" {
		return 0, fmt.Errorf("%w: %s %.40q is not known", ErrEvent, what, text)
	}
	return i, nil
}

var eventWords = []string{"", "configure", "add", "recipe", "content", "complete", "abort", "interrupt", "suspend", "continue", "acknowledge",
	"retry", "process", "halt", "boot"}

// String is the word of a kind of events.
func (k EventKind) String() string { return word(eventWords, "event", int(k)) }

// MarshalText implements encoding.TextMarshaler.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *EventKind) UnmarshalText(text []byte) error {
	i, err := number(eventWords, "event", text)
	*k = EventKind(i)
	return err
}

var effectWords = []string{"", "listed", "changed", "gone", "slot taken", "slot moved", "slot freed", "slot available", "ask recipe", "ask content",
	"ordered", "process changed", "made", "set aside", "back", "notify", "refused"}

// String is the word of a kind of effects.
func (k EffectKind) String() string { return word(effectWords, "effect", int(k)) }

var doWords = []string{"", "start", "drop", "pause", "resume", "abort", "clean up"}

// String is the word of an order, "" for none.
func (d Do) String() string {
	if d == 0 {
		return ""
	}
	return word(doWords, "order", int(d))
}

// MarshalText implements encoding.TextMarshaler.
func (d Do) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Do) UnmarshalText(text []byte) error {
	i, err := number(doWords, "order", text)
	*d = Do(i)
	return err
}

var kindWords = []string{"", "production", "prepare", "clean_up"}

// String is the word of a kind of jobs.
func (k JobKind) String() string { return word(kindWords, "kind", int(k)) }

// MarshalText implements encoding.TextMarshaler.
func (k JobKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *JobKind) UnmarshalText(text []byte) error {
	i, err := number(kindWords, "kind", text)
	*k = JobKind(i)
	return err
}

var schedulerWords = []string{"", "parallel", "seamless"}

// String is the word of a scheduler.
func (s Scheduler) String() string { return word(schedulerWords, "scheduler", int(s)) }

// MarshalText implements encoding.TextMarshaler.
func (s Scheduler) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Scheduler) UnmarshalText(text []byte) error {
	i, err := number(schedulerWords, "scheduler", text)
	*s = Scheduler(i)
	return err
}

var placeWords = []string{"append", "first", "before", "after", "after_recipe", "around"}

// String is the word of a place.
func (p Place) String() string { return word(placeWords, "place", int(p)) }

// MarshalText implements encoding.TextMarshaler.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Place) UnmarshalText(text []byte) error {
	i, err := number(placeWords, "place", text)
	*p = Place(i)
	return err
}

var stageWords = []string{"none", "Awaited", "Running", "Interrupted", "Discarded", "Success", "Failure"}

// String is the word of a stage.
func (s Stage) String() string { return word(stageWords, "stage", int(s)) }

// MarshalText implements encoding.TextMarshaler.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Stage) UnmarshalText(text []byte) error {
	i, err := number(stageWords, "stage", text)
	*s = Stage(i)
	return err
}
