// A SCADA client that is not ours: subscribes to all events, reads what it is asked for, and says everything as lines of JSON.
//
//   node judge.js opc.tcp://127.0.0.1:4840 DIRECTORY [USER PASSWORD]
//
// With a user it encrypts, by the certificate client.pem and its key client.key in the directory.
// On its standard input it takes the paths of variables, one a line, and "end".
const path = require('path');
const readline = require('readline');
const ua = require('node-opcua');

const [endpoint, home, userName, password] = process.argv.slice(2);
const fields = ['EventType', 'Time', 'Severity', 'Message', 'SourceName', 'EventSeq', 'PreviousSeq', 'JournalId', 'BatchId', 'RecipeVersion', 'HashCurr', 'Kind',
  'StepId', 'Record'];
const uri = 'urn:batchkit:scada';

function say(what) {
  process.stdout.write(JSON.stringify(what, (_, v) => typeof v === 'bigint' ? v.toString() : v) + '\n');
}

// Numbers of 64 bits come as pairs of 32.
function plain(value) {
  if (Array.isArray(value) && value.length === 2 && value.every(Number.isInteger)) return (BigInt(value[0]) << 32n | BigInt(value[1])).toString();
  if (value && value.text !== undefined) return value.text;
  return value instanceof Date ? value.toISOString() : value === null || value === undefined ? '' : Array.isArray(value) ? value.join('|') : value.toString();
}

async function main() {
  const clientCertificateManager = new ua.OPCUACertificateManager({ rootFolder: path.join(home, 'pki'), automaticallyAcceptUnknownCertificate: true });
  const secure = userName ? { securityMode: ua.MessageSecurityMode.SignAndEncrypt, securityPolicy: ua.SecurityPolicy.Basic256Sha256,
    certificateFile: path.join(home, 'client.pem'), privateKeyFile: path.join(home, 'client.key'), applicationUri: 'urn:test:judge' } : {};
  const client = ua.OPCUAClient.create({ ...secure, endpointMustExist: false, clientCertificateManager, connectionStrategy: { maxRetry: 3, initialDelay: 50, maxDelay: 200 } });
  await client.connect(endpoint);
  const session = await client.createSession(userName ? { type: ua.UserTokenType.UserName, userName, password } : undefined);
  const ns = (await session.readNamespaceArray()).indexOf(uri);
  const sub = await session.createSubscription2({ requestedPublishingInterval: 100, requestedMaxKeepAliveCount: 20, requestedLifetimeCount: 1000,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1 });
  const names = fields.map(f => ['EventType', 'Time', 'Severity', 'Message', 'SourceName'].includes(f) ? f : ns + ':' + f);
  const filter = ua.constructEventFilter(names);
  const events = await sub.monitor({ nodeId: ua.resolveNodeId('Server'), attributeId: ua.AttributeIds.EventNotifier },
    { samplingInterval: 0, queueSize: 10000, discardOldest: true, filter }, ua.TimestampsToReturn.Both);
  events.on('changed', list => {
    const e = {};
    fields.forEach((f, i) => { e[f] = plain(list[i] && list[i].value); });
    say({ event: e });
  });
  say({ ready: ns });
  const input = readline.createInterface({ input: process.stdin });
  for await (const line of input) {
    if (line === 'end') break;
    const nodeId = 'ns=' + ns + ';s=' + line;
    const v = await session.read({ nodeId, attributeId: ua.AttributeIds.Value });
    say({ read: line, value: plain(v.value && v.value.value), status: v.statusCode.name, source: plain(v.sourceTimestamp), server: plain(v.serverTimestamp) });
  }
  await session.close();
  await client.disconnect();
  process.exit(0);
}

main().catch(err => { say({ failed: String(err && err.stack || err) }); process.exit(1); });
