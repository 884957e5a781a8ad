import { CommanderError } from 'commander';
import t from 'tap';
import { fillCommand, parseUsers } from './accounts.ts';
import { urlOf } from './context.ts';
import { program } from './program.ts';

const silence = { writeOut: () => {}, writeErr: () => {} };

t.test('faulty options are refused before anything is started', async (t) => {
  for (const args of [
    ['nonsense'],
    ['pairs', '--users', '3'],
    ['pairs', '--users', 'many'],
    ['pairs', '--url', 'http://x/'],
    ['pairs', '--url', 'ws://x/,http://y/'],
    ['pairs', '--auth', 'MD5'],
    ['pairs', '--body', '5'],
    ['connect', '--unknown'],
    ['relay', 'extra'],
  ]) {
    const root = program().configureOutput(silence);
    for (const command of root.commands) command.configureOutput(silence);
    const error = await root.parseAsync(args, { from: 'user' }).catch((caught: unknown) => caught);
    t.ok(error instanceof CommanderError && error.exitCode !== 0, args.join(' '));
  }
});

t.test('every scenario explains itself with an example', async (t) => {
  for (const command of program().commands) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    t.match(help, `npm run bench -- ${command.name()}`);
  }
});

t.test('a users file lists accounts, with blank lines and comments', async (t) => {
  t.strictSame(parseUsers('# mine\nanna secret 1\n\nben:x:y\n'), [
    { user: 'anna', password: 'secret 1' },
    { user: 'ben', password: 'x:y' },
  ]);
  t.throws(() => parseUsers('anna\n'), /entry 1 has no password/);
});

t.test('the account command is filled with quoted values', async (t) => {
  t.equal(fillCommand('add {user} {password}', { user: 'a', password: "it's; rm" }), `add 'a' 'it'\\''s; rm'`);
});

t.test('with several addresses the two of a pair are never at the same one, and all are used alike', async (t) => {
  for (const nodes of [2, 3, 4, 6]) {
    const url = Array.from({ length: nodes }, (_, n) => `ws://n${n}/`).join(',');
    const at = Array.from({ length: nodes * 4 }, (_, i) => urlOf({ url }, i));
    t.ok(at.every((one, i) => one !== at[i ^ 1]));
    for (const one of url.split(',')) t.equal(at.filter((other) => other === one).length, 4);
  }
  t.equal(urlOf({ url: 'ws://one/' }, 7), 'ws://one/');
});
