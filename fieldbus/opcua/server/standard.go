// Standard: the nodes of namespace 0 that clients ask for.

package server

import "github.com/gopcua/opcua/ua"

// Numbers of namespace 0 that the code speaks of.
const (
	idReferences    = 31
	idHierarchical  = 33
	idOrganizes     = 35
	idModellingRule = 37
	idEncoding      = 38
	idTypeDef       = 40
	idSubtype       = 45
	idProperty      = 46
	idComponent     = 47
	idFolderType    = 61
	idDataVariable  = 63
	idPropertyType  = 68
	idMandatory     = 78
	idObjects       = 85
	idBaseEvent     = 2041
	idServer        = 2253
	idOverflow      = 3035
	idEventTypes    = 3048
)

// Classes of nodes, and what is above another in the table of standard nodes.
const (
	object   = ua.NodeClassObject
	variable = ua.NodeClassVariable
	objType  = ua.NodeClassObjectType
	varType  = ua.NodeClassVariableType
	dataType = ua.NodeClassDataType
	refType  = ua.NodeClassReferenceType
)

// row is a standard node: its number, its class and name, what is above it and by which reference, and its type definition. Of a
// variable data and rank are its data type; rank 1 is an array.
type row struct {
	id    uint32
	class ua.NodeClass
	name  string
	up    uint32
	link  uint32
	typ   uint32
	data  uint32
	rank  int32 // 1: an array; 0: a single value
}

