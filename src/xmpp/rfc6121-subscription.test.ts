import t from 'tap';
import type { SubscriptionType } from './module.ts';
import { DOMAIN, el, type FakeSession, World } from './rfc6121.fixture.ts';
import { type Contact, getContact } from './rfc6121-contacts.ts';
import { ROSTER_LIMITS } from './rfc6121-limits.ts';
import { INBOUND, OUTBOUND, SUB_STATES, type SubState, stateOf, withState } from './rfc6121-states.ts';
import { onAccountRemoved, onSubscription, sendSubscription } from './rfc6121-subscription.ts';

const TYPES: readonly SubscriptionType[] = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'];

/**
 * Tables 2 to 9 of appendix A, as columns over SUB_STATES. `+` passes the stanza on, `-` does not; then the new state,
 * and after `!` what else happens.
 */
const APPENDIX: Record<'out' | 'in', Record<SubscriptionType, string>> = {
  out: {
    subscribe: '+none+out +none+out +none+out+in +none+out+in +to +to+in +from+out +from+out +both',
    unsubscribe: '+none +none +none+in +none+in +none +none+in +from +from +from',
    subscribed: '-none!approve -none+out!approve +from +from+out -to!approve +both -from -from+out -both',
    unsubscribed: '-none -none+out +none +none+out -to +to +none +none+out +to',
  },
  in: {
    subscribe:
      '+none+in +none+out+in -none+in -none+out+in +to+in -to+in -from!subscribed -from+out!subscribed -both!subscribed',
    unsubscribe:
      '-none -none+out +none!unsubscribed +none+out!unsubscribed -to +to!unsubscribed +none!unsubscribed +none+out!unsubscribed +to!unsubscribed',
    subscribed: '-none +to -none+in +to+in -to -to+in -from +both -both',
    unsubscribed: '-none +none -none+in +none+in +none +none+in -from +from +from',
  },
};

const ROMEO = `romeo@${DOMAIN}`;
const JULIET = `juliet@${DOMAIN}`;

/** Juliet, with Romeo in a state, one resource that is available and has asked for the roster. */
function juliet(state: SubState, flags: Partial<Contact> = {}): FakeSession {
  const session = new World().user('juliet');
  const row: Contact = {
    ...{ v: 1, jid: ROMEO, name: '', groups: [], subscription: 'none', ver: 0, cursor: 0, at: 0 },
    ...{ listed: state !== 'none+in' && state !== 'none' },
    ...flags,
  };
  session.put(`r/${ROMEO}`, withState(row, state, '<nick/>'));
  const stream = session.connect('balcony', 0);
  stream.interested = true;
  stream.take();
  session.world.queue.length = 0;
  return session;
}

const sent = (session: FakeSession): string[] =>
  session.world.queue.map(({ message }) => {
    if (message.t === 'presence') return message.available ? 'available' : 'unavailable';
    return message.t === 'subscription' ? message.type : message.t;
  });

t.test('every state is read back from the row it was written to', async (t) => {
  for (const state of SUB_STATES) t.equal(stateOf(getContact(juliet(state), ROMEO)!), state);
});

t.test('every cell of appendix A.2: what the user sends', async (t) => {
  for (const type of TYPES) {
    const cells = APPENDIX.out[type].split(' ');
    t.equal(cells.length, SUB_STATES.length);
    for (const [i, state] of SUB_STATES.entries()) {
      const [move = '', extra] = cells[i]!.split('!');
      const label = `${type} in ${state}`;
      const session = juliet(state);
      const outcome = sendSubscription(session, type, ROMEO, '');
      t.same(outcome, { ok: true, routed: move[0] === '+' }, label);
      const after = getContact(session, ROMEO)!;
      t.equal(stateOf(after), move.slice(1), `${label}: new state`);
      t.equal(after.approved, extra === 'approve' ? true : undefined, `${label}: approval`);
      const gains = !/from|both/.test(state) && /from|both/.test(move);
      const loses = /from|both/.test(state) && !/from|both/.test(move);
      const expected = [loses ? 'unavailable' : '', move[0] === '+' ? type : '', gains ? 'available' : ''];
      t.same(sent(session), expected.filter(Boolean), `${label}: sent`);
      t.equal(OUTBOUND[type][state].pass, move[0] === '+');
    }
  }
});

