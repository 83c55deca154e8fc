// A SCADA client of node-opcua: node.js runs it with {"uri":..., "cert":..., "key":..., "pki":..., "visits":[{"url":..., "policy":..., "mode":...}]}.
// It reads, browses, follows a path, subscribes to values and events, and tries to write. For each visit it tells one line with what it has
// seen.
'use strict';
const opcua = require('node-opcua');

let want;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const value = (nodeId) => ({ nodeId, attributeId: opcua.AttributeIds.Value });

// until waits for something, for 20 s.
async function until(what, is) {
  for (let i = 0; i < 2000; i++) {
    if (is()) return;
    await wait(10);
  }
  throw new Error('did not come: ' + what);
}

async function readAndBrowse(session, saw) {
  const v = await session.read(value('ns=2;s=Tags/level'));
  saw.level = { value: v.value.value, type: opcua.DataType[v.value.dataType], status: v.statusCode.name, source: v.sourceTimestamp, server: v.serverTimestamp };
  saw.stale = (await session.read(value('ns=2;s=Tags/stale'))).statusCode.name;
  saw.waiting = (await session.read(value('ns=2;s=Tags/waiting'))).statusCode.name;
  saw.unknown = (await session.read(value('ns=2;s=Tags/none'))).statusCode.name;
  saw.state = (await session.read(value('i=2259'))).value.value;
  saw.product = (await session.read(value('i=2256'))).value.value.buildInfo.manufacturerName;
  saw.namespaces = (await session.read(value('i=2255'))).value.value.slice(2);
  saw.type = (await session.read({ nodeId: 'ns=2;s=Tags/level', attributeId: opcua.AttributeIds.DataType })).value.value.toString();
  const names = (r) => r.references.map((x) => x.browseName.toString());
  saw.objects = names(await session.browse('ObjectsFolder'));
  saw.tags = names(await session.browse('ns=2;s=Tags'));
  let part = await session.browse('ns=2;s=Many');
  let n = part.references.length;
  while (part.continuationPoint && part.continuationPoint.length) {
    part = await session.browseNext(part.continuationPoint, false);
    n += part.references.length;
  }
  saw.many = n;
  const p = await session.translateBrowsePath(opcua.makeBrowsePath('RootFolder', '/Objects/2:Tags/2:level'));
  saw.path = p.targets.map((t) => t.targetId.toString());
  saw.fields = names(await session.browse('ns=2;s=/EventTypes/RecordEventType'));
  saw.registered = (await session.registerNodes(['ns=2;s=Tags/level'])).length;
}

async function attempts(session, saw) {
  const put = (nodeId, dataType, v) => session.write({ nodeId, attributeId: opcua.AttributeIds.Value, value: { value: { dataType, value: v } } });
  saw.write = (await put('ns=2;s=Tags/level', opcua.DataType.Double, 1)).name;
  saw.writeWrong = (await put('ns=2;s=Tags/level', opcua.DataType.String, 'x')).name;
  saw.call = await session.call({ objectId: 'i=2253', methodId: 'i=11492', inputArguments: [] }).then((r) => r.statusCode.name, (e) => e.message.match(/Bad\w+/)[0]);
  saw.history = await session.readHistoryValue({ nodeId: 'ns=2;s=Tags/level' }, new Date(0), new Date()).then((r) => r.statusCode.name, (e) => e.message.match(/Bad\w+/)[0]);
}

