import type { Test } from 'tap';
import {
  type CasResult,
  type ConfigChange,
  type ConfigStore,
  ConfigStoreUnavailableError,
  ConfigStoreUnknownError,
} from '../../src/transport/config-store.ts';

/** A client of a store, and what a test can do to it. */
export interface ConfigClient {
  readonly store: ConfigStore;
  /** The store keeps the next write of this client, and the answer to it is lost. */
  loseNextReply(): Promise<void>;
  /** The client cannot reach the store until `reconnect`; resolves when it knows. */
  disconnect(): Promise<void>;
  reconnect(): Promise<void>;
}

/** Clients of one store that is empty. */
export type MakeConfigClients = (t: Test, clients: number) => Promise<ConfigClient[]>;

interface Seen {
  readonly changes: ConfigChange[];
  until(done: (changes: readonly ConfigChange[]) => boolean): Promise<void>;
  readonly handler: (change: ConfigChange) => void;
}

function seen(): Seen {
  const changes: ConfigChange[] = [];
  let waiting: { done: (changes: readonly ConfigChange[]) => boolean; resolve: () => void } | undefined;
  return {
    changes,
    until: (done) =>
      done(changes)
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting = { done, resolve };
          }),
    handler: (change) => {
      changes.push(change);
      if (waiting?.done(changes) === true) waiting.resolve();
    },
  };
}

const winner = (result: CasResult): number => {
  if (!result.ok) throw new Error('refused');
  return result.revision;
};

const rising = (changes: readonly ConfigChange[]): boolean =>
  changes.every(({ revision }, i) => i === 0 || revision > (changes[i - 1]?.revision ?? 0));

/** What every ConfigStore must do. Call it from the test file of an implementation. */
export function configStoreContract(t: Test, makeClients: MakeConfigClients): void {
  writing(t, makeClients);
  doubts(t, makeClients);
  watching(t, makeClients);
}

function writing(t: Test, makeClients: MakeConfigClients): void {
  t.test('a key is made, changed and read, by each client alike', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    t.equal(await one.store.get('shard.17'), undefined);
    const value = { v: 1, shard: 17, leader: undefined, isr: [{ node: 'n1', inc: 'a' }], nonce: 2 ** 40 };
    const made = winner(await one.store.cas('shard.17', value, 0));
    t.same(await two.store.get('shard.17'), { key: 'shard.17', value, revision: made });
    const changed = winner(await two.store.cas('shard.17', ['other'], made));
    t.ok(changed > made);
    t.same(await one.store.get('shard.17'), { key: 'shard.17', value: ['other'], revision: changed });
  });

  t.test('a write under another revision is refused, and told what is there', async (t) => {
    const [one] = await makeClients(t, 1);
    if (one === undefined) return t.fail('no client');
    const first = winner(await one.store.cas('node.n1', 'first', 0));
    const second = winner(await one.store.cas('node.n1', 'second', first));
    const current = { value: 'second', revision: second };
    for (const expected of [0, first, second + 1])
      t.same(await one.store.cas('node.n1', 'third', expected), { ok: false, current }, `expected ${expected}`);
    t.same(await one.store.cas('node.n2', 'other key', second), { ok: false }, 'a key that is not there');
    t.equal((await one.store.get('node.n1'))?.value, 'second');
  });

  t.test('revisions of one key do not stand in the way of another', async (t) => {
    const [one] = await makeClients(t, 1);
    if (one === undefined) return t.fail('no client');
    const a = winner(await one.store.cas('shard.1', 'a', 0));
    winner(await one.store.cas('shard.2', 'b', 0));
    t.ok((await one.store.cas('shard.1', 'c', a)).ok);
  });

  t.test('a deleted key is not there, and can be made again above all it was', async (t) => {
    const [one] = await makeClients(t, 1);
    if (one === undefined) return t.fail('no client');
    const made = winner(await one.store.cas('node.n1', 'here', 0));
    t.same(await one.store.delete('node.n1', made + 1), {
      ok: false,
      current: { value: 'here', revision: made },
    });
    const gone = winner(await one.store.delete('node.n1', made));
    t.ok(gone > made);
    t.equal(await one.store.get('node.n1'), undefined);
    t.same(await one.store.delete('node.n1', made), { ok: false }, 'it is deleted once');
    t.same(await one.store.cas('node.n1', 'stale', made), { ok: false }, 'nobody goes on where it was');
    const again = winner(await one.store.cas('node.n1', 'again', 0));
    t.ok(again > gone);
    t.same(await one.store.get('node.n1'), { key: 'node.n1', value: 'again', revision: again });
  });

  t.test('of many writers under one revision exactly one wins', async (t) => {
    const clients = await makeClients(t, 4);
    let revision = 0;
    for (let round = 0; round < 25; round++) {
      const race = clients.flatMap(({ store }, client) =>
        [0, 1].map((lane) => store.cas('shard.race', { round, client, lane }, revision)),
      );
      const results = await Promise.all(race);
      const winners = results.filter(({ ok }) => ok);
      t.equal(winners.length, 1, `round ${round}`);
      const [{ store }] = clients as [ConfigClient];
      const held = await store.get('shard.race');
      const place = results.findIndex(({ ok }) => ok);
      t.same(held?.value, { round, client: place >> 1, lane: place & 1 }, 'what the winner wrote is there');
      revision = winner(winners[0] as CasResult);
      t.equal(held?.revision, revision);
    }
  });

  t.test('of many that make a deleted key again exactly one wins', async (t) => {
    const clients = await makeClients(t, 3);
    const [{ store }] = clients as [ConfigClient];
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all(clients.map(({ store }, i) => store.cas('node.n1', { round, i }, 0)));
      t.equal(results.filter(({ ok }) => ok).length, 1, `round ${round}`);
      winner(await store.delete('node.n1', winner(results.find(({ ok }) => ok) as CasResult)));
    }
  });

  t.test('what is no key, prefix or revision is refused', async (t) => {
    const [one] = await makeClients(t, 1);
    if (one === undefined) return t.fail('no client');
    for (const key of ['', '.', '.a', 'a..b', 'a.', 'a b', 'a*', '>', 'ä', 'x'.repeat(201)]) {
      await t.rejects(one.store.get(key), RangeError, `get ${key}`);
      await t.rejects(one.store.cas(key, 1, 0), RangeError, `cas ${key}`);
      if (key !== '' && key !== 'a.')
        await t.rejects(
          one.store.watch(key, () => undefined),
          RangeError,
          `watch ${key}`,
        );
    }
    for (const revision of [-1, 0.5, Number.NaN]) await t.rejects(one.store.cas('a', 1, revision), RangeError);
    await t.rejects(one.store.delete('a', 0), RangeError);
    await t.rejects(one.store.cas('a', 'x'.repeat(300_000), 0), RangeError, 'too large');
    await t.rejects(
      one.store.watch('shard', () => undefined),
      RangeError,
      'a prefix without its dot',
    );
  });
}

