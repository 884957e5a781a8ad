import t from 'tap';
import { FakeUser, fakeStream, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import type { StreamPort } from './module.ts';
import { idsIn, NOTE, options, outcome, owner, publish, pubsub, setting } from './pep.fixture.ts';
import { PEP_LIMITS } from './pubsub-types.ts';
import { capsVer } from './xep0115-caps.ts';

const TUNE = 'urn:example:tune';

function online(stream: StreamPort, ...wants: string[]): StreamPort {
  stream.presence = { priority: 0, show: '', xml: '', since: 0 };
  if (wants.length > 0) stream.caps = { key: 'k', wants: new Set(wants) };
  return stream;
}

/** Events among what streams got: to whom, and ids. */
const events = (user: FakeUser): string[] =>
  user.out.splice(0).flatMap((xml) => {
    const to = /^<message to="([^"]*)"/.exec(xml)?.[1];
    return to === undefined ? [] : idsIn(xml).map((id) => `${to} ${id}`);
  });

t.test('a node is made by the first publication, as the XEP’s defaults say', async (t) => {
  const user = new FakeUser();
  publish(user, TUNE, 'i');
  for (const [field, value] of [
    ['access_model', 'presence'],
    ['persist_items', '1'],
    ['max_items', '1'],
    ['send_last_published_item', 'on_sub_and_presence'],
    ['publish_model', 'publishers'],
    ['notification_type', 'headline'],
  ] as const)
    t.equal(setting(user, TUNE, field), value, field);
});

t.test('of the owner’s devices those get an event that are available and want it', async (t) => {
  const user = new FakeUser();
  const wants = online(fakeStream('wants'), TUNE);
  const away = online(fakeStream('away'), TUNE);
  away.presence = undefined;
  user.live.push(wants, online(fakeStream('other'), 'urn:example:other'), away);
  publish(user, TUNE, 'i');
  t.same(events(user), [`${ROMEO}/wants i`]);
});

t.test('contacts who see the owner and may read the node are told, each once', async (t) => {
  const user = new FakeUser();
  for (const [name, subscription] of [
    ['from', 'from'],
    ['both', 'both'],
    ['to', 'to'],
    ['none', 'none'],
  ] as const)
    user.contact(`${name}@x`, subscription);
  const told = (node: string, more = ''): string[] => {
    user.told.length = 0;
    publish(user, node, 'i', NOTE, more);
    return user.told.map(({ to }) => to);
  };
  t.same(told('presence'), ['both@x', 'from@x']);
  t.same(told('open', options({ access_model: 'open' })), ['both@x', 'from@x'], 'not everybody');
  t.same(told('whitelist', options({ access_model: 'whitelist' })), []);
  owner(user, 'set', `<affiliations node='whitelist'><affiliation jid='from@x' affiliation='member'/></affiliations>`);
  t.same(told('whitelist'), ['from@x']);
  pubsub(user, 'set', `<subscribe node='open' jid='both@x'/>`, 'both@x/r');
  pubsub(user, 'set', `<subscribe node='open' jid='stranger@x/r'/>`, 'stranger@x/r');
  t.same(told('open').sort(), ['both@x', 'from@x', 'stranger@x']);
  t.same(told('silent', options({ deliver_notifications: '0' })), []);
});

t.test('a contact hears of a large item by its id', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, eventBytesMax: 500 } });
  user.contact(JULIET, 'from');
  user.live.push(online(fakeStream('own'), TUNE));
  publish(user, TUNE, 'i', `<note xmlns='urn:example:note'>${'x'.repeat(500)}</note>`);
  const [told] = user.told;
  t.match(told?.msg, { t: 'event', from: ROMEO, node: TUNE, subscribed: false });
  const far = told?.msg.t === 'event' ? told.msg.xml : '';
  t.match(far, '<item id="i"/>');
  t.match(user.out.at(-1), 'xxx', 'an own device gets it whole');
});

