// An OPC UA server with an address space to be browsed: node browse.js PORT ROOT COUNT
//
// It has a reactor with one variable of each kind, and COUNT variables beneath one folder, and prints "ready" when it serves. The user is
// op with the password secret. ROOT is a directory of its own, with its cert.pem and key.pem.
'use strict';
const path = require('path');
const { OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, DataType, VariantArrayType, StatusCodes,
  standardUnits, makeEUInformation } = require('node-opcua');

const [port, root, count] = process.argv.slice(2);

function plant(addressSpace, ns) {
  const objects = addressSpace.rootFolder.objects;
  const folder = (parent, name, id) => ns.addFolder(parent, { browseName: name, nodeId: 's=' + id });
  const value = (parent, name, id, dataType, v, more) => ns.addVariable({ componentOf: parent, browseName: name, nodeId: id, dataType,
    value: { dataType, arrayType: VariantArrayType.Scalar, value: v }, accessLevel: 'CurrentRead', userAccessLevel: 'CurrentRead', ...more });
  const rw = { accessLevel: 'CurrentRead | CurrentWrite', userAccessLevel: 'CurrentRead | CurrentWrite' };
  const reactor = folder(objects, 'Reactor 1', 'R1');
  const analog = (name, id, unit, more) => ns.addAnalogDataItem({ componentOf: reactor, browseName: name, nodeId: id, dataType: 'Double',
    engineeringUnitsRange: { low: 0, high: 100 }, engineeringUnits: unit, value: { dataType: DataType.Double, value: 1.5 }, ...more });
  analog('Level', 's=R1.Level', makeEUInformation('LTR', 'L', 'litre'), { description: 'Level of the vessel', accessLevel: 'CurrentRead', userAccessLevel: 'CurrentRead' });
  analog('Temperature', 's=R1.Temp', standardUnits.degree_celsius, {});
  analog('Mass', 's=R1.Mass', makeEUInformation('KGM', 'kg', 'kilogram'), {});
  analog('Odd', 's=R1.Odd', makeEUInformation('A1', 'furlong', 'a unit that nobody has'), {});
  const valves = folder(reactor, 'Valves', 'R1.Valves');
  value(valves, 'XV-1', 's=R1.XV1', DataType.Boolean, false, { ...rw, description: 'Inlet; it says: "closed" by #0' });
  value(valves, 'XV-1', 's=R1.XV1.again', DataType.Boolean, false, {}); // the same name twice
  value(valves, 'Öffnung %', 's=R1.Öffnung', DataType.Float, 0.5, rw);
  value(valves, 'Pulses', 'i=5001', DataType.UInt32, 7, {});
  value(valves, 'Small', 'i=5002', DataType.Int16, -3, {});
  value(valves, 'Byte', 'i=5003', DataType.Byte, 3, {});
  value(valves, 'Big', 'g=00000000-0000-0000-0000-00000000ABCD', DataType.UInt64, [0, 9], {});
  value(valves, 'null', 's=R1.null', DataType.Int64, [0, 9], {});
  value(valves, 'Opaque', 'b=AQIDBA==', DataType.Int32, 4, {});
  value(valves, 'Byte rw', 's=R1.Byte', DataType.SByte, -3, rw);
  value(valves, 'Serial', 's=R1.Serial', DataType.String, 'A-1002', {});
  value(valves, 'Made', 's=R1.Made', DataType.DateTime, new Date(0), {});
  value(valves, 'Secret', 's=R1.Secret', DataType.Double, 1, { accessLevel: 'CurrentWrite', userAccessLevel: 'CurrentWrite' });
  value(valves, 'Closed', 's=R1.Closed', DataType.Double, 1, { accessLevel: '', userAccessLevel: '' });
  ns.addVariable({ componentOf: valves, browseName: 'Curve', nodeId: 's=R1.Curve', dataType: 'Double', valueRank: 1, arrayDimensions: [3],
    value: { dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1, 2, 3] } });
  ns.addVariable({ componentOf: valves, browseName: 'Anything', nodeId: 's=R1.Any', dataType: 'Number', value: { dataType: DataType.Double, value: 1 } });
  const dead = value(valves, 'Dead', 's=R1.Dead', DataType.Double, 1, {});
  dead.setValueFromSource({ dataType: DataType.Double, value: 7 }, StatusCodes.BadDeviceFailure);
  const doubt = value(valves, 'Doubtful', 's=R1.Doubt', DataType.Double, 1, {});
  doubt.setValueFromSource({ dataType: DataType.Double, value: 7 }, StatusCodes.UncertainLastUsableValue);
  valves.addReference({ referenceType: 'Organizes', nodeId: reactor }); // a cycle
}

function many(addressSpace, ns) {
  const all = ns.addFolder(addressSpace.rootFolder.objects, { browseName: 'All', nodeId: 's=All' });
  for (let i = 0; i < +count; i++) {
    ns.addVariable({ componentOf: all, browseName: 'V' + i, nodeId: 's=V' + i, dataType: 'Double', value: { dataType: DataType.Double, value: i } });
  }
}

(async () => {
  const manager = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: path.join(root, 'pki') });
  await manager.initialize();
  const server = new OPCUAServer({ port: +port, hostname: 'another-name.example', resourcePath: '/plant', serverCertificateManager: manager,
    userCertificateManager: manager, certificateFile: path.join(root, 'cert.pem'), privateKeyFile: path.join(root, 'key.pem'),
    serverInfo: { applicationUri: 'urn:batchkit:plant' },
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256], securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    userManager: { isValidUser: (user, password) => user === 'op' && password === 'secret' } });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  const ns = addressSpace.registerNamespace('urn:batchkit:browse;100%');
  plant(addressSpace, ns);
  many(addressSpace, ns);
  await server.start();
  console.log('ready');
})().catch((e) => { console.error(e); process.exit(1); });