t.test('every cell of appendix A.3: what comes from the contact', async (t) => {
  for (const type of TYPES) {
    const cells = APPENDIX.in[type].split(' ');
    t.equal(cells.length, SUB_STATES.length);
    for (const [i, state] of SUB_STATES.entries()) {
      const [move = '', extra] = cells[i]!.split('!');
      const label = `${type} in ${state}`;
      const session = juliet(state);
      const reason = onSubscription(session, { t: 'subscription', from: ROMEO, to: JULIET, type, inner: '' }, 1);
      const delivered = move[0] === '+';
      t.equal(reason, delivered ? 'delivered' : extra === undefined ? 'no-change' : 'auto-reply', label);
      t.equal(stateOf(getContact(session, ROMEO)!), move.slice(1), `${label}: new state`);
      const out = session.live[0]!.take();
      t.equal(out.filter((xml) => xml.startsWith('<presence') && xml.includes(`type="${type}"`)).length, +delivered);
      const loses = /from|both/.test(state) && !/from|both/.test(move);
      const expected = [loses ? 'unavailable' : '', extra ?? '', extra === 'subscribed' ? 'available' : ''];
      t.same(sent(session), expected.filter(Boolean), `${label}: sent`);
      t.equal(INBOUND[type][state].pass, delivered);
      const seen = (name: string) => name.replace(/[+]in$/, '');
      const pushed = getContact(session, ROMEO)!.listed && seen(state) !== seen(move.slice(1));
      t.equal(out.filter((xml) => xml.startsWith('<iq ')).length, +pushed, `${label}: a push if clients see it`);
    }
  }
});

t.test('a pre-approved contact is granted at once and never shown', async (t) => {
  for (const [state, next] of [
    ['none', 'from'],
    ['none+out', 'from+out'],
    ['to', 'both'],
  ] as const) {
    const session = juliet(state, { approved: true, listed: true });
    const reason = onSubscription(
      session,
      { t: 'subscription', from: ROMEO, to: JULIET, type: 'subscribe', inner: '' },
      1,
    );
    t.equal(reason, 'auto-reply');
    t.equal(stateOf(getContact(session, ROMEO)!), next);
    t.same(sent(session), ['subscribed', 'available']);
    const [push, ...more] = session.live[0]!.take();
    t.match(push, /approved="true"/, 'the approval stays on the item until the user says unsubscribed');
    t.same(more, []);
    session.live[0]!.presenceOf({ to: ROMEO, type: 'unsubscribed' });
    t.notMatch(session.live[0]!.take().at(-1), /approved/);
    t.equal(getContact(session, ROMEO)!.approved, undefined);
  }
});

t.test('a pre-approval of a stranger makes a roster item, and a denial takes it back', async (t) => {
  const session = new World().user('juliet');
  const stream = session.connect('balcony', 0);
  stream.interested = true;
  stream.take();
  t.same(stream.presenceOf({ to: ROMEO, type: 'subscribed' }), {
    t: 'subscription',
    type: 'subscribed',
    routed: false,
  });
  t.match(stream.take()[0], /<item jid="romeo@example.org" subscription="none" approved="true"\/>/);
  t.same(stream.presenceOf({ to: ROMEO, type: 'unsubscribed' }), {
    ...{ t: 'subscription', type: 'unsubscribed', routed: false },
  });
  t.match(stream.take()[0], /<item jid="romeo@example.org" subscription="none"\/>/);
  t.same(session.world.posted, []);
});

/** Romeo and Juliet, both online and interested. */
function lovers() {
  const world = new World();
  const [romeo, juliet] = [world.user('romeo'), world.user('juliet')];
  const [r, j] = [romeo.connect('orchard', 1), juliet.connect('balcony', 2)];
  for (const stream of [r, j]) stream.roster('get');
  world.settle();
  r.take();
  j.take();
  return { world, romeo, juliet, r, j };
}