// standard is the part of namespace 0 that is shown: the whole has 5,000 nodes, of which clients of data and events ask for none but
// these. What is above stands before what is below it.
var standard = []row{
	{84, object, "Root", 0, 0, idFolderType, 0, 0},
	{idObjects, object, "Objects", 84, idOrganizes, idFolderType, 0, 0},
	{86, object, "Types", 84, idOrganizes, idFolderType, 0, 0},
	{87, object, "Views", 84, idOrganizes, idFolderType, 0, 0},
	{88, object, "ObjectTypes", 86, idOrganizes, idFolderType, 0, 0},
	{89, object, "VariableTypes", 86, idOrganizes, idFolderType, 0, 0},
	{90, object, "DataTypes", 86, idOrganizes, idFolderType, 0, 0},
	{91, object, "ReferenceTypes", 86, idOrganizes, idFolderType, 0, 0},
	{idEventTypes, object, "EventTypes", 86, idOrganizes, idFolderType, 0, 0},

	{idReferences, refType, "References", 91, idOrganizes, 0, 0, 0},
	{32, refType, "NonHierarchicalReferences", idReferences, idSubtype, 0, 0, 0},
	{idHierarchical, refType, "HierarchicalReferences", idReferences, idSubtype, 0, 0, 0},
	{34, refType, "HasChild", idHierarchical, idSubtype, 0, 0, 0},
	{idOrganizes, refType, "Organizes", idHierarchical, idSubtype, 0, 0, 0},
	{36, refType, "HasEventSource", idHierarchical, idSubtype, 0, 0, 0},
	{48, refType, "HasNotifier", 36, idSubtype, 0, 0, 0},
	{44, refType, "Aggregates", 34, idSubtype, 0, 0, 0},
	{idSubtype, refType, "HasSubtype", 34, idSubtype, 0, 0, 0},
	{idProperty, refType, "HasProperty", 44, idSubtype, 0, 0, 0},
	{idComponent, refType, "HasComponent", 44, idSubtype, 0, 0, 0},
	{idModellingRule, refType, "HasModellingRule", 32, idSubtype, 0, 0, 0},
	{idEncoding, refType, "HasEncoding", 32, idSubtype, 0, 0, 0},
	{idTypeDef, refType, "HasTypeDefinition", 32, idSubtype, 0, 0, 0},
	{41, refType, "GeneratesEvent", 32, idSubtype, 0, 0, 0},

	{24, dataType, "BaseDataType", 90, idOrganizes, 0, 0, 0},
	{1, dataType, "Boolean", 24, idSubtype, 0, 0, 0},
	{26, dataType, "Number", 24, idSubtype, 0, 0, 0},
	{27, dataType, "Integer", 26, idSubtype, 0, 0, 0},
	{28, dataType, "UInteger", 26, idSubtype, 0, 0, 0},
	{2, dataType, "SByte", 27, idSubtype, 0, 0, 0},
	{3, dataType, "Byte", 28, idSubtype, 0, 0, 0},
	{4, dataType, "Int16", 27, idSubtype, 0, 0, 0},
	{5, dataType, "UInt16", 28, idSubtype, 0, 0, 0},
	{6, dataType, "Int32", 27, idSubtype, 0, 0, 0},
	{7, dataType, "UInt32", 28, idSubtype, 0, 0, 0},
	{8, dataType, "Int64", 27, idSubtype, 0, 0, 0},
	{9, dataType, "UInt64", 28, idSubtype, 0, 0, 0},
	{10, dataType, "Float", 26, idSubtype, 0, 0, 0},
	{11, dataType, "Double", 26, idSubtype, 0, 0, 0},
	{12, dataType, "String", 24, idSubtype, 0, 0, 0},
	{13, dataType, "DateTime", 24, idSubtype, 0, 0, 0},
	{14, dataType, "Guid", 24, idSubtype, 0, 0, 0},
	{15, dataType, "ByteString", 24, idSubtype, 0, 0, 0},
	{16, dataType, "XmlElement", 24, idSubtype, 0, 0, 0},
	{17, dataType, "NodeId", 24, idSubtype, 0, 0, 0},
	{18, dataType, "ExpandedNodeId", 24, idSubtype, 0, 0, 0},
	{19, dataType, "StatusCode", 24, idSubtype, 0, 0, 0},
	{20, dataType, "QualifiedName", 24, idSubtype, 0, 0, 0},
	{21, dataType, "LocalizedText", 24, idSubtype, 0, 0, 0},
	{22, dataType, "Structure", 24, idSubtype, 0, 0, 0},
	{23, dataType, "DataValue", 24, idSubtype, 0, 0, 0},
	{25, dataType, "DiagnosticInfo", 24, idSubtype, 0, 0, 0},
	{29, dataType, "Enumeration", 24, idSubtype, 0, 0, 0},
	{290, dataType, "Duration", 11, idSubtype, 0, 0, 0},
	{294, dataType, "UtcTime", 13, idSubtype, 0, 0, 0},
	{295, dataType, "LocaleId", 12, idSubtype, 0, 0, 0},
	{338, dataType, "BuildInfo", 22, idSubtype, 0, 0, 0},
	{340, object, "Default Binary", 338, idEncoding, 76, 0, 0},
	{344, dataType, "SignedSoftwareCertificate", 22, idSubtype, 0, 0, 0},
	{851, dataType, "RedundancySupport", 29, idSubtype, 0, 0, 0},
	{852, dataType, "ServerState", 29, idSubtype, 0, 0, 0},
	{862, dataType, "ServerStatusDataType", 22, idSubtype, 0, 0, 0},
	{864, object, "Default Binary", 862, idEncoding, 76, 0, 0},

	{58, objType, "BaseObjectType", 88, idOrganizes, 0, 0, 0},
	{idFolderType, objType, "FolderType", 58, idSubtype, 0, 0, 0},
	{76, objType, "DataTypeEncodingType", 58, idSubtype, 0, 0, 0},
	{77, objType, "ModellingRuleType", 58, idSubtype, 0, 0, 0},
	{2004, objType, "ServerType", 58, idSubtype, 0, 0, 0},
	{2013, objType, "ServerCapabilitiesType", 58, idSubtype, 0, 0, 0},
	{2020, objType, "ServerDiagnosticsType", 58, idSubtype, 0, 0, 0},
	{2033, objType, "VendorServerInfoType", 58, idSubtype, 0, 0, 0},
	{2034, objType, "ServerRedundancyType", 58, idSubtype, 0, 0, 0},
	{11564, objType, "OperationLimitsType", idFolderType, idSubtype, 0, 0, 0},
	{idBaseEvent, objType, "BaseEventType", 58, idSubtype, 0, 0, 0},
	{2042, variable, "EventId", idBaseEvent, idProperty, idPropertyType, 15, 0},
	{2043, variable, "EventType", idBaseEvent, idProperty, idPropertyType, 17, 0},
	{2044, variable, "SourceNode", idBaseEvent, idProperty, idPropertyType, 17, 0},
	{2045, variable, "SourceName", idBaseEvent, idProperty, idPropertyType, 12, 0},
	{2046, variable, "Time", idBaseEvent, idProperty, idPropertyType, 294, 0},
	{2047, variable, "ReceiveTime", idBaseEvent, idProperty, idPropertyType, 294, 0},
	{2050, variable, "Message", idBaseEvent, idProperty, idPropertyType, 21, 0},
	{2051, variable, "Severity", idBaseEvent, idProperty, idPropertyType, 5, 0},
	{2130, objType, "SystemEventType", idBaseEvent, idSubtype, 0, 0, 0},
	{idOverflow, objType, "EventQueueOverflowEventType", idBaseEvent, idSubtype, 0, 0, 0},
	{62, varType, "BaseVariableType", 89, idOrganizes, 0, 24, 0},
	{idDataVariable, varType, "BaseDataVariableType", 62, idSubtype, 0, 24, 0},
	{idPropertyType, varType, "PropertyType", 62, idSubtype, 0, 24, 0},
	{2138, varType, "ServerStatusType", idDataVariable, idSubtype, 0, 862, 0},
	{3051, varType, "BuildInfoType", idDataVariable, idSubtype, 0, 338, 0},

	{idServer, object, "Server", idObjects, idOrganizes, 2004, 0, 0},
	{2254, variable, "ServerArray", idServer, idProperty, idPropertyType, 12, 1},
	{2255, variable, "NamespaceArray", idServer, idProperty, idPropertyType, 12, 1},
	{2256, variable, "ServerStatus", idServer, idComponent, 2138, 862, 0},
	{2257, variable, "StartTime", 2256, idComponent, idDataVariable, 294, 0},
	{2258, variable, "CurrentTime", 2256, idComponent, idDataVariable, 294, 0},
	{2259, variable, "State", 2256, idComponent, idDataVariable, 852, 0},
	{2260, variable, "BuildInfo", 2256, idComponent, 3051, 338, 0},
	{2261, variable, "ProductName", 2260, idComponent, idDataVariable, 12, 0},
	{2262, variable, "ProductUri", 2260, idComponent, idDataVariable, 12, 0},
	{2263, variable, "ManufacturerName", 2260, idComponent, idDataVariable, 12, 0},
	{2264, variable, "SoftwareVersion", 2260, idComponent, idDataVariable, 12, 0},
	{2265, variable, "BuildNumber", 2260, idComponent, idDataVariable, 12, 0},
	{2266, variable, "BuildDate", 2260, idComponent, idDataVariable, 294, 0},
	{2992, variable, "SecondsTillShutdown", 2256, idComponent, idDataVariable, 7, 0},
	{2993, variable, "ShutdownReason", 2256, idComponent, idDataVariable, 21, 0},
	{2267, variable, "ServiceLevel", idServer, idProperty, idPropertyType, 3, 0},
	{2994, variable, "Auditing", idServer, idProperty, idPropertyType, 1, 0},
	{2274, object, "ServerDiagnostics", idServer, idComponent, 2020, 0, 0},
	{2294, variable, "EnabledFlag", 2274, idProperty, idPropertyType, 1, 0},
	{2295, object, "VendorServerInfo", idServer, idComponent, 2033, 0, 0},
	{2296, object, "ServerRedundancy", idServer, idComponent, 2034, 0, 0},
	{3709, variable, "RedundancySupport", 2296, idProperty, idPropertyType, 851, 0},
	{2268, object, "ServerCapabilities", idServer, idComponent, 2013, 0, 0},
	{2269, variable, "ServerProfileArray", 2268, idProperty, idPropertyType, 12, 1},
	{2271, variable, "LocaleIdArray", 2268, idProperty, idPropertyType, 295, 1},
	{2272, variable, "MinSupportedSampleRate", 2268, idProperty, idPropertyType, 290, 0},
	{2735, variable, "MaxBrowseContinuationPoints", 2268, idProperty, idPropertyType, 5, 0},
	{2736, variable, "MaxQueryContinuationPoints", 2268, idProperty, idPropertyType, 5, 0},
	{2737, variable, "MaxHistoryContinuationPoints", 2268, idProperty, idPropertyType, 5, 0},
	{3704, variable, "SoftwareCertificates", 2268, idProperty, idPropertyType, 344, 1},
	{11702, variable, "MaxArrayLength", 2268, idProperty, idPropertyType, 7, 0},
	{11703, variable, "MaxStringLength", 2268, idProperty, idPropertyType, 7, 0},
	{24095, variable, "MaxSessions", 2268, idProperty, idPropertyType, 7, 0},
	{24098, variable, "MaxSubscriptionsPerSession", 2268, idProperty, idPropertyType, 7, 0},
	{24104, variable, "MaxMonitoredItemsPerSubscription", 2268, idProperty, idPropertyType, 7, 0},
	{24099, variable, "MaxSelectClauseParameters", 2268, idProperty, idPropertyType, 7, 0},
	{24100, variable, "MaxWhereClauseParameters", 2268, idProperty, idPropertyType, 7, 0},
	{31916, variable, "MaxMonitoredItemsQueueSize", 2268, idProperty, idPropertyType, 7, 0},
	{2996, object, "ModellingRules", 2268, idComponent, idFolderType, 0, 0},
	{idMandatory, object, "Mandatory", 2996, idComponent, 77, 0, 0},
	{2997, object, "AggregateFunctions", 2268, idComponent, idFolderType, 0, 0},
	{11704, object, "OperationLimits", 2268, idComponent, 11564, 0, 0},
	{11705, variable, "MaxNodesPerRead", 11704, idProperty, idPropertyType, 7, 0},
	{11707, variable, "MaxNodesPerWrite", 11704, idProperty, idPropertyType, 7, 0},
	{11710, variable, "MaxNodesPerBrowse", 11704, idProperty, idPropertyType, 7, 0},
	{11711, variable, "MaxNodesPerRegisterNodes", 11704, idProperty, idPropertyType, 7, 0},
	{11712, variable, "MaxNodesPerTranslateBrowsePathsToNodeIds", 11704, idProperty, idPropertyType, 7, 0},
	{11714, variable, "MaxMonitoredItemsPerCall", 11704, idProperty, idPropertyType, 7, 0},
}

// abstract are the types of which nothing is.
var abstract = []uint32{24, 26, 27, 28, 22, 29, idReferences, 32, idHierarchical, 34, 44, idBaseEvent, 62}

// inverse are the names of references read backwards; the others read the same both ways.
var inverse = map[uint32]string{
	idHierarchical: "InverseHierarchicalReferences", 34: "ChildOf", idOrganizes: "OrganizedBy", 36: "EventSourceOf", 48: "NotifierOf",
	44: "AggregatedBy", idSubtype: "SubtypeOf", idProperty: "PropertyOf", idComponent: "ComponentOf", idModellingRule: "ModellingRuleOf",
	idEncoding: "EncodingOf", idTypeDef: "TypeDefinitionOf", 41: "GeneratedBy",
}
