import t from 'tap';
import { type ActorOptions, type ActorSystem, type Mailbox, startActorSystem } from './spawn.ts';

type Options = Partial<ActorOptions<string>>;

function actor(options: Options = {}): { system: ActorSystem; mailbox: Mailbox<string>; got: string[][] } {
  const system = startActorSystem();
  const got: string[][] = [];
  const mailbox = system.spawn<string>('test', {
    mailboxMax: 3,
    receive: (batch) => void got.push([...batch]),
    onCrash: () => 'resume',
    ...options,
  });
  return { system, mailbox, got };
}

async function rounds(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

t.test('what gathers before an actor wakes is one batch, in order', async (t) => {
  const { system, mailbox, got } = actor();
  mailbox.tell('a');
  mailbox.tell('b');
  await rounds();
  mailbox.tell('c');
  await rounds();
  t.same(got, [['a', 'b'], ['c']]);
  system.stop();
});

t.test('a full mailbox refuses, and counts a dead letter', async (t) => {
  const { system, mailbox, got } = actor({ urgent: (message) => message.startsWith('!') });
  t.same(
    ['a', 'b', 'c', 'd', '!e'].map((message) => mailbox.tell(message)),
    [true, true, true, false, true],
    'but for what ends something that was let in',
  );
  t.equal(system.stats().deadLetters, 1);
  t.equal(mailbox.depth, 4);
  await rounds();
  t.same(got.flat(), ['a', 'b', 'c', '!e']);
  t.equal(mailbox.tell('f'), true, 'with room again it takes more');
  await rounds();
  system.stop();
});

t.test('a stopped actor refuses, what was in its mailbox is dead letters', async (t) => {
  const { system, mailbox, got } = actor();
  mailbox.tell('a');
  mailbox.stop();
  mailbox.stop();
  t.equal(mailbox.tell('b'), false);
  await rounds();
  t.same(got, []);
  t.same([system.stats().actors, system.stats().deadLetters], [0, 2]);
  system.stop();
});

t.test('a crash is counted, and the supervisor says whether the actor goes on', async (t) => {
  for (const decision of ['resume', 'stop'] as const) {
    const seen: string[] = [];
    const { system, mailbox } = actor({
      receive(batch) {
        seen.push(...batch);
        if (batch.includes('bad')) throw new Error('bad');
      },
      onCrash: (_error, batch) => {
        seen.push(`lost ${batch.join()}`);
        return decision;
      },
    });
    mailbox.tell('bad');
    await rounds();
    t.equal(mailbox.tell('good'), decision === 'resume');
    await rounds();
    t.same(seen, decision === 'resume' ? ['bad', 'lost bad', 'good'] : ['bad', 'lost bad']);
    t.equal(system.stats().crashes, 1);
    system.stop();
  }
});

t.test('what an actor is told while it works waits for its next wake-up', async (t) => {
  const got: string[][] = [];
  const { system, mailbox } = actor({
    receive(batch) {
      got.push([...batch]);
      if (batch.includes('a')) mailbox.tell('b');
    },
  });
  mailbox.tell('a');
  await rounds(5);
  t.same(got, [['a'], ['b']]);
  system.stop();
});

t.test('an actor that rests lets go of its waker; the next message gets another', async (t) => {
  const wakers: { readonly name: string; readonly drain: () => void; stops: number; wakes: number }[] = [];
  const system = startActorSystem({
    add(name, drain) {
      const waker = { name, drain, stops: 0, wakes: 0 };
      wakers.push(waker);
      return { wake: () => void waker.wakes++, stop: () => void waker.stops++ };
    },
    stop() {},
  });
  const got: string[] = [];
  const mailbox = system.spawn<string>('test', {
    mailboxMax: 3,
    receive: (batch) => void got.push(...batch),
    onCrash: () => 'resume',
  });
  t.same(wakers, [], 'none before the first message');
  mailbox.rest();
  mailbox.tell('a');
  mailbox.rest();
  t.match(wakers, [{ name: 'test-1', stops: 0, wakes: 1 }], 'not while a message waits');
  wakers[0]?.drain();
  mailbox.rest();
  mailbox.rest();
  t.match(wakers, [{ stops: 1 }]);
  mailbox.tell('b');
  mailbox.tell('c');
  t.match(wakers, [{ wakes: 1 }, { name: 'test-2', stops: 0, wakes: 1 }]);
  wakers[1]?.drain();
  t.same(got, ['a', 'b', 'c']);
  t.equal(system.stats().actors, 1, 'it is in memory all the time');
  mailbox.rest();
  mailbox.stop();
  t.equal(mailbox.tell('d'), false);
  t.equal(wakers.length, 2);
});

t.test('with nact, too, nothing is lost or reordered over rests', async (t) => {
  const { system, mailbox, got } = actor();
  const said: string[] = [];
  for (let i = 0; i < 20; i++) {
    said.push(`${i}`);
    mailbox.tell(`${i}`);
    await rounds();
    mailbox.rest();
  }
  t.same(got.flat(), said);
  system.stop();
});
