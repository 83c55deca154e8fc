// A server for the tests of the client: node server.js PORT ROOT. It has certificate and key in ROOT, and its PKI beneath it, says
// "ready" when it can be asked, and ends with its standard input.
const ua = require('node-opcua');
const { DataType, StatusCodes, Variant, SecurityPolicy, MessageSecurityMode } = ua;

// A number of 64 bits is two of 32, the greater first.
const scalar = (type, value) => new Variant({ dataType: DataType[type], arrayType: ua.VariantArrayType.Scalar, value });

async function main() {
  const [port, root] = [Number(process.argv[2]), process.argv[3]];
  const certificates = new ua.OPCUACertificateManager({ rootFolder: root + '/pki', automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const server = new ua.OPCUAServer({
    port,
    host: '127.0.0.1',
    hostname: 'plant.example', // the client must not go by the names that a server has for itself
    resourcePath: '/plant',
    allowAnonymous: true,
    serverInfo: { applicationUri: 'urn:batchkit:plant' },
    certificateFile: root + '/cert.pem',
    privateKeyFile: root + '/key.pem',
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    serverCapabilities: { maxSessions: 40, operationLimits: { maxNodesPerRead: 50, maxMonitoredItemsPerCall: 7 } },
    userManager: { isValidUser: (user, password) => user === 'op' && password === 'secret' },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  for (let i = 0; i < Number(process.env.NAMESPACES || 0); i++) space.registerNamespace('urn:batchkit:filler' + i);
  const ns = space.registerNamespace('urn:batchkit:test');
  const folder = ns.addFolder(space.rootFolder.objects, { browseName: 'Plant', nodeId: 's=Plant' });
  const held = {};
  const add = (name, dataType, value, options) => {
    held[name] = value;
    return ns.addVariable({
      componentOf: folder, browseName: name, nodeId: 's=' + name, dataType, minimumSamplingInterval: 10,
      value: {
        get: () => scalar(dataType, held[name]),
        set: (v) => { held[name] = v.value; return StatusCodes.Good; },
      },
      ...options,
    });
  };
  const fixed = (name, dataType, value, status, at) => {
    const v = ns.addVariable({ componentOf: folder, browseName: name, nodeId: 's=' + name, dataType, minimumSamplingInterval: 10 });
    v.setValueFromSource(scalar(dataType, value), status || StatusCodes.Good, at || new Date());
    return v;
  };
  add('Valve', 'Boolean', false);
  add('Setpoint', 'Int16', 0);
  add('Total', 'Int64', [0, 0]);
  add('Rate', 'Double', 0);
  fixed('Level', 'Float', 1.5);
  fixed('Flow', 'UInt32', 70000);
  fixed('Door', 'Boolean', true);
  fixed('Word', 'UInt16', 65535);
  fixed('Deep', 'Int32', -5);
  fixed('Small', 'Byte', 200);
  fixed('Big', 'UInt64', [0x80000000, 1]);
  fixed('Maker', 'String', 'Acme');
  fixed('Doubt', 'Double', 7, StatusCodes.UncertainLastUsableValue);
  fixed('Broken', 'Double', 7, StatusCodes.BadSensorFailure);
  fixed('Forced', 'Double', 7, StatusCodes.GoodLocalOverride);
  fixed('Old', 'Double', 7, StatusCodes.Good, new Date(Date.now() - 60000));
  fixed('None', 'Double', NaN);
  ns.addVariable({ componentOf: folder, browseName: 'List', nodeId: 's=List', dataType: 'Double', valueRank: 1, value: { dataType: DataType.Double, arrayType: ua.VariantArrayType.Array, value: [1, 2] } });
  for (let i = 0; i < 120; i++) fixed('V' + i, 'Double', i);
  const refusing = (name, status) => ns.addVariable({
    componentOf: folder, browseName: name, nodeId: 's=' + name, dataType: 'Int16', minimumSamplingInterval: 10,
    value: { get: () => new Variant({ dataType: DataType.Int16, value: 0 }), set: () => status },
  });
  refusing('Refuses', StatusCodes.BadOutOfRange);
  refusing('Unsure', StatusCodes.BadTimeout);
  // Now is when it was sampled, in ms since 1970.
  ns.addVariable({
    componentOf: folder, browseName: 'Now', nodeId: 's=Now', dataType: 'Int64', minimumSamplingInterval: 10,
    value: { get: () => { const ms = Date.now(); return scalar('Int64', [Math.floor(ms / 2 ** 32), ms % 2 ** 32]); } },
  });
  await server.start();
  console.log('ready');
  const end = () => server.shutdown(0).then(() => process.exit(0), () => process.exit(1));
  process.stdin.on('end', end).resume();
}

main().catch((e) => { console.error(e); process.exit(1); });
