// Attributes: what can be read of a node.

package server

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
)

// attribute gives an attribute of a node as it stands at a time. The lock of the space is held. It is a bad status where the node has no
// such attribute.
func (s *Server) attribute(n *vertex, a ua.AttributeID, want ua.TimestampsToReturn, now time.Time) *ua.DataValue {
	if a == ua.AttributeIDValue && n.v != nil {
		return n.v.kind.sent(&n.v.value, want, now)
	}
	var v *ua.Variant
	if a == ua.AttributeIDValue && n.class == variable {
		if v = s.standardValue(n, now); v == nil {
			return status(ua.StatusBadNotReadable)
		}
		d := &ua.DataValue{Value: v}
		if want == ua.TimestampsToReturnSource || want == ua.TimestampsToReturnBoth {
			d.SourceTimestamp = now
		}
		if want == ua.TimestampsToReturnServer || want == ua.TimestampsToReturnBoth {
			d.ServerTimestamp = now
		}
		d.UpdateMask()
		return d
	}
	if v = s.fixed(n, a); v == nil {
		return status(ua.StatusBadAttributeIDInvalid)
	}
	d := &ua.DataValue{Value: v}
	if want == ua.TimestampsToReturnServer || want == ua.TimestampsToReturnBoth {
		d.ServerTimestamp = now
	}
	d.UpdateMask()
	return d
}

// status is a value that is none.
func status(code ua.StatusCode) *ua.DataValue {
	return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: code}
}

// fixed gives what does not change; nil: the node has it not.
func (s *Server) fixed(n *vertex, a ua.AttributeID) *ua.Variant {
	switch a {
	case ua.AttributeIDNodeID:
		return ua.MustVariant(n.key.id())
	case ua.AttributeIDNodeClass:
		return ua.MustVariant(int32(n.class))
	case ua.AttributeIDBrowseName:
		return ua.MustVariant(&ua.QualifiedName{NamespaceIndex: n.ns, Name: n.name})
	case ua.AttributeIDDisplayName:
		return ua.MustVariant(ua.NewLocalizedText(n.name))
	case ua.AttributeIDDescription:
		return ua.MustVariant(ua.NewLocalizedText(n.about))
	case ua.AttributeIDWriteMask, ua.AttributeIDUserWriteMask:
		return ua.MustVariant(uint32(0))
	}
	switch n.class {
	case object:
		if a == ua.AttributeIDEventNotifier {
			if n.notifies() {
				return ua.MustVariant(uint8(ua.EventNotifierTypeSubscribeToEvents))
			}
			return ua.MustVariant(uint8(0))
		}
	case variable, varType:
		return s.fixedOfVariable(n, a)
	case objType, dataType, refType:
		return fixedOfType(n, a)
	}
	return nil
}

// fixedOfVariable is fixed, of variables and their types.
func (s *Server) fixedOfVariable(n *vertex, a ua.AttributeID) *ua.Variant {
	switch {
	case a == ua.AttributeIDDataType:
		return ua.MustVariant(std(n.data).id())
	case a == ua.AttributeIDValueRank && n.class == varType:
		return ua.MustVariant(int32(-2)) // any
	case a == ua.AttributeIDValueRank:
		return ua.MustVariant(n.rank)
	case a == ua.AttributeIDArrayDimensions && n.rank == 1:
		return ua.MustVariant([]uint32{0}) // of any length
	case n.class == varType:
		return fixedOfType(n, a)
	case a == ua.AttributeIDAccessLevel || a == ua.AttributeIDUserAccessLevel:
		level := ua.AccessLevelTypeCurrentRead
		if n.v != nil && n.v.writable && s.o.Write != nil {
			level |= ua.AccessLevelTypeCurrentWrite
		}
		return ua.MustVariant(uint8(level))
	case a == ua.AttributeIDMinimumSamplingInterval:
		return ua.MustVariant(milliseconds(s.o.Limits.Interval))
	case a == ua.AttributeIDHistorizing:
		return ua.MustVariant(false)
	}
	return nil
}

// fixedOfType is fixed, of types.
func fixedOfType(n *vertex, a ua.AttributeID) *ua.Variant {
	switch {
	case a == ua.AttributeIDIsAbstract:
		return ua.MustVariant(n.num == 0 && slices.Contains(abstract, n.key.num))
	case a == ua.AttributeIDSymmetric && n.class == refType:
		return ua.MustVariant(inverse[n.key.num] == "")
	case a == ua.AttributeIDInverseName && n.class == refType && inverse[n.key.num] != "":
		return ua.MustVariant(ua.NewLocalizedText(inverse[n.key.num]))
	}
	return nil
}

