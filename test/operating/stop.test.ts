import { cpSync } from 'node:fs';
import t from 'tap';
import type { WebSocket } from 'ws';
import { until } from '../clients/until.ts';
import { WireClient } from '../clients/wire-client.ts';
import { connect } from '../harness/client.ts';
import { Writer } from './letters.ts';
import { type Serving, serve, temporaryFolder } from './rookery.ts';

/** A socket whose client has stopped reading: it answers no goodbye, so the stop waits for it. */
async function holdUp(node: Serving): Promise<WebSocket> {
  const client = await connect(node.url);
  await client.open();
  client.ws.pause();
  return client.ws;
}

const isRefused = (node: Serving): Promise<boolean> =>
  node.get('/healthz').then(
    () => false,
    () => true,
  );

t.test('SIGTERM in mid-burst: streams end, code 0, and what was acknowledged is there after a restart', async (t) => {
  const node = await serve(t, { ROOKERY_PROFILE: 'bench', ROOKERY_NODE_DRAIN_MS: '60000' });
  const ann = await Writer.start(node.url, 200);
  const idle = await connect(node.url);
  await idle.authenticate('ben', 'the password of ben');
  await idle.bind('desk');
  const paused = await holdUp(node);
  t.teardown(async () => paused.terminate());

  await ann.answered(ann.write(50));
  const burst = ann.write(800);
  await until('the first of the burst to be acknowledged', () => burst.some(({ acked }) => acked));
  process.kill(node.pid, 'SIGTERM');
  await idle.expectStreamError('system-shutdown');
  t.equal((await idle.closed).code, 1001);
  await ann.client.ended;
  await until('new connections to be refused', () => isRefused(node));
  await t.rejects(connect(node.url), 'WebSockets too');
  t.match(node.err, /stopping: streams are told to reconnect; once more to force\n/);
  paused.resume();
  const { code, out, err } = await node.ended;
  t.equal(code, 0);
  t.match(err, /\nstopped\n$/);
  t.match(JSON.parse(out.trim().split('\n').at(-1) ?? ''), { msg: 'stopped', node: 'node-1' });

  const unanswered = ann.letters.filter(({ acked }) => !acked);
  const kept = ann.kept.map(({ id }) => id);
  await node.start();
  t.comment(`${kept.length} acknowledged, ${unanswered.length} not`);
  t.same((await ann.archived(node.url)).slice(0, kept.length), kept);
  await ann.back(node.url);
  ann.sendAgain(unanswered);
  await ann.answered(ann.letters);
  for (const user of ['ann', 'ben']) {
    await until('every letter to be archived', async () => (await ann.archived(node.url, user)).length >= 850);
    const ids = ann.letters.map(({ id }) => id);
    t.same(await ann.archived(node.url, user), ids, `${user}: once, in order`);
  }
});

t.test('Ctrl-C stops it the same way', async (t) => {
  const node = await serve(t);
  const client = await connect(node.url);
  await client.open();
  const ended = node.stop('SIGINT');
  await client.expectStreamError('system-shutdown');
  t.equal((await ended).code, 0);
});

t.test('a second signal forces the end, with code 130, and the folder is fine', async (t) => {
  const node = await serve(t, { ROOKERY_NODE_DRAIN_MS: '60000' });
  const ann = await Writer.start(node.url, 200);
  await ann.answered(ann.write(20));
  const paused = await holdUp(node);
  t.teardown(async () => paused.terminate());
  process.kill(node.pid, 'SIGTERM');
  await ann.client.ended;
  const forced = node.ended;
  let over = false;
  void forced.then(() => {
    over = true;
  });
  await until('it to end', () => {
    if (!over) process.kill(node.pid, 'SIGTERM');
    return over;
  });
  const { code, err } = await forced;
  t.equal(code, 130);
  t.match(err, /\nforced\n$/);
  await node.start();
  t.same(
    await ann.archived(node.url),
    ann.letters.map(({ id }) => id),
  );
});

t.test('a client that never says goodbye delays a stop by node.drainMs and no longer', async (t) => {
  const node = await serve(t, { ROOKERY_NODE_DRAIN_MS: '300' });
  const paused = await holdUp(node);
  t.teardown(async () => paused.terminate());
  t.equal((await node.stop()).code, 0);
});

t.test('a copy of the folder of a stopped node is a backup', async (t) => {
  const node = await serve(t);
  const ann = await Writer.start(node.url, 200);
  await ann.answered(ann.write(30));
  t.equal((await node.stop()).code, 0);
  const copy = await temporaryFolder(t);
  cpSync(node.dataDir, copy, { recursive: true });
  const restored = await serve(t, {}, copy);
  const ids = ann.letters.map(({ id }) => id);
  for (const user of ['ann', 'ben']) t.same(await ann.archived(restored.url, user), ids, user);
});

t.test('a node that was killed with a long journal starts and serves what it has acknowledged', async (t) => {
  // Nothing is folded before the kill: all of it is journal.
  const node = await serve(t, { ROOKERY_PROFILE: 'bench', ROOKERY_STORAGE_FOLD_INTERVAL_MS: '600000' });
  const ann = await Writer.start(node.url, 100);
  for (let i = 0; i < 20; i++) await ann.answered(ann.write(250));
  const burst = ann.write(800);
  await until('the burst to get somewhere', () => burst.some(({ acked }) => acked));
  await node.stop('SIGKILL');
  await ann.client.ended;
  const kept = ann.kept.map(({ id }) => id);
  t.ok(kept.length > 5000);
  await node.start();
  const archive = await ann.archived(node.url);
  t.same(archive.slice(0, kept.length), kept, 'acknowledged ones, in order');
  t.equal(new Set(archive).size, archive.length, 'none twice');
  const ben = await WireClient.login(node.url, { user: 'ben', password: 'the password of ben' }, 'desk');
  await ann.back(node.url);
  const [letter] = ann.write(1);
  await new Promise<void>((resolve) => {
    ben.onMessage = (message) => {
      if (message.attrs['id'] === letter?.id) resolve();
    };
  });
  t.equal((await node.stop()).code, 0);
});