for (const tellsFirst of [false, true]) {
  t.test(`a whole dialogue, what is told ${tellsFirst ? 'before' : 'in order with'} what is posted`, async (t) => {
    const { world, romeo, juliet, r, j } = lovers();

    r.presenceOf({ to: JULIET, type: 'subscribe' }, el('nick', {}, 'Romeo'));
    t.match(r.take(), [/<item jid="juliet@example.org" subscription="none" ask="subscribe"\/>/]);
    world.settle(tellsFirst);
    t.match(j.take(), [/^<presence .*from="romeo@example.org" to="juliet@example.org" type="subscribe"><nick/]);

    j.presenceOf({ to: ROMEO, type: 'subscribed' });
    t.match(j.take(), [/<item jid="romeo@example.org" subscription="from"\/>/]);
    world.settle(tellsFirst);
    const heard = r.take();
    t.equal(heard.length, 3, 'the approval, the push, and the presence of the contact');
    t.ok(heard.some((xml) => xml.includes('type="subscribed"')));
    t.ok(heard.some((xml) => xml.includes('<item jid="juliet@example.org" subscription="to"/>')));
    t.ok(heard.some((xml) => xml.includes('from="juliet@example.org/balcony"')));

    j.presenceOf({ to: ROMEO, type: 'subscribe' });
    world.settle(tellsFirst);
    r.take();
    r.presenceOf({ to: JULIET, type: 'subscribed' });
    world.settle(tellsFirst);
    t.equal(getContact(romeo, JULIET)!.subscription, 'both');
    t.equal(getContact(juliet, ROMEO)!.subscription, 'both');
    r.take();
    j.take();

    const before = [romeo.snapshot(), juliet.snapshot()];
    world.now += 1000;
    t.ok(world.replay().every((reason) => reason === 'replay'));
    t.same([romeo.snapshot(), juliet.snapshot()], before, 'a replay of every post changes no row');
    t.same([r.take(), j.take()], [[], []], 'and is not seen by anyone');

    t.equal(r.roster('set', {}, el('item', { jid: JULIET, subscription: 'remove' })), 'reply:');
    t.match(r.take()[0], /<item jid="juliet@example.org" subscription="remove"\/>/);
    world.settle(tellsFirst);
    t.equal(getContact(juliet, ROMEO)!.subscription, 'none');
    t.equal(getContact(romeo, JULIET)!.listed, false);
    const lost = j.take();
    t.ok(lost.some((xml) => xml.includes('type="unsubscribe"')));
    t.ok(lost.some((xml) => xml.includes('type="unsubscribed"')));
    t.ok(lost.some((xml) => xml.includes('type="unavailable"')));

    const ended = [romeo.snapshot(), juliet.snapshot()];
    t.ok(
      world.replay().every((reason) => reason === 'replay'),
      'the cursor outlives the roster item',
    );
    t.same([romeo.snapshot(), juliet.snapshot()], ended);
  });
}

t.test('unsubscribe and unsubscribed end one direction each', async (t) => {
  const { world, romeo, juliet, r, j } = lovers();
  for (const [stream, to] of [
    [r, JULIET],
    [j, ROMEO],
  ] as const) {
    stream.presenceOf({ to, type: 'subscribed' });
    stream.presenceOf({ to, type: 'subscribe' });
  }
  world.settle();
  t.equal(getContact(romeo, JULIET)!.subscription, 'both', 'pre-approval on both sides needs no answers');
  t.equal(getContact(juliet, ROMEO)!.subscription, 'both');
  r.presenceOf({ to: JULIET, type: 'unsubscribe' });
  world.settle();
  t.equal(getContact(romeo, JULIET)!.subscription, 'from');
  t.equal(getContact(juliet, ROMEO)!.subscription, 'to');
  r.presenceOf({ to: JULIET, type: 'unsubscribed' });
  world.settle();
  t.equal(getContact(romeo, JULIET)!.subscription, 'none');
  t.equal(getContact(juliet, ROMEO)!.subscription, 'none');
  t.ok(getContact(romeo, JULIET)!.listed, 'the items stay');
});

