import t from 'tap';
import { conditionOf, connect } from '../harness/client.ts';
import { PASSWORD, startTestNode, until } from '../harness/node.ts';

const chat = (to: string, body: string, id = body): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat' id='${id}'><body>${body}</body></message>`;

/** Why the upgrade was refused; '' when it was not. */
async function refusal(url: string, localAddress?: string): Promise<string> {
  try {
    const client = await connect(url, { localAddress });
    await client.cut();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

t.test('guesses at an account have to wait, the owner from elsewhere does not', async (t) => {
  const node = await startTestNode(t, {
    login: { accountFailuresFree: 3, failureDelayMs: 60_000, failureDelayMsMax: 60_000, waitMsMax: 100, attempts: 100 },
  });
  await node.users('juliet', 'nurse');
  const tybalt = await node.connect();
  await tybalt.open();
  const answers: (string | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    const failure = await tybalt.plain('juliet', `guess ${i}`);
    answers.push(failure.getChildElements()[0]?.getName());
  }
  t.strictSame(answers, [
    ...Array.from({ length: 3 }, () => 'not-authorized'),
    ...Array.from({ length: 2 }, () => 'temporary-auth-failure'),
  ]);
  const right = await tybalt.plain('juliet', PASSWORD);
  t.equal(right.getChildElements()[0]?.getName(), 'temporary-auth-failure', 'the right one waits as well');
  const scram = await tybalt.scram('juliet', PASSWORD);
  t.equal(scram.getChildElements()[0]?.getName(), 'temporary-auth-failure', 'by whatever mechanism');
  const another = await node.connect();
  await another.open();
  t.equal((await another.scram('juliet', PASSWORD)).name, 'failure', 'and on another socket');
  t.equal((await another.scram('nurse', PASSWORD)).name, 'success', 'another account is free');

  const juliet = await node.connect({ localAddress: '127.0.0.2' });
  await juliet.open();
  t.equal((await juliet.scram('juliet', PASSWORD)).name, 'success');
});

t.test('an account that does not exist is guarded just the same', async (t) => {
  const node = await startTestNode(t, {
    login: { accountFailuresFree: 2, failureDelayMs: 60_000, failureDelayMsMax: 60_000, waitMsMax: 100, attempts: 100 },
  });
  const client = await node.connect();
  await client.open();
  const answers: (string | undefined)[] = [];
  for (let i = 0; i < 3; i++) answers.push((await client.scram('nobody', 'x')).getChildElements()[0]?.getName());
  t.strictSame(answers, ['not-authorized', 'not-authorized', 'temporary-auth-failure']);
});

t.test('an address that guesses at many accounts has to wait at all of them', async (t) => {
  const node = await startTestNode(t, {
    login: { addressFailuresFree: 4, failureDelayMs: 60_000, failureDelayMsMax: 60_000, waitMsMax: 100, attempts: 100 },
  });
  await node.users('juliet');
  const client = await node.connect();
  await client.open();
  for (let i = 0; i < 4; i++) await client.plain(`user${i}`, 'x');
  const failure = await client.plain('juliet', PASSWORD);
  t.equal(failure.getChildElements()[0]?.getName(), 'temporary-auth-failure');
});

t.test('messages over the rate are refused, to be sent later, and counted like any other', async (t) => {
  const node = await startTestNode(t, { limits: { sendsPerSecond: 1, sendsBurst: 4 } });
  const juliet = await node.online('juliet', 'balcony');
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  for (let i = 0; i < 8; i++) romeo.send(chat('juliet@localhost', `m${i}`));
  t.equal(await romeo.ack(), 8);
  await node.settle(juliet);
  const arrived = juliet.pending('<message').map(({ el }) => el.attrs['id']);
  const refused = romeo
    .pending((el) => el.name === 'message')
    .map(({ el }) => {
      t.equal(conditionOf(el), 'resource-constraint');
      t.equal(el.getChild('error')?.attrs['type'], 'wait');
      return el.attrs['id'];
    });
  t.ok(refused.length >= 3, 'some were refused');
  t.strictSame(
    [...arrived, ...refused],
    Array.from({ length: 8 }, (_, i) => `m${i}`),
    'each is one or the other',
  );
  let known = refused.length;
  await until('a token is there again', async () => {
    romeo.forget();
    // Behind a refusal that he has not acknowledged nothing would be taken.
    romeo.send(`<a xmlns='urn:xmpp:sm:3' h='${known}'/>`);
    romeo.send(chat('juliet@localhost', 'later'));
    await romeo.ack();
    const more = romeo.pending('<error').length;
    known += more;
    return more === 0;
  });
  await juliet.expect('later');
});

t.test('the rate is that of the user: more devices or new streams give no more', async (t) => {
  const node = await startTestNode(t, { limits: { sendsPerSecond: 1, sendsBurst: 4 } });
  const juliet = await node.online('juliet', 'balcony');
  let refused = 0;
  for (let i = 0; i < 4; i++) {
    const romeo = await node.login('romeo', `device ${i}`);
    await romeo.enable();
    for (let n = 0; n < 4; n++) romeo.send(chat('juliet@localhost', `d${i}-${n}`));
    await romeo.ack();
    refused += romeo.pending('<resource-constraint').length;
    if (i % 2 === 0) await romeo.close();
  }
  await node.settle(juliet);
  t.equal(juliet.pending('<message').length + refused, 16);
  t.ok(refused >= 4, `${refused} of 16 were refused`);
});

t.test('iqs over the rate of a stream are refused, to be asked later; other streams are not', async (t) => {
  const node = await startTestNode(t, { limits: { iqsPerSecond: 1, iqsBurst: 4 } });
  const romeo = await node.login('romeo', 'orchard');
  const other = await node.login('romeo', 'phone');
  const ask = (id: string): string =>
    `<iq xmlns='jabber:client' type='get' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`;
  const ids = Array.from({ length: 100 }, (_, i) => `p${i}`);
  for (const id of ids) romeo.send(ask(id));
  const answers: string[] = [];
  for (const id of ids) {
    const answer = await romeo.expect((el) => el.name === 'iq' && el.attrs['id'] === id, id);
    answers.push(conditionOf(answer));
    if (answer.attrs['type'] === 'error') t.equal(answer.getChild('error')?.attrs['type'], 'wait');
  }
  t.strictSame(answers.slice(0, 4), ['', '', '', '']);
  t.ok(answers.includes('resource-constraint'));
  t.strictSame([...new Set(answers)].sort(), ['', 'resource-constraint']);
  await other.sync();
  let n = 0;
  await until('a token is there again', async () => {
    const id = `later${n++}`;
    romeo.send(ask(id));
    return conditionOf(await romeo.expect((el) => el.attrs['id'] === id, id)) === '';
  });
});

t.test('presences over the rate, and answers that nobody can refuse, end the stream', async (t) => {
  const node = await startTestNode(t, {
    limits: { iqsPerSecond: 1, iqsBurst: 4, presencesPerSecond: 1, presencesBurst: 4 },
  });
  const juliet = await node.online('juliet', 'balcony');
  const floods: string[] = [
    `<presence xmlns='jabber:client' to='juliet@localhost/balcony'/>`,
    `<iq xmlns='jabber:client' type='result' id='x' to='juliet@localhost/balcony'/>`,
  ];
  for (const [at, xml] of floods.entries()) {
    const romeo = await node.login('romeo', `flood ${at}`);
    for (let i = 0; i < 100; i++) romeo.send(xml);
    await romeo.expectStreamError('policy-violation');
  }
  await juliet.sync();
});

t.test('who is asked more than the rate answers all of it, and goes on', async (t) => {
  const node = await startTestNode(t, { limits: { iqsPerSecond: 1, iqsBurst: 4 } });
  const phone = await node.login('romeo', 'phone');
  const others = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => node.login('romeo', name)));
  const ask = (id: string): string =>
    `<iq xmlns='jabber:client' type='get' id='${id}' to='romeo@localhost/phone'><ping xmlns='urn:xmpp:ping'/></iq>`;
  for (const [i, other] of others.entries()) for (let n = 0; n < 3; n++) other.send(ask(`p${i}-${n}`));
  for (let n = 0; n < 15; n++) {
    const { from, id } = (await phone.expect((el) => el.attrs['type'] === 'get')).attrs;
    phone.send(`<iq xmlns='jabber:client' type='result' id='${id}' to='${from}'/>`);
  }
  for (const [i, other] of others.entries())
    for (let n = 0; n < 3; n++) await other.expect((el) => el.attrs['id'] === `p${i}-${n}`, `an answer to p${i}-${n}`);
  await phone.sync();
  const unasked = `<iq xmlns='jabber:client' type='result' id='x' to='romeo@localhost/a'/>`;
  for (let n = 0; n < 10; n++) phone.send(unasked);
  await phone.expectStreamError('policy-violation');
});

