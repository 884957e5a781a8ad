import { CommanderError } from 'commander';
import t from 'tap';
import { clusterProgram } from './program.ts';

const silence = { writeOut: () => {}, writeErr: () => {} };

t.test('faulty options are refused before anything is started', async (t) => {
  for (const args of [
    ['nonsense'],
    ['cost', '--nodes', '1'],
    ['cost', '--users', '3'],
    ['scale', '--sizes', '3,many'],
    ['scale', '--sizes', '1,3'],
    ['failover', '--rounds', '0'],
    ['join', '--limit', '0'],
    ['drain', 'extra'],
  ]) {
    const root = clusterProgram().configureOutput(silence);
    for (const command of root.commands) command.configureOutput(silence);
    const error = await root.parseAsync(args, { from: 'user' }).catch((caught: unknown) => caught);
    t.ok(error instanceof CommanderError && error.exitCode !== 0, args.join(' '));
  }
});

t.test('every measurement explains itself with an example', async (t) => {
  for (const command of clusterProgram().commands) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    t.match(help, `npm run bench:cluster -- ${command.name()}`);
  }
});
