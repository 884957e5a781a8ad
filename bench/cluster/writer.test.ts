import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { type WebSocket, WebSocketServer } from 'ws';
import { mark } from '../flow.ts';
import { noCounts, refusalOf, Writer } from './writer.ts';

/** As little of an XMPP server as a writer needs. What it does with messages and resumptions is the test's. */
class Fake {
  readonly got: string[] = [];
  socket: WebSocket | undefined;
  /** answer to <resume/>: `h`, or undefined for <failed/> */
  resume: number | undefined;
  logins = 0;
  readonly #server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'xmpp' });

  static async start(t: Test): Promise<Fake> {
    const fake = new Fake();
    await once(fake.#server, 'listening');
    t.teardown(() => {
      for (const socket of fake.#server.clients) socket.terminate();
      fake.#server.close();
    });
    fake.#server.on('connection', (socket) => fake.#serve(socket));
    return fake;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  send(xml: string): void {
    this.socket!.send(xml);
  }

  #serve(socket: WebSocket): void {
    this.socket = socket;
    this.logins++;
    socket.on('message', (data: Buffer) => {
      const xml = data.toString();
      const name = /^<(\w+)/.exec(xml)?.[1];
      const id = /id='(\w+)'/.exec(xml)?.[1];
      if (name === 'message') this.got.push(xml);
      const resumed =
        this.resume === undefined ? '<failed><item-not-found/></failed>' : `<resumed h='${this.resume}'/>`;
      const answers: Readonly<Record<string, string>> = {
        open: '<features><mechanisms><mechanism>PLAIN</mechanism></mechanisms><bind/></features>',
        auth: "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        iq: `<iq type='result' id='${id}'><bind><jid>u@d/r</jid></bind></iq>`,
        enable: "<enabled id='s1' resume='true'/>",
        resume: resumed,
      };
      const answer = answers[name ?? ''];
      if (answer !== undefined) socket.send(answer);
    });
  }
}

async function writerAt(t: Test, urls: string[]) {
  const acknowledged: number[] = [];
  const counts = noCounts();
  const writer = new Writer({
    client: { domain: 'd', auth: 'PLAIN', timeoutMs: 2_000 },
    account: { user: 'u', password: 'p' },
    urls,
    at: 0,
    counts: () => counts,
    onAcknowledged: (seq) => acknowledged.push(seq),
    onStanza: () => {},
    attemptsMax: 100,
    retryMs: 5,
  });
  t.teardown(() => writer.cut());
  await writer.start();
  return { writer, acknowledged, counts };
}

const message = (n: number) => `<message id='m${n}'/>`;

async function until(t: Test, what: string, is: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !is(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  t.ok(is(), what);
}

t.test('messages are acknowledged in order, by the count of the server', async (t) => {
  const fake = await Fake.start(t);
  const { writer, acknowledged } = await writerAt(t, [fake.url]);
  for (const n of [1, 2, 3]) writer.send(n, n * 1000, message(n));
  await until(t, 'all are there', () => fake.got.length === 3);
  fake.send("<a h='2'/>");
  await until(t, 'two are acknowledged', () => acknowledged.length === 2);
  t.same([acknowledged, writer.acknowledgedUpTo, writer.oldestDueUs], [[1, 2], 2, 3_000]);
});

t.test('after a lost socket the stream is resumed elsewhere, and only what is not handled goes again', async (t) => {
  const [one, two] = [await Fake.start(t), await Fake.start(t)];
  const { writer, acknowledged, counts } = await writerAt(t, [one.url, two.url]);
  two.resume = 1;
  writer.send(1, 0, message(1));
  writer.send(2, 0, message(2));
  await until(t, 'both are there', () => one.got.length === 2);
  one.socket!.terminate();
  await until(t, 'one went again', () => two.got.length === 1);
  t.same([acknowledged, two.got], [[1], [message(2)]]);
  two.send("<a h='2'/>");
  await until(t, 'the count goes on', () => acknowledged.length === 2);
  t.match(counts, { resumed: 1, bound: 0, closed: { 'closed with code 1006': 1 } });
});

t.test('a stream that cannot be resumed is bound anew, counts begin anew, and everything goes again', async (t) => {
  const fake = await Fake.start(t);
  const { writer, acknowledged, counts } = await writerAt(t, [fake.url]);
  writer.send(1, 0, message(1));
  writer.send(2, 0, message(2));
  await until(t, 'both are there', () => fake.got.length === 2);
  fake.send("<a h='1'/>");
  await until(t, 'one is acknowledged', () => acknowledged.length === 1);
  fake.socket!.terminate();
  await until(t, 'the other went again', () => fake.got.length === 3);
  writer.send(3, 0, message(3));
  fake.send("<a h='1'/>");
  await until(t, 'the first of the new stream', () => acknowledged.length === 2);
  t.same([acknowledged, writer.oldestDueUs], [[1, 2], 0]);
  t.match(counts, { resumed: 0, bound: 1 });
});

t.test('a refused message is no acknowledged write, and is known by its id', async (t) => {
  const fake = await Fake.start(t);
  const { writer, acknowledged, counts } = await writerAt(t, [fake.url]);
  const id = mark('abcd', 7, 12, 0).slice(1, 15);
  const error = `<message type='error' id='${id}'><error type='wait'><resource-constraint/></error></message>`;
  t.same(refusalOf(error, 'abcd'), { sender: 7, seq: 12 });
  t.equal(refusalOf(error, 'efgh'), undefined, 'of another run');
  t.equal(refusalOf(`<message id='${id}'/>`, 'abcd'), undefined, 'no error');
  writer.send(12, 0, message(12));
  writer.onRefused(12, error);
  writer.send(13, 0, message(13));
  await until(t, 'both are there', () => fake.got.length === 2);
  fake.send("<a h='2'/>");
  await until(t, 'the other is acknowledged', () => acknowledged.length === 1);
  t.same([acknowledged, [...writer.refused], counts.refused], [[13], [12], { 'resource-constraint': 1 }]);
});