t.test('what a client may ask for at once fits into what it need not have acknowledged', async (t) => {
  const node = await startTestNode(t, {
    limits: { iqsPerSecond: 50, iqsBurst: 1000, presencesPerSecond: 20, presencesBurst: 1000 },
  });
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  await romeo.available();
  const ids = Array.from({ length: 900 }, (_, i) => `burst${i}`);
  for (const id of ids) {
    romeo.send(`<iq xmlns='jabber:client' type='get' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`);
    romeo.send(`<presence xmlns='jabber:client' to='romeo@localhost/orchard' id='${id}'/>`);
  }
  const got = (): number => romeo.pending((el) => el.attrs['id']?.startsWith('burst') === true).length;
  await until('all came', () => got() === 1800 || romeo.isClosed);
  t.equal(got(), 1800);
});

t.test('connections over the limits are refused with 503 or 429 until there is room', async (t) => {
  const cases = [
    ['of the node', { connectionsMax: 2 }, '503'],
    ['of one address', { connectionsPerAddressMax: 2 }, '503'],
    ['not logged in', { unauthenticatedMax: 2 }, '503'],
    ['not logged in, of one address', { unauthenticatedPerAddressMax: 2 }, '503'],
  ] as const;
  for (const [what, limits, status] of cases) {
    const node = await startTestNode(t, { limits });
    const held = [await node.connect(), await node.connect()];
    t.match(await refusal(node.url), status, what);
    const elsewhere = await refusal(node.url, '127.0.0.2');
    t.match(elsewhere, what.includes('address') ? /^$/ : status, `${what}, from elsewhere`);
    await held[0]?.cut();
    await until('a place is free', async () => (await refusal(node.url)) === '');
    await until('nothing is counted twice', () => node.counts().connections === 1);
  }
  const rate = await startTestNode(t, { limits: { connectionsPerAddressPerSecond: 1, connectionsPerAddressBurst: 2 } });
  const answers = [await refusal(rate.url), await refusal(rate.url), await refusal(rate.url)];
  t.match(answers, ['', '', /429/]);
});

