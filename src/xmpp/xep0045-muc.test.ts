import t from 'tap';
import { FakeUser, parse } from './extensions.fixture.ts';
import { applyForm, configForm, defaultConfig, roomInfo } from './muc-config.ts';
import { parseAdminItems, parseJoin, userXml } from './muc-words.ts';
import { formOf, readForm } from './xep0004-forms.ts';

const USERS_MAX = 200;
const BEFORE = defaultConfig(USERS_MAX);

function submitted(fields: Readonly<Record<string, readonly string[]>>) {
  return new Map(Object.entries(fields).map(([name, values]) => [`muc#roomconfig_${name}`, values]));
}

t.test('a form that is sent back as it came changes nothing', async (t) => {
  const config = { ...BEFORE, name: 'A <Cave> & more', password: 'cauldron', presenceOf: ['moderator'] as const };
  const form = formOf(parse(`<message>${configForm(config, 'coven@x', USERS_MAX)}</message>`));
  t.ok(form);
  if (form) t.same(applyForm(BEFORE, readForm(form), USERS_MAX), config);
});

t.test('a form changes what it names, and says what it does not take', async (t) => {
  t.match(applyForm(BEFORE, submitted({ roomname: ['n'], membersonly: ['true'] }), USERS_MAX), {
    name: 'n',
    membersOnly: true,
    public: true,
  });
  t.match(applyForm(BEFORE, submitted({ passwordprotectedroom: ['1'], roomsecret: ['s'] }), USERS_MAX), {
    password: 's',
  });
  t.match(applyForm({ ...BEFORE, password: 's' }, submitted({ passwordprotectedroom: ['0'] }), USERS_MAX), {
    password: '',
  });
  t.match(applyForm(BEFORE, submitted({ maxusers: ['9999'] }), USERS_MAX), { maxUsers: USERS_MAX });
  t.match(applyForm(BEFORE, submitted({ maxusers: ['none'] }), USERS_MAX), { maxUsers: USERS_MAX });
  for (const [field, value] of [
    ['membersonly', 'maybe'],
    ['whois', 'nobody'],
    ['maxusers', '-1'],
    ['roomname', 'x'.repeat(300)],
    ['allowpm', 'all'],
  ] as const)
    t.match(applyForm(BEFORE, submitted({ [field]: [value] }), USERS_MAX), new RegExp(field), field);
  t.match(applyForm(BEFORE, submitted({ passwordprotectedroom: ['1'] }), USERS_MAX), /needs a password/);
  t.match(applyForm(BEFORE, new Map([['FORM_TYPE', ['urn:other']]]), USERS_MAX), /FORM_TYPE/);
});

t.test('features follow the configuration', async (t) => {
  const open = roomInfo(BEFORE, { subject: 's', occupants: 3 });
  t.same(open.features, [
    'muc_public',
    'muc_persistent',
    'muc_open',
    'muc_unmoderated',
    'muc_unsecured',
    'muc_semianonymous',
  ]);
  const closed = {
    ...BEFORE,
    public: false,
    persistent: false,
    membersOnly: true,
    moderated: true,
    password: 'p',
    whois: 'anyone',
  };
  t.same(roomInfo(closed as typeof BEFORE, { subject: '', occupants: 0 }).features, [
    'muc_hidden',
    'muc_temporary',
    'muc_membersonly',
    'muc_moderated',
    'muc_passwordprotected',
    'muc_nonanonymous',
  ]);
});

t.test('a request to enter, with how much of the past', async (t) => {
  const presence = (inner: string) => parse(`<presence>${inner}</presence>`);
  t.equal(parseJoin(presence('<show>away</show>')), undefined);
  const x = `<x xmlns='http://jabber.org/protocol/muc'><password>cauldron</password><history maxchars='10' maxstanzas='x' seconds='5' since='1970-01-01T00:00:01Z'/></x>`;
  t.same(parseJoin(presence(x)), { password: 'cauldron', history: { maxChars: 10, seconds: 5, since: 1000 } });
});

t.test('items of an administrator: known affiliations and roles only', async (t) => {
  const query = (item: string) => parse(`<query xmlns='http://jabber.org/protocol/muc#admin'>${item}</query>`);
  t.match(parseAdminItems(query(`<item affiliation='outcast' jid='a@b'><reason>r</reason></item>`)), [
    { affiliation: 'outcast', jid: 'a@b', reason: 'r', nick: undefined, role: undefined },
  ]);
  t.equal(parseAdminItems(query(`<item affiliation='king'/>`)), undefined);
  t.equal(parseAdminItems(query(`<item role='jester'/>`)), undefined);
});

t.test('what a room says is escaped', async (t) => {
  const item = { affiliation: 'none', role: 'none', nick: `"<&'`, reason: '<b>', actor: `o'` } as const;
  const x = parse(userXml(item, [307, 110]).replace('<x ', '<x '));
  t.equal(x.getChild('item')?.attrs['nick'], `"<&'`);
  t.equal(x.getChild('item')?.getChildText('reason'), '<b>');
  t.same(
    x.getChildren('status').map((status) => status.attrs['code']),
    ['110', '307'],
  );
});

t.test('the list of rooms is paged', async (t) => {
  const rooms = ['a', 'b', 'c', 'd'].map((name) => ({
    jid: `${name}@conference.montague.lit`,
    name: name === 'a' ? '' : name,
  }));
  let known: typeof rooms | undefined = rooms;
  const user = new FakeUser({ rooms: { list: (_session, done) => done(known) } });
  const ask = (set: string) =>
    user.ask(
      `<iq type='get' id='1' to='conference.montague.lit'><query xmlns='http://jabber.org/protocol/disco#items'>${set}</query></iq>`,
    );
  const set = (inner: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
  const names = (body: string) => [...body.matchAll(/jid='(\w)@/g)].map(([, name]) => name);
  t.same(names(ask('').body), ['a', 'b', 'c', 'd']);
  t.same(names(ask(set('<max>2</max>')).body), ['a', 'b']);
  t.same(names(ask(set('<max>2</max><after>b@conference.montague.lit</after>')).body), ['c', 'd']);
  t.same(names(ask(set('<max>1</max><before/>')).body), ['d']);
  t.match(ask(set('<max>0</max>')).body, '<count>4</count>');
  t.same(ask(set('<max>x</max>')), { outcome: 'error', body: 'bad-request' });
  known = undefined;
  t.same(ask(''), { outcome: 'error', body: 'resource-constraint' });
});
