import type { Element } from 'ltx';
import t from 'tap';
import type { Client } from '../harness/client.ts';
import { PASSWORD, startTestNode } from '../harness/node.ts';
import { base64, fromBase64, scramClient } from '../harness/sasl.ts';

const node = await startTestNode(t, { login: { anonymous: true, attempts: 4 } });
await node.users('romeo');

const NS = 'urn:ietf:params:xml:ns:xmpp-sasl';
const auth = (mechanism: string, text = ''): string => `<auth xmlns='${NS}' mechanism='${mechanism}'>${text}</auth>`;
const response = (text: string): string => `<response xmlns='${NS}'>${text}</response>`;

async function opened(): Promise<Client> {
  const client = await node.connect();
  await client.open();
  return client;
}

const failure = (el: Element): string => el.getChildElements()[0]?.getName() ?? '';

for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256'] as const) {
  t.test(`${mechanism} logs in with the right password, and the server proves that it knows it`, async (t) => {
    const client = await opened();
    t.equal((await client.scram('romeo', PASSWORD, mechanism)).name, 'success');
    await client.open();
    t.match(await client.bind('orchard'), 'romeo@localhost/orchard');
  });

  t.test(`${mechanism} without an initial response is asked for it first`, async (t) => {
    const client = await opened();
    client.send(auth(mechanism));
    t.equal((await client.expect('<challenge')).getText(), '');
    const scram = scramClient(mechanism, 'romeo', PASSWORD);
    client.send(response(base64(scram.clientFirst)));
    const { clientFinal, serverFinal } = scram.respond(fromBase64((await client.expect('<challenge')).getText()));
    client.send(response(base64(clientFinal)));
    t.equal(fromBase64((await client.expect('<success')).getText()), serverFinal);
  });

  t.test(`${mechanism} takes a user name in another case for the same account`, async (t) => {
    const client = await opened();
    t.equal((await client.scram('RoMeO', PASSWORD, mechanism)).name, 'success');
  });
}

t.test('PLAIN logs in, with an authzid of the own address or none', async (t) => {
  for (const authzid of ['', 'romeo@localhost']) {
    const client = await opened();
    t.equal((await client.plain('romeo', PASSWORD, authzid)).name, 'success', authzid);
  }
});

t.test('PLAIN without an initial response is asked for it', async (t) => {
  const client = await opened();
  client.send(auth('PLAIN'));
  t.equal((await client.expect('<challenge')).getText(), '');
  client.send(response(base64(`\0romeo\0${PASSWORD}`)));
  t.equal((await client.expect(/<(?:success|failure)/)).name, 'success');
});

t.test('ANONYMOUS makes an account of its own for each login', async (t) => {
  const jids: string[] = [];
  for (const initial of ['', base64('trace@example.org')]) {
    const client = await opened();
    client.send(auth('ANONYMOUS', initial));
    const answer = await client.expect(/<(?:success|failure|challenge)/);
    t.equal(answer.name, 'success', `initial response '${initial}'`);
    await client.open();
    jids.push(await client.bind());
  }
  t.equal(new Set(jids.map((jid) => jid.split('/')[0])).size, 2);
});