t.test('events of others go to devices that want them; of a subscription, to all of them', async (t) => {
  const user = new FakeUser();
  user.live.length = 0;
  user.live.push(online(fakeStream('wants'), TUNE), online(fakeStream('other')), fakeStream('offline'));
  const xml = `<message xmlns="jabber:client" from="${JULIET}"><item id="i"/></message>`;
  const msg = { t: 'event', from: JULIET, to: ROMEO, node: TUNE, xml, subscribed: false } as const;
  const { pep } = user.protocol;
  pep.onPeer(user, msg);
  t.same(events(user), [`${ROMEO}/wants i`]);
  pep.onPeer(user, { ...msg, subscribed: true });
  t.same(events(user), [`${ROMEO}/wants i`, `${ROMEO}/other i`]);
  pep.onPeer(user, { ...msg, to: `${ROMEO}/other`, subscribed: true });
  t.same(events(user), [`${ROMEO}/other i`]);
  pep.onPeer(user, { ...msg, to: `${ROMEO}/other` });
  t.same(events(user), [], 'it was for another device, or for one that has gone');
});

t.test('who says what it wants gets the last items that it may have', async (t) => {
  const user = new FakeUser();
  publish(user, TUNE, '1');
  publish(user, TUNE, '2');
  publish(user, 'hidden', 'h', NOTE, options({ access_model: 'whitelist' }));
  publish(user, 'quiet', 'q', NOTE, options({ send_last_published_item: 'never' }));
  publish(user, 'once', 'o', NOTE, options({ send_last_published_item: 'on_sub' }));
  publish(user, 'emptied', 'e');
  pubsub(user, 'set', `<retract node='emptied'><item id='e'/></retract>`);
  const nodes = [TUNE, 'hidden', 'quiet', 'once', 'emptied', 'nowhere'];
  const ask = (): string[] => {
    user.told.length = 0;
    user.protocol.pep.onPeer(user, { t: 'wants', from: `${JULIET}/balcony`, to: ROMEO, nodes });
    return user.told.map(({ to, msg }) => `${to} ${msg.t === 'event' ? `${msg.to} ${idsIn(msg.xml)}` : msg.t}`);
  };
  t.same(ask(), [], 'nothing to a stranger');
  user.contact(JULIET, 'to');
  t.same(ask(), []);
  user.contact(JULIET, 'from');
  t.same(ask(), [`${JULIET} ${JULIET}/balcony 2`]);
});

t.test('the newest item that is left is the last one', async (t) => {
  const user = new FakeUser();
  user.live.push(online(fakeStream('own')));
  for (const id of ['1', '2', '3']) publish(user, TUNE, id, NOTE, options({ max_items: 'max' }));
  pubsub(user, 'set', `<retract node='${TUNE}'><item id='3'/></retract>`);
  const seen: (string | undefined)[] = [];
  user.protocol.pep.read(user, TUNE, undefined, (item) => seen.push(item?.id));
  publish(user, TUNE, '1');
  user.protocol.pep.read(user, TUNE, undefined, (item) => seen.push(item?.id));
  t.same(seen, ['2', '1'], 'to publish again is to publish');
});

const info = (...nodes: string[]) => ({
  identities: [{ category: 'client', type: 'pc' }],
  features: nodes.map((node) => `${node}+notify`),
});
const presenceOf = (ver: string, hash = 'sha-1') =>
  parse(`<presence><c xmlns='http://jabber.org/protocol/caps' hash='${hash}' node='c' ver='${ver}'/></presence>`);
const answerOf = (nodes: readonly string[], id = 'id') =>
  parse(
    `<iq type='result' id='${id}'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc'/>` +
      `${nodes.map((node) => `<feature var='${node}+notify'/>`).join('')}</query></iq>`,
  );
const asked = (user: FakeUser): number => user.out.splice(0).filter((xml) => xml.includes('disco#info')).length;

t.test('a client is asked what it wants once for each hash that verified', async (t) => {
  const user = new FakeUser();
  const { pep } = user.protocol;
  const ver = capsVer(info(TUNE));
  const said = (name: string): StreamPort => {
    const stream = online(fakeStream(name));
    user.live.push(stream);
    pep.onAvailable(user, stream, presenceOf(ver), true);
    return stream;
  };
  const one = said('one');
  t.equal(asked(user), 1);
  pep.onAvailable(user, one, presenceOf(ver), false);
  t.equal(asked(user), 0, 'not again while it is asked');
  pep.onAnswer(user, one, answerOf([TUNE], 'other'));
  t.equal(one.caps?.wants, undefined, 'that was no answer to it');
  pep.onAnswer(user, one, answerOf(['urn:example:lie']));
  t.same([...(one.caps?.wants ?? [])], ['urn:example:lie'], 'what does not verify holds for who says it');
  const two = said('two');
  t.equal(asked(user), 1, 'and nobody else');
  pep.onAnswer(user, two, answerOf([TUNE]));
  const three = said('three');
  t.equal(asked(user), 0);
  t.same([...(three.caps?.wants ?? [])], [TUNE]);
  pep.onAnswer(user, three, answerOf(['urn:example:unasked']));
  t.same([...(three.caps?.wants ?? [])], [TUNE], 'who is not asked says nothing');
});

