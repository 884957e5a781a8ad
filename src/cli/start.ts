import type { Command } from 'commander';
import { EXIT } from '../base/errors.ts';
import type { Config, ConfigOverrides } from '../config.ts';
import { banner } from './banner.ts';
import { type CommonFlags, configOf, numberOrText, withCommonOptions } from './common-options.ts';
import { checkOwner } from './data-folder.ts';
import { type Io, tell } from './io.ts';
import { withProgress } from './progress.ts';

interface StartFlags extends CommonFlags {
  readonly host?: string;
  readonly port?: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly registration?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly profile?: string;
}

const EXAMPLES = `
Examples:
  rookery start                                       try it: http://127.0.0.1:5280/
  rookery start --port 0 --data-dir /tmp/try          any free port, another folder
  rookery start --host 0.0.0.0 --domain chat.example.org \\
                --tls-cert fullchain.pem --tls-key privkey.pem

Every setting, its unit and its reason is in cluster.config.ts; ROOKERY_* variables override it.
SIGINT or SIGTERM stops it: streams are told to reconnect, everything accepted is on disk. A second one forces.
Exit codes: 0 stopped, 1 failure, 2 faulty settings, 3 data folder refused, 4 cannot listen, 130 forced.`;

export function startCommand(program: Command, io: Io): void {
  withCommonOptions(program.command('start'))
    .description('start a node and serve until a signal comes')
    .option('--host <address>', 'address to listen on (or ROOKERY_HOST)')
    .option('-p, --port <number>', 'port of HTTP and WebSocket, 0 for a free one (or ROOKERY_PORT)', numberOrText)
    .option('--tls-cert <file>', 'certificate chain in PEM, for https and wss (or ROOKERY_TLS_CERT)')
    .option('--tls-key <file>', 'its private key in PEM (or ROOKERY_TLS_KEY)')
    .option('--registration <who>', 'who may make an account: loopback, everyone, closed (or ROOKERY_REGISTRATION)')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal, silent (or ROOKERY_LOG_LEVEL)')
    .option('--log-format <format>', 'auto, json, pretty (or ROOKERY_LOG_FORMAT)')
    .option('--profile <name>', 'default, or bench: no rate and login limits (or ROOKERY_PROFILE)')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StartFlags) => {
      const config = await configOf(io.env, flags, overridesOf(flags));
      await serve(io, config);
    });
}

/** What is not one of the allowed words is caught by the configuration, with all other faults. */
function overridesOf(flags: StartFlags): ConfigOverrides {
  return {
    profile: flags.profile,
    listen: { host: flags.host, port: flags.port, tlsCertFile: flags.tlsCert, tlsKeyFile: flags.tlsKey },
    registration: { open: flags.registration },
    log: { level: flags.logLevel, format: flags.logFormat },
  } as ConfigOverrides;
}

async function serve(io: Io, config: Config): Promise<void> {
  const stop = signalled(io);
  try {
    checkOwner(config.node.dataDir);
    const { startNode } = await io.loadNode();
    const doing = config.cluster.name === '' ? 'reading the log' : 'asking NATS and reading the log';
    const node = await withProgress(io, `starting: ${doing}`, startNode(config));
    for (const line of banner(config, node)) tell(io, line);
    await stop.asked;
    tell(io, 'stopping: streams are told to reconnect; once more to force');
    await withProgress(io, 'stopping: writing what was accepted', node.close());
    tell(io, 'stopped');
  } finally {
    stop.forget();
  }
}

/** Signals this close together, ms, are one: `npm start` passes on the Ctrl-C that the terminal has sent already. */
const ONE_SIGNAL_MS = 500;

/** The first signal asks for a stop, also while still starting; a later one ends the process at once. */
function signalled(io: Io): { readonly asked: Promise<void>; forget(): void } {
  let askedAtMs: number | undefined;
  let resolve = () => {};
  const asked = new Promise<void>((done) => {
    resolve = done;
  });
  const onSignal = () => {
    if (askedAtMs === undefined) {
      askedAtMs = io.monotonicMs();
      resolve();
    } else if (io.monotonicMs() - askedAtMs >= ONE_SIGNAL_MS) {
      tell(io, 'forced');
      io.exit(EXIT.forced);
    }
  };
  io.signals.on('SIGINT', onSignal);
  io.signals.on('SIGTERM', onSignal);
  return {
    asked,
    forget: () => {
      io.signals.off('SIGINT', onSignal);
      io.signals.off('SIGTERM', onSignal);
    },
  };
}