/** The caller's way out of doubt: the same compare-and-set again, with the same nonce. */
async function settle(store: ConfigStore, key: string, value: { nonce: string }, expected: number): Promise<boolean> {
  for (;;) {
    try {
      const result = await store.cas(key, value, expected);
      if (result.ok) return true;
      if (result.current !== undefined) return (result.current.value as { nonce: string }).nonce === value.nonce;
    } catch (error) {
      if (!(error instanceof ConfigStoreUnknownError || error instanceof ConfigStoreUnavailableError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function doubts(t: Test, makeClients: MakeConfigClients): void {
  t.test('a lost answer is told as unknown, and settled by the same write again', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    await one.loseNextReply();
    const value = { nonce: 'mine' };
    await t.rejects(one.store.cas('shard.1', value, 0), ConfigStoreUnknownError);
    await one.reconnect();
    t.equal(await settle(one.store, 'shard.1', value, 0), true, 'it was written, once');
    const held = await two.store.get('shard.1');
    t.same(held?.value, value);

    await one.loseNextReply();
    const expected = held?.revision ?? 0;
    await t.rejects(one.store.cas('shard.1', { nonce: 'mine too' }, expected), ConfigStoreUnknownError);
    await one.reconnect();
    t.equal(
      await settle(two.store, 'shard.1', { nonce: 'theirs' }, expected),
      false,
      'another one does not win as well',
    );
    t.equal(await settle(one.store, 'shard.1', { nonce: 'mine too' }, expected), true);
  });

  t.test('without a connection nothing is written, and that is told', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    await one.disconnect();
    await t.rejects(one.store.cas('shard.1', 'lost', 0), ConfigStoreUnavailableError);
    await t.rejects(one.store.delete('shard.1', 1), ConfigStoreUnavailableError);
    await t.rejects(one.store.get('shard.1'), ConfigStoreUnavailableError);
    await t.rejects(
      one.store.watch('', () => undefined),
      ConfigStoreUnavailableError,
    );
    await one.reconnect();
    t.ok((await two.store.cas('shard.1', 'kept', 0)).ok);
    t.equal((await one.store.get('shard.1'))?.value, 'kept');
  });

  t.test('after close nothing is done any more', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    const ours = seen();
    await one.store.watch('', ours.handler);
    const theirs = seen();
    await two.store.watch('', theirs.handler);
    await one.store.close();
    await one.store.close();
    await t.rejects(one.store.get('a'), ConfigStoreUnavailableError);
    await t.rejects(one.store.cas('a', 1, 0), ConfigStoreUnavailableError);
    t.ok((await two.store.cas('a', 1, 0)).ok, 'the store of others is open');
    await theirs.until((changes) => changes.length === 1);
    t.same(ours.changes, []);
  });
}

function watching(t: Test, makeClients: MakeConfigClients): void {
  t.test('a watch hands over what is there, then what comes, in order and once', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    const revisions = new Map<string, number>();
    const put = async (key: string, value: unknown): Promise<void> => {
      revisions.set(key, winner(await one.store.cas(key, value, revisions.get(key) ?? 0)));
    };
    await put('shard.1', 'old');
    await put('node.n1', 'not asked for');
    await put('shard.2', 'two');
    await put('shard.1', 'one');
    const { handler, changes, until } = seen();
    const watch = await two.store.watch('shard.', handler);
    t.same(
      changes.map((change) => [change.key, change.t === 'put' && change.value]),
      [
        ['shard.2', 'two'],
        ['shard.1', 'one'],
      ],
      'what was there is there when it resolves',
    );
    await put('shard.3', 'three');
    await put('node.n2', 'not asked for');
    winner(await one.store.delete('shard.2', revisions.get('shard.2') ?? 0));
    await until((all) => all.some((change) => change.t === 'delete'));
    t.same(
      changes.slice(2).map((change) => [change.t, change.key]),
      [
        ['put', 'shard.3'],
        ['delete', 'shard.2'],
      ],
    );
    t.equal(changes[2]?.revision, revisions.get('shard.3'));
    t.ok(rising(changes));
    watch.stop();
    watch.stop();
    await put('shard.4', 'unheard');
    const other = seen();
    await two.store.watch('', other.handler);
    t.same(
      other.changes.map((change) => [change.t, change.key]),
      ['node.n1', 'shard.1', 'shard.3', 'node.n2', 'shard.4'].map((key) => ['put', key]),
      'a new one is told what is there, not what was deleted',
    );
    t.equal(changes.length, 4);
  });

  t.test('a watch on a store that is empty begins at once', async (t) => {
    const [one] = await makeClients(t, 1);
    if (one === undefined) return t.fail('no client');
    const { handler, changes, until } = seen();
    await one.store.watch('', handler);
    t.same(changes, []);
    const revision = winner(await one.store.cas('a.b', { first: true }, 0));
    await until((all) => all.length === 1);
    t.same(changes, [{ t: 'put', key: 'a.b', value: { first: true }, revision }]);
  });

  t.test('many changes in a row: the newest of every key comes, in order', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    const { handler, changes, until } = seen();
    await two.store.watch('shard.', handler);
    const revisions = await Promise.all(
      Array.from({ length: 20 }, async (_, shard) => {
        let revision = 0;
        for (let i = 0; i < 10; i++) revision = winner(await one.store.cas(`shard.${shard}`, i, revision));
        return revision;
      }),
    );
    await until((all) => revisions.every((revision) => all.some((change) => change.revision === revision)));
    t.ok(rising(changes));
  });

  t.test('through a lost connection a watch goes on: nothing twice, and the newest of every key', async (t) => {
    const [one, two] = await makeClients(t, 2);
    if (one === undefined || two === undefined) return t.fail('no clients');
    const first = winner(await one.store.cas('shard.1', 'first', 0));
    winner(await one.store.cas('shard.2', 'stays', 0));
    const gone = winner(await one.store.cas('shard.3', 'goes', 0));
    const { handler, changes, until } = seen();
    await two.store.watch('shard.', handler);
    await two.disconnect();
    const second = winner(await one.store.cas('shard.1', 'second', first));
    const last = winner(await one.store.cas('shard.1', 'last', second));
    winner(await one.store.delete('shard.3', gone));
    await two.reconnect();
    await until((all) => all.some(({ revision }) => revision === last) && all.some(({ t }) => t === 'delete'));
    t.ok(rising(changes), 'in order and once');
    t.equal(changes.filter(({ key }) => key === 'shard.2').length, 1);
    const later = winner(await one.store.cas('shard.2', 'later', changes[1]?.revision ?? 0));
    await until((all) => all.some(({ revision }) => revision === later));
    t.ok(rising(changes));
  });
}
