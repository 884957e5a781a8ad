import { Element } from 'ltx';
import t from 'tap';
import {
  decideAuthenticated,
  decideBeforeAuth,
  REGISTER_NS,
  type RegistrationContext,
  type RegistrationDecision,
  registrationErrors,
} from './xep0077-registration.ts';

const context: RegistrationContext = {
  domain: 'localhost',
  open: true,
  secure: true,
  registered: false,
  passwordCharsMin: 4,
};
const ann = 'ann@localhost';

function fields(values: [name: string, text: string][]): Element {
  const query = new Element('query', { xmlns: REGISTER_NS });
  for (const [name, text] of values) query.c(name).t(text);
  return query;
}

function form(values: [name: string, text: string][], type = 'submit'): Element {
  const query = new Element('query', { xmlns: REGISTER_NS });
  const x = query.c('x', { xmlns: 'jabber:x:data', type });
  for (const [name, text] of values) x.c('field', { var: name }).c('value').t(text);
  return query;
}

const brief = (decision: RegistrationDecision): string =>
  decision.t === 'error' ? `${decision.condition} ${decision.reason}` : decision.t;

t.test('who asks before login gets the fields, plain and as a form', async (t) => {
  const decision = decideBeforeAuth(fields([]), 'get', context);
  const payload = decision.t === 'form' ? decision.payload : '';
  t.match(payload, `<query xmlns='${REGISTER_NS}'><instructions>`);
  t.match(payload, '<username/><password/>');
  t.match(payload, `<x xmlns='jabber:x:data' type='form'>`);
  for (const name of ['FORM_TYPE', 'username', 'password']) t.match(payload, `var='${name}'`);
});

t.test('a new user is registered from plain fields or the form, with name and password prepared', async (t) => {
  const expected = { t: 'register', user: ann, password: 'pass IX' };
  const values: [string, string][] = [
    ['username', 'Ann'],
    ['password', 'pass \u2168'],
  ];
  t.same(decideBeforeAuth(fields(values), 'set', context), expected);
  t.same(decideBeforeAuth(form(values), 'set', context), expected);
  t.same(decideBeforeAuth(form([['FORM_TYPE', REGISTER_NS], ...values]), 'set', context), expected);
  t.same(decideBeforeAuth(fields([...values, ['email', 'ann@example.com']]), 'set', context), expected);
  const both = form(values);
  both.c('username').t('bob');
  t.same(decideBeforeAuth(both, 'set', context), expected, 'the form wins');
});

t.test('registrations that cannot be are refused, each with its error', async (t) => {
  const table: [query: Element, expected: string, changes?: Partial<RegistrationContext>][] = [
    [fields([]), 'not-acceptable username-malformed'],
    [fields([['username', 'ann']]), 'not-acceptable password-empty'],
    [fields([['password', 'pencil']]), 'not-acceptable username-malformed'],
    [
      fields([
        ['username', 'ann'],
        ['password', ''],
      ]),
      'not-acceptable password-empty',
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', 'abc'],
      ]),
      'not-acceptable password-short',
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', '🫠🫠🫠'],
      ]),
      'not-acceptable password-short',
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', 'x'.repeat(1025)],
      ]),
      'not-acceptable password-too-long',
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', 'abc\u200e'],
      ]),
      'not-acceptable password-prohibited',
    ],
    [
      fields([
        ['username', 'a b'],
        ['password', 'pencil'],
      ]),
      'not-acceptable username-malformed',
    ],
    [
      fields([
        ['username', 'ann@localhost'],
        ['password', 'pencil'],
      ]),
      'not-acceptable username-malformed',
    ],
    [
      fields([
        ['username', 'anon-1'],
        ['password', 'pencil'],
      ]),
      'not-acceptable username-reserved',
    ],
    [
      fields([
        ['username', 'x'.repeat(129)],
        ['password', 'pencil'],
      ]),
      'not-acceptable username-too-long',
    ],
    [
      fields([
        ['username', 'ann'],
        ['username', 'bob'],
        ['password', 'pencil'],
      ]),
      'bad-request field-twice',
    ],
    [
      form([
        ['username', 'ann'],
        ['password', 'a'],
        ['password', 'b'],
      ]),
      'bad-request field-twice',
    ],
    [
      form([
        ['FORM_TYPE', 'other'],
        ['username', 'ann'],
        ['password', 'pencil'],
      ]),
      'bad-request form-type',
    ],
    [
      form(
        [
          ['username', 'ann'],
          ['password', 'pencil'],
        ],
        'cancel',
      ),
      'not-acceptable form-not-submitted',
    ],
    [fields([['remove', '']]), 'unexpected-request remove-before-auth'],
    [
      fields([
        ['username', 'ann'],
        ['password', 'pencil'],
      ]),
      'not-allowed registration-closed',
      { open: false },
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', 'pencil'],
      ]),
      'not-acceptable registered-already',
      { registered: true },
    ],
  ];
  for (const [query, expected, changes] of table) {
    t.equal(brief(decideBeforeAuth(query, 'set', { ...context, ...changes })), expected);
  }
  t.equal(brief(decideBeforeAuth(fields([]), 'get', { ...context, open: false })), 'not-allowed registration-closed');
});

