import { createRequire } from 'node:module';
import { Element } from 'ltx';
import t from 'tap';
import { type Credentials, type DeriveRequest, deriveCredentials, systemPbkdf2 } from './credentials.ts';
import {
  mechanismsFeature,
  offeredMechanisms,
  parseSaslFrame,
  SASL_NS,
  SASL_TEXT_CHARS_MAX,
  type SaslEffect,
  type SaslEvent,
  saslFrameXml,
  saslIdle,
  saslStep,
} from './sasl.ts';
import type { SaslContext } from './sasl-mechanism.ts';

const PASSWORD = 'pencil, w\u00efth €';
const random = Uint8Array.from({ length: 32 }, (_, i) => i);
const accounts = new Map<string, Credentials>([
  ['ann@localhost', await deriveCredentials(PASSWORD, { iterations: 4096, random }, systemPbkdf2)],
  ['a,b=c@localhost', await deriveCredentials(PASSWORD, { iterations: 4096, random }, systemPbkdf2)],
]);
const context: SaslContext = {
  domain: 'localhost',
  secure: true,
  anonymous: true,
  secret: Buffer.alloc(32, 1),
  iterations: 4096,
  authAttemptsMax: 3,
};

/** A connection: does lookups and derivations itself, records what it was asked, returns what the client would get. */
class Connection {
  state = saslIdle;
  readonly context: SaslContext;
  readonly lookups: string[] = [];
  readonly derivations: DeriveRequest[] = [];
  constructor(changes: Partial<SaslContext> = {}) {
    this.context = { ...context, ...changes };
  }

  step(event: SaslEvent): SaslEffect | undefined {
    const result = saslStep(this.state, event, this.context);
    this.state = result.state;
    return result.effect;
  }

  async send(event: SaslEvent): Promise<SaslEffect | undefined> {
    let effect = this.step(event);
    while (effect?.t === 'lookup' || effect?.t === 'derive') {
      const { exchange } = effect;
      if (effect.t === 'lookup') {
        this.lookups.push(effect.user);
        effect = this.step({ t: 'account', exchange, credentials: accounts.get(effect.user) });
      } else {
        this.derivations.push(effect.request);
        effect = this.step({ t: 'derived', exchange, derived: await systemPbkdf2(effect.request) });
      }
    }
    return effect;
  }

  auth(mechanism: string, text: string): Promise<SaslEffect | undefined> {
    return this.send({ t: 'auth', mechanism, text, random });
  }

