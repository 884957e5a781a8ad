import t from 'tap';
import { FakeUser, parse } from './extensions.fixture.ts';
import { parseSlotRequest, type SlotOutcome, safeFileName, type UploadPort } from './xep0363-http-upload.ts';

const NS = 'urn:xmpp:http:upload:0';
const PURPOSE = 'urn:xmpp:http:upload:purpose:0';
const URLS = { put: 'https://x/upload/1/a.jpg?e=1&m=2', get: 'https://x/upload/1/a.jpg' };

function service(more: Partial<UploadPort> = {}) {
  const counted: SlotOutcome[] = [];
  const files: unknown[] = [];
  const port: UploadPort = {
    maxBytes: 5_242_880,
    quota: { quotaBytes: 10_000_000, windowMs: 86_400_000 },
    refusal: () => undefined,
    slot: (_session, file, done) => {
      files.push(file);
      done(URLS);
    },
    count: (outcome) => counted.push(outcome),
    ...more,
  };
  const user = new FakeUser({ uploads: port });
  const ask = (payload: string, type = 'get', to = 'upload.montague.lit') =>
    user.ask(`<iq type='${type}' id='1' to='${to}'>${payload}</iq>`);
  return { user, ask, counted, files };
}

const request = (attrs: string, inner = '') => `<request xmlns='${NS}' ${attrs}>${inner}</request>`;
const photo = (size: number | string) => request(`filename='très cool.jpg' size='${size}' content-type='image/jpeg'`);

t.test('disco: a store of files, its feature, and the largest file in a form', async (t) => {
  const { ask } = service();
  const { body } = ask(`<query xmlns='http://jabber.org/protocol/disco#info'/>`);
  for (const part of [
    `<identity category='store' type='file' name='HTTP File Upload'/>`,
    `<feature var='${NS}'/>`,
    `<feature var='${PURPOSE}#message'/>`,
    `<field var='FORM_TYPE' type='hidden'><value>${NS}</value></field>`,
    `<field var='max-file-size'><value>5242880</value></field>`,
  ])
    t.ok(body.includes(part), part);
  t.equal(ask(`<query xmlns='http://jabber.org/protocol/disco#items'/>`).outcome, 'result');
  for (const ns of ['info', 'items'])
    t.equal(ask(`<query xmlns='http://jabber.org/protocol/disco#${ns}' node='x'/>`).body, 'item-not-found');
});

t.test('a request gets a slot, its URLs escaped, and is charged', async (t) => {
  const { user, ask, counted, files } = service();
  t.same(ask(photo(23456)), {
    outcome: 'result',
    body: `<slot xmlns='${NS}'><put url='${URLS.put.replace('&', '&amp;')}'/><get url='${URLS.get}'/></slot>`,
  });
  t.same(files, [{ name: 'très cool.jpg', bytes: 23456, type: 'image/jpeg' }]);
  t.same(counted, ['given']);
  t.match(user.rows.get('upload'), { v: 1, b: [[Number, 65_536]] });
});

t.test('it is asked at the service only, with get', async (t) => {
  const { ask } = service();
  t.equal(ask(photo(1), 'get', 'montague.lit').outcome, 'wrong target');
  t.equal(ask(photo(1), 'get', 'romeo@montague.lit').outcome, 'wrong target');
  t.equal(ask(photo(1), 'set').outcome, 'wrong type');
  t.equal(ask(`<ping xmlns='urn:xmpp:ping'/>`).outcome, 'wrong target');
  const stranger = new FakeUser();
  t.equal(stranger.ask(`<iq type='get' id='1' to='upload.montague.lit'>${photo(1)}</iq>`).outcome, 'unknown payload');
});

t.test('what is too large is told the limit', async (t) => {
  const { ask, counted, user } = service();
  t.same(ask(photo(5_242_881)), {
    outcome: 'error',
    body: 'not-acceptable',
    appCondition: `<file-too-large xmlns='${NS}'><max-file-size>5242880</max-file-size></file-too-large>`,
  });
  t.same(counted, ['too-large']);
  t.equal(user.rows.get('upload'), undefined, 'and not charged');
  t.equal(ask(photo(5_242_880)).outcome, 'result');
});

