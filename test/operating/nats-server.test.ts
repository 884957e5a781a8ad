import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { sourcesFor } from '../../scripts/nats-binary.ts';
import { findNatsServer, NatsServerMissingError } from '../../scripts/nats-server.ts';
import { natsForTest } from '../harness/nats.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: gone
  }
};

const dir = mkdtempSync(join(tmpdir(), 'rookery-find-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

function fakeServer(name: string, version: string): string {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'nats-server');
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

t.test("Debian 12's nats-server 2.9.10 is refused, with the reason and the way out", async (t) => {
  const old = fakeServer('old', '2.9.10');
  const find = findNatsServer({ cacheDir: join(dir, 'empty'), path: join(dir, 'old'), fetch: false });
  await t.rejects(find, NatsServerMissingError);
  await find.catch(({ message }: Error) => {
    t.match(message, `${old} is 2.9.10, which can let two writers win one compare-and-set`);
    t.match(message, '2.10.27 or newer is needed');
    t.match(message, 'put it on the PATH');
  });
});

t.test('a newer one on the PATH is taken, past an older one, and before the cache', async (t) => {
  fakeServer('old', '2.9.10');
  const recent = fakeServer('recent', '2.10.27');
  const cacheDir = join(dir, 'cache');
  const cached = fakeServer(join('cache', 'nats-server'), '2.11.1');
  const path = `${join(dir, 'old')}:${join(dir, 'none')}:${join(dir, 'recent')}`;
  t.equal(await findNatsServer({ cacheDir, path, fetch: false }), recent);
  t.equal(await findNatsServer({ cacheDir, path: join(dir, 'old'), fetch: false }), cached);
});

t.test('where there is no Debian nothing is fetched', async (t) => {
  const find = findNatsServer({ cacheDir: join(dir, 'nothing'), path: '', osRelease: 'ID=alpine\n' });
  await t.rejects(find, /not Debian, so no package was fetched/);
});

t.test("the machine's apt sources are those of the next release, in both formats", async (t) => {
  const table: [name: string, before: string, after: string | undefined][] = [
    ['a.list', 'deb http://host/debian bookworm main\n', 'deb http://host/debian trixie main\n'],
    [
      'b.list',
      '# deb http://host/debian bookworm main\ndeb [signed-by=/k] http://host/debian bookworm-updates main',
      '# deb http://host/debian bookworm main\ndeb [signed-by=/k] http://host/debian trixie-updates main',
    ],
    ['c.list', 'deb https://host/other cloud-bookworm main', undefined],
    ['d.list', '', undefined],
    [
      'e.sources',
      'Types: deb\nURIs: http://host/bookworm/debian\nSuites: bookworm bookworm-security\nComponents: main\n',
      'Types: deb\nURIs: http://host/bookworm/debian\nSuites: trixie trixie-security\nComponents: main\n',
    ],
    ['f.sources', 'Types: deb\nURIs: https://host/node\nSuites: nodistro\n', undefined],
  ];
  for (const [name, text, after] of table) {
    const expected = after === undefined ? [] : [{ name, text: after }];
    t.same(sourcesFor([{ name, text }], 'bookworm', 'trixie'), expected, name);
  }
});

t.test('three servers start, one is killed and comes back, all end', async (t) => {
  const nats = await natsForTest(t, { servers: 3 });
  if (nats === undefined) return;
  t.equal(new Set(nats.pids).size, 3);
  t.match(readFileSync(join(nats.dirs[0] as string, 'nats.conf'), 'utf8'), 'sync_interval: always');
  const [first] = nats.pids;
  await nats.kill(0);
  t.notOk(isAlive(first as number), 'the process is gone');
  t.equal(nats.pids[0], undefined);
  await nats.restart(0);
  const pids = nats.pids as number[];
  t.ok(pids.every(isAlive));
  t.not(pids[0], first);
  await nats.stop();
  t.notOk(pids.some(isAlive), 'all are gone');
  await nats.stop();
});

t.test('a server that cannot start says why', async (t) => {
  await t.rejects(
    natsForTest(t, { extraConfig: 'no_such_setting { broken', readyMsMax: 10_000 }),
    /ended while starting/,
  );
});
