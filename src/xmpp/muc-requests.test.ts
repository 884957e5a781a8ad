import t from 'tap';
import {
  approvalForm,
  parseApproval,
  parseRegisterForm,
  parseVoiceForm,
  REGISTER_FORM,
  REQUEST_FORM,
  registerForm,
  voiceForm,
} from './muc-requests.ts';
import { parseChecked } from './xml.ts';

const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
const message = (inner: string) => parseChecked(`<message xmlns='jabber:client'>${inner}</message>`).el;
const submitted = (...fields: string[]): string =>
  `<x xmlns='jabber:x:data' type='submit'>${field('FORM_TYPE', REQUEST_FORM)}${fields.join('')}</x>`;

t.test('what a form about voice says', async (t) => {
  const role = field('muc#role', 'participant');
  const nick = field('muc#roomnick', 'hag');
  const table: [what: string, inner: string, says: ReturnType<typeof parseVoiceForm> | 'bad'][] = [
    ['no form', '<body>x</body>', undefined],
    ['a form of something else', `<x xmlns='jabber:x:data' type='submit'>${role}</x>`, undefined],
    ['a cancelled one', submitted(role).replace('submit', 'cancel'), undefined],
    ['a request', submitted(role), { t: 'request' }],
    ['a request for nothing', submitted(), 'bad'],
    ['a request for more', submitted(field('muc#role', 'moderator')), 'bad'],
    [
      'an approval',
      submitted(role, nick, field('muc#jid', 'a@b/c'), field('muc#request_allow', 'true')),
      { t: 'decision', allow: true, nick: 'hag', jid: 'a@b/c' },
    ],
    [
      'a denial',
      submitted(nick, field('muc#request_allow', '0')),
      { t: 'decision', allow: false, nick: 'hag', jid: undefined },
    ],
    ['a decision about nobody', submitted(field('muc#request_allow', '1')), 'bad'],
    ['no decision', submitted(nick, field('muc#request_allow', 'perhaps')), 'bad'],
  ];
  for (const [what, inner, says] of table) {
    const said = parseVoiceForm(message(inner));
    if (says === 'bad') t.equal(said?.t, 'bad', what);
    else t.same(said, says, what);
  }
});

t.test('what moderators are asked is denied unless they change it', async (t) => {
  const form = voiceForm('a@b/c', "h'ag").replace("type='form'", "type='submit'");
  t.same(parseVoiceForm(message(form)), { t: 'decision', allow: false, nick: "h'ag", jid: 'a@b/c' });
});

t.test('a form of registration says a nick, and what administrators are asked says whose', async (t) => {
  const back = (xml: string): string => xml.replace("type='form'", "type='submit'");
  t.equal(parseRegisterForm(message(back(registerForm('<hag>')))), '<hag>');
  t.equal(parseRegisterForm(message(registerForm('hag'))), undefined, 'it is filled in');
  t.equal(parseRegisterForm(message(submitted(field('muc#register_roomnick', 'hag')))), undefined, 'of another type');
  const asked = back(approvalForm('a@b', "h'ag"));
  t.same(parseApproval(message(asked)), { allow: false, jid: 'a@b', nick: "h'ag" });
  const mine = submitted(field('muc#register_allow', '1')).replace(REQUEST_FORM, REGISTER_FORM);
  t.same(parseApproval(message(mine)), { allow: true, jid: '', nick: '' });
  t.equal(parseApproval(message('<body>x</body>')), undefined);
});
