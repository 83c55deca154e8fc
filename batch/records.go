// The records of decisions: what the floors below decided, in the words of the recipe and the map.

package batch

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/iomap/tag"
	"github.com/batchkit/batchkit/journal/record"
	"github.com/batchkit/batchkit/metering"
	"github.com/batchkit/batchkit/metering/quantity"
	"github.com/batchkit/batchkit/recipe"
	"github.com/batchkit/batchkit/sequencer"
)

// begin starts a record with the keys that every record of the batch carries.
func (m *Machine) begin(k record.Kind) {
	m.identify(k, m.next)
	if m.ov.was || m.ov.Taken > 0 { // whatever it rests on may have been seen so
		m.body.Bool(record.ForcedFlag, true)
	}
}

func (m *Machine) identify(k record.Kind, seq uint64) { m.identifyAs(k, seq, m.b.Plan.Map.Device) }

// identifyAs does the same for a record about another device than the controller.
func (m *Machine) identifyAs(k record.Kind, seq uint64, device string) {
	b, s := &m.body, &m.stamp
	b.Begin(k)
	b.Count(record.EventSeq, seq)
	b.Text(record.JournalID, m.b.JournalID)
	b.Int(record.Epoch, int64(m.st.Epoch))
	b.Count(record.TsMonoNS, uint64(s.Mono))
	b.Text(record.SyncState, s.Sync.String())
	b.Text(record.TimeSource, s.Source)
	if s.UTC != 0 {
		b.Time(record.TsUTC, s.UTC)
		b.Decimal(record.OffsetMS, s.Offset, 6)
	}
	if s.Bound > 0 {
		b.Decimal(record.TimeBoundMS, s.Bound, 6)
	}
	p := m.b.Plan
	b.Text(record.DeviceID, device)
	b.Text(record.EquipmentID, p.Map.Equipment)
	b.Text(record.BatchID, m.b.ID)
	b.Text(record.RecipeID, p.Recipe.ID)
	b.Text(record.RecipeVersion, p.Recipe.Version)
	b.Text(record.MappingVersion, p.Map.Version)
	if p.TagMap != nil {
		b.Text(record.TagMapVersion, p.TagMap.Version)
	}
	if m.b.DryRun {
		b.Bool(record.DryRun, true)
	}
	if m.b.unapproved {
		b.Bool(record.Unapproved, true)
	}
}

// causes names the records that led to this one; 0 stands for none.
func (m *Machine) causes(seqs ...uint64) {
	n := 0
	for _, s := range seqs {
		if s != 0 && n < len(m.cause) {
			m.cause[n] = s
			n++
		}
	}
	m.body.Counts(record.Cause, m.cause[:n])
}

// put ends a record and makes an effect of it.
func (m *Machine) put(fx []Effect) []Effect {
	m.body.Text(record.OperatorID, m.b.Operator)
	from := len(m.arena)
	out, err := m.body.Append(m.arena)
	if err != nil {
		panic(err)
	}
	m.arena = out
	fx = append(fx, Effect{Kind: Record, Seq: m.next, Of: m.body.Kind(), Body: out[from:len(out):len(out)]})
	m.next++
	return fx
}

