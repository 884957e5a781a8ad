import t from 'tap';
import { conditionOf } from '../harness/client.ts';
import { PASSWORD, startTestNode, until } from '../harness/node.ts';

const node = await startTestNode(t);
const NS = 'jabber:iq:register';

t.test('a newcomer asks for the form, registers and logs in on the same stream', async (t) => {
  const client = await node.connect();
  await client.open();
  const form = await client.iq('get', `<query xmlns='${NS}'/>`);
  t.ok(form.getChild('query', NS)?.getChild('username'));
  t.ok(form.getChild('query', NS)?.getChild('password'));
  t.equal((await client.register('rosaline', PASSWORD)).attrs['type'], 'result');
  t.equal((await client.scram('rosaline', PASSWORD)).name, 'success');
});

t.test('what cannot be registered is refused with its reason, and the stream stays', async (t) => {
  await node.users('romeo');
  const client = await node.connect();
  await client.open();
  const cases: readonly [user: string, password: string, condition: string][] = [
    ['romeo', 'x', 'conflict'],
    ['ROMEO', 'x', 'conflict'],
    ['', 'x', 'not-acceptable'],
    ['benvolio', '', 'not-acceptable'],
    ['a b', 'x', 'not-acceptable'],
    ['a@b', 'x', 'not-acceptable'],
    ['x'.repeat(1024), 'x', 'not-acceptable'],
    ['benvolio', 'x'.repeat(5000), 'not-acceptable'],
  ];
  for (const [user, password, condition] of cases) {
    const answer = await client.register(user, password);
    t.equal(conditionOf(answer), condition, `${user.slice(0, 10)} / ${password.slice(0, 10)}`);
    t.notOk(answer.getChild('query'), 'the password does not come back');
  }
  const removal = await client.iq('set', `<query xmlns='${NS}'><remove/></query>`);
  t.equal(conditionOf(removal), 'unexpected-request');
  t.equal((await client.register('benvolio', PASSWORD)).attrs['type'], 'result');
  t.equal(conditionOf(await client.register('abram', PASSWORD)), 'not-acceptable', 'one account a stream');
});

t.test('a changed password is the one that counts, and other devices stay', async (t) => {
  const phone = await node.login('mercutio', 'phone');
  const laptop = await node.login('mercutio', 'laptop');
  const change = (user: string): string =>
    `<query xmlns='${NS}'><username>${user}</username><password>queen mab</password></query>`;
  t.equal(conditionOf(await phone.iq('set', change('romeo'), 'localhost')), 'not-authorized');
  t.equal((await phone.iq('set', change('mercutio'), 'localhost')).attrs['type'], 'result');
  await laptop.sync();
  const client = await node.connect();
  await client.open();
  t.equal((await client.scram('mercutio', PASSWORD)).name, 'failure');
  t.equal((await client.scram('mercutio', 'queen mab')).name, 'success');
});

t.test('a removal is answered, ends all streams, and what is sent to it then comes back', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const tybalt = await node.online('tybalt', 'street');
  const second = await node.online('tybalt', 'tomb');
  juliet.send(`<message xmlns='jabber:client' to='tybalt@localhost' type='chat'><body>of old</body></message>`);
  await tybalt.expect('of old');
  const answer = await tybalt.iq('set', `<query xmlns='${NS}'><remove/></query>`);
  t.equal(answer.attrs['type'], 'result');
  await tybalt.expectStreamError('not-authorized');
  await second.expectStreamError('not-authorized');
  await node.settle(juliet);

  juliet.send(`<message xmlns='jabber:client' to='tybalt@localhost' id='m1' type='chat'><body>gone?</body></message>`);
  const bounce = await juliet.expect((el) => el.name === 'message' && el.attrs['id'] === 'm1');
  t.equal(conditionOf(bounce), 'service-unavailable');
  const client = await node.connect();
  await client.open();
  t.equal((await client.scram('tybalt', PASSWORD)).name, 'failure');
  await client.cut();
  await juliet.close();
});

t.test('a name registered again starts with an empty archive and roster, and can be written to', async (t) => {
  const client = await node.connect();
  await client.open();
  t.equal((await client.register('tybalt', 'prince of cats')).attrs['type'], 'result');
  await client.scram('tybalt', 'prince of cats');
  await client.open();
  await client.bind('street');
  await client.available();
  const fin = await client.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  t.equal(fin.getChild('fin')?.getChild('set')?.getChildText('count'), '0');
  const roster = await client.iq('get', `<query xmlns='jabber:iq:roster'/>`);
  t.strictSame(roster.getChild('query')?.getChildElements(), []);
  t.strictSame(client.pending('of old'), []);

  const juliet = await node.online('juliet', 'balcony');
  juliet.send(`<message xmlns='jabber:client' to='tybalt@localhost' type='chat'><body>who are you?</body></message>`);
  await client.expect('who are you?');
  client.send(`<message xmlns='jabber:client' to='juliet@localhost' type='chat'><body>a namesake</body></message>`);
  await juliet.expect('a namesake');
  await client.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  t.equal(client.pending('<result').length, 2, 'the archive has what came after');
});

t.test('an account removed by the operator is gone for its streams too', async (t) => {
  const paris = await node.online('paris', 'tomb');
  t.equal(await node.node.accounts.remove('paris@localhost'), 'done');
  await paris.expectStreamError('not-authorized');
  await until(
    'no stream of his is left',
    async () => (await node.node.accounts.credentials('paris@localhost')) === undefined,
  );
});

t.test('closed registration is not offered and not taken', async (t) => {
  const closed = await startTestNode(t, { registration: { open: 'closed' } });
  const client = await closed.connect();
  await client.open();
  t.notMatch(client.features, 'iq-register');
  t.equal(conditionOf(await client.register('romeo', PASSWORD)), 'not-allowed');
});

t.test('more registrations an hour than allowed have to wait', async (t) => {
  const few = await startTestNode(t, { registration: { perAddressPerHourMax: 2 } });
  const answers: string[] = [];
  for (const user of ['a', 'b', 'c']) {
    const client = await few.connect();
    await client.open();
    answers.push(conditionOf(await client.register(user, PASSWORD)));
  }
  t.strictSame(answers, ['', '', 'resource-constraint']);
});