t.test('a request waits, and is shown at each initial presence until it is answered', async (t) => {
  const world = new World();
  const romeo = world.user('romeo');
  const juliet = world.user('juliet');
  romeo.connect('orchard', 0).presenceOf({ to: JULIET, type: 'subscribe' }, el('status', {}, 'please'));
  world.settle();
  t.same(juliet.connect('x').roster('get'), 'reply:<query xmlns="jabber:iq:roster"/>', 'not a roster item');
  const shown = (resource: string) =>
    juliet
      .connect(resource, 0)
      .take()
      .filter((xml) => xml.includes('type="subscribe"'));
  t.match(shown('a'), [/<status>please<\/status>/]);
  t.equal(shown('b').length, 1);
  juliet.live[0]!.presenceOf({ to: ROMEO, type: 'unsubscribed' });
  t.same(shown('c'), []);
  world.settle();
  t.equal(getContact(romeo, JULIET)!.ask, undefined, 'the asker is told');
});

t.test('requests of strangers are bounded in number and in size', async (t) => {
  const world = new World({ ...ROSTER_LIMITS, strangersMax: 2, requestCharsMax: 10 });
  const juliet = world.user('juliet');
  const j = juliet.connect('balcony', 0);
  const ask = (name: string, inner: string) =>
    onSubscription(
      juliet,
      { t: 'subscription', from: `${name}@${DOMAIN}`, to: JULIET, type: 'subscribe', inner },
      1,
      world.limits,
    );
  j.take();
  t.equal(ask('a', `<status>${'x'.repeat(20)}</status>`), 'delivered');
  t.match(j.take(), [/x{20}/], 'shown as it came');
  t.equal(getContact(juliet, `a@${DOMAIN}`)!.pendingIn!.inner, '', 'kept without its children');
  t.equal(ask('b', ''), 'delivered');
  t.equal(ask('c', ''), 'full');
  t.match(world.posted.at(-1), { to: `c@${DOMAIN}`, message: { type: 'unsubscribed' } });
  j.presenceOf({ to: `a@${DOMAIN}`, type: 'unsubscribed' });
  t.equal(ask('d', ''), 'delivered', 'an answer makes room');
});

t.test('a full roster refuses one more contact', async (t) => {
  const world = new World({ ...ROSTER_LIMITS, rosterItemsMax: 1 });
  const j = world.user('juliet').connect('balcony', 0);
  t.equal(j.presenceOf({ to: ROMEO, type: 'subscribe' }).t, 'subscription');
  j.take();
  t.same(j.presenceOf({ to: `nurse@${DOMAIN}`, type: 'subscribe', id: 's1' }), {
    t: 'refused',
    condition: 'policy-violation',
  });
  t.match(j.take(), [/^<presence .*id="s1" type="error".*policy-violation/]);
  t.equal(world.posted.length, 1);
});

t.test('a subscription to an account that does not exist is answered unsubscribed', async (t) => {
  const world = new World();
  const romeo = world.user('romeo');
  const r = romeo.connect('orchard', 0);
  r.presenceOf({ to: `ghost@${DOMAIN}`, type: 'subscribe' });
  world.settle();
  t.equal(stateOf(getContact(romeo, `ghost@${DOMAIN}`)!), 'none');
});

t.test('when an account goes, its contacts are told and its rows are gone', async (t) => {
  const { world, romeo, juliet, r, j } = lovers();
  for (const [stream, to] of [
    [r, JULIET],
    [j, ROMEO],
  ] as const) {
    stream.presenceOf({ to, type: 'subscribed' });
    stream.presenceOf({ to, type: 'subscribe' });
  }
  world.settle();
  r.roster('set', {}, el('item', { jid: `nurse@${DOMAIN}` }));
  t.equal(onAccountRemoved(romeo, 1), false, 'one row a turn');
  t.equal(onAccountRemoved(romeo, 1), true);
  t.same([...romeo.rows], []);
  world.sessions.delete(romeo.user);
  world.settle();
  t.equal(getContact(juliet, ROMEO)!.subscription, 'none');
  t.ok(getContact(juliet, ROMEO)!.listed);
});