// milliseconds writes a duration as OPC UA does.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// version is that of this library, as the program that holds it was built.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/batchkit/batchkit" {
			return m.Version
		}
	}
	return ""
})

// build tells what the server is.
func (s *Server) build() *ua.BuildInfo {
	return &ua.BuildInfo{
		ProductURI: "https://github.com/batchkit/batchkit", ManufacturerName: "batchkit", ProductName: s.o.Name, SoftwareVersion: version(),
	}
}

// serverStatus tells how the server is.
func (s *Server) serverStatus(now time.Time) *ua.ServerStatusDataType {
	return &ua.ServerStatusDataType{
		StartTime: s.started, CurrentTime: now, State: ua.ServerStateRunning, BuildInfo: s.build(), ShutdownReason: ua.NewLocalizedText(""),
	}
}

// standardValue gives the value of a standard variable; nil: it has none.
func (s *Server) standardValue(n *vertex, now time.Time) *ua.Variant {
	if n.up.class == objType {
		return &ua.Variant{} // what a type has is no thing
	}
	switch n.key.num {
	case 2254: // ServerArray
		return ua.MustVariant([]string{s.uri()})
	case 2255: // NamespaceArray
		return ua.MustVariant([]string{"http://opcfoundation.org/UA/", s.uri(), s.space.uri})
	case 2256: // ServerStatus
		return ua.MustVariant(ua.NewExtensionObject(s.serverStatus(now)))
	case 2257: // StartTime
		return ua.MustVariant(s.started)
	case 2258: // CurrentTime
		return ua.MustVariant(now)
	case 2259: // State
		return ua.MustVariant(int32(ua.ServerStateRunning))
	case 2260: // BuildInfo
		return ua.MustVariant(ua.NewExtensionObject(s.build()))
	case 2261: // ProductName
		return ua.MustVariant(s.build().ProductName)
	case 2262: // ProductUri
		return ua.MustVariant(s.build().ProductURI)
	case 2263: // ManufacturerName
		return ua.MustVariant(s.build().ManufacturerName)
	case 2264: // SoftwareVersion
		return ua.MustVariant(s.build().SoftwareVersion)
	case 2265: // BuildNumber
		return ua.MustVariant("")
	case 2266: // BuildDate: nobody knows
		return ua.MustVariant(time.Time{})
	case 2993: // ShutdownReason
		return ua.MustVariant(ua.NewLocalizedText(""))
	case 2267: // ServiceLevel: as good as it can be
		return ua.MustVariant(uint8(255))
	case 2994, 2294: // Auditing; EnabledFlag of the diagnostics
		return ua.MustVariant(false)
	case 3709: // RedundancySupport: none
		return ua.MustVariant(int32(0))
	case 3704: // SoftwareCertificates
		return ua.MustVariant([]*ua.ExtensionObject{})
	case 2269, 2271: // ServerProfileArray: nobody has certified one; LocaleIdArray: texts are in no language
		return ua.MustVariant([]string{})
	}
	return s.limit(n.key.num)
}

// limit gives the value of a standard variable that is a limit.
func (s *Server) limit(id uint32) *ua.Variant {
	l := &s.o.Limits
	switch id {
	case 2272: // MinSupportedSampleRate
		return ua.MustVariant(milliseconds(l.Interval))
	case 2735: // MaxBrowseContinuationPoints
		return ua.MustVariant(uint16(maxPoints))
	case 2736, 2737: // MaxQueryContinuationPoints, MaxHistoryContinuationPoints
		return ua.MustVariant(uint16(0))
	case 2992: // SecondsTillShutdown
		return ua.MustVariant(uint32(0))
	case 11702: // MaxArrayLength
		return ua.MustVariant(uint32(MaxText))
	case 11703: // MaxStringLength
		return ua.MustVariant(uint32(MaxText))
	case 24095: // MaxSessions
		return ua.MustVariant(uint32(l.Sessions))
	case 24098: // MaxSubscriptionsPerSession
		return ua.MustVariant(uint32(l.Subscriptions))
	case 24104: // MaxMonitoredItemsPerSubscription
		return ua.MustVariant(uint32(l.Items))
	case 24099: // MaxSelectClauseParameters
		return ua.MustVariant(uint32(maxSelect))
	case 24100: // MaxWhereClauseParameters
		return ua.MustVariant(uint32(1))
	case 31916: // MaxMonitoredItemsQueueSize
		return ua.MustVariant(uint32(maxQueue))
	case 11705, 11707, 11710, 11711, 11712, 11714: // of operations in one call
		return ua.MustVariant(uint32(maxOperations))
	}
	return nil
}