  respond(text: string): Promise<SaslEffect | undefined> {
    return this.send({ t: 'response', text });
  }
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const plain = (authzid: string, username: string, password: string): string =>
  base64(`${authzid}\0${username}\0${password}`);
const decode = (effect: SaslEffect | undefined): string =>
  effect?.t === 'challenge' || effect?.t === 'success' ? Buffer.from(effect.text, 'base64').toString('utf8') : '';
const failure = (condition: string, reason: string) => ({ t: 'failure', condition, reason });

interface ScramClient {
  first(authzid?: string): string;
  final(challenge: string): Promise<string>;
  signature(): string;
}

/** xmpp.js's client side (package sasl-scram-sha-1). */
function xmppJs(username: string, password: string): ScramClient & { name: string } {
  const Mechanism = createRequire(import.meta.url)('sasl-scram-sha-1');
  const mech = new Mechanism();
  let credentials = { username, password, authzid: '' };
  return {
    name: 'SCRAM-SHA-1',
    first(authzid = '') {
      credentials = { ...credentials, authzid };
      return mech.response(credentials);
    },
    final: async (challenge) => await mech.challenge(challenge).response(credentials),
    signature: () => Buffer.from(mech._serverSignature).toString('base64'),
  };
}

interface StropheConnection {
  authcid: string;
  pass: string;
  _sasl_data: Record<string, string>;
  _sasl_failure_cb(): boolean;
}
interface StropheMechanism {
  clientChallenge(connection: StropheConnection): string;
  onChallenge(connection: StropheConnection, challenge: string): Promise<string>;
}
/** the browser build: the one for Node wants packages that we do not have */
const strophe: { Strophe: Record<'SASLSHA1' | 'SASLSHA256', new () => StropheMechanism> } = await import(
  new URL('strophe.esm.js', import.meta.resolve('strophe.js')).href
);

function stropheJs(name: 'SCRAM-SHA-1' | 'SCRAM-SHA-256', username: string, password: string): ScramClient {
  const mech = new strophe.Strophe[name === 'SCRAM-SHA-1' ? 'SASLSHA1' : 'SASLSHA256']();
  const connection = { authcid: username, pass: password, _sasl_data: {}, _sasl_failure_cb: () => false };
  return {
    first: () => mech.clientChallenge(connection),
    final: (challenge) => mech.onChallenge(connection, challenge),
    signature: () => (connection._sasl_data as Record<string, string>)['server-signature'] ?? '',
  };
}

async function scramLogin(connection: Connection, mechanism: string, client: ScramClient, authzid?: string) {
  const challenge = await connection.auth(mechanism, base64(client.first(authzid)));
  if (challenge?.t !== 'challenge') return challenge;
  return connection.respond(base64(await client.final(decode(challenge))));
}

t.test('the clients of xmpp.js and Strophe log in by SCRAM, and find our signature right', async (t) => {
  // few rounds for xmpp.js: its PBKDF2 takes 0.4 s
  const clients: [mechanism: string, username: string, rounds: number, client: () => ScramClient][] = [
    ['SCRAM-SHA-1', 'ann', 2, () => xmppJs('ann', PASSWORD)],
    ['SCRAM-SHA-1', 'a,b=c', 1, () => xmppJs('a,b=c', PASSWORD)],
    ['SCRAM-SHA-1', 'ann', 20, () => stropheJs('SCRAM-SHA-1', 'ann', PASSWORD)],
    ['SCRAM-SHA-256', 'ann', 20, () => stropheJs('SCRAM-SHA-256', 'ann', PASSWORD)],
    ['SCRAM-SHA-256', 'ann', 20, () => stropheJs('SCRAM-SHA-256', 'Ann', PASSWORD)],
  ];
  for (const [mechanism, username, rounds, client] of clients) {
    for (let round = 0; round < rounds; round++) {
      const side = client();
      const connection = new Connection();
      const effect = await scramLogin(connection, mechanism, side);
      t.match(effect, { t: 'success', mechanism, user: `${username}@localhost` });
      t.equal(decode(effect), `v=${side.signature()}`);
      t.equal(connection.derivations.length, 0, 'a SCRAM login costs no PBKDF2');
    }
  }
});

t.test('a wrong password and an unknown user get the same answers by the same steps', async (t) => {
  for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256'] as const) {
    const transcript = async (username: string) => {
      const connection = new Connection();
      const client = stropheJs(mechanism, username, 'wrong');
      const challenge = await connection.auth(mechanism, base64(client.first()));
      const shape = decode(challenge)
        .replace(/r=[^,]+/, 'r')
        .replace(/s=[A-Za-z0-9+/]{22}==/, 's');
      const end = await connection.respond(base64(await client.final(decode(challenge))));
      return { shape, lookups: connection.lookups.length, end: { ...end, user: 'somebody' } };
    };
    const known = await transcript('ann');
    t.same(await transcript('nobody'), known, mechanism);
    t.match(known, { shape: 'r,s,i=4096', end: failure('not-authorized', 'credentials') });
  }
  const wrong = new Connection();
  const unknown = new Connection();
  t.match(await wrong.auth('PLAIN', plain('', 'ann', 'wrong')), failure('not-authorized', 'credentials'));
  t.match(await unknown.auth('PLAIN', plain('', 'nobody', 'wrong')), failure('not-authorized', 'credentials'));
  const work = ({ derivations }: Connection) =>
    derivations.map(({ salt, ...rest }) => ({ ...rest, salt: salt.length }));
  t.same(work(unknown), work(wrong), 'PLAIN does the same work for both');
});

t.test('nobody can act as somebody else', async (t) => {
  const table: [authzid: string, ok: boolean][] = [
    ['', true],
    ['ann@localhost', true],
    ['ANN@localhost', true],
    ['bob@localhost', false],
    ['ann@elsewhere', false],
    ['ann@localhost/phone', false],
    ['ann', false],
    ['@', false],
  ];
  for (const [authzid, ok] of table) {
    const expected = ok
      ? { t: 'success', user: 'ann@localhost' }
      : { ...failure('invalid-authzid', 'authzid-of-another'), user: 'ann@localhost' };
    t.match(await new Connection().auth('PLAIN', plain(authzid, 'ann', PASSWORD)), expected, `PLAIN ${authzid}`);
    const client = xmppJs('ann', PASSWORD);
    t.match(await scramLogin(new Connection(), 'SCRAM-SHA-1', client, authzid), expected, `SCRAM ${authzid}`);
  }
  for (const username of ['ann@localhost/x', 'ann@localhost', 'ann/x', 'a b', 'ann@evil']) {
    const effect = await new Connection().auth('PLAIN', plain('', username, PASSWORD));
    t.match(effect, failure('not-authorized', 'username-malformed'), username);
  }
});

