import { Command } from 'commander';
import type { CommonOptions } from './context.ts';
import { loadOptions, patternOptions, resultOptions, scenario, serverOptions, whole } from './options.ts';
import { runScenario } from './run.ts';
import { type ConnectOptions, connect } from './scenarios/connect.ts';
import { type FanoutOptions, fanout } from './scenarios/fanout.ts';
import { type HistoryOptions, history } from './scenarios/history.ts';
import { type IdleOptions, idle } from './scenarios/idle.ts';
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

function fanoutCommand(): Command {
  const command = scenario('fanout', 'group messages (XEP-0045): every member gets each, against a bare `ws` fan-out', [
    '--groups 20 --members 10 --pin',
    '--groups 1 --members 500 --speaking 5 --muc-host rooms.example.org',
  ]);
  return loadOptions(serverOptions(command))
    .option('--groups <n>', 'groups', whole(1, 5_000), 20)
    .option('--members <n>', 'members of each group', whole(1, 10_000), 10)
    .option('--speaking <n>', 'members of each group that send', whole(1, 1_000), 2)
    .option('--outstanding <n>', 'messages each speaking member keeps under way', whole(1, 1_000), 1)
    .option('--muc-host <name>', 'where rooms live (default: conference.<domain>)')
    .option('--no-relay', 'do not measure the bare fan-out before and after')
    .action((options: CommonOptions & FanoutOptions) => runScenario('fanout', options, fanout));
}

function idleCommand(): Command {
  const command = scenario('idle', 'memory of the server per logged-in idle session', [
    '--sessions 10000 --sources 4',
    '--sessions 19000 --sources 8 --spawn "npm start" --out /tmp/idle',
  ]);
  return serverOptions(command)
    .option('--sessions <n>', 'sessions, one an account', whole(1, 200_000), 1_000)
    .option('--settle <seconds>', 'quiet time before memory is read', whole(0, 600), 10)
    .option('--hold <seconds>', 'how long the idle sessions are watched', whole(0, 3_600), 10)
    .action((options: CommonOptions & IdleOptions) => runScenario('idle', options, idle));
}

function connectCommand(): Command {
  const command = scenario('connect', 'logins and stream resumptions: rate, and CPU of the server for each', [
    '--users 200 --parallel 20 --auth SCRAM-SHA-1 --pin',
    '--no-resume --auth PLAIN',
  ]);
  return serverOptions(command)
    .option('--users <n>', 'accounts that log in in turn', whole(1, 20_000), 200)
    .option('--parallel <n>', 'logins under way at once', whole(1, 1_000), 20)
    .option('--duration <seconds>', 'length of each phase', whole(1, 3_600), 10)
    .option('--no-resume', 'leave the resumptions out')
    .action((options: CommonOptions & ConnectOptions) => runScenario('connect', options, connect));
}

function historyCommand(): Command {
  const command = scenario(
    'history',
    'the archive by pages (XEP-0313), from the newest and from the middle backwards',
    [
      '--messages 10000 --pin',
      '--messages 1000000 --prefix million --out /tmp/history',
      '--skip-load --prefix million',
    ],
  );
  return serverOptions(command)
    .option('--messages <n>', 'messages sent first, to fill the archive', whole(1, 10_000_000), 10_000)
    .option('--page <n>', 'messages a page', whole(1, 1_000), 50)
    .option('--body <bytes>', 'length of a message body', whole(23, 200_000), 100)
    .option('--duration <seconds>', 'length of each reading phase', whole(1, 3_600), 10)
    .option('--skip-load', 'the archive is full from an earlier run with the same --prefix', false)
    .action((options: CommonOptions & HistoryOptions) => runScenario('history', options, history));
}

const commands = [pairsCommand, fanoutCommand, idleCommand, connectCommand, historyCommand, relayCommand];

/** The whole command line. Faulty options throw a CommanderError, which main turns into exit code 2. */
export function program(): Command {
  const root = new Command('bench')
    .description('Drives load at any XMPP server that speaks WebSocket (RFC 7395) and reports what it cost.')
    .helpCommand(false);
  for (const make of commands) root.addCommand(make().exitOverride().showHelpAfterError('(--help shows the options)'));
  return root.exitOverride().showHelpAfterError('(--help shows the scenarios)');
}
