// The suite of a board as the rest of the house sees it.

package haltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchkit/batchkit/iomap/tag"
)

// PortOptions are the options of Port.
type PortOptions struct {
	Device   string        // name in reports; "" is "port"
	Channels []string      // all that the board has, those of Outputs included; nil: one that is forgotten is not found
	Outputs  []PortOutput  // that may be driven; nil: nothing is written
	Loops    [][2]string   // an output of Outputs, of form bool, and the input that it is wired to
	Clock    Clock         // of the rig, on which deadlines and the times of values are; nil: they are not checked, and none is given
	First    time.Duration // within which every channel is to be emitted; 0: 2 s
	Settle   time.Duration // within which what was written is to be read back; 0: 2 s
}

// PortOutput is an output that the suite may drive: be sure of what hangs on it.
type PortOutput struct {
	Channel string
	Form    tag.Form  // Bool or Int
	Values  [2]uint64 // that are written in turn; the first is the one that is safe, and left behind. Zero, both: 0 and 1
}

// Port holds a board against tag.Port. It drives the outputs that it was given, leaves each at the first of its values, and uses the
// port alone: nobody else may watch or write it meanwhile.
func Port(ctx context.Context, p tag.Port, o *PortOptions) (Report, error) {
	if o == nil {
		o = &PortOptions{}
	}
	s, err := begin(ctx, "Port", named(o.Device, "port"), o.Clock)
	if err != nil {
		return Report{}, err
	}
	r := &ported{suite: s, p: p, opt: *o, outputs: slices.Clone(o.Outputs), blind: map[string]bool{}}
	if o.First == 0 {
		r.opt.First = 2 * time.Second
	}
	if o.Settle == 0 {
		r.opt.Settle = 2 * time.Second
	}
	for i := range r.outputs {
		if r.outputs[i].Values == [2]uint64{} {
			r.outputs[i].Values[1] = 1
		}
	}
	w := r.watch()
	r.emits(w)
	if len(r.outputs) == 0 {
		s.skip("Write carries out a write, and what is written is read back", "Outputs that may be driven")
	}
	for i := range r.outputs {
		r.writes(w, &r.outputs[i])
	}
	for _, loop := range o.Loops {
		r.loops(w, loop)
	}
	r.refuses(w)
	r.deadlines(w)
	r.hurries(w)
	r.forms(w)
	r.leaves(w)
	r.again(w)
	if len(r.outputs) > 0 {
		s.restore("outputs are left at their safe values", "write them by hand", r.safe)
	}
	return s.end()
}

// leastWrite is what each output is given to take its safe value.
const leastWrite = 20 * time.Millisecond

// ported is a run of Port.
type ported struct {
	*suite
	p       tag.Port
	opt     PortOptions
	outputs []PortOutput
	blind   map[string]bool // outputs that do not read back
	id      uint32
}

// write writes without a deadline that could pass.
func (r *ported) write(channel string, form tag.Form, v uint64) error {
	r.id++
	w := tag.Write{ID: r.id, Channel: channel, Form: form, Bits: v}
	within := r.opt.Settle
	if !r.own {
		w.Deadline = r.clock.Now() + int64(time.Minute)
	}
	ctx, cancel := context.WithTimeout(r.ctx, within)
	defer cancel()
	return r.p.Write(ctx, w)
}

// safe writes the first value of each output, also where ctx has ended. One that hangs leaves time for the others.
func (r *ported) safe() error {
	var errs []error
	each := max(grace/time.Duration(len(r.outputs)+1), leastWrite)
	for i := range r.outputs {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), each)
		defer cancel()
		o := &r.outputs[i]
		r.id++
		w := tag.Write{ID: r.id, Channel: o.Channel, Form: o.Form, Bits: o.Values[0]}
		if !r.own {
			w.Deadline = r.clock.Now() + int64(time.Minute)
		}
		if err := r.p.Write(ctx, w); err != nil {
			errs = append(errs, fmt.Errorf("%q to %d: %w", o.Channel, o.Values[0], err))
		}
	}
	return errors.Join(errs...)
}