// decided records one effect of the sequencer and carries out what lies below it.
func (m *Machine) decided(e *sequencer.Effect, fx []Effect) []Effect {
	switch e.Kind {
	case sequencer.BatchChanged:
		m.begin(record.KindBatchState)
		m.body.Text(record.BatchState, e.To.String())
		m.body.Text(record.OldValue, e.From.String())
		m.causes(m.input, m.refs.Batch, m.refs.Elems[0])
		m.refs.Batch = m.next
		return m.put(fx)
	case sequencer.StepChanged:
		return m.stepChanged(e, fx)
	case sequencer.ActionStarted, sequencer.ActionReady, sequencer.ActionEnded:
		return m.actionChanged(e, fx)
	case sequencer.Write:
		return m.write(e, fx)
	case sequencer.OpenWindow:
		return m.openWindow(e, fx)
	case sequencer.CloseWindow:
		return m.closeWindow(e, fx)
	case sequencer.Ask, sequencer.RequestAction, sequencer.Mark:
		return m.ask(e, fx)
	case sequencer.CancelAction: // the record of its step says why
		return append(fx, Effect{Kind: CancelAction, ID: e.ID})
	case sequencer.RequestResource, sequencer.ReleaseResource, sequencer.ActionWaits:
		return m.arbitrated(e, fx)
	case sequencer.TimedOut:
		m.st.TimedOut = m.st.TimedOut || e.Command == sequencer.Abort || e.Command == sequencer.HardAbort
		m.begin(record.KindTimeout)
		m.step(e)
		m.body.Int(record.TimeoutMS, e.Elapsed/1_000_000)
		m.body.Text(record.TimeoutReason, m.waits(e))
		m.body.Int(record.RetryCount, int64(e.Tries))
		m.body.Text(record.Result, cmp.Or(e.Command.String(), "retry"))
		m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem], m.by(e))
		return m.put(fx)
	case sequencer.Answer:
		return m.commanded(e.Command, e.Result, e.Reason, e, fx)
	case sequencer.ModeChanged:
		m.begin(record.KindModeChange)
		m.step(e)
		m.body.Text(record.Mode, sequencer.Mode(e.Value).String())
		m.body.Text(record.OldValue, sequencer.Mode(e.Old).String())
		m.causes(m.input)
		return m.put(fx)
	case sequencer.OutputFault:
		return m.outputFault(e, fx)
	case sequencer.SafeStateChanged:
		return m.safeState(e, fx)
	case sequencer.Found:
		m.found(e)
	case sequencer.Diagnosed:
		return m.diagnosed(e, fx)
	case sequencer.TripChanged:
		return m.tripChanged(e, fx)
	case sequencer.OverrideCut:
		return m.cut(e, fx)
	case sequencer.End:
		return m.end(e, m.overEnd(fx))
	}
	return fx
}

// commanded records what became of a command, or of an answer that nobody waits for.
func (m *Machine) commanded(c sequencer.Command, r sequencer.Result, why string, e *sequencer.Effect, fx []Effect) []Effect {
	m.begin(record.KindCommandResult)
	m.body.Text(record.Command, cmp.Or(c.String(), "answer"))
	m.body.Text(record.Result, r.String())
	m.body.Text(record.BatchState, m.seq.State(0).String())
	if e != nil {
		why = m.because(why, gateOf(e))
	}
	if why != "" {
		m.body.Text(record.Detail, m.named(e, why, ": "))
	}
	m.causes(m.input, m.by(e))
	return m.put(fx)
}

// end records that the run is over, and which outputs were never confirmed to be safe.
func (m *Machine) end(e *sequencer.Effect, fx []Effect) []Effect {
	m.st.Ended = true
	unsafe := m.unconfirmed()
	m.begin(record.KindBatchEnd)
	m.body.Text(record.BatchState, e.To.String())
	m.body.Texts(record.Values, unsafe)
	if len(unsafe) == 0 {
		m.body.Text(record.Result, "outputs_safe")
	} else {
		m.body.Text(record.Result, "outputs_not_confirmed")
		m.body.Text(record.Detail, e.Reason)
	}
	if m.seq.Again() {
		m.body.Text(record.RecoveryRule, recipe.RecoverRestart.String())
	}
	m.causes(m.input, m.refs.Batch)
	fx = m.put(fx)
	return append(fx, Effect{Kind: End, Seq: m.next - 1, Text: e.To.String(), Params: unsafe})
}

// unconfirmed names the outputs that are not known to have what was commanded.
func (m *Machine) unconfirmed() (names []string) {
	for o, id := range m.form.prog.outputs {
		if _, ok := m.seq.Commanded(o); !ok {
			names = append(names, m.b.Plan.Map.Tags[id].Name)
		}
	}
	return names
}

// step names the element of an effect.
func (m *Machine) step(e *sequencer.Effect) { m.body.Text(record.StepID, m.form.prog.elems[e.Elem].id) }

