import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { VERSION } from '../version.ts';
import { TestIo } from './io.fixture.ts';
import { run } from './run.ts';

t.test('each command has help with examples, on standard output', async (t) => {
  const commands = [
    [],
    ['start'],
    ['user', 'add'],
    ['user', 'passwd'],
    ['user', 'list'],
    ['user', 'remove'],
    ['status'],
    ['nodes'],
    ['shards'],
    ['drain'],
    ['transfer'],
    ['recover'],
  ];
  for (const command of commands) {
    const io = new TestIo();
    t.equal(await run([...command, '--help'], io), EXIT.ok);
    t.match(io.out, new RegExp(`^Usage: ${['rookery', ...command].join(' ')}`));
    t.match(io.out, /Examples:\n {2}\S/);
    t.equal(io.err, '');
  }
});

t.test('the version is told', async (t) => {
  const io = new TestIo();
  t.equal(await run(['--version'], io), EXIT.ok);
  t.equal(io.out, `${VERSION}\n`);
});

t.test('a wrong command line is one line, a hint and exit code 2', async (t) => {
  const table: [args: string[], message: RegExp][] = [
    [['strat'], /unknown command 'strat'\n\(Did you mean start\?\)/],
    [['user', 'ad', 'x'], /unknown command 'ad'/],
    [['user', 'add'], /missing required argument 'user'/],
    [['start', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [['status', 'x'], /too many arguments/],
    [['user', 'list', '--limit', '0'], /--limit must be a whole number from 1 to/],
    [['transfer', 'x', 'node-1'], /x is no number of a shard/],
    [['recover', '-1'], /-1 is no number of a shard/],
    [['shards', '--state', 'ill'], /--state must be one of healthy, short/],
  ];
  for (const [args, message] of table) {
    const io = new TestIo();
    t.equal(await run(args, io), EXIT.usage, args.join(' '));
    t.match(io.err, message);
    t.equal(io.out, '');
  }
});
