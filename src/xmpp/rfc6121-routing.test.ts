import t from 'tap';
import {
  type MessageRoute,
  type MessageType,
  messageType,
  type RouteStream,
  routeIq,
  routeMessage,
  routeMessageToNobody,
  routePresence,
} from './rfc6121-routing.ts';

const stream = (resource: string, priority?: number): RouteStream => ({ resource, priority });

const NOBODY: RouteStream[] = [];
const CONNECTED = [stream('silent')];
const NEGATIVE = [stream('minus', -1), stream('silent')];
const ONE = [stream('one', 0)];
const MANY = [stream('low', 1), stream('minus', -128), stream('high', 5), stream('also-high', 5), stream('silent')];

const stored = (reason: MessageRoute['reason'], ...to: string[]): MessageRoute => ({ to, store: true, reason });
const live = (reason: MessageRoute['reason'], ...to: string[]): MessageRoute => ({ to, store: false, reason });
const refused: MessageRoute = { to: [], store: false, error: 'service-unavailable', reason: 'refused' };

type Row = readonly [condition: string, streams: RouteStream[], to: string, Record<MessageType, MessageRoute>];

/** Table 1 of section 8.5.4, widened by resources that are connected only and by type error; `to` '' is the bare JID. */
const TABLE: Row[] = [];
for (const [name, streams] of [
  ['no resources', NOBODY],
  ['only a connected resource', CONNECTED],
  ['only negative resources', NEGATIVE],
] as const) {
  TABLE.push([
    `${name}, bare`,
    streams,
    '',
    {
      normal: stored('nobody-available'),
      chat: stored('nobody-available'),
      groupchat: refused,
      headline: live('ignored'),
      error: live('ignored'),
    },
  ]);
  TABLE.push([
    `${name}, full no match`,
    streams,
    'gone',
    {
      normal: stored('nobody-available'),
      chat: stored('nobody-available'),
      groupchat: refused,
      headline: live('ignored'),
      error: live('ignored'),
    },
  ]);
}
TABLE.push([
  'one non-negative resource, bare',
  ONE,
  '',
  {
    normal: stored('all-non-negative', 'one'),
    chat: stored('most-available', 'one'),
    groupchat: refused,
    headline: live('all-non-negative', 'one'),
    error: live('ignored'),
  },
]);
TABLE.push([
  'one non-negative resource, full no match',
  ONE,
  'gone',
  {
    normal: stored('all-non-negative', 'one'),
    chat: stored('most-available', 'one'),
    groupchat: refused,
    headline: live('ignored'),
    error: live('ignored'),
  },
]);
TABLE.push([
  'many non-negative resources, bare',
  MANY,
  '',
  {
    normal: stored('all-non-negative', 'low', 'high', 'also-high'),
    chat: stored('most-available', 'high', 'also-high'),
    groupchat: refused,
    headline: live('all-non-negative', 'low', 'high', 'also-high'),
    error: live('ignored'),
  },
]);
TABLE.push([
  'many non-negative resources, full no match',
  MANY,
  'gone',
  {
    normal: stored('all-non-negative', 'low', 'high', 'also-high'),
    chat: stored('most-available', 'high', 'also-high'),
    groupchat: refused,
    headline: live('ignored'),
    error: live('ignored'),
  },
]);
for (const [streams, resource] of [
  [CONNECTED, 'silent'],
  [NEGATIVE, 'minus'],
  [ONE, 'one'],
  [MANY, 'low'],
  [MANY, 'silent'],
] as const) {
  TABLE.push([
    `full match of ${resource}`,
    streams,
    resource,
    {
      normal: stored('full-match', resource),
      chat: stored('full-match', resource),
      groupchat: live('full-match', resource),
      headline: live('full-match', resource),
      error: live('full-match', resource),
    },
  ]);
}

t.test('messages go where table 1 of section 8.5.4 says', async (t) => {
  for (const [condition, streams, resource, row] of TABLE) {
    for (const [type, expected] of Object.entries(row) as [MessageType, MessageRoute][]) {
      const target = resource === '' ? 'bare' : 'full';
      const route = routeMessage(type, target, resource === '' ? undefined : resource, streams);
      t.same(route, expected, `${condition}, ${type}`);
    }
  }
});

t.test('a message to an account that does not exist is bounced, but never a headline or an error', async (t) => {
  for (const type of ['normal', 'chat', 'groupchat'] as const) t.same(routeMessageToNobody(type), refused, type);
  for (const type of ['headline', 'error'] as const) t.same(routeMessageToNobody(type), live('ignored'), type);
});

t.test('an absent or unknown message type is normal', async (t) => {
  t.equal(messageType(undefined), 'normal');
  t.equal(messageType('shout'), 'normal');
  for (const type of ['chat', 'headline', 'groupchat', 'error', 'normal']) t.equal(messageType(type), type);
});

t.test('presence goes to all available resources, or to the one that was named', async (t) => {
  t.same(routePresence('bare', undefined, MANY), ['low', 'minus', 'high', 'also-high']);
  t.same(routePresence('bare', undefined, CONNECTED), []);
  t.same(routePresence('full', 'silent', MANY), ['silent']);
  t.same(routePresence('full', 'gone', MANY), []);
});

t.test('an iq is answered by the account, delivered, refused or dropped', async (t) => {
  const cases = [
    ['get', 'bare', undefined, false, { t: 'account' }],
    ['set', 'bare', undefined, true, { t: 'account' }],
    ['result', 'bare', undefined, true, { t: 'drop' }],
    ['error', 'bare', undefined, true, { t: 'drop' }],
    ['get', 'full', 'one', true, { t: 'deliver', resource: 'one' }],
    ['set', 'full', 'one', true, { t: 'deliver', resource: 'one' }],
    ['get', 'full', 'one', false, { t: 'error', condition: 'service-unavailable', reason: 'presence-leak' }],
    ['set', 'full', 'one', false, { t: 'error', condition: 'service-unavailable', reason: 'presence-leak' }],
    ['result', 'full', 'one', false, { t: 'deliver', resource: 'one' }],
    ['error', 'full', 'one', false, { t: 'deliver', resource: 'one' }],
    ['get', 'full', 'gone', true, { t: 'error', condition: 'service-unavailable', reason: 'no-such-resource' }],
    ['set', 'full', 'gone', true, { t: 'error', condition: 'service-unavailable', reason: 'no-such-resource' }],
    ['result', 'full', 'gone', true, { t: 'drop' }],
    ['error', 'full', 'gone', true, { t: 'drop' }],
  ] as const;
  for (const [type, target, resource, shares, expected] of cases) {
    t.same(routeIq(type, target, resource, ONE, shares), expected, `${type} ${target} ${resource} ${shares}`);
  }
});