func (m *Machine) stepChanged(e *sequencer.Effect, fx []Effect) []Effect {
	m.begin(record.KindStepState)
	m.step(e)
	m.body.Text(record.StepState, e.Edge.String())
	m.body.Text(record.PhaseState, e.To.String())
	m.body.Text(record.OldValue, e.From.String())
	m.body.Text(record.Level, m.form.prog.elems[e.Elem].level.String())
	if e.To == sequencer.Complete {
		m.body.Decimal(record.ElapsedMS, e.Elapsed, 6)
	}
	if t := m.form.prog.seq.Elems[e.Elem].Timeout; t > 0 && e.Edge == sequencer.EdgeStart {
		m.body.Int(record.TimeoutMS, t/1_000_000)
	}
	switch {
	case e.Edge == sequencer.EdgeGoTo:
		m.body.Text(record.Detail, m.named(e, "next", ": "))
	case e.Reason != "":
		m.body.Text(record.Detail, e.Reason)
	}
	if e.Round > 0 {
		m.body.Int(record.Round, e.Round)
	}
	if e.Tries > 0 {
		m.body.Int(record.RetryCount, int64(e.Tries))
	}
	m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem], m.by(e))
	m.refs.Elems[e.Elem] = m.next
	return m.paused(e, m.put(fx))
}

func (m *Machine) actionChanged(e *sequencer.Effect, fx []Effect) []Effect {
	m.begin(record.KindActionState)
	m.step(e)
	m.body.Text(record.ActionID, m.form.prog.actions[e.Action].id)
	a := &m.form.prog.seq.Actions[e.Action]
	m.body.Text(record.Command, a.Kind.String())
	m.window(e)
	if a.Ask != 0 { // it asks anew, or was granted
		m.line[a.Ask-1] = line{}
	}
	switch e.Kind {
	case sequencer.ActionReady:
		m.body.Text(record.ActionState, "ready")
		m.body.Text(record.WaitReason, m.released(e))
		m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem])
		return m.put(fx)
	case sequencer.ActionStarted:
		m.body.Text(record.ActionState, "start")
		m.body.Text(record.WaitReason, m.waits(e))
		if a.Kind == recipe.Acquire {
			m.equipment(a, e)
		}
		m.causes(m.input, m.refs.Elems[e.Elem], m.by(e))
		m.refs.Actions[e.Elem] = m.next
		return m.put(fx)
	}
	m.body.Text(record.ActionState, "end")
	switch {
	case a.Kind == recipe.Jog:
		m.body.Text(record.Detail, fmt.Sprintf("%d of %d jogs; %s", e.Round, a.AtMost, e.Reason))
	case e.Reason != "":
		m.body.Text(record.Detail, e.Reason)
	}
	m.body.Decimal(record.ElapsedMS, e.Elapsed, 6)
	m.causes(m.input, m.refs.Actions[e.Elem], m.refs.Elems[e.Elem])
	if fx = m.put(fx); a.Kind == recipe.WaitTotal && e.Reason == "" {
		return m.windowEvent(&metering.Effect{Window: a.Window, Note: threshold}, 0, fx)
	}
	return fx
}

// waits says what an effect waits for, and for whom.
func (m *Machine) waits(e *sequencer.Effect) string {
	switch {
	case e.Kind == sequencer.ActionStarted && m.form.prog.seq.Actions[e.Action].Kind == recipe.Step:
		return m.released(e)
	case e.Reason == sequencer.InOverride:
		return m.inHands(e.Elem)
	case e.Who.Elems[0] == 0:
		return m.because(m.queued(e), gateOf(e))
	}
	return m.named(e, e.Reason, "; waits for ")
}

// released says what comes next where a transition is released.
func (m *Machine) released(e *sequencer.Effect) string {
	if e.Who.Elems[0] == 0 {
		return "release; next: the end of " + m.form.prog.elems[m.form.prog.seq.Elems[e.Elem].Parent].id
	}
	return m.named(e, "release", "; next: ")
}

