// What windows take in beside the readings of their source: the device's own total, a second counter, identities, holds and epochs.

package metering

import "github.com/batchkit/batchkit/iomap/tag"

// device takes a reading or a quality of the device's own total into every open window of its meter.
func (m *Machine) device(then int64, ev *Event, fx []Effect) []Effect {
	mt, d := &m.meters[ev.Meter], &m.sources[ev.Meter].Device
	if !mt.Device.Has {
		return fx
	}
	d.Quality = uint8(min(ev.Quality, tag.Good))
	from := d.Last
	var inc int64
	var note Note
	if ev.Kind == Reading && ev.Quality == tag.Good {
		inc, note = d.device(&mt.Device, then, ev.Raw)
	}
	for w := range m.st {
		s := &m.st[w]
		if !s.Open || m.spec[w].Meter != ev.Meter {
			continue
		}
		s.DevQuality = min(s.DevQuality, d.Quality)
		if note >= WasReset || !plus(&s.Device, inc) {
			s.DevQuality = uint8(tag.Bad)
		}
		s.DevRolled = s.DevRolled || note == RolledOver
		if note != NoNote {
			fx = append(fx, Effect{Kind: Noted, Window: w, Note: note, Role: Device, From: from, To: ev.Raw})
		}
	}
	return fx
}

// other takes a reading of the second counter into every open window of its meter.
func (m *Machine) other(then int64, ev *Event, fx []Effect) []Effect {
	mt, o := &m.meters[ev.Meter], &m.sources[ev.Meter].Other
	if !mt.Second.Has || ev.Kind != Reading || ev.Quality != tag.Good {
		return fx
	}
	from := o.Last
	inc, note := o.other(&mt.Second, then, ev.Raw)
	for w := range m.st {
		s := &m.st[w]
		if !s.Open || m.spec[w].Meter != ev.Meter {
			continue
		}
		if note != NoNote {
			fx = append(fx, Effect{Kind: Noted, Window: w, Note: note, Role: Other, From: from, To: ev.Raw})
		}
		if note >= WasReset || !plus(&s.Other, inc) {
			s.Doubt = true
		}
		fx = m.pair(w, fx)
	}
	return fx
}

// identity takes in who the device is. Another one than before begins to count anew, in the source and in its own total.
func (m *Machine) identity(then int64, ev *Event, fx []Effect) []Effect {
	s := &m.sources[ev.Meter]
	was, known := s.Identity, s.Named
	s.Identity, s.Named = ev.Raw, true
	if !known || was == ev.Raw {
		return fx
	}
	s.Device.Has, s.Other.Has, s.Has, s.Moved, s.Runs = false, false, false, false, false
	fx = m.settle(ev.Meter, then, fx)
	for w := range m.st {
		if s := &m.st[w]; !s.Open || m.spec[w].Meter != ev.Meter {
			continue
		}
		m.st[w].DevQuality = uint8(tag.Bad)
		fx = m.blank(w, fresh, then, fx)
		fx = append(fx, Effect{Kind: Noted, Window: w, Note: WasReplaced, Role: Identity, From: was, To: ev.Raw},
			Effect{Kind: Moved, Window: w})
	}
	return fx
}

// pause takes in that the batch is held, or goes on, which is no matter of what flows: that is in the total all the same.
func (m *Machine) pause(at int64, ev *Event, fx []Effect) []Effect {
	if ev.Window < 0 || ev.Window >= len(m.st) || !m.st[ev.Window].Open || m.st[ev.Window].Held == ev.On {
		return fx
	}
	s := &m.st[ev.Window]
	note := WasHeld
	if s.Held = ev.On; ev.On {
		s.HeldAt = at
	} else {
		note = WentOn
		sum(&s.HeldTime, max(0, at-s.HeldAt))
	}
	return append(fx, Effect{Kind: Noted, Window: ev.Window, Note: note})
}

// cut begins an epoch at time at. A window that is held stays so.
func (m *Machine) cut(at int64, fx []Effect) []Effect {
	was := m.now
	m.now = at
	for i := range m.sources {
		m.sources[i].cut()
		fx = m.settle(i, at, fx)
	}
	for w := range m.st {
		s := &m.st[w]
		if !s.Open {
			continue
		}
		if s.Held {
			sum(&s.HeldTime, max(0, was-s.HeldAt))
			s.HeldAt = at
		}
		fx = m.blank(w, cut, at, fx)
		fx = append(fx, Effect{Kind: Moved, Window: w})
	}
	return fx
}
