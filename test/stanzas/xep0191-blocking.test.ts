import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const NS = 'urn:xmpp:blocking';

const items = (...jids: string[]): string => jids.map((jid) => `<item jid='${jid}'/>`).join('');
const block = (client: Client, ...jids: string[]) => client.iq('set', `<block xmlns='${NS}'>${items(...jids)}</block>`);
const unblock = (client: Client, ...jids: string[]) =>
  client.iq('set', `<unblock xmlns='${NS}'>${items(...jids)}</unblock>`);
const blocklist = async (client: Client): Promise<string[]> => {
  const answer = await client.iq('get', `<blocklist xmlns='${NS}'/>`);
  return (answer.getChild('blocklist', NS)?.getChildren('item') ?? []).map((item) => item.attrs['jid'] ?? '');
};

const chat = (to: string, body: string, id = body.replace(/ /g, '-')): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat' id='${id}'><body>${body}</body></message>`;

/** The condition that a message was refused with, and whether its sender is told that it blocks the other. */
async function refusal(client: Client, to: string, body: string): Promise<string> {
  client.send(chat(to, body));
  const id = body.replace(/ /g, '-');
  const error = await client.expect((el) => el.name === 'message' && el.attrs['id'] === id, `the error of ${body}`);
  return `${conditionOf(error)}${error.getChild('error')?.getChild('blocked', `${NS}:errors`) ? ' blocked' : ''}`;
}

/** Bodies in the archive, oldest first. */
async function archive(client: Client): Promise<string[]> {
  const queryid = `q${Math.random()}`;
  await client.iq('set', `<query xmlns='urn:xmpp:mam:2' queryid='${queryid}'/>`);
  const found = client.pending((_el, xml) => xml.includes(queryid));
  return found.map(({ xml }) => /<body>(.*?)<\/body>/.exec(xml)?.[1] ?? '');
}

/** Everybody sees everybody. */
async function friends(a: Client, b: Client): Promise<void> {
  for (const one of [a, b]) await one.iq('get', `<query xmlns='jabber:iq:roster'/>`);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.send(`<presence xmlns='jabber:client' type='subscribe' to='${other.bare}'/>`);
    await other.expect((el) => el.attrs['type'] === 'subscribe' && el.attrs['from'] === one.bare);
    other.send(`<presence xmlns='jabber:client' type='subscribed' to='${one.bare}'/>`);
    await one.expect((el) => el.attrs['type'] === 'subscribed' && el.attrs['from'] === other.bare);
    await one.expect((el) => el.name === 'presence' && el.attrs['from'] === other.jid && !el.attrs['type']);
  }
}

t.test('disco tells', async (t) => {
  const asker = await node.login('asker');
  const info = await asker.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, 'localhost');
  t.ok(
    info
      .getChild('query')
      ?.getChildren('feature')
      .some((one) => one.attrs['var'] === NS),
  );
});

t.test('messages go neither way, the blocked one learns nothing else, and unblocking ends it', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  const chamber = await node.online('juliet', 'chamber');
  for (const one of [juliet, chamber]) await one.iq('set', `<enable xmlns='urn:xmpp:carbons:2'/>`);
  for (const one of [romeo, juliet]) await one.enable();
  romeo.send(chat(juliet.bare, 'before'));
  await juliet.expect('before');
  await chamber.expect('before');
  t.equal((await block(juliet, romeo.bare)).attrs['type'], 'result');
  await node.settle(juliet);

  t.equal(await refusal(romeo, juliet.bare, 'while blocked'), 'service-unavailable');
  t.equal(await refusal(romeo, juliet.jid, 'to the device'), 'service-unavailable');
  t.equal(await refusal(romeo, 'nobody@localhost', 'to nobody'), 'service-unavailable', 'as if there were no account');
  romeo.send(`<message xmlns='jabber:client' to='${juliet.bare}' type='headline'><body>headline</body></message>`);
  t.equal(await refusal(juliet, romeo.bare, 'to the blocked one'), 'not-acceptable blocked');
  t.equal(await refusal(juliet, romeo.jid, 'to his device'), 'not-acceptable blocked');
  await node.settle(romeo, juliet, chamber);
  for (const one of [juliet, chamber]) t.strictSame(one.pending('<message'), [], `nothing at ${one.resource}`);
  t.strictSame(romeo.pending('<message'), []);
  t.equal(await romeo.ack(), 7, 'what was refused is handled: five messages, and the two questions of `settle`');
  t.strictSame(await archive(juliet), ['before']);
  t.strictSame(await archive(romeo), ['before'], 'nor did the sender’s archive take it for sent');

  await unblock(chamber, romeo.bare);
  await node.settle(chamber);
  romeo.send(chat(juliet.bare, 'after'));
  await juliet.expect('after');
  juliet.send(chat(romeo.bare, 'answer'));
  await romeo.expect('answer');
  await node.settle(romeo, juliet);
  for (const one of [romeo, juliet]) t.strictSame(await archive(one), ['before', 'after', 'answer']);
});

