import { createHash } from 'node:crypto';
import t from 'tap';
import { type Client, connect } from '../harness/client.ts';
import { base64 } from '../harness/sasl.ts';
import { rookery, type Serving, serve } from './rookery.ts';

/** Each is one that nothing else would print by chance. */
const SECRETS = {
  ann: 'pw-of-ann-7c1e',
  ben: 'pw-of-ben-90ad',
  operator: 'pw-by-operator-5b2f',
  changed: 'pw-changed-31d8',
  wrong: 'pw-wrong-guess-e44a',
};
const BODY = 'meet me at the old mill, 8c0d';
const STATUS = 'status text 2f6b';

/** Keeps every frame this client sends and gets: what is base64 in SASL must not be in the log. */
function taped(client: Client, tape: string[]): Client {
  const send = client.ws.send.bind(client.ws);
  client.ws.send = (frame: unknown) => {
    tape.push(String(frame));
    send(String(frame));
  };
  client.ws.on('message', (data) => tape.push(String(data)));
  return client;
}

/** Texts of all SASL frames, and of the fields in them: nonces, salts, proofs, signatures. */
function saslSecrets(tape: readonly string[]): string[] {
  const blobs = tape
    .filter((frame) => frame.includes('urn:ietf:params:xml:ns:xmpp-sasl'))
    .flatMap((frame) => [...frame.matchAll(/>([A-Za-z0-9+/]{8,}={0,2})</g)].map(([, blob]) => blob ?? ''));
  const fields = blobs
    .map((blob) => Buffer.from(blob, 'base64').toString())
    .flatMap((text) => [...text.matchAll(/(?:^|,)[rspv]=([^,]{8,})/g)].map(([, value]) => value ?? ''));
  return [...blobs, ...fields];
}

const chat = (to: string): string =>
  `<message xmlns='jabber:client' type='chat' to='${to}' id='m1'><body>${BODY}</body></message>`;

async function conversation(node: Serving, tape: string[]): Promise<void> {
  const open = async () => taped(await connect(node.url), tape);
  const newcomer = await open();
  await newcomer.open();
  await newcomer.register('ann', SECRETS.ann);
  await newcomer.register('ann', SECRETS.wrong);
  await newcomer.close();
  await rookery(['user', 'add', 'ben', '--password-stdin', '-d', node.dataDir], {}, `${SECRETS.operator}\n`);
  await rookery(['user', 'passwd', 'ben', '--password-stdin', '-d', node.dataDir], {}, `${SECRETS.ben}\n`);

  const guesser = await open();
  await guesser.open();
  await guesser.plain('ann', SECRETS.wrong);
  await guesser.scram('ann', SECRETS.wrong);
  await guesser.plain('nobody', SECRETS.wrong);
  await guesser.closed;

  const ben = await open();
  await ben.open();
  await ben.scram('ben', SECRETS.ben, 'SCRAM-SHA-1');
  await ben.open();
  await ben.bind('phone');
  await ben.available(`<status>${STATUS}</status>`);
  const ann = await open();
  await ann.open();
  await ann.plain('ann', SECRETS.ann);
  await ann.open();
  await ann.bind('desk');
  await ann.enable();
  await ann.available(`<status>${STATUS}</status>`);
  ann.send(chat('ben@localhost'), chat('nobody@localhost'), chat('ben@elsewhere.example'));
  await ben.expect(BODY);
  await ann.ack();
  await ann.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  const fields = `<username>ann</username><password>${SECRETS.changed}</password>`;
  await ann.iq('set', `<query xmlns='jabber:iq:register'>${fields}</query>`);
  await ann.iq('set', `<query xmlns='jabber:iq:register'><username>ann</username><password/></query>`);
  await ann.cut();
  const again = await (await open()).authenticate('ann', SECRETS.changed);
  await again.bind('desk');
  await again.sendLast(`<message xmlns='jabber:client'><body>${BODY}</message>`);
  const stranger = await open();
  await stranger.sendLast(`<auth><![CDATA[${BODY}]]>`);
  await ben.iq('set', `<query xmlns='jabber:iq:register'><remove/></query>`);
}

t.test('at level trace, nothing that is said or secret reaches the log or the terminal', async (t) => {
  const node = await serve(t, { ROOKERY_LOG_LEVEL: 'trace', ROOKERY_LOGIN_ATTEMPTS: '3' });
  const tape: string[] = [];
  await conversation(node, tape);
  const { code, out, err } = await node.stop();
  t.equal(code, 0);
  const said = out + err;
  const passwords = Object.values(SECRETS).flatMap((secret) => [
    secret,
    base64(secret).replace(/=+$/, ''),
    createHash('sha256').update(secret).digest('hex'),
  ]);
  const sasl = saslSecrets(tape);
  t.ok(sasl.length > 20, `${sasl.length} SASL texts were taped`);
  for (const [what, texts] of Object.entries({ passwords, bodies: [BODY, STATUS, base64(BODY)], sasl }))
    t.same(texts.filter((text) => said.includes(text)).slice(0, 3), [], `no ${what}`);
  t.notMatch(said, /<(?:message|presence|iq|auth|response|body)\b/, 'no XML');

  const records = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const { level, time, msg } of records) {
    t.match(level, /^(?:trace|debug|info|warn|error|fatal)$/);
    t.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    t.type(msg, 'string');
  }
  t.match(records[0], { msg: 'started', node: 'node-1', version: String, domain: 'localhost', port: Number });
  t.match(records.slice(-2), [{ msg: 'stopping' }, { msg: 'stopped', node: 'node-1' }]);
  const found = (msg: string) => records.filter((record) => record['msg'] === msg);
  t.match(found('login: registered'), [{ user: 'ann@localhost', address: '127.0.0.1' }]);
  t.match(found('login: success')[0], { user: 'ben@localhost', mechanism: 'SCRAM-SHA-1', address: '127.0.0.1' });
  t.match(found('login: bound')[0], { jid: 'ben@localhost/phone', address: '127.0.0.1' });
  t.match(found('login: failure'), [
    { mechanism: 'PLAIN', user: 'ann@localhost', reason: String },
    { mechanism: 'SCRAM-SHA-256', user: 'ann@localhost', reason: String },
    { mechanism: 'PLAIN', user: 'nobody@localhost', reason: String },
  ]);
  t.match(found('admin request'), [{ verb: 'POST /users' }, { verb: 'PUT /users/ben/password' }]);
});