t.test('the answer to a SCRAM challenge must fit that challenge', async (t) => {
  const change: [why: string, edit: (final: string) => string, condition: string, reason: string][] = [
    ['another nonce', (m) => m.replace(/r=[^,]+/, 'r=abcdef'), 'not-authorized', 'nonce-mismatch'],
    ['a longer nonce', (m) => m.replace(/r=[^,]+/, '$&x'), 'not-authorized', 'nonce-mismatch'],
    ['another gs2 header', (m) => m.replace('c=biws', 'c=eSws'), 'not-authorized', 'channel-binding-mismatch'],
    ['no proof', (m) => m.replace(/,p=.*/, ''), 'malformed-request', 'proof-missing'],
    ['a short proof', (m) => m.replace(/p=.*/, 'p=AAAA'), 'not-authorized', 'credentials'],
    ['an extension it did not sign', (m) => m.replace(/,p=/, ',x=1,p='), 'not-authorized', 'credentials'],
  ];
  for (const [why, edit, condition, reason] of change) {
    const connection = new Connection();
    const client = stropheJs('SCRAM-SHA-1', 'ann', PASSWORD);
    const challenge = await connection.auth('SCRAM-SHA-1', base64(client.first()));
    const final = edit(await client.final(decode(challenge)));
    t.match(await connection.respond(base64(final)), failure(condition, reason), why);
  }
  const replay = new Connection();
  const client = stropheJs('SCRAM-SHA-1', 'ann', PASSWORD);
  const first = base64(client.first());
  const final = base64(await client.final(decode(await replay.auth('SCRAM-SHA-1', first))));
  const later = new Connection();
  await later.send({ t: 'auth', mechanism: 'SCRAM-SHA-1', text: first, random: new Uint8Array(18) });
  t.match(await later.respond(final), failure('not-authorized', 'nonce-mismatch'), 'a replayed answer');
});

t.test('PLAIN logs in with the right password, in any form SASLprep makes the same', async (t) => {
  for (const password of [PASSWORD, PASSWORD.normalize('NFD'), PASSWORD.replace(' ', '\u00a0')]) {
    t.match(await new Connection().auth('PLAIN', plain('', 'ann', password)), { t: 'success', user: 'ann@localhost' });
  }
  const table: [message: string, condition: string, reason: string][] = [
    ['', 'malformed-request', 'plain-syntax'],
    ['ann\0pw', 'malformed-request', 'plain-syntax'],
    ['\0ann\0', 'malformed-request', 'plain-syntax'],
    ['\0\0pw', 'malformed-request', 'plain-syntax'],
    ['\0ann\0pw\0', 'malformed-request', 'plain-syntax'],
    ['\0ann\0\u0007', 'not-authorized', 'password-prohibited'],
    [`\0ann\0${'x'.repeat(1025)}`, 'not-authorized', 'password-too-long'],
  ];
  for (const [message, condition, reason] of table) {
    t.match(await new Connection().auth('PLAIN', base64(message) || '='), failure(condition, reason));
  }
});

t.test('without an initial response the server asks for it with an empty challenge', async (t) => {
  const connection = new Connection();
  const asked = await connection.auth('PLAIN', '');
  t.same(asked, { t: 'challenge', text: '' });
  t.match(await connection.respond(plain('', 'ann', PASSWORD)), { t: 'success' });
  const scram = new Connection();
  const client = stropheJs('SCRAM-SHA-1', 'ann', PASSWORD);
  await scram.auth('SCRAM-SHA-1', '');
  const challenge = await scram.respond(base64(client.first()));
  t.match(await scram.respond(base64(await client.final(decode(challenge)))), { t: 'success' });
});

