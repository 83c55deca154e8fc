// Tests of what operators tell a batch: answers of all kinds, changes and comments, from a script and from hands.

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batchkit/batchkit/hal/sim"
	"github.com/batchkit/batchkit/internal/script"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
)

func TestTheScriptChangesAParameterCommentsAndAnswers(t *testing.T) {
	workplace(t)
	write(t, "script", `at 4s  command hold op1 "weaker lot"
at 5s  command change op1 "weaker lot" charge_a "125 kg"
at 5s  command change op1 "weaker lot" charge_a "1 kg"
at 5s  comment op2 "lot 4711 is weaker"
at 6s  command restart op1 "all set"
at 60s answer op1 1 "sample 12"
`)
	o := done(t, "-virtual", "-faults", "script")
	require.Contains(t, o.out, "   5.000 s  op1 orders change charge_a to 125 kg, because: weaker lot: accepted\n   5.000 s  charge_a is 125 kg (it was 120.00), by op1, because: weaker lot; it touches CHARGE_A (Held)\n")
	require.Contains(t, o.out, "   5.000 s  op1 orders change charge_a to 1 kg, because: weaker lot: refused (parameter charge_a: 1 kg is below its min 50 kg)\n")
	require.Contains(t, o.out, "op2 says: lot 4711 is weaker\n   5.000 s  command comment: accepted\n")
	require.Contains(t, o.out, "  60.000 s  answer of op1: sample 12\n")
	require.Contains(t, o.out, ", target 125.00, ")
	require.Contains(t, o.out, "is Complete\n")
	all := records(t, "out/B-0001")
	require.Len(t, of(all, record.KindParameterChange), 1)
	require.Len(t, of(all, record.KindPromptAnswer), 1)
}

func TestAScriptThatDoesNotSayWhatAnOperatorMeansIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`at 1s command change op1 why charge_a`:        "a change takes an operator, a reason, a parameter and its value",
		`at 1s command change op1 why charge_a 125 kg`: "a change takes an operator, a reason, a parameter and its value",
		`at 1s command change op1 "" charge_a "5 kg"`:  "a change takes an operator, a reason, a parameter and its value",
		`at 1s command hold op1 why charge_a "5 kg"`:   "command takes a command, an operator, a reason and the step",
		`at 1s command`:                   "command takes a command, an operator, a reason and the step",
		`at 1s command jump op1 x`:        "no command \"jump\"; there are start, pause, resume, hold, restart, stop, abort, reset, hard_abort, automatic",
		`at 1s comment op1`:               "comment takes an operator and a text",
		`at 1s answer op1 yes`:            "answer takes an operator, the number of the prompt and the answer",
		`at 1s answer op1 0 yes`:          "answer takes an operator, the number of the prompt and the answer",
		`at 1s answer op1 4294967296 yes`: "answer takes an operator, the number of the prompt and the answer",
	} {
		lines, err := script.Parse("script", []byte(text+"\n"))
		require.NoError(t, err, text)
		_, _, err = fault(&lines[0], nil, sim.NewPlant(1), map[uint32]bool{})
		require.ErrorContains(t, err, want, text)
	}
}

// questions is a recipe that asks for an answer of each kind.
const questions = `recipe: QUESTIONS
version: "1"
schema_version: 1
title: One answer of each kind
batch_size: {nominal: 200 kg, min: 100 kg, max: 400 kg}
formula:
  - {name: soak, value: 100 ms, min: 10 ms, max: 1 s}
procedure:
  id: ASK
  level: phase
  timeout: 1 h
  actions:
    - prompt: {text: Ready., answer: confirm}
    - prompt: {text: Soak., answer: number, min: 20 ms, max: 500 ms, resolution: 10 ms, into: soak}
    - prompt: {text: Side., answer: choice, choices: [left, right]}
    - prompt: {text: Lot., answer: text, max_length: 1}
    - delay: $soak
`

// patient types the next line whenever somebody asks.
type patient struct {
	lines []string
	asked chan struct{}
}

