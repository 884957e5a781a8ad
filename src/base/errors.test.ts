import t from 'tap';
import { codeOf, EXIT, ExitError, messageOf } from './errors.ts';

t.test('messageOf answers for errors and for anything else thrown', async (t) => {
  t.equal(messageOf(new Error('no')), 'no');
  t.equal(messageOf('text'), 'text');
  t.equal(messageOf(undefined), 'undefined');
});

t.test('codeOf finds the system code, also in a cause', async (t) => {
  const system = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
  t.equal(codeOf(system), 'EADDRINUSE');
  t.equal(codeOf(new Error('cannot listen', { cause: system })), 'EADDRINUSE');
  t.equal(codeOf(new Error('other')), undefined);
  t.equal(codeOf('EADDRINUSE'), undefined);
});

t.test('an exit error carries its code, and exit codes do not collide', async (t) => {
  t.equal(new ExitError('x', EXIT.usage).exitCode, 2);
  t.equal(new Set(Object.values(EXIT)).size, Object.values(EXIT).length);
});
