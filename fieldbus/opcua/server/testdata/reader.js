// A client of node-opcua that reads what every server has, on one visit after the other: node.js runs it with {"visits":[{"url":...}]}. It
// tells one line for each visit, and one before it where it came in.
'use strict';
const opcua = require('node-opcua');

let want, tell;

async function visit(manager, v) {
  const client = opcua.OPCUAClient.create({
    applicationName: 'reader', applicationUri: want.uri, clientCertificateManager: manager,
    certificateFile: want.cert, privateKeyFile: want.key,
    endpointMustExist: false, connectionStrategy: { maxRetry: 0, initialDelay: 100 },
    securityMode: opcua.MessageSecurityMode[v.mode], securityPolicy: opcua.SecurityPolicy[v.policy],
    requestedSessionTimeout: 20000, tokenRenewalInterval: v.renew || 0,
  });
  let renewed = 0;
  client.on('security_token_renewed', () => { renewed++; });
  try {
    await client.connect(v.url);
    const endpoints = (await client.getEndpoints()).length;
    const who = v.user ? { type: opcua.UserTokenType.UserName, userName: v.user, password: v.password } : undefined;
    const session = await client.createSession(who);
    const read = async () => (await session.read({ nodeId: 'i=2259', attributeId: opcua.AttributeIds.Value })).value.value;
    const state = await read();
    tell({ in: true });
    // Reads go on for a while, several at a time, so that keys change among them.
    const until = Date.now() + (v.ms || 0);
    let reads = 0, wrong = 0;
    await Promise.all([...Array(8).keys()].map(async () => {
      while (Date.now() < until) {
        if ((await read()) !== 0) wrong++;
        reads++;
      }
    }));
    await session.close();
    return { endpoints, state, reads, wrong, renewed };
  } finally {
    await client.disconnect();
  }
}

module.exports = async (...job) => {
  [want, tell] = job;
  const manager = new opcua.OPCUACertificateManager({ rootFolder: want.pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  for (const v of want.visits) {
    try {
      tell(await visit(manager, v));
    } catch (err) {
      tell({ error: err.message });
    }
  }
  await manager.dispose();
};
