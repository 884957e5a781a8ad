import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { PASSWORD, startTestNode, type TestNode } from '../harness/node.ts';
import { base64, fromBase64, scramAttributes, scramClient } from '../harness/sasl.ts';

/** Tybalt tries to be, to read, and to find out about others. */
const node = await startTestNode(t);
const NS = `xmlns='jabber:client'`;
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';

t.test('nobody sends as somebody else', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  const stanzas = (from: string): string[] => [
    `<message ${NS} from='${from}' to='romeo@localhost'><body>forged</body></message>`,
    `<presence ${NS} from='${from}' to='romeo@localhost'><status>forged</status></presence>`,
    `<presence ${NS} from='${from}' type='subscribe' to='romeo@localhost'/>`,
    `<presence ${NS} from='${from}' type='unavailable'/>`,
    `<iq ${NS} from='${from}' type='set' id='f' to='romeo@localhost'><forged xmlns='u'/></iq>`,
    `<iq ${NS} from='${from}' type='result' id='f' to='${romeo.jid}'/>`,
  ];
  for (const from of [
    'juliet@localhost',
    juliet.jid,
    'localhost',
    'tybalt@localhost/other',
    'a@b@c',
    '',
    'tybalt@localhost.evil',
  ]) {
    for (const stanza of stanzas(from)) {
      const tybalt = await node.login('tybalt', 'street');
      tybalt.send(stanza);
      await tybalt.expectStreamError('invalid-from');
    }
  }
  await node.settle(romeo, juliet);
  t.equal(romeo.pending(/forged|subscribe|juliet/).length, 0);
  await romeo.close();
  await juliet.close();
});

t.test('what one sends is from oneself, whatever form the from has', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const tybalt = await node.login('tybalt', 'street');
  for (const from of ['tybalt@localhost', 'tybalt@localhost/street', 'TYBALT@LocalHost/street']) {
    tybalt.send(
      `<message ${NS} from='${from}' to='romeo@localhost' type='chat'><body>thou art a villain</body></message>`,
    );
    t.equal((await romeo.expect('villain')).attrs['from'], tybalt.jid);
  }
  await romeo.close();
  await tybalt.close();
});

t.test('nobody reads or changes what belongs to somebody else', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const romeo = await node.login('romeo', 'orchard');
  romeo.send(`<message ${NS} to='juliet@localhost' type='chat'><body>a secret</body></message>`);
  await juliet.expect('a secret');
  const tybalt = await node.online('tybalt', 'street');
  const rsm = `<set xmlns='http://jabber.org/protocol/rsm'><max>10</max></set>`;
  const attempts: readonly [what: string, type: 'get' | 'set', payload: string][] = [
    ['the archive', 'set', `<query xmlns='urn:xmpp:mam:2'>${rsm}</query>`],
    ['its ends', 'get', `<metadata xmlns='urn:xmpp:mam:2'/>`],
    ['its preferences', 'get', `<prefs xmlns='urn:xmpp:mam:2'/>`],
    ['its preferences, to change them', 'set', `<prefs xmlns='urn:xmpp:mam:2' default='never'/>`],
    ['the roster', 'get', `<query xmlns='jabber:iq:roster'/>`],
    ['the roster, to change it', 'set', `<query xmlns='jabber:iq:roster'><item jid='tybalt@localhost'/></query>`],
    ['the account', 'get', `<query xmlns='jabber:iq:register'/>`],
    [
      'the password',
      'set',
      `<query xmlns='jabber:iq:register'><username>juliet</username><password>x</password></query>`,
    ],
    ['its end', 'set', `<query xmlns='jabber:iq:register'><remove/></query>`],
    ['carbons', 'set', `<enable xmlns='urn:xmpp:carbons:2'/>`],
    ['when she was there', 'get', `<query xmlns='jabber:iq:last'/>`],
    ['a resource', 'set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind>`],
  ];
  for (const [what, type, payload] of attempts) {
    for (const to of ['juliet@localhost', juliet.jid]) {
      const answer = await tybalt.iq(type, payload, to);
      t.equal(answer.attrs['type'], 'error', `${what} at ${to}`);
      const nobody = await tybalt.iq(type, payload, to.replace('juliet', 'nobody'));
      t.equal(conditionOf(nobody), conditionOf(answer), `${what}: the same where nobody is`);
    }
  }
  await tybalt.iq(
    'set',
    `<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>juliet@localhost</value></field></x></query>`,
  );
  t.equal(tybalt.pending('a secret').length, 0, 'his own archive has nothing of theirs');
  await node.settle(juliet);
  t.equal(juliet.pending('tybalt').length, 0, 'she noticed nothing');
  const again = await node.login('juliet', 'again');
  t.equal(again.bare, 'juliet@localhost', 'her account and password are what they were');
  await again.close();
  for (const client of [juliet, romeo, tybalt]) await client.close();
});

t.test('a forged grant gives nobody a presence', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const tybalt = await node.online('tybalt', 'street');
  await tybalt.iq('get', `<query xmlns='jabber:iq:roster'/>`);
  tybalt.send(
    `<presence ${NS} type='subscribe' to='juliet@localhost'/>`,
    `<presence ${NS} type='subscribed' to='juliet@localhost'/>`,
    `<presence ${NS} type='probe' to='juliet@localhost'/>`,
    `<presence ${NS} type='probe' to='${juliet.jid}'/>`,
    `<iq ${NS} type='set' id='r' to='juliet@localhost'><query xmlns='jabber:iq:roster'><item jid='tybalt@localhost' subscription='both'/></query></iq>`,
    `<iq ${NS} type='set' id='r' to='${juliet.jid}'><query xmlns='jabber:iq:roster'><item jid='tybalt@localhost' subscription='both'/></query></iq>`,
  );
  await node.settle(tybalt, juliet);
  juliet.send(`<presence ${NS}><status>alone</status></presence>`);
  await node.settle(juliet, tybalt);
  t.equal(tybalt.pending((el) => el.name === 'presence' && el.attrs['from']?.startsWith('juliet') === true).length, 0);
  t.equal(juliet.pending('jabber:iq:roster').length, 0, 'no push of his reached her device');
  await juliet.close();
  await tybalt.close();
});