t.test('a client that does not tell wants nothing; one that wants too much is cut short', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, wantsMax: 2 } });
  const { pep } = user.protocol;
  const stream = online(user.live[0] as StreamPort);
  pep.onAvailable(user, stream, presenceOf('x'), true);
  pep.onAnswer(user, stream, parse(`<iq type='error' id='id'/>`));
  t.equal(stream.caps?.wants?.size, 0);
  pep.onAvailable(user, stream, presenceOf('y', ''), false);
  pep.onAnswer(user, stream, answerOf(['a', 'b', 'c']));
  t.same([...(stream.caps?.wants ?? [])], ['a', 'b']);
  const { wantsCharsMax } = PEP_LIMITS;
  const long = ['a'.repeat(wantsCharsMax / 2), 'b'.repeat(wantsCharsMax / 2), 'c'];
  pep.onAvailable(user, stream, presenceOf('z', ''), false);
  pep.onAnswer(user, stream, answerOf(long.slice(1)));
  t.same([...(stream.caps?.wants ?? [])], long.slice(1));
  pep.onAvailable(user, stream, presenceOf('zz', ''), false);
  pep.onAnswer(user, stream, answerOf(long));
  t.same([...(stream.caps?.wants ?? [])], long.slice(0, 2), 'by the length of the names too');
});

t.test(
  'what a device wants is told to the contacts whose presence the user sees, when it comes and when it is new',
  async (t) => {
    const user = new FakeUser();
    for (const [jid, subscription] of [
      ['to@x', 'to'],
      ['from@x', 'from'],
      ['both@x', 'both'],
    ] as const)
      user.contact(jid, subscription);
    const { pep } = user.protocol;
    const stream = online(user.live[0] as StreamPort);
    const told = (): string[] =>
      user.told.splice(0).map(({ to, msg }) => `${to} ${msg.t === 'wants' ? msg.nodes.join() : msg.t}`);
    pep.onAvailable(user, stream, presenceOf(capsVer(info('a'))), true);
    t.same(told(), []);
    pep.onAnswer(user, stream, answerOf(['a']));
    t.same(told(), ['both@x a', 'to@x a']);
    pep.onAvailable(user, stream, presenceOf(capsVer(info('a'))), false);
    t.same(told(), [], 'not with later presence');
    pep.onAvailable(user, stream, presenceOf(capsVer(info('a', 'b'))), false);
    pep.onAnswer(user, stream, answerOf(['a', 'b']));
    t.same(told(), ['both@x b', 'to@x b'], 'only what it did not want before');
    pep.onAvailable(user, stream, parse('<presence/>'), true);
    t.same(told(), ['both@x a,b', 'to@x a,b'], 'all when it comes again');
    pep.onSubscribed(user, 'new@x');
    t.same(told(), ['new@x a,b']);
  },
);

t.test('more nodes than an account may have are refused', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, nodesMax: 2 } });
  for (const node of ['a', 'b']) t.equal(outcome(publish(user, node, 'i')), 'result');
  t.equal(outcome(publish(user, 'c', 'i')), 'conflict max-nodes-exceeded');
  t.equal(outcome(publish(user, 'a', 'j')), 'result');
});

t.test('disco lists the items that one answer has room for', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, answerBytesMax: 250 } });
  for (const id of ['1', '2', '3']) publish(user, 'n', id, NOTE, options({ max_items: 'max' }));
  const items = `<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>`;
  const { body } = user.ask(`<iq type='get' id='d'>${items}</iq>`);
  t.same(
    [...body.matchAll(/ name='([^']*)'/g)].map(([, name]) => name),
    ['2', '3'],
  );
});
