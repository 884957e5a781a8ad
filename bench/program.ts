import { Command } from 'commander';
import type { CommonOptions } from './context.ts';
import { patternOptions, resultOptions, scenario, serverOptions, whole } from './options.ts';
import { runScenario } from './run.ts';
import { type PairsOptions, pairs } from './scenarios/pairs.ts';
import { type Pattern, relay } from './scenarios/relay.ts';

function pairsCommand(): Command {
  const command = scenario('pairs', '1:1 messages: throughput, latency, CPU per delivered message, what went missing', [
    '--users 200 --outstanding 5 --pin',
    '--users 1000 --outstanding 1 --sm --duration 20 --out /tmp/pairs',
    '--rate 2000 --url ws://127.0.0.1:5443/ws --domain example.org --name ejabberd',
  ]);
  return patternOptions(serverOptions(command))
    .option('--sm', 'stream management: count acks, look for every acknowledged message in both archives', false)
    .option('--sm-every <n>', 'stanzas between two of our ack requests', whole(1, 10_000), 5)
    .option('--no-verify', 'with --sm: do not read the archives afterwards')
    .option('--no-relay', 'do not measure the relay before and after')
    .action((options: CommonOptions & PairsOptions) => runScenario('pairs', options, pairs));
}

function relayCommand(): Command {
  const command = scenario('relay', 'the floor: a bare `ws` relay in a child process, no XMPP', [
    '--users 200 --outstanding 5 --pin',
    '--users 1000 --outstanding 1',
  ]);
  return patternOptions(resultOptions(command)).action((options: CommonOptions & Pattern) =>
    runScenario('relay', options, relay, false),
  );
}

/** The whole command line. Faulty options throw a CommanderError, which main turns into exit code 2. */
export function program(): Command {
  const root = new Command('bench')
    .description('Drives load at any XMPP server that speaks WebSocket (RFC 7395) and reports what it cost.')
    .helpCommand(false);
  for (const command of [pairsCommand(), relayCommand()]) {
    root.addCommand(command.exitOverride());
  }
  return root.exitOverride().showHelpAfterError('(--help shows the options)');
}