// emits holds the first values of the first Watch.
func (r *ported) emits(w *portWatch) {
	const promise = "Watch first emits every channel once, outputs read back included"
	var took []int64
	r.check(promise, "emit all that the board has, with quality Bad where nothing can be read, before waiting for changes", func() error {
		begin := r.clock.Now()
		w.until(r.opt.First, func() bool { return len(r.opt.Channels) > 0 && len(r.missing(w)) == 0 })
		took = append(took, r.clock.Now()-begin)
		if missing := r.missing(w); len(missing) > 0 {
			return fmt.Errorf("within %s nothing came of %q; there came %q", r.opt.First, missing, w.channels())
		}
		if len(w.channels()) == 0 {
			return fmt.Errorf("nothing came within %s; %s", r.opt.First, w.fate())
		}
		return nil
	})
	if len(r.opt.Channels) == 0 {
		r.skip("no channel is forgotten", "Channels: the names of all that the board has")
	} else {
		r.figure("first_values_ns", &took)
	}
}

// missing are the channels of the options that a Watch has not emitted.
func (r *ported) missing(w *portWatch) (names []string) {
	for _, c := range r.opt.Channels {
		if _, ok := w.value(c); !ok {
			names = append(names, c)
		}
	}
	for i := range r.outputs {
		if _, ok := w.value(r.outputs[i].Channel); !ok && !slices.Contains(names, r.outputs[i].Channel) {
			names = append(names, r.outputs[i].Channel)
		}
	}
	return names
}

// readsBack waits until an output reads back.
func (r *ported) readsBack(w *portWatch, o *PortOutput, v uint64) error {
	is := func() bool {
		raw, ok := w.value(o.Channel)
		return ok && raw.Quality == tag.Good && same64(raw, v)
	}
	if w.until(r.opt.Settle, is); is() {
		return nil
	}
	raw, _ := w.value(o.Channel)
	return fmt.Errorf("%q was written to %d, which was confirmed, and %s later it reads back %d, %s; %s", o.Channel, v, r.opt.Settle,
		raw.Bits, raw.Quality, w.fate())
}

// same64 compares a value of a channel and one that was written.
func same64(raw tag.Raw, v uint64) bool {
	if raw.Form == tag.Bool {
		return raw.Bits&1 == v&1
	}
	return raw.Bits == v
}

// writes drives an output both ways.
func (r *ported) writes(w *portWatch, o *PortOutput) {
	promise := fmt.Sprintf("a Write that returned nil was carried out, and %q reads back what it drives", o.Channel)
	if raw, ok := w.value(o.Channel); ok && raw.Quality != tag.Good {
		r.blind[o.Channel] = true
		r.skip(promise, "an output that reads back; this one is "+raw.Quality.String())
	}
	var took, back []int64
	r.check(fmt.Sprintf("Write drives %q", o.Channel), "look at the device's answer", func() error {
		for i := range 6 {
			v := o.Values[(i+1)%2]
			begin := r.clock.Now()
			if err := r.write(o.Channel, o.Form, v); err != nil {
				return fmt.Errorf("%q to %d: %w", o.Channel, v, err)
			}
			took = append(took, r.clock.Now()-begin)
			if r.blind[o.Channel] {
				continue
			}
			if err := r.readsBack(w, o, v); err != nil {
				return fmt.Errorf("%w; %s is broken", err, promise)
			}
			back = append(back, r.clock.Now()-begin)
		}
		return nil
	})
	r.figure("write_"+o.Channel+"_ns", &took)
	r.figure("read_back_"+o.Channel+"_ns", &back)
}

// loops drives an output and looks at the input that it is wired to.
func (r *ported) loops(w *portWatch, loop [2]string) {
	promise := fmt.Sprintf("%q follows %q, to which it is wired", loop[1], loop[0])
	i := slices.IndexFunc(r.outputs, func(o PortOutput) bool { return o.Channel == loop[0] && o.Form == tag.Bool })
	if i < 0 {
		r.skip(promise, "the output among Outputs, of form bool")
		return
	}
	o := &r.outputs[i]
	var took []int64
	r.check(promise, "look at the wire, and at the supply of both; a device that confirms and does nothing is found by this too", func() error {
		if err := r.write(o.Channel, o.Form, o.Values[0]); err != nil {
			return err
		}
		if err := r.wait(20 * time.Millisecond); err != nil {
			return err
		}
		w.until(quiet, func() bool { return false })
		rest, ok := w.value(loop[1])
		if !ok {
			return fmt.Errorf("no value of %q", loop[1])
		}
		for n := range 6 {
			v := o.Values[(n+1)%2]
			want := rest.Bits&1 ^ uint64((n+1)%2)
			begin := r.clock.Now()
			if err := r.write(o.Channel, o.Form, v); err != nil {
				return fmt.Errorf("%q to %d: %w", o.Channel, v, err)
			}
			is := func() bool {
				raw, _ := w.value(loop[1])
				return raw.Quality == tag.Good && raw.Bits&1 == want
			}
			if w.until(r.opt.Settle, is); !is() {
				return fmt.Errorf("%q was driven to %d, and %s later %q is not %d", o.Channel, v, r.opt.Settle, loop[1], want)
			}
			took = append(took, r.clock.Now()-begin)
		}
		return nil
	})
	r.figure("loop_"+loop[0]+"_"+loop[1]+"_ns", &took)
}