t.test('an anonymous user gets a name nobody else has, with or without a trace', async (t) => {
  const user = 'anon-000102030405060708090a0b0c0d0e0f@localhost';
  for (const text of ['', '=', base64('sirhc')]) {
    t.match(await new Connection().auth('ANONYMOUS', text), { t: 'success', mechanism: 'ANONYMOUS', user, text: '' });
  }
  const long = await new Connection().auth('ANONYMOUS', base64('x'.repeat(256)));
  t.match(long, failure('malformed-request', 'trace-too-long'));
});

t.test('mechanisms are offered by what the connection is, and only those offered can be used', async (t) => {
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-1'];
  const table: [secure: boolean, anonymous: boolean, offered: string[]][] = [
    [true, true, [...scram, 'PLAIN', 'ANONYMOUS']],
    [true, false, [...scram, 'PLAIN']],
    [false, true, [...scram, 'ANONYMOUS']],
    [false, false, scram],
  ];
  for (const [secure, anonymous, offered] of table)
    t.same(offeredMechanisms({ ...context, secure, anonymous }), offered);
  const bare = { secure: false, anonymous: false };
  t.equal(
    mechanismsFeature({ ...context, ...bare }),
    `<mechanisms xmlns='${SASL_NS}'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>`,
  );
  const right = plain('', 'ann', PASSWORD);
  const refused: [mechanism: string, condition: string, reason: string][] = [
    ['PLAIN', 'encryption-required', 'mechanism-not-offered'],
    ['ANONYMOUS', 'invalid-mechanism', 'mechanism-not-offered'],
    ['SCRAM-SHA-256-PLUS', 'invalid-mechanism', 'mechanism-unknown'],
    ['plain', 'invalid-mechanism', 'mechanism-unknown'],
    ['', 'invalid-mechanism', 'mechanism-unknown'],
  ];
  for (const [mechanism, condition, reason] of refused) {
    t.match(await new Connection(bare).auth(mechanism, right), failure(condition, reason), mechanism);
  }
});

t.test('what is not strict base64 of UTF-8 is refused', async (t) => {
  const table: [text: string, condition: string][] = [
    ['A', 'incorrect-encoding'],
    ['AAA', 'incorrect-encoding'],
    ['AA=A', 'incorrect-encoding'],
    ['A===', 'incorrect-encoding'],
    ['AAB=', 'incorrect-encoding'],
    ['AAA=\n', 'incorrect-encoding'],
    [' AAAA', 'incorrect-encoding'],
    ['AA-_', 'incorrect-encoding'],
    ['ÄÄÄÄ', 'incorrect-encoding'],
    [Buffer.from([0, 0xff, 0, 0x61]).toString('base64'), 'malformed-request'],
    [Buffer.from([0, 0xed, 0xa0, 0x80, 0, 0x61]).toString('base64'), 'malformed-request'],
  ];
  for (const [text, condition] of table) {
    t.match(await new Connection().auth('PLAIN', text), failure(condition, 'initial-response'), text);
    const connection = new Connection();
    await connection.auth('PLAIN', '');
    t.match(await connection.respond(text), failure(condition, 'response'), text);
  }
});

t.test('frames out of turn end the exchange, and every failure counts towards the limit', async (t) => {
  const connection = new Connection();
  t.match(await connection.respond(base64('x')), {
    ...failure('malformed-request', 'response-unexpected'),
    final: false,
  });
  t.match(await connection.send({ t: 'abort' }), { ...failure('aborted', 'aborted'), final: false });
  await connection.auth('PLAIN', '');
  t.match(await connection.auth('PLAIN', ''), { ...failure('malformed-request', 'auth-twice'), final: true });
  t.equal(await connection.auth('PLAIN', plain('', 'ann', PASSWORD)), undefined, 'after the last failure: nothing');
});

t.test('after a failure and after an abort a client may try again', async (t) => {
  const connection = new Connection();
  await connection.auth('PLAIN', plain('', 'ann', 'wrong'));
  await connection.auth('SCRAM-SHA-1', base64('n,,n=ann,r=abc'));
  t.match(await connection.send({ t: 'abort' }), { ...failure('aborted', 'aborted'), user: 'ann@localhost' });
  t.match(await connection.auth('PLAIN', plain('', 'ann', PASSWORD)), { t: 'success' });
  t.equal(await connection.auth('PLAIN', ''), undefined, 'after success: nothing');
});