t.test('who was blocked before a word was said is refused as well', async (t) => {
  const paris = await node.online('paris');
  const juliet = await node.online('juliet', 'tomb');
  await block(juliet, paris.bare);
  t.equal(await refusal(paris, juliet.bare, 'first words'), 'service-unavailable');
  await unblock(juliet, paris.bare);
  paris.send(chat(juliet.bare, 'second words'));
  await juliet.expect('second words');
});

t.test('presence, requests and iqs', async (t) => {
  const mercutio = await node.online('mercutio', 'street');
  const tybalt = await node.online('tybalt', 'square');
  await friends(mercutio, tybalt);
  await node.settle(mercutio, tybalt);
  for (const one of [mercutio, tybalt]) one.forget();
  await block(mercutio, tybalt.bare);
  const gone = await tybalt.expect((el) => el.name === 'presence' && el.attrs['from'] === mercutio.jid);
  t.equal(gone.attrs['type'], 'unavailable');

  mercutio.send(`<presence xmlns='jabber:client'><status>hidden</status></presence>`);
  tybalt.send(`<presence xmlns='jabber:client'><status>unheard</status></presence>`);
  tybalt.send(`<presence xmlns='jabber:client' type='probe' to='${mercutio.bare}'/>`);
  tybalt.send(`<presence xmlns='jabber:client' type='subscribe' to='${mercutio.bare}'/>`);
  await node.settle(mercutio, tybalt);
  const from = (client: Client, other: Client) =>
    client.pending((el) => (el.attrs['from'] ?? '').startsWith(other.bare)).map(({ xml }) => xml);
  t.strictSame([from(mercutio, tybalt), from(tybalt, mercutio)], [[], []]);

  const ping = `<ping xmlns='urn:xmpp:ping'/>`;
  for (const to of [mercutio.bare, mercutio.jid])
    t.equal(conditionOf(await tybalt.iq('get', ping, to)), 'service-unavailable', to);
  for (const to of [tybalt.bare, tybalt.jid]) {
    const error = await mercutio.iq('get', ping, to);
    t.equal(conditionOf(error), 'not-acceptable', to);
    t.ok(error.getChild('error')?.getChild('blocked', `${NS}:errors`));
  }
  tybalt.send(`<iq xmlns='jabber:client' type='result' id='stray' to='${mercutio.jid}'/>`);
  mercutio.send(`<presence xmlns='jabber:client' to='${tybalt.bare}'/>`);
  const refused = await mercutio.expect((el) => el.name === 'presence' && el.attrs['type'] === 'error');
  t.equal(conditionOf(refused), 'not-acceptable');
  await node.settle(mercutio, tybalt);
  t.strictSame(mercutio.pending('stray'), []);

  tybalt.forget();
  await unblock(mercutio);
  const back = await tybalt.expectXml((el) => el.name === 'presence' && el.attrs['from'] === mercutio.jid);
  t.match(back, '<status>hidden</status>', 'the presence of now');
  t.match(await mercutio.expectXml((el) => el.attrs['from'] === tybalt.jid), '<status>unheard</status>');
});

