// Filters: which changes of a value, and which events and fields of them, a client wants.

package server

import (
	"math"
	"slices"

	"github.com/gopcua/opcua/ua"

	"github.com/batchkit/batchkit/fieldbus"
)

// maxSelect is how many fields of events an item may ask for.
const maxSelect = 256

// limitsExceeded is BadEncodingLimitsExceeded, what stands for a text that cannot be sent.
const limitsExceeded fieldbus.Status = 0x80080000

// dataFilter says which changes of a value are told.
type dataFilter struct {
	trigger  ua.DataChangeTrigger
	deadband float64 // absolute; 0: none
}

// parseData reads the filter of an item of a value; n is the node.
func parseData(x *ua.ExtensionObject, n *vertex) (dataFilter, error) {
	f := dataFilter{trigger: ua.DataChangeTriggerStatusValue}
	if x == nil || x.Value == nil {
		if x != nil && x.EncodingMask != ua.ExtensionObjectEmpty {
			return f, ua.StatusBadMonitoredItemFilterUnsupported
		}
		return f, nil
	}
	d, ok := x.Value.(*ua.DataChangeFilter)
	if !ok {
		if _, ok = x.Value.(*ua.EventFilter); ok {
			return f, ua.StatusBadFilterNotAllowed
		}
		return f, ua.StatusBadMonitoredItemFilterUnsupported // aggregates, for example
	}
	if d.Trigger > ua.DataChangeTriggerStatusValueTimestamp {
		return f, ua.StatusBadMonitoredItemFilterInvalid
	}
	f.trigger = d.Trigger
	switch ua.DeadbandType(d.DeadbandType) {
	case ua.DeadbandTypeNone:
	case ua.DeadbandTypeAbsolute:
		if n.v == nil || !n.v.kind.number() {
			return f, ua.StatusBadFilterNotAllowed
		}
		if !(d.DeadbandValue >= 0) || math.IsInf(d.DeadbandValue, 0) {
			return f, ua.StatusBadDeadbandFilterInvalid
		}
		f.deadband = d.DeadbandValue
	case ua.DeadbandTypePercent: // of a range that variables here do not have
		return f, ua.StatusBadMonitoredItemFilterUnsupported
	default:
		return f, ua.StatusBadDeadbandFilterInvalid
	}
	return f, nil
}

// eventFilter says which fields of which events are told.
type eventFilter struct {
	fields []selected
	of     key // type that an event must be of, or beneath; the zero key: any
}

// selected is a field that was asked for. One that no event can have has no name, and is null in each.
type selected struct {
	of   key // type that an event must be of, or beneath, to have it
	name *ua.QualifiedName
}

// parseEvents reads the filter of an item of events. The result says of each clause what is wrong with it: a field that cannot be had is
// null, a condition that cannot be kept makes the item impossible. Room is how many fields it may have. The lock of the space is held.
func (s *Space) parseEvents(x *ua.ExtensionObject, room int) (*eventFilter, *ua.EventFilterResult, error) {
	if x == nil {
		return nil, nil, ua.StatusBadEventFilterInvalid
	}
	e, ok := x.Value.(*ua.EventFilter)
	if !ok {
		return nil, nil, ua.StatusBadFilterNotAllowed
	}
	if len(e.SelectClauses) == 0 || len(e.SelectClauses) > maxSelect {
		return nil, nil, ua.StatusBadEventFilterInvalid
	}
	if len(e.SelectClauses) > room {
		return nil, nil, ua.StatusBadTooManyMonitoredItems
	}
	f := &eventFilter{}
	r := &ua.EventFilterResult{SelectClauseDiagnosticInfos: []*ua.DiagnosticInfo{}, WhereClauseResult: &ua.ContentFilterResult{
		ElementResults: []*ua.ContentFilterElementResult{}, ElementDiagnosticInfos: []*ua.DiagnosticInfo{}}}
	for _, c := range e.SelectClauses {
		field, code := s.selectField(c)
		f.fields = append(f.fields, field)
		r.SelectClauseResults = append(r.SelectClauseResults, code)
	}
	if e.WhereClause == nil || len(e.WhereClause.Elements) == 0 {
		return f, r, nil
	}
	if len(e.WhereClause.Elements) > maxSelect {
		return nil, nil, ua.StatusBadEventFilterInvalid
	}
	var err error
	for i, c := range e.WhereClause.Elements {
		code, operand := s.where(c, f)
		if i > 0 {
			code = ua.StatusBadFilterOperatorUnsupported
		}
		if code != ua.StatusOK {
			err = ua.StatusBadEventFilterInvalid
		}
		r.WhereClauseResult.ElementResults = append(r.WhereClauseResult.ElementResults, &ua.ContentFilterElementResult{
			StatusCode: code, OperandStatusCodes: operand, OperandDiagnosticInfos: []*ua.DiagnosticInfo{}})
	}
	return f, r, err
}