// Read gives the next line.
func (p *patient) Read(b []byte) (int, error) {
	if <-p.asked; len(p.lines) == 0 {
		return 0, io.EOF
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	return copy(b, line+"\n"), nil
}

func TestAPersonIsAskedAgainUntilTheAnswerFits(t *testing.T) {
	workplace(t)
	write(t, "ask.yaml", questions)
	hands := &patient{[]string{"no", "yes", "15", "30", "up", "left", "ab", "b"}, make(chan struct{}, 16)}
	o := live(context.Background(), hands, func(text string) {
		for range strings.Count(text, "answer, then Enter: ") {
			hands.asked <- struct{}{}
		}
	}, "-prompt", "-unapproved", "-recipe", "ask.yaml", "-operator", "ines")
	require.Equal(t, exitOK, o.code, o)
	for _, text := range []string{"ASK        asks: Ready. (type yes)\n", "asks: Soak. (a number from 20 ms to 500 ms in steps of 10 ms)\n",
		"asks: Side. (one of left, right)\n", "asks: Lot. (a text of at most 1 characters)\n",
		"command answer: refused (only yes confirms it; hold the batch where it cannot be confirmed)\n",
		"command answer: refused (15 ms is outside the limits; ", "soak is 30 ms (it was 100), by ines, because: answer to prompt 2; it touches ASK (Running)\n"} {
		require.Contains(t, o.out, text)
	}
	var answers []string
	for _, r := range of(records(t, "out/B-0001"), record.KindPromptAnswer) {
		answers = append(answers, r.Text(record.Value))
	}
	require.Equal(t, []string{"no", "yes", "15 ms", "30 ms", "up", "left", "ab", "b"}, answers, "a bare number has the unit beside the question")
}

func TestThePersonAtTheLiveViewSeesWhatIsWantedAndIsAskedAgain(t *testing.T) {
	workplace(t)
	write(t, "ask.yaml", questions)
	p := sit(110, 36,
		act{"ASK asks: Ready. (type yes)\nanswer, then Enter", "no\r"},
		act{"command answer: refused (only yes confirms it", "yes\r"},
		act{"ASK asks: Soak. (a number from 20 ms to 500 ms in steps of 10 ms)", "40\r"},
		act{"ASK asks: Side. (one of left, right)", "right\r"},
		act{"ASK asks: Lot. (a text of at most 1 characters)", "x\r"})
	o := live(context.Background(), p.console, func(string) {}, "-prompt", "-unapproved", "-recipe", "ask.yaml", "-operator", "ines")
	p.rises(t)
	require.Equal(t, exitOK, o.code, o)
	require.Equal(t, []string{"ines says no", "ines says yes", "ines says 40 ms", "ines says right", "ines says x"}, orders(t, "out/B-0001"))
}

func TestPromptsThatNobodyAnswersAnswerThemselvesWithWhatFits(t *testing.T) {
	workplace(t)
	write(t, "ask.yaml", questions)
	done(t, "-virtual", "-unapproved", "-recipe", "ask.yaml")
	var answers []string
	for _, r := range of(records(t, "out/B-0001"), record.KindPromptAnswer) {
		answers = append(answers, r.Text(record.OperatorID)+" "+r.Text(record.Value))
	}
	require.Equal(t, []string{"auto yes", "auto 20 ms", "auto left", "auto o"}, answers)
}

func TestABareNumberGetsTheUnitBesideTheQuestionAndNothingElseIsTouched(t *testing.T) {
	kg := recipe.Answer{Kind: recipe.AnswerNumber, Min: quantity.Quantity{Coef: 1, Unit: "kg"}, Max: quantity.Quantity{Coef: 5, Unit: "kg"}}
	plain := recipe.Answer{Kind: recipe.AnswerNumber, Min: quantity.Quantity{Coef: 1, Unit: quantity.One}, Max: quantity.Quantity{Coef: 5, Unit: quantity.One}}
	for _, c := range []struct {
		a          *recipe.Answer
		text, want string
	}{{&kg, " 2.50 ", "2.50 kg"}, {&kg, "2500 g", "2500 g"}, {&kg, "2,5", "2,5"}, {&kg, "", ""}, {&plain, "2", "2"}, {&recipe.Answer{}, " 2 ", " 2 "},
		{&recipe.Answer{Kind: recipe.AnswerConfirm}, "yes ", "yes"}} {
		require.Equal(t, c.want, complete(c.text, c.a))
	}
}

func TestTheFaultScriptOfTheReadmeIsRead(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(readme), "has the words:\n\n```\n")
	text, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	lines, err := script.Parse("README.md", []byte(text))
	require.NoError(t, err)
	require.NotEmpty(t, lines)
	for i := range lines {
		_, _, err := fault(&lines[i], nil, sim.NewPlant(1), map[uint32]bool{})
		require.NoError(t, err)
	}
}