t.test('every device that asked for the list hears of changes, of whichever device', async (t) => {
  const one = await node.login('nurse', 'one');
  const two = await node.login('nurse', 'two');
  const deaf = await node.login('nurse', 'deaf');
  for (const client of [one, two]) t.strictSame(await blocklist(client), []);
  await block(deaf, 'peter@localhost', 'verona.lit');
  for (const client of [one, two]) {
    const push = await client.expect((el) => el.name === 'iq' && el.attrs['type'] === 'set');
    t.equal(push.attrs['to'], client.jid);
    t.strictSame(
      push
        .getChild('block', NS)
        ?.getChildren('item')
        .map((item) => item.attrs['jid']),
      ['peter@localhost', 'verona.lit'],
    );
  }
  await unblock(one);
  for (const client of [one, two]) t.match(await client.expectXml('<unblock'), `<unblock xmlns="${NS}"/>`);
  await node.settle(deaf);
  t.strictSame(deaf.pending('type="set"'), []);
  t.strictSame(await blocklist(deaf), []);
});

t.test('one device of somebody, and a whole domain', async (t) => {
  const street = await node.online('benvolio', 'street');
  const home = await node.online('benvolio', 'home');
  const rosaline = await node.online('rosaline', 'window');
  await block(rosaline, street.jid);
  street.send(chat(rosaline.bare, 'the first one'));
  const late = await street.expect((el) => el.name === 'message' && el.attrs['id'] === 'the-first-one');
  t.equal(conditionOf(late), 'service-unavailable', 'though the chat did not know');
  await node.settle(street);
  t.equal(await refusal(street, rosaline.bare, 'the second one'), 'service-unavailable');
  home.send(chat(rosaline.bare, 'from home'));
  await rosaline.expect('from home');
  t.equal(await refusal(rosaline, street.jid, 'to the street'), 'not-acceptable blocked');
  rosaline.send(chat(home.jid, 'to home'));
  await home.expect('to home');

  await block(rosaline, 'localhost');
  await node.settle(rosaline);
  t.equal(await refusal(home, rosaline.bare, 'from anyone'), 'service-unavailable');
  t.equal((await rosaline.iq('get', `<ping xmlns='urn:xmpp:ping'/>`, 'localhost')).attrs['type'], 'result');
  rosaline.send(chat(rosaline.bare, 'note to self'));
  await rosaline.expect('note to self');
  t.strictSame(await archive(rosaline), ['from home', 'to home', 'note to self']);
});

t.test('a block holds while nobody is online, over a restart, and after it', async (t) => {
  const first = await node.online('lady', 'salon');
  const page = await node.online('page', 'hall');
  page.send(chat(first.bare, 'my lady'));
  await first.expect('my lady');
  await block(first, page.bare);
  await first.close();
  t.equal(await refusal(page, first.bare, 'she is away'), 'service-unavailable');
  await node.restart();
  const again = await node.online('page', 'hall');
  t.equal(await refusal(again, first.bare, 'after the restart'), 'service-unavailable');
  const lady = await node.online('lady', 'salon');
  t.strictSame(await blocklist(lady), [page.bare]);
  t.equal(await refusal(lady, page.bare, 'go away'), 'not-acceptable blocked');
  await node.settle(lady);
  t.strictSame(lady.pending('she is away'), []);
  t.strictSame(await archive(lady), ['my lady']);
  await unblock(lady, page.bare);
  await node.settle(lady);
  again.send(chat(lady.bare, 'forgiven'));
  await lady.expect('forgiven');
  t.strictSame(await archive(again), ['my lady', 'forgiven']);
});

t.test('who has the name of a removed account next blocks nobody', async (t) => {
  const capulet = await node.online('capulet');
  const montague = await node.online('montague');
  montague.send(chat(capulet.bare, 'villain'));
  await capulet.expect('villain');
  await block(capulet, montague.bare);
  await node.node.accounts.remove(capulet.bare);
  await capulet.closed;
  await node.node.accounts.create(capulet.bare, 'wherefore art thou', 'operator');
  const heir = await node.online('capulet');
  t.strictSame(await blocklist(heir), []);
  montague.send(chat(heir.bare, 'good day'));
  await heir.expect('good day');
});

t.test('a list has an end', async (t) => {
  await node.restart({ limits: { blockedMax: 3 } });
  const prince = await node.login('prince');
  t.equal((await block(prince, 'a@x', 'b@x', 'c@x')).attrs['type'], 'result');
  t.equal(conditionOf(await block(prince, 'd@x')), 'policy-violation');
  t.equal((await block(prince, 'a@x')).attrs['type'], 'result');
  t.strictSame((await blocklist(prince)).sort(), ['a@x', 'b@x', 'c@x']);
});