// selectField reads a select clause (part 4, 7.22.3).
func (s *Space) selectField(c *ua.SimpleAttributeOperand) (selected, ua.StatusCode) {
	top := std(idBaseEvent)
	if k, ok := keyOf(c.TypeDefinitionID); !ok || k != (key{}) { // null stands for BaseEventType
		if n := s.nodes[k]; !ok || n == nil || !n.isA(std(idBaseEvent)) {
			return selected{}, ua.StatusBadTypeDefinitionInvalid
		}
		top = k
	}
	switch {
	case c.IndexRange != "":
		return selected{}, ua.StatusBadIndexRangeInvalid
	case len(c.BrowsePath) == 0 && c.AttributeID == ua.AttributeIDNodeID: // of a condition; these events are none
		return selected{}, ua.StatusOK
	case len(c.BrowsePath) == 0 || c.AttributeID != ua.AttributeIDValue:
		return selected{}, ua.StatusBadAttributeIDInvalid
	case c.BrowsePath[0] == nil || c.BrowsePath[0].Name == "":
		return selected{}, ua.StatusBadBrowseNameInvalid
	case len(c.BrowsePath) > 1 || !s.hasField(top, c.BrowsePath[0]):
		return selected{}, ua.StatusBadNodeIDUnknown
	}
	name := *c.BrowsePath[0]
	return selected{top, &name}, ua.StatusOK
}

// hasField tells whether events of a type, or of one beneath it, may have a field.
func (s *Space) hasField(top key, name *ua.QualifiedName) bool {
	is := func(n *vertex) bool { return n.name == name.Name && n.ns == name.NamespaceIndex && n.class == variable }
	if slices.ContainsFunc(s.nodes[std(idBaseEvent)].down, is) {
		return true
	}
	return slices.ContainsFunc(s.types, func(t *eventType) bool { return t.node.isA(top) && slices.ContainsFunc(t.node.down, is) })
}

// where reads an element of a where clause: OfType alone is kept.
func (s *Space) where(c *ua.ContentFilterElement, f *eventFilter) (ua.StatusCode, []ua.StatusCode) {
	none := []ua.StatusCode{}
	if c.FilterOperator != ua.FilterOperatorOfType {
		return ua.StatusBadFilterOperatorUnsupported, none
	}
	if len(c.FilterOperands) != 1 || c.FilterOperands[0] == nil {
		return ua.StatusBadFilterOperandCountMismatch, none
	}
	l, ok := c.FilterOperands[0].Value.(*ua.LiteralOperand)
	if !ok || l.Value == nil {
		return ua.StatusBadFilterOperandInvalid, []ua.StatusCode{ua.StatusBadFilterOperandInvalid}
	}
	id, _ := l.Value.Value().(*ua.NodeID)
	if k, known := keyOf(id); known {
		if n := s.nodes[k]; n != nil && n.isA(std(idBaseEvent)) {
			f.of = k
			return ua.StatusOK, []ua.StatusCode{ua.StatusOK}
		}
	}
	return ua.StatusBadFilterOperandInvalid, []ua.StatusCode{ua.StatusBadNodeIDUnknown}
}

// passes tells whether an event is wanted.
func (f *eventFilter) passes(e *event) bool { return f.of == (key{}) || e.isA(f.of) }

// isA tells whether an event is of a type, or of one beneath it.
func (e *event) isA(top key) bool {
	return top == e.typ || top == std(idBaseEvent) || e.own != nil && e.own.node.isA(top)
}

// pick gives the fields that were asked for.
func (f *eventFilter) pick(e *event) []*ua.Variant {
	list := make([]*ua.Variant, len(f.fields))
	for i, c := range f.fields {
		if c.name != nil && e.isA(c.of) {
			list[i] = e.field(c.name)
		}
		if list[i] == nil {
			list[i] = &ua.Variant{}
		}
	}
	return list
}