// named is a text and, behind a few words, the elements of an effect; where there are none it is the text alone.
func (m *Machine) named(e *sequencer.Effect, text, between string) string {
	if e == nil || e.Who.Elems[0] == 0 {
		return text
	}
	text += between + strings.Join(m.who(e), ", ")
	if e.Who.More > 0 {
		text += fmt.Sprintf(" and %d more", e.Who.More)
	}
	return text
}

// who names the elements that an effect waits for.
func (m *Machine) who(e *sequencer.Effect) (names []string) {
	for _, n := range e.Who.Elems {
		if n != 0 {
			names = append(names, m.form.prog.elems[n].id)
		}
	}
	return names
}

// equipment says what an element asks for, who holds it, and how many ask for it already.
func (m *Machine) equipment(a *sequencer.Action, e *sequencer.Effect) {
	m.body.Texts(record.ResourceID, m.form.prog.used(a, false))
	if e.Who.Elems[0] != 0 {
		m.body.Texts(record.OwnerStepID, m.who(e))
		m.body.Int(record.EventQueueDepth, e.Value)
	}
}

// window names the window of an effect whose action has one.
func (m *Machine) window(e *sequencer.Effect) {
	switch a := &m.form.prog.seq.Actions[e.Action]; a.Kind {
	case recipe.WaitTotal, recipe.OpenWindow, recipe.CloseWindow, recipe.Jog:
		m.body.Text(record.MeterWindowID, m.form.prog.wins[a.Window].id)
		m.body.Text(record.CalibVersion, m.b.Plan.Calibration.Version)
	}
}

// show gives the words of a tag's scaled value: the word of a switch, the decimal of a number.
func (m *Machine) show(k record.Key, t *iomap.Tag, v int64) {
	switch {
	case t.Type == iomap.Switch:
		m.body.Text(k, t.Words[v&1])
	case t.Type == iomap.Number:
		m.decimal(k, v, t.Resolution)
	default:
		m.body.Count(k, uint64(v))
	}
}

// decimal writes counts of a resolution; the unit stands beside it.
func (m *Machine) decimal(k record.Key, counts int64, res quantity.Quantity) {
	q, ok := quantity.FromCounts(counts, res)
	if !ok {
		// What cannot be told in the tag's resolution is told in counts of it, and no reader can take it for the value.
		m.body.Text(k, record.Overflow)
		return
	}
	m.body.Decimal(k, q.Coef, q.Scale)
}

func (m *Machine) write(e *sequencer.Effect, fx []Effect) []Effect {
	id := m.form.prog.outputs[e.Output]
	t := &m.b.Plan.Map.Tags[id]
	bits, ok := t.Wire(e.Value)
	if !ok {
		panic("batch: output " + t.Name + ": a value within its limits does not fit its wire")
	}
	m.begin(record.KindOutputWrite)
	m.body.Text(record.LogicalTag, t.Name)
	m.body.Text(record.PhysicalChannel, t.Channel)
	m.show(record.Value, t, e.Value)
	m.show(record.OldValue, t, e.Old)
	if t.Type == iomap.Number {
		m.body.Text(record.Unit, string(t.Resolution.Unit))
	}
	m.body.Count(record.RawState, bits)
	m.body.Text(record.Polarity, polarity(t))
	m.wire(t)
	m.body.Bool(record.SafeDirection, e.Safe)
	m.body.Int(record.WriteID, int64(e.ID))
	if e.Reason != "" {
		if e.Value == t.Safe || e.Fault != iomap.NoClass {
			m.show(record.SafeState, t, e.Value)
			m.body.Text(record.SafeStateReason, e.Reason)
		} else {
			m.body.Text(record.Detail, e.Reason)
		}
		m.causes(m.input, m.refs.Outputs[e.Output], m.by(e))
	} else {
		m.step(e)
		m.body.Text(record.ActionID, m.form.prog.actions[e.Action].id)
		if a := &m.form.prog.seq.Actions[e.Action]; a.Kind == recipe.Jog {
			m.body.Text(record.Detail, fmt.Sprintf("jog %d of %d", e.Round, a.AtMost))
			m.jogged(e)
		}
		m.causes(m.input, m.refs.Elems[e.Elem], m.refs.Outputs[e.Output])
		m.refs.Actions[e.Elem] = m.next
	}
	m.refs.Outputs[e.Output] = m.next
	fx = m.put(fx)
	return append(fx, Effect{Kind: Write, Safe: e.Safe, Seq: m.next - 1, Output: e.Output,
		Write: tag.Write{ID: e.ID, Channel: t.Channel, Form: t.Form, Bits: bits, Safe: e.Safe}})
}

