// Package bus carries several boards: the log by which they agree who has which equipment, and what they tell each other and the
// plant, over NATS and JetStream.
//
// Start with [Connect], which needs no bus that is there already, and [OpenLog], which gives an arbiter.Follower: all managers of a
// plant append to one stream by compare-and-set. A few boards run a [Server] each, three of them as a cluster; a plant that has
// servers of its own is given by its URL, and set as [Snippet] says.
//
// The rule that must not be broken: the bus carries, and is no record. What it has lost, doubled or forked is found by whoever has
// it on record, and nothing is given on a log that has forgotten something.
//
// # What stands on the bus
//
//	arb.log.LOG       stream ARB_LOG: operations of the arbiter, numbered as messages; headers Batchkit-Link, Batchkit-Id, Batchkit-Parts
//	arb.part.LOG      stream ARB_LOG_PARTS: operations beyond 512 KiB, in parts, before their entry
//	arb.told.LOG      no stream: the number of an operation that was just taken, which wakes who waits
//	$KV.presence.NODE bucket presence: who is there
//	cmd.NODE.USER     request and reply: a command of USER to a node; the server lets nobody else write it
//	rt.NODE.batch.ID, rt.AREA.UNIT.TAG   run-time data
//	ev.NODE.JOURNAL   stream EV: journals on their way to the hub
//	hub.ask.NAME, hub.told.NAME          questions to the hub, what it has
//	_INBOX.NAME       answers to NAME, which nobody else may listen to
//
// # Who may do what
//
// A role is data ([User.Allow]): our servers are set by it, and those of a plant by the same. NAME is that of the user, LOG is
// plant unless it is named. No two users have one name, or one key, and no area has the name of a node.
//
//	node, and answers what it is asked, once each
//	  publishes $JS.API.INFO $JS.API.STREAM.CREATE.ARB_LOG $JS.API.STREAM.CREATE.ARB_LOG_PARTS
//	      $JS.API.STREAM.CREATE.KV_presence $JS.API.STREAM.CREATE.rt $JS.API.STREAM.INFO.ARB_LOG
//	      $JS.API.STREAM.INFO.ARB_LOG_PARTS $JS.API.STREAM.INFO.EV $JS.API.STREAM.INFO.KV_presence $JS.API.STREAM.INFO.rt
//	      $JS.API.STREAM.MSG.GET.ARB_LOG $JS.API.STREAM.MSG.GET.ARB_LOG_PARTS $JS.API.STREAM.MSG.GET.KV_presence
//	      $JS.API.STREAM.PURGE.ARB_LOG $JS.API.STREAM.PURGE.ARB_LOG_PARTS $KV.presence.NAME $KV.presence.NAME.>
//	      arb.log.LOG arb.part.LOG arb.told.LOG ev.NAME.> hub.ask.NAME hub.ask.NAME.> rt.AREA.> rt.NAME.>
//	  subscribes to $KV.presence.* _INBOX.NAME.> arb.told.LOG cmd.NAME.* hub.told hub.told.NAME.>
//	hub, and answers what it is asked, once each
//	  publishes $JS.ACK.EV.> $JS.API.CONSUMER.CREATE.EV.> $JS.API.CONSUMER.DELETE.EV.>
//	      $JS.API.CONSUMER.DURABLE.CREATE.EV.> $JS.API.CONSUMER.INFO.EV.> $JS.API.CONSUMER.MSG.NEXT.EV.> $JS.API.INFO
//	      $JS.API.STREAM.CREATE.EV $JS.API.STREAM.INFO.EV $JS.API.STREAM.MSG.GET.EV $JS.API.STREAM.PURGE.EV $JS.FC.EV.>
//	      hub.>
//	  subscribes to _INBOX.NAME.> ev.> hub.ask.>
//	client
//	  publishes cmd.*.NAME hub.ask.NAME hub.ask.NAME.>
//	  subscribes to $KV.presence.* _INBOX.NAME.> hub.told rt.>
//	watch
//	  publishes nothing
//	  subscribes to rt.>
//	admin
//	  publishes >
//	  subscribes to >
//
// A user is known by an nkey; a password is for watch alone, because MQTT knows no nkeys: who has it reads run-time data, and does
// nothing. By websocket come watch and client, by MQTT watch; all others by NATS, with their certificate. A node may purge the log,
// which it has to for Trim: one that purges too much is found out by the copies of the others, and not kept from it.
//
// Whoever may ask JetStream something ($JS.API) may have its answer put on any subject, which is JSON of JetStream's own, and a hub
// may have messages of EV delivered to any, as they are: so nodes and hubs can write what is no operation into the log, and what is
// no rows into EV. A node makes no consumers and gets nothing directly: it could have what it has written delivered as the word of
// the hub, and a board let records go that the hub does not have. In the log it is a message without the headers of an operation.
// It takes a number, and all readers take it for the same operation, which changes no book; bus_state tells of it, "foreign", and
// who may write there is to be looked into: meanwhile it takes room in the log, and numbers from those who append. In EV it is set
// aside. One that has the headers and does not follow is a fork: nothing is given on the log. Then a person decides whose copy
// holds: all managers are stopped, role admin deletes both streams of the log, the copies that do not hold are set aside, and the
// manager whose copy holds is started first. It puts back what stands there.
//
// # What is known of JetStream
//
// A key may be read stale: any replica answers, so the log is read through the leader of its stream, after a majority has agreed
// with it. An update of a key drops its time to live. A write that was refused looks like one that timed out: the reason comes to
// an error handler, which tells the caller. One that timed out may have been taken: it is looked for. Two replicas are refused. A
// full stream refuses what is new. A message of at most 512 KiB fits any server. Acknowledged is what is on the disk of a majority:
// sync_interval must be always, which a client cannot ask a server; Snippet has it. When a leader dies, a cluster takes four to ten
// seconds to have another one. A server that is alone in having a tail of the log, because the disks of the others were put back,
// does not let go of it by itself: it is stopped, its directory taken away, and it begins anew from the others.
//
// The package gives no equipment and decides nothing: that is package arbiter. It keeps no journal, and has no plant's operator,
// account or domain of JetStream: the account that a connection comes into is the plant's.
package bus

import "time"

// askLimit is how long one question to the cluster is waited for, where ctx does not end sooner: a new leader takes four to nine seconds.
const askLimit = 10 * time.Second