t.test('nobody binds or resumes as somebody else', async (t) => {
  const juliet = await node.login('juliet', 'balcony');
  const id = await juliet.enable();
  for (const resource of ['juliet@localhost/balcony', '../juliet@localhost/balcony', '/balcony']) {
    const tybalt = await node.login('tybalt', resource);
    t.equal(tybalt.jid, `tybalt@localhost/${resource}`);
    await tybalt.close();
  }
  const tybalt = await node.authenticated('tybalt');
  tybalt.send(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='0'/>`);
  t.ok((await tybalt.expect('<failed')).getChild('item-not-found'));
  await juliet.sync();
  t.pass('she noticed nothing');
  await juliet.close();
  await tybalt.close();
});

t.test('an authzid of somebody else is refused by every mechanism', async (t) => {
  await node.users('tybalt', 'juliet');
  for (const authzid of ['juliet@localhost', 'juliet', 'localhost', 'tybalt@localhost/street', 'tybalt@example.org']) {
    for (const login of [
      (client: Client) => client.plain('tybalt', PASSWORD, authzid),
      (client: Client) => client.scram('tybalt', PASSWORD, 'SCRAM-SHA-1', authzid),
      (client: Client) => client.scram('tybalt', PASSWORD, 'SCRAM-SHA-256', authzid),
    ]) {
      const client = await node.connect();
      await client.open();
      t.equal((await login(client)).getChildElements()[0]?.getName(), 'invalid-authzid', authzid);
      await client.cut();
    }
  }
});

/** The frames of a failed login, with what differs from login to login by its nature made equal. */
async function failedLogin(on: TestNode, user: string, mechanism: string): Promise<string[]> {
  const client = await on.connect();
  await client.open();
  const frames: string[] = [];
  const take = async (): Promise<string> => {
    const xml = await client.expectXml(/<(?:challenge|failure|success)/);
    frames.push(xml);
    return xml;
  };
  if (mechanism === 'PLAIN') {
    client.send(`<auth xmlns='${SASL}' mechanism='PLAIN'>${base64(`\0${user}\0wrong`)}</auth>`);
    await take();
  } else {
    const scram = scramClient(mechanism as 'SCRAM-SHA-1', user, 'wrong');
    client.send(`<auth xmlns='${SASL}' mechanism='${mechanism}'>${base64(scram.clientFirst)}</auth>`);
    const serverFirst = fromBase64(/>([^<]*)</.exec(await take())?.[1] ?? '');
    const { r = '', s = '', i = '' } = scramAttributes(serverFirst);
    frames[0] = `challenge r:${r.length} s:${s.length} i:${i} of ${serverFirst.replace(/[^,=]+/g, 'x').length}`;
    client.send(`<response xmlns='${SASL}'>${base64(scram.respond(serverFirst).clientFinal)}</response>`);
    await take();
  }
  await client.cut();
  return frames;
}

async function saltOf(on: TestNode, user: string, mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256'): Promise<string> {
  const client = await on.connect();
  await client.open();
  client.send(
    `<auth xmlns='${SASL}' mechanism='${mechanism}'>${base64(scramClient(mechanism, user, 'x').clientFirst)}</auth>`,
  );
  const challenge = await client.expect('<challenge');
  await client.cut();
  return scramAttributes(fromBase64(challenge.getText()))['s'] ?? '';
}

t.test('a failed login does not tell whether the account exists', async (t) => {
  const own = await startTestNode(t);
  await own.users('juliet');
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-1', 'SCRAM-SHA-256']) {
    const known = await failedLogin(own, 'juliet', mechanism);
    t.strictSame(await failedLogin(own, 'nobody', mechanism), known, mechanism);
    t.match(known.at(-1), '<not-authorized/>');
  }
  const salts = new Map<string, string>();
  for (const user of ['juliet', 'nobody', 'rosaline']) {
    for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256'] as const) {
      const salt = await saltOf(own, user, mechanism);
      t.equal(await saltOf(own, user, mechanism), salt, `${user}: the same salt on the next try`);
      salts.set(`${user} ${mechanism}`, salt);
    }
    t.equal(
      await saltOf(own, user.toUpperCase(), 'SCRAM-SHA-256'),
      salts.get(`${user} SCRAM-SHA-256`),
      'and in capitals',
    );
  }
  t.equal(new Set(salts.values()).size, 6, 'all of them different');
  await own.restart();
  for (const [key, salt] of salts) {
    const [user = '', mechanism = ''] = key.split(' ');
    t.equal(await saltOf(own, user, mechanism as 'SCRAM-SHA-1'), salt, `${key}: the same after a restart`);
  }
});

t.test('an account that is removed between login and bind gets no stream', async (t) => {
  const paris = await node.authenticated('paris');
  await node.node.accounts.remove('paris@localhost');
  const answer = await paris.iq('set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>`);
  t.equal(answer.attrs['type'], 'error');
});