t.test('failures say what the RFC says, and the stream stays for another try', async (t) => {
  const scram = scramClient('SCRAM-SHA-256', 'romeo', PASSWORD);
  const bound = scramClient('SCRAM-SHA-256', 'romeo', PASSWORD).clientFirst.replace('n,,', 'p=tls-unique,,');
  const cases: readonly [what: string, frame: string, condition: string][] = [
    ['an unknown mechanism', auth('GSSAPI', '='), 'invalid-mechanism'],
    ['no mechanism', `<auth xmlns='${NS}'/>`, 'invalid-mechanism'],
    ['a mechanism in lower case', auth('plain', base64('\0romeo\0x')), 'invalid-mechanism'],
    ['text that is no base64', auth('PLAIN', '%%%'), 'incorrect-encoding'],
    ['PLAIN with two parts', auth('PLAIN', base64('romeo\0secret')), 'malformed-request'],
    ['PLAIN with four parts', auth('PLAIN', base64('a\0b\0c\0d')), 'malformed-request'],
    ['an empty initial response', auth('PLAIN', '='), 'malformed-request'],
    [
      'bytes that are no UTF-8',
      auth('PLAIN', Buffer.from([0, 0x72, 0, 0xff, 0xfe]).toString('base64')),
      'malformed-request',
    ],
    ['a wrong password', auth('PLAIN', base64('\0romeo\0wrong')), 'not-authorized'],
    ['a user name that is no localpart', auth('PLAIN', base64('\0rom eo@x\0wrong')), 'not-authorized'],
    ['SCRAM without a nonce', auth('SCRAM-SHA-256', base64('n,,n=romeo')), 'malformed-request'],
    ['SCRAM with channel binding', auth('SCRAM-SHA-256', base64(bound)), 'malformed-request'],
    ['a response without an auth', response(base64(scram.clientFirst)), 'malformed-request'],
    ['an abort', `<abort xmlns='${NS}'/>`, 'aborted'],
    ['an element of another name', `<starttls xmlns='${NS}'/>`, 'malformed-request'],
    ['a child in auth', auth('PLAIN', '<x/>'), 'malformed-request'],
    ['text without end', auth('PLAIN', 'A'.repeat(9000)), 'malformed-request'],
  ];
  for (const [what, frame, condition] of cases) {
    const client = await opened();
    client.send(frame);
    t.equal(failure(await client.expect('<failure')), condition, what);
    t.equal((await client.plain('romeo', PASSWORD)).name, 'success', `${what}: the next try may succeed`);
    await client.cut();
  }
});

t.test('an abort in the middle of SCRAM ends that exchange and no other', async (t) => {
  const client = await opened();
  const scram = scramClient('SCRAM-SHA-256', 'romeo', PASSWORD);
  client.send(auth('SCRAM-SHA-256', base64(scram.clientFirst)));
  const { clientFinal } = scram.respond(fromBase64((await client.expect('<challenge')).getText()));
  client.send(`<abort xmlns='${NS}'/>`, response(base64(clientFinal)));
  t.equal(failure(await client.expect('<failure')), 'aborted');
  t.equal(failure(await client.expect('<failure')), 'malformed-request');
  t.equal((await client.scram('romeo', PASSWORD)).name, 'success');
});

t.test('a proof made for another nonce is refused', async (t) => {
  const client = await opened();
  const scram = scramClient('SCRAM-SHA-256', 'romeo', PASSWORD);
  client.send(auth('SCRAM-SHA-256', base64(scram.clientFirst)));
  const serverFirst = fromBase64((await client.expect('<challenge')).getText());
  const { clientFinal } = scram.respond(serverFirst.replace(/r=[^,]+/, (r) => `${r}x`));
  client.send(response(base64(clientFinal)));
  t.equal(failure(await client.expect('<failure')), 'not-authorized');
});

t.test('a replayed exchange of another socket is refused', async (t) => {
  const first = await opened();
  const scram = scramClient('SCRAM-SHA-256', 'romeo', PASSWORD);
  first.send(auth('SCRAM-SHA-256', base64(scram.clientFirst)));
  const { clientFinal } = scram.respond(fromBase64((await first.expect('<challenge')).getText()));
  const second = await opened();
  second.send(auth('SCRAM-SHA-256', base64(scram.clientFirst)), response(base64(clientFinal)));
  t.equal(failure(await second.expect('<failure')), 'not-authorized');
});

t.test('after the allowed number of failures the stream ends with policy-violation', async (t) => {
  const client = await opened();
  for (let i = 0; i < 4; i++) client.send(auth('PLAIN', base64(`\0romeo\0wrong ${i}`)));
  for (let i = 0; i < 4; i++) t.equal(failure(await client.expect('<failure')), 'not-authorized');
  await client.expectStreamError('policy-violation');
});

t.test('who has logged in cannot do so again', async (t) => {
  const client = await opened();
  await client.plain('romeo', PASSWORD);
  client.send(auth('PLAIN', base64(`\0romeo\0${PASSWORD}`)));
  await client.expect('<stream:error');
  await client.closed;
  t.pass('the stream ended');
});
