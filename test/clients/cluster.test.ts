/** What stock clients do with one node (the other tests of this folder), each connection at another node of a cluster. */
import t from 'tap';
import { natsServerFor } from '../harness/nats.ts';
import { ClusterSites } from './cluster-site.ts';
import { converse } from './converse.ts';
import { strophe } from './strophe.ts';
import { xmppJs } from './xmpp-js.ts';

t.test('each connection at another node of a cluster', { timeout: 290_000 }, async (t) => {
  if ((await natsServerFor(t)) === undefined) return;
  const sites = await ClusterSites.start(t);
  for (const { name, timeoutMs, skip = false, run } of [...xmppJs, ...strophe, ...converse])
    await t.test(name, { timeout: timeoutMs, skip }, async (t) => run(t, await sites.next(t)));
});