t.test('a late answer to an aborted exchange does nothing in the next one', async (t) => {
  const connection = new Connection();
  const auth: SaslEvent = { t: 'auth', mechanism: 'PLAIN', text: plain('', 'ann', PASSWORD), random };
  const lookup = connection.step(auth);
  t.match(lookup, { t: 'lookup', exchange: 1 });
  connection.step({ t: 'abort' });
  const credentials = accounts.get('ann@localhost');
  t.equal(connection.step({ t: 'account', exchange: 1, credentials }), undefined, 'while idle');
  const other: SaslEvent = { t: 'auth', mechanism: 'PLAIN', text: plain('', 'nobody', PASSWORD), random };
  t.match(connection.step(other), { t: 'lookup', exchange: 2 });
  t.equal(connection.step({ t: 'account', exchange: 1, credentials }), undefined, 'while another is looked up');
  t.equal(connection.step({ t: 'unavailable', exchange: 1, reason: 'timeout' }), undefined);
  const derive = connection.step({ t: 'account', exchange: 2, credentials: undefined });
  t.match(derive, { t: 'derive', exchange: 2 });
  t.equal(connection.step({ t: 'account', exchange: 2, credentials }), undefined, 'a second answer');
  t.equal(connection.step({ t: 'derived', exchange: 1, derived: random }), undefined);
  t.match(connection.step({ t: 'derived', exchange: 2, derived: random }), failure('not-authorized', 'credentials'));
});

t.test('when accounts cannot be asked or passwords not checked, the client is told to try later', async (t) => {
  const connection = new Connection();
  connection.step({ t: 'auth', mechanism: 'PLAIN', text: plain('', 'ann', PASSWORD), random });
  const effect = connection.step({ t: 'unavailable', exchange: 1, reason: 'storage' });
  t.match(effect, failure('temporary-auth-failure', 'storage'));
  t.throws(
    () => connection.step({ t: 'auth', mechanism: 'PLAIN', text: '', random: random.subarray(0, 17) }),
    RangeError,
  );
});

t.test('the random bytes of an exchange are its own, even if the caller uses the buffer again', async (t) => {
  const pool = Buffer.from(random);
  const connection = new Connection();
  await connection.send({ t: 'auth', mechanism: 'SCRAM-SHA-1', text: '', random: pool });
  pool.fill(0);
  const challenge = await connection.respond(base64('n,,n=ann,r=abc'));
  t.match(decode(challenge), `r=abc${Buffer.from(random.subarray(0, 18)).toString('base64')},`);
});

t.test('frames are read and written as RFC 6120 6.4 has them', async (t) => {
  const el = (name: string, text: string, attrs: Record<string, string> = {}): Element =>
    new Element(name, { xmlns: SASL_NS, ...attrs }).t(text);
  t.same(parseSaslFrame(el('auth', 'AAAA', { mechanism: 'PLAIN' })), { t: 'auth', mechanism: 'PLAIN', text: 'AAAA' });
  t.same(parseSaslFrame(el('auth', '')), { t: 'auth', mechanism: '', text: '' });
  t.same(parseSaslFrame(el('response', '')), { t: 'response', text: '' });
  t.same(parseSaslFrame(el('abort', '')), { t: 'abort' });
  t.same(parseSaslFrame(el('success', '')), { t: 'malformed', reason: 'unknown-element' });
  t.same(parseSaslFrame(el('auth', 'x'.repeat(SASL_TEXT_CHARS_MAX + 1))), { t: 'malformed', reason: 'too-long' });
  const nested = el('response', '');
  nested.c('x');
  t.same(parseSaslFrame(nested), { t: 'malformed', reason: 'child-element' });
  t.equal(parseSaslFrame(new Element('auth', { xmlns: 'jabber:client' })), undefined);
  t.equal(saslFrameXml({ t: 'challenge', text: '' }), `<challenge xmlns='${SASL_NS}'/>`);
  t.equal(
    saslFrameXml({ t: 'success', mechanism: 'PLAIN', user: 'a@b', text: 'dj0=' }),
    `<success xmlns='${SASL_NS}'>dj0=</success>`,
  );
  const failed = new Connection().step({ t: 'abort' });
  t.equal(failed?.t === 'failure' && saslFrameXml(failed), `<failure xmlns='${SASL_NS}'><aborted/></failure>`);
});