async function watch(session, saw) {
  const sub = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 5, maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
  });
  let alive = 0, over;
  sub.on('keepalive', () => { alive++; });
  sub.on('terminated', () => { over = true; });
  const both = opcua.TimestampsToReturn.Both;
  const item = (nodeId, filter) => sub.monitor(value(nodeId), { samplingInterval: 100, discardOldest: true, queueSize: 100, filter }, both);
  const counter = await item('ns=2;s=Tags/counter');
  const counts = [];
  counter.on('changed', (d) => counts.push(Number(d.value.value[1])));
  const clock = await item('i=2258');
  let ticks = 0;
  clock.on('changed', () => { ticks++; });
  const calm = await item('ns=2;s=Tags/counter', new opcua.DataChangeFilter({ trigger: opcua.DataChangeTrigger.StatusValue, deadbandType: opcua.DeadbandType.Absolute, deadbandValue: 1e9 }));
  let calmed = 0;
  calm.on('changed', () => { calmed++; });
  const bad = await item('ns=2;s=Tags/none');
  saw.badItem = bad.statusCode ? bad.statusCode.name : 'none';
  const filter = opcua.constructEventFilter(['EventId', 'EventType', 'SourceName', 'Message', 'Severity', 'Time', 'ReceiveTime', '2:EventSeq', '2:HashCurr'],
    opcua.ofType('ns=2;s=/EventTypes/RecordEventType'));
  const events = [];
  const listen = await sub.monitor({ nodeId: 'i=2253', attributeId: opcua.AttributeIds.EventNotifier }, { samplingInterval: 0, discardOldest: true, queueSize: 100, filter }, both);
  listen.on('changed', (f) => events.push(f.map((x) => x.value)));
  await until('counts', () => counts.length >= 5);
  await until('events', () => events.length >= 3);
  await until('clock', () => ticks >= 3);
  saw.rising = counts.every((n, i) => i === 0 || n > counts[i - 1]);
  saw.calmed = calmed;
  const seqs = events.map((e) => Number(e[7][1]));
  saw.inOrder = seqs.every((n, i) => i === 0 || n === seqs[i - 1] + 1);
  const e = events[0];
  saw.event = { id: e[0].length, type: e[1].toString(), source: e[2], message: e[3].text, severity: e[4], hash: e[8] === 'hash of ' + seqs[0], times: e[5] instanceof Date && e[6] instanceof Date };
  await session.setMonitoringMode({ subscriptionId: sub.subscriptionId, monitoringMode: opcua.MonitoringMode.Disabled, monitoredItemIds: [counter.monitoredItemId, clock.monitoredItemId, listen.monitoredItemId] });
  alive = 0;
  await until('keep-alive', () => alive >= 2);
  saw.modified = (await sub.modify({ requestedPublishingInterval: 200, requestedMaxKeepAliveCount: 7 })).revisedPublishingInterval;
  await item('ns=2;s=Tags/level').then((x) => x.terminate());
  await sub.setPublishingMode(false);
  await sub.terminate();
  await until('end', () => over);
}

// endure listens to events while its connection is cut, and sees whether one is missing.
async function endure(client, session, saw) {
  let back = 0;
  client.on('connection_reestablished', () => { back++; });
  const sub = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 5, maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
  });
  const filter = opcua.constructEventFilter(['2:EventSeq'], opcua.ofType('ns=2;s=/EventTypes/RecordEventType'));
  const seqs = [];
  const listen = await sub.monitor({ nodeId: 'i=2253', attributeId: opcua.AttributeIds.EventNotifier }, { samplingInterval: 0, discardOldest: true, queueSize: 1000, filter }, opcua.TimestampsToReturn.Both);
  listen.on('changed', (f) => seqs.push(Number(f[0].value[1])));
  await until('the connection again', () => back > 0);
  const n = seqs.length;
  await until('events again', () => seqs.length > n + 10);
  const came = new Set(seqs); // what was not acknowledged is asked for again, and comes twice
  saw.missed = 0;
  for (let x = seqs[0]; x <= Math.max(...seqs); x++) {
    if (!came.has(x)) saw.missed++;
  }
  saw.same = listen.monitoredItemId;
}

async function visit(manager, v) {
  const client = opcua.OPCUAClient.create({
    applicationName: 'window', applicationUri: want.uri, clientCertificateManager: manager, certificateFile: want.cert, privateKeyFile: want.key,
    endpointMustExist: false, connectionStrategy: { maxRetry: v.cut ? 100 : 0, initialDelay: 100, maxDelay: 500 },
    securityMode: opcua.MessageSecurityMode[v.mode], securityPolicy: opcua.SecurityPolicy[v.policy], requestedSessionTimeout: 60000,
  });
  const saw = {};
  try {
    await client.connect(v.url);
    const session = await client.createSession();
    if (v.cut) {
      await endure(client, session, saw);
    } else {
      await readAndBrowse(session, saw);
      await attempts(session, saw);
      await watch(session, saw);
    }
    await session.close();
  } catch (err) {
    saw.error = err.stack;
  } finally {
    await client.disconnect();
  }
  return saw;
}

module.exports = async (job, tell) => {
  want = job;
  const manager = new opcua.OPCUACertificateManager({ rootFolder: want.pki, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  for (const v of want.visits) {
    tell(await visit(manager, v));
  }
  await manager.dispose();
};