func polarity(t *iomap.Tag) string {
	if t.Invert {
		return "inverted"
	}
	return "normal"
}

func (m *Machine) outputFault(e *sequencer.Effect, fx []Effect) []Effect {
	t := &m.b.Plan.Map.Tags[m.form.prog.outputs[e.Output]]
	m.begin(record.KindOutputFault)
	m.body.Text(record.LogicalTag, t.Name)
	m.body.Int(record.WriteID, int64(e.ID))
	m.body.Text(record.Result, "unknown")
	m.body.Text(record.Detail, e.Reason)
	safe := t.Safe
	if t.Faults.Policy[iomap.DeviceAbsent].State != iomap.KeepState {
		safe = t.Faults.Policy[iomap.DeviceAbsent].Value
	}
	if p := m.b.Plan.Map.Trip; p != nil && m.form.prog.outputs[e.Output] == p.Tag { // at rest, or as it was requested
		safe = e.Value
	}
	m.show(record.SafeState, t, safe)
	m.body.Text(record.SafeStateReason, e.Reason)
	m.channel(t)
	m.causes(m.input, m.refs.Outputs[e.Output])
	return m.put(fx)
}

func (m *Machine) qualityChanged(e *iomap.Effect, fx []Effect) []Effect {
	m.begin(record.KindQualityChange)
	m.body.Text(record.LogicalTag, m.b.Plan.Map.Tags[e.Tag].Name)
	m.body.Text(record.Quality, e.To.String())
	m.body.Text(record.OldValue, e.From.String())
	if e.AgeMS >= 0 { // how old a value is that a boot has found is not always known
		m.body.Int(record.AgeMS, e.AgeMS)
	}
	m.channel(&m.b.Plan.Map.Tags[e.Tag])
	m.filtered(&m.b.Plan.Map.Tags[e.Tag])
	m.causes(m.input)
	return m.put(fx)
}

func (m *Machine) ask(e *sequencer.Effect, fx []Effect) []Effect {
	a := &m.form.prog.actions[e.Action]
	step := m.form.prog.elems[e.Elem].id
	switch e.Kind {
	case sequencer.Mark:
		m.begin(record.KindMarker)
		m.body.Text(record.Message, a.text)
	case sequencer.Ask:
		m.begin(record.KindPrompt)
		m.body.Int(record.PromptID, int64(e.ID))
		m.body.Text(record.Message, a.text)
		m.wanted(a.answer)
	default:
		m.begin(record.KindActionRequest)
		m.body.Int(record.RequestID, int64(e.ID))
		m.body.Text(record.ActionType, a.kind.Name)
		m.body.Int(record.ActionVersion, int64(a.kind.Version))
		m.body.Texts(record.Params, a.params)
	}
	m.step(e)
	m.body.Text(record.ActionID, a.id)
	m.causes(m.input, m.refs.Elems[e.Elem])
	seq := m.next
	fx = m.put(fx)
	switch e.Kind {
	case sequencer.Ask:
		m.refs.Actions[e.Elem] = seq
		fx = append(fx, Effect{Kind: Ask, Seq: seq, ID: e.ID, Step: step, Text: a.text, Answer: a.answer})
	case sequencer.RequestAction:
		m.refs.Actions[e.Elem] = seq
		fx = append(fx, Effect{Kind: RunAction, Seq: seq, ID: e.ID, First: uint32(e.Old), Step: step, Text: a.kind.Name, Version: a.kind.Version, Params: a.params})
	}
	return fx
}

func (m *Machine) hex(b []byte) string {
	const digits = "0123456789abcdef"
	m.text = m.text[:0]
	for _, c := range b {
		m.text = append(m.text, digits[c>>4], digits[c&15])
	}
	return string(m.text)
}