// refuses writes what there is not.
func (r *ported) refuses(w *portWatch) {
	r.check("a write that cannot be carried out is an error", "look the channel up before anything else", func() error {
		if err := r.write("haltest/none", tag.Bool, 0); err == nil {
			return errors.New(`a Write to "haltest/none", which no board has, gave nil`)
		}
		for _, c := range w.channels() {
			if !slices.ContainsFunc(r.outputs, func(o PortOutput) bool { return o.Channel == c }) && slices.Contains(inputs(r.opt.Loops), c) {
				if err := r.write(c, tag.Bool, 0); err == nil {
					return fmt.Errorf("a Write to %q, which is an input, gave nil", c)
				}
			}
		}
		return nil
	})
}

func inputs(loops [][2]string) (names []string) {
	for _, l := range loops {
		names = append(names, l[1])
	}
	return names
}

// deadlines asks for a write that must not be begun any more.
func (r *ported) deadlines(w *portWatch) {
	const promise = "a write is not begun after its Deadline"
	if r.own || len(r.outputs) == 0 {
		r.skip(promise, "the rig's Clock, and an output")
		return
	}
	r.check(promise, "compare Deadline with the rig's clock when the write's turn has come", func() error {
		for i := range r.outputs {
			o := &r.outputs[i]
			if err := r.write(o.Channel, o.Form, o.Values[0]); err != nil {
				return fmt.Errorf("%q to %d: %w", o.Channel, o.Values[0], err)
			}
			ctx, cancel := context.WithTimeout(r.ctx, r.opt.Settle)
			r.id++
			err := r.p.Write(ctx, tag.Write{ID: r.id, Channel: o.Channel, Form: o.Form, Bits: o.Values[1], Deadline: max(r.clock.Now()-1, 1)})
			cancel()
			if err == nil {
				return fmt.Errorf("%q was written to %d, confirmed, though its Deadline was over", o.Channel, o.Values[1])
			}
			if r.blind[o.Channel] {
				continue
			}
			if err := r.keeps(w, o, o.Values[0], "a write to another value whose Deadline was over, and which failed"); err != nil {
				return err
			}
		}
		return nil
	})
}

// keeps looks for a while whether an output stays as it is.
func (r *ported) keeps(w *portWatch, o *PortOutput, v uint64, after string) error {
	if err := r.readsBack(w, o, v); err != nil {
		return err
	}
	other := func() bool {
		raw, _ := w.value(o.Channel)
		return raw.Quality == tag.Good && !same64(raw, v)
	}
	if w.until(quiet, other); other() {
		raw, _ := w.value(o.Channel)
		return fmt.Errorf("%q reads back %d, and not %d, after %s", o.Channel, raw.Bits, v, after)
	}
	return nil
}

// hurries writes with a ctx that has ended, and then something else.
func (r *ported) hurries(w *portWatch) {
	const promise = "Write returns when ctx ends, and what is then still on its way does not arrive after a later write to that channel"
	if len(r.outputs) == 0 {
		r.skip(promise, "an output")
		return
	}
	r.check(promise, "call the exchange off, or wait for its end before the next one to the same channel", func() error {
		for i := range r.outputs {
			o := &r.outputs[i]
			ctx, cancel := context.WithCancel(r.ctx)
			cancel()
			r.id++
			late := tag.Write{ID: r.id, Channel: o.Channel, Form: o.Form, Bits: o.Values[1]}
			if !r.own {
				late.Deadline = r.clock.Now() + int64(time.Minute)
			}
			begin := time.Now()
			_ = r.p.Write(ctx, late) // nil is as good as an error: it may have been done at once
			if took := time.Since(begin); took > grace {
				return fmt.Errorf("%q: with a ctx that had ended Write took %s", o.Channel, took)
			}
			if err := r.write(o.Channel, o.Form, o.Values[0]); err != nil {
				return fmt.Errorf("%q to %d: %w", o.Channel, o.Values[0], err)
			}
			if r.blind[o.Channel] {
				continue
			}
			if err := r.keeps(w, o, o.Values[0], "a write to another value that was called off, and one to this"); err != nil {
				return err
			}
		}
		return nil
	})
}
