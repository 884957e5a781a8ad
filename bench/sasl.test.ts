import t from 'tap';
import { chooseMechanism, plain, scram, serverIsGenuine } from './sasl.ts';

t.test('SCRAM answers are those of the examples in RFC 5802 5 and RFC 7677 3', async (t) => {
  for (const example of [
    {
      mechanism: 'SCRAM-SHA-1',
      nonce: 'fyko+d2lbbFgONRv9qkxdawL',
      first: 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL',
      serverFirst: 'r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096',
      final: 'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
      serverFinal: 'v=rmF9pqV8S7suAoZWja4dJRkFsKQ=',
    },
    {
      mechanism: 'SCRAM-SHA-256',
      nonce: 'rOprNGfwEbeRWgbNEkqO',
      first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
      serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      final:
        'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    },
  ] as const) {
    const exchange = scram(example.mechanism, 'user', 'pencil', example.nonce);
    t.equal(exchange.first, example.first);
    const answer = await exchange.answer(example.serverFirst);
    t.equal(answer.message, example.final);
    t.ok(serverIsGenuine(answer, example.serverFinal));
    t.notOk(serverIsGenuine(answer, 'v=AAAA'));
    t.notOk(serverIsGenuine(answer, 'e=other-error'));
  }
});

t.test('a server that changes the nonce is refused', async (t) => {
  await t.rejects(scram('SCRAM-SHA-1', 'u', 'p', 'abc').answer('r=xyz,s=QSXCR+Q6sek8bf92,i=1'), /malformed/);
});

t.test('the strongest offered mechanism is chosen, or the one asked for', async (t) => {
  t.equal(chooseMechanism(['PLAIN', 'SCRAM-SHA-1', 'X'], 'auto'), 'SCRAM-SHA-1');
  t.equal(chooseMechanism(['PLAIN', 'SCRAM-SHA-1'], 'PLAIN'), 'PLAIN');
  t.throws(() => chooseMechanism(['PLAIN'], 'SCRAM-SHA-1'), /offers \[PLAIN\]/);
  t.equal(Buffer.from(plain('u', 'p'), 'base64').toString(), '\0u\0p');
});