t.test('over the quota there is a time to come back at', async (t) => {
  const { user, ask, counted } = service();
  t.equal(ask(photo(5_000_000)).outcome, 'result');
  t.equal(ask(photo(5_000_000)).outcome, 'result');
  const { body, appCondition = '' } = ask(photo(1));
  t.equal(body, 'resource-constraint');
  const stamp = new RegExp(`^<retry xmlns='${NS}' stamp='([^']+Z)'/>$`).exec(appCondition)?.[1];
  user.now = Date.parse(stamp ?? '') - 1;
  t.equal(ask(photo(1)).outcome, 'error');
  user.now += 1;
  t.equal(ask(photo(1)).outcome, 'result', 'then it works');
  t.same(counted, ['given', 'given', 'quota', 'quota', 'given']);
});

t.test('a store without room, out of reach or failing is an error that says when, or that it is ours', async (t) => {
  for (const why of ['full', 'unavailable'] as const) {
    const { user, ask, counted } = service({ refusal: () => why });
    t.match(ask(photo(1)), { outcome: 'error', body: 'resource-constraint', appCondition: /^<retry / });
    t.same(counted, [why]);
    t.equal(user.rows.get('upload'), undefined, 'not charged');
  }
  const { ask, counted } = service({ slot: (_session, _file, done) => done(undefined) });
  t.match(ask(photo(1)), { outcome: 'error', body: 'internal-server-error' });
  t.same(counted, ['failed']);
});

t.test('files of messages only', async (t) => {
  const { ask } = service();
  const purpose = (name: string) => ask(request(`filename='a' size='1'`, `<${name} xmlns='${PURPOSE}'/>`));
  t.equal(purpose('message').outcome, 'result');
  for (const name of ['profile', 'permanent', 'ephemeral'])
    t.equal(purpose(name).body, 'feature-not-implemented', name);
});

t.test('a request without a name, a size or a media type that is one is a bad request', async (t) => {
  const { ask, counted } = service();
  for (const attrs of [
    `size='1'`,
    `filename='' size='1'`,
    `filename='a'`,
    `filename='a' size='0'`,
    `filename='a' size='-1'`,
    `filename='a' size='1.5'`,
    `filename='a' size='1e3'`,
    `filename='a' size='0x10'`,
    `filename='a' size='99999999999999999999'`,
    `filename='a' size='1' content-type='jpeg'`,
    `filename='a' size='1' content-type='image/jpeg&#13;&#10;x-evil: 1'`,
    `filename='a' size='1' content-type='image/jpeg;&#10;x'`,
    `filename='a' size='1' content-type='image/жпег'`,
  ])
    t.same(ask(request(attrs)), { outcome: 'error', body: 'bad-request' }, attrs);
  t.equal(counted.length, 13);
  const file = parseSlotRequest(parse(request(`filename='a' size='1' content-type='audio/ogg; codecs=opus'`)));
  t.same(file, { name: 'a', bytes: 1, type: 'audio/ogg; codecs=opus' });
});

t.test('a name is one harmless segment of a URL that keeps its ending', async (t) => {
  const table: [raw: string, name: string][] = [
    ['très cool.jpg', 'très cool.jpg'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\temp\\x.png', 'x.png'],
    ['a/..', 'file'],
    ['.', 'file'],
    ['..', 'file'],
    ['/', 'file'],
    ['  ', 'file'],
    ['a\r\nb"\0.png', 'ab".png'],
    ['gpj.\u202eexe', 'gpj.exe'],
    ['.htaccess', '.htaccess'],
    ['x'.repeat(300) + '.jpeg', 'x'.repeat(195) + '.jpeg'],
    ['x'.repeat(300), 'x'.repeat(200)],
    ['😀'.repeat(100) + '.png', '😀'.repeat(49) + '.png'],
    [`a.${'b'.repeat(300)}`, `a.${'b'.repeat(198)}`],
  ];
  for (const [raw, name] of table) t.equal(safeFileName(raw), name, JSON.stringify(raw.slice(0, 30)));
});
