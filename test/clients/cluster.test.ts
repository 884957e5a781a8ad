/** What stock clients do with one node (the other tests of this folder), each connection at another node of a cluster. */
import t from 'tap';
import { natsServerFor } from '../harness/nats.ts';
import { ClusterSites } from './cluster-site.ts';
import { converse } from './converse.ts';
import { strophe } from './strophe.ts';
import { stropheRooms } from './strophe-rooms.ts';
import { xmppJs } from './xmpp-js.ts';
import { xmppJsRooms } from './xmpp-js-rooms.ts';

const scenarios = [...xmppJs, ...xmppJsRooms, ...strophe, ...stropheRooms, ...converse];

t.test('each connection at another node of a cluster', { timeout: 290_000 }, async (t) => {
  if ((await natsServerFor(t)) === undefined) return;
  const sites = await ClusterSites.start(t);
  for (const { name, timeoutMs, skip = false, run } of scenarios)
    await t.test(name, { timeout: timeoutMs, skip }, async (t) => run(t, await sites.next(t)));
});
