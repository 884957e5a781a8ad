import { appendFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { codeOf } from '../../src/base/errors.ts';
import { withTmpfs } from '../../src/storage/tmpfs-for-tests.ts';
import { until } from '../clients/until.ts';
import { Writer } from './letters.ts';
import { type Env, rookery, type Scope, type Serving, serve } from './rookery.ts';

const MIB = 1024 * 1024;

/** Something else grows on the same disk until only so much is left. */
class Intruder {
  readonly #folder: string;
  readonly #leaveBytes: number;

  constructor(folder: string, leaveBytes: number) {
    this.#folder = folder;
    this.#leaveBytes = leaveBytes;
    writeFileSync(this.#file, '');
  }

  get #file(): string {
    return join(this.#folder, 'something-else');
  }

  /** Again and again: what the node gives up to recover is taken as well. */
  grow(): void {
    const { bavail, bsize } = statfsSync(this.#folder);
    try {
      for (let left = bavail * bsize - this.#leaveBytes; left > 0; left -= MIB)
        appendFileSync(this.#file, Buffer.alloc(Math.min(left, MIB)));
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error;
    }
  }

  leave(): void {
    rmSync(this.#file);
  }
}

const isWritable = async (node: Serving): Promise<string | undefined> =>
  /^rookery_log_writable (\d)$/m.exec((await node.get('/metrics')).body)?.[1];

/** The same story for a disk below the mark, and for one without a byte left. */
async function fullAndBack(t: Tap, folder: string, leaveBytes: number, env: Env): Promise<void> {
  const quick = { ROOKERY_STORAGE_FREE_CHECK_MS: '50', ROOKERY_PROFILE: 'bench' };
  const node = await serve(t, { ...quick, ...env }, join(folder, 'data'));
  const ann = await Writer.start(node.url, 4000);
  const early = ann.write(20);
  await ann.answered(early);
  t.equal(ann.kept.length, early.length);

  const intruder = new Intruder(folder, leaveBytes);
  const whileFull = (what: string, holds: () => Promise<boolean>): Promise<void> =>
    until(what, () => {
      intruder.grow();
      return holds();
    });
  await whileFull('a letter to be refused', async () => {
    await ann.answered(ann.write(20));
    return ann.letters.some(({ refusal }) => refusal !== '');
  });
  const refused = ann.letters.filter(({ refusal }) => refusal !== '');
  t.strictSame([...new Set(refused.map(({ refusal }) => refusal))], ['resource-constraint wait']);
  let readiness = '';
  await whileFull('the node to say that it is not ready', async () => {
    const { status, body } = await node.get('/readyz');
    readiness = body;
    return status === 503;
  });
  t.match(JSON.parse(readiness), { status: 'not ready', reason: /disk|storage/ });
  await whileFull('the figure to say so', async () => (await isWritable(node)) === '0');
  await whileFull('the command to say so', async () => {
    const { code, err } = await rookery(['status', '--data-dir', node.dataDir]);
    return code === 1 && err.startsWith('rookery: not ready: ');
  });
  t.equal((await node.get('/healthz')).status, 200, 'nobody is to restart it for that');

  intruder.leave();
  await until('the node to be ready again', async () => (await node.get('/readyz')).status === 200);
  t.equal(await isWritable(node), '1');
  const kept = ann.kept.map(({ id }) => id).sort();
  await until('what was acknowledged to be in both archives', async () => {
    const archives = [await ann.archived(node.url, 'ann'), await ann.archived(node.url, 'ben')];
    return archives.every((archive) => kept.every((id) => archive.includes(id)));
  });
  ann.sendAgain(refused);
  await ann.answered(ann.letters);
  await ann.answered(ann.write(20));
  t.strictSame(
    ann.letters.filter(({ refusal }) => refusal !== ''),
    [],
    'it takes everything again',
  );
  const ids = ann.letters.map(({ id }) => id).sort();
  for (const user of ['ann', 'ben']) {
    await until('every letter to be archived', async () => (await ann.archived(node.url, user)).length >= ids.length);
    t.strictSame((await ann.archived(node.url, user)).sort(), ids, `${user} has each once`);
  }
  t.equal((await node.stop()).code, 0, 'it never ended');
  t.match(node.out, /"msg":"storage: /, 'the log says what happened');
}

type Tap = Scope & Pick<typeof t, 'equal' | 'match' | 'strictSame'>;

t.test('a disk below storage.freeBytesMin: nothing is accepted, nothing is lost, room brings it back', async (t) => {
  await withTmpfs(t, 'size=96m', (folder) =>
    fullAndBack(t, folder, 20 * MIB, { ROOKERY_STORAGE_FREE_BYTES_MIN: String(24 * MIB) }),
  );
});

t.test('a disk without a byte left: the failed write harms nothing, room brings it back', async (t) => {
  await withTmpfs(t, 'size=64m', (folder) => fullAndBack(t, folder, 0, { ROOKERY_STORAGE_FREE_BYTES_MIN: '0' }));
});

t.test('a node stopped or killed while its disk is full has everything it acknowledged', async (t) => {
  await withTmpfs(t, 'size=64m', async (folder) => {
    const env = { ROOKERY_STORAGE_FREE_CHECK_MS: '50', ROOKERY_STORAGE_FREE_BYTES_MIN: '0', ROOKERY_PROFILE: 'bench' };
    const node = await serve(t, env, join(folder, 'data'));
    const ann = await Writer.start(node.url, 4000);
    for (const [signal, code] of [
      ['SIGTERM', 0],
      ['SIGKILL', null],
    ] as const) {
      const intruder = new Intruder(folder, 0);
      await until('a letter to be refused', async () => {
        intruder.grow();
        const letters = ann.write(50);
        await ann.answered(letters);
        return letters.some(({ refusal }) => refusal !== '');
      });
      t.equal((await node.stop(signal)).code, code);
      const kept = ann.kept.map(({ id }) => id);
      intruder.leave();
      await node.start();
      const archive = await ann.archived(node.url);
      t.same(
        kept.filter((id) => !archive.includes(id)),
        [],
        `${signal}: ${kept.length} acknowledged`,
      );
      t.equal(new Set(archive).size, archive.length, 'none twice');
      await ann.back(node.url);
    }
  });
});

t.test('a node does not start on a full disk: one line, code 6', async (t) => {
  await withTmpfs(t, 'size=16m', async (folder) => {
    new Intruder(folder, 0).grow();
    const { code, err } = await rookery(['start', '--port', '0', '--data-dir', join(folder, 'data')]);
    t.equal(code, 6);
    t.match(err, /^rookery: [^\n]* its disk is full: make room\n$/);
  });
});