t.test('who has logged in leaves the places of those who have not', async (t) => {
  const node = await startTestNode(t, { limits: { unauthenticatedPerAddressMax: 1 } });
  for (let i = 0; i < 3; i++) await node.login('romeo', `r${i}`);
  const stranger = await node.connect();
  t.match(await refusal(node.url), '503');
  await stranger.cut();
  await until('the place is free again', async () => (await refusal(node.url)) === '');
});

t.test('who says nothing, or never finishes the login, is cut off', async (t) => {
  const node = await startTestNode(t, { limits: { authTimeoutMs: 300 } });
  const silent = await node.connect();
  const opened = await node.connect();
  await opened.open();
  const unbound = await node.connect();
  await node.users('romeo');
  await unbound.authenticate('romeo', PASSWORD);
  for (const client of [silent, opened, unbound]) {
    await client.expectStreamError('connection-timeout');
    t.equal((await client.closed).code, 1008);
  }
  const bound = await node.login('romeo');
  await until('nobody else is left', () => node.counts().connections === 1);
  await bound.sync();
});

t.test('an idle socket is pinged: one that answers stays, one that does not is detached and resumes', async (t) => {
  const node = await startTestNode(t, { limits: { idlePingMs: 100, idleTimeoutMs: 1500 } });
  const watcher = await node.online('nurse', 'house');
  const alive = await node.login('romeo', 'alive');
  await alive.enable();
  let pings = 0;
  alive.ws.on('ping', () => (pings += 1));
  const dead = await node.login('juliet', 'dead', { autoPong: false });
  const id = await dead.enable();
  await dead.available();
  dead.send(`<presence xmlns='jabber:client' to='nurse@localhost'/>`);
  await watcher.expect((el) => el.attrs['from'] === dead.jid);
  await dead.closed;
  t.equal(dead.pending('<stream:error').length, 0, 'no goodbye: the stream goes on');
  await until('the other one was asked often', () => pings >= 3);
  await alive.sync();
  await node.settle(watcher);
  t.equal(watcher.pending('unavailable').length, 0, 'nobody was told');
  alive.send(chat('juliet@localhost', 'are you there?'));
  const back = await node.authenticated('juliet');
  back.send(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='1'/>`);
  await back.expect('<resumed');
  await back.expect('are you there?');
});

t.test('a socket that is half open is found out, and its resource becomes unavailable', async (t) => {
  const node = await startTestNode(t, { limits: { idlePingMs: 100, idleTimeoutMs: 300 } });
  const watcher = await node.online('nurse', 'house');
  const gone = await node.online('juliet', 'gone');
  gone.send(`<presence xmlns='jabber:client' to='nurse@localhost'/>`);
  await watcher.expect((el) => el.attrs['from'] === gone.jid);
  gone.ws.pause();
  await watcher.expect((el) => el.attrs['from'] === gone.jid && el.attrs['type'] === 'unavailable');
  t.equal(node.counts().connections, 1);
});

t.test('a client that does not answer the end of its stream is not waited for', async (t) => {
  const node = await startTestNode(t);
  const stubborn = await node.login('juliet', 'gone');
  stubborn.ws.pause();
  stubborn.send('<not xml');
  await until('its socket is gone', () => node.counts().connections === 0);
  t.equal(node.counts().streams, 0);
});