t.test('a registered user is told so, and the name is escaped', async (t) => {
  const decision = decideAuthenticated(fields([]), 'get', 'a]]>b@localhost', context);
  const payload = decision.t === 'form' ? decision.payload : '';
  t.match(payload, '<registered/>');
  t.match(payload, '<username>a]]&gt;b</username><password/>');
});

t.test('a user changes the own password, and no other', async (t) => {
  const changed = { t: 'change-password', user: ann, password: 'newer' };
  for (const username of ['ann', 'Ann', ann]) {
    const values: [string, string][] = [
      ['username', username],
      ['password', 'newer'],
    ];
    t.same(decideAuthenticated(fields(values), 'set', ann, context), changed, username);
    const submitted = form([['FORM_TYPE', `${REGISTER_NS}:changepassword`], ...values]);
    t.same(decideAuthenticated(submitted, 'set', ann, context), changed, username);
  }
  const table: [query: Element, expected: string, changes?: Partial<RegistrationContext>][] = [
    [
      fields([
        ['username', 'bob'],
        ['password', 'newer'],
      ]),
      'not-authorized account-of-another',
    ],
    [
      fields([
        ['username', 'bob@localhost'],
        ['password', 'newer'],
      ]),
      'not-authorized account-of-another',
    ],
    [
      fields([
        ['username', 'ann@elsewhere'],
        ['password', 'newer'],
      ]),
      'not-authorized account-of-another',
    ],
    [
      fields([
        ['username', 'ann@localhost/x'],
        ['password', 'newer'],
      ]),
      'not-authorized account-of-another',
    ],
    [fields([['username', 'ann']]), 'bad-request incomplete'],
    [
      fields([
        ['username', 'ann'],
        ['password', ''],
      ]),
      'bad-request incomplete',
    ],
    [fields([['password', 'newer']]), 'bad-request incomplete'],
    [
      fields([
        ['username', 'ann'],
        ['password', 'abc'],
      ]),
      'not-acceptable password-short',
    ],
    [
      fields([
        ['username', 'ann'],
        ['password', 'newer'],
      ]),
      'not-authorized channel-insecure',
      { secure: false },
    ],
  ];
  for (const [query, expected, changes] of table) {
    t.equal(brief(decideAuthenticated(query, 'set', ann, { ...context, ...changes })), expected);
  }
  const closed = { ...context, open: false };
  t.same(
    decideAuthenticated(
      fields([
        ['username', 'ann'],
        ['password', 'newer'],
      ]),
      'set',
      ann,
      closed,
    ),
    changed,
  );
});

t.test('a user removes the own account, with nothing else in the request', async (t) => {
  t.same(decideAuthenticated(fields([['remove', '']]), 'set', ann, context), { t: 'remove', user: ann });
  const both = fields([
    ['remove', ''],
    ['username', 'bob'],
  ]);
  t.equal(brief(decideAuthenticated(both, 'set', ann, context)), 'bad-request remove-not-alone');
});

t.test('what the caller finds out has its error too', async (t) => {
  t.equal(brief(registrationErrors.conflict), 'conflict username-taken');
  t.equal(brief(registrationErrors.rate), 'resource-constraint registration-rate');
  t.equal(brief(registrationErrors.busy), 'resource-constraint derivations-busy');
  t.equal(brief(registrationErrors.unknown), 'registration-required account-unknown');
});
