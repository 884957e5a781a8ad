import t from 'tap';
import { keysOf, type ScramHash, systemPbkdf2, verifyProof } from './credentials.ts';
import {
  CLIENT_NONCE_CHARS_MAX,
  type ClientFinal,
  type ClientFirst,
  parseClientFinal,
  parseClientFirst,
} from './scram.ts';

const vectors: {
  title: string;
  hash: ScramHash;
  first: string;
  serverFirst: string;
  final: string;
  signature: string;
}[] = [
  {
    title: 'RFC 5802 5',
    hash: 'sha1',
    first: 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
    serverFirst: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
    final: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    signature: 'rmF9pqV8S7suAoZWja4dJRkFsKQ=',
  },
  {
    title: 'RFC 7677 3',
    hash: 'sha256',
    first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
    serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    final: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
  },
];

for (const { title, hash, first, serverFirst, final, signature } of vectors) {
  t.test(`the exchange of ${title} verifies and is signed`, async (t) => {
    const salt = Buffer.from(/s=([^,]+)/.exec(serverFirst)![1]!, 'base64');
    const derived = await systemPbkdf2({ password: 'pencil', salt, iterations: 4096, hash });
    const keys = keysOf(derived, salt, 4096, hash);
    const clientFirst = parseClientFirst(first) as ClientFirst;
    const clientFinal = parseClientFinal(final) as ClientFinal;
    t.equal(clientFirst.username, 'user');
    t.equal(clientFinal.channelBinding, clientFirst.gs2Header);
    const authMessage = `${clientFirst.bare},${serverFirst},${clientFinal.withoutProof}`;
    const verdict = verifyProof(keys, hash, authMessage, clientFinal.proof);
    t.equal(verdict.ok, true);
    t.equal(Buffer.from(verdict.serverSignature).toString('base64'), signature);
    t.equal(verifyProof(keys, hash, authMessage + ' ', clientFinal.proof).ok, false, 'another message');
    t.equal(verifyProof(keys, hash, authMessage, clientFinal.proof.subarray(1)).ok, false, 'a short proof');
    const proof = Uint8Array.from(clientFinal.proof);
    proof[0]! ^= 1;
    t.equal(verifyProof(keys, hash, authMessage, proof).ok, false, 'a flipped bit');
  });
}

t.test('client-first messages are read as RFC 5802 7 writes them', async (t) => {
  const table: [message: string, expected: Partial<ClientFirst>][] = [
    ['n,,n=user,r=abc', { gs2Header: 'n,,', authzid: undefined, username: 'user', nonce: 'abc', bare: 'n=user,r=abc' }],
    ['y,,n=user,r=abc', { gs2Header: 'y,,', bare: 'n=user,r=abc' }],
    ['n,a=user@localhost,n=user,r=abc', { gs2Header: 'n,a=user@localhost,', authzid: 'user@localhost' }],
    ['n,a=a=2Cb=3Dc,n=d=2Ce=3D2C,r=abc', { authzid: 'a,b=c', username: 'd,e=2C' }],
    ['n,,n=user,r=abc,x=ignored,y=too', { bare: 'n=user,r=abc,x=ignored,y=too' }],
    ['n,,n=Жук,r=~!#', { username: 'Жук', nonce: '~!#' }],
  ];
  for (const [message, expected] of table) t.match(parseClientFirst(message), expected, message);
});

t.test('client-first messages that break a rule are refused, each with its reason', async (t) => {
  const table: [message: string, fault: string][] = [
    ['', 'gs2-header'],
    ['n', 'gs2-header'],
    ['n=user,r=abc', 'gs2-header'],
    ['N,,n=user,r=abc', 'gs2-header'],
    ['n,b=x,n=user,r=abc', 'gs2-header'],
    ['p=tls-unique,,n=user,r=abc', 'channel-binding-not-supported'],
    ['p=,,n=user,r=abc', 'channel-binding-not-supported'],
    ['n,a=,n=user,r=abc', 'authzid-encoding'],
    ['n,a=x=2c,n=user,r=abc', 'authzid-encoding'],
    ['n,,m=ext,n=user,r=abc', 'extensions-not-supported'],
    ['n,,r=abc,n=user', 'username-missing'],
    ['n,,', 'username-missing'],
    ['n,,n=user', 'nonce-missing'],
    ['n,,n=user,x=1,r=abc', 'nonce-missing'],
    ['n,,n=,r=abc', 'username-encoding'],
    ['n,,n=a=b,r=abc', 'username-encoding'],
    ['n,,n=a=2,r=abc', 'username-encoding'],
    ['n,,n=a\0b,r=abc', 'username-encoding'],
    ['n,,n=user,r=', 'nonce-malformed'],
    ['n,,n=user,r=a b', 'nonce-malformed'],
    ['n,,n=user,r=é', 'nonce-malformed'],
    [`n,,n=user,r=${'x'.repeat(CLIENT_NONCE_CHARS_MAX + 1)}`, 'nonce-malformed'],
    ['n,,n=user,r=abc,', 'extension-malformed'],
    ['n,,n=user,r=abc,1=2', 'extension-malformed'],
    ['n,,n=user,r=abc,m=must', 'extension-malformed'],
  ];
  for (const [message, fault] of table)
    t.same(parseClientFirst(message), { fault }, JSON.stringify(message.slice(0, 60)));
});

t.test('client-final messages are read in their one order, and refused otherwise', async (t) => {
  const good = parseClientFinal('c=biws,r=abcdef,x=ignored,p=AAAA') as ClientFinal;
  t.match(good, { channelBinding: 'n,,', nonce: 'abcdef', withoutProof: 'c=biws,r=abcdef,x=ignored' });
  const table: [message: string, fault: string][] = [
    ['', 'channel-binding-missing'],
    ['r=abc,c=biws,p=AAAA', 'channel-binding-missing'],
    ['c=biws,p=AAAA,r=abc', 'nonce-missing'],
    ['c=biws,r=abc', 'proof-missing'],
    ['c=biws,r=abc,p=AAAA,x=1', 'proof-missing'],
    ['c=biws,r=abc,m=1,p=AAAA', 'extension-malformed'],
    ['c=,r=abc,p=AAAA', 'channel-binding-encoding'],
    ['c=biw,r=abc,p=AAAA', 'channel-binding-encoding'],
    ['c=biws,r=abc,p=', 'proof-encoding'],
    ['c=biws,r=abc,p=AAA', 'proof-encoding'],
    ['c=biws,r=abc,p=AA A', 'proof-encoding'],
    ['c=biws,r=abc,p=AAB=', 'proof-encoding'],
  ];
  for (const [message, fault] of table) t.same(parseClientFinal(message), { fault }, message);
});
