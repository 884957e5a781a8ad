import { join } from 'node:path';
import t from 'tap';
import { silentLog } from './base/log.ts';
import { loadConfig } from './config.ts';
import { natsOptionsOf } from './node-nats.ts';
import { connectNats } from './transport/nats-link.ts';

t.test('what is set about NATS, with what the files hold', async (t) => {
  const folder = t.testdir({ ca: 'an authority', seed: 'SUA…\n' });
  const file = (name: string) => join(folder, name);
  t.same(await natsOptionsOf(loadConfig({})), { urls: ['nats://127.0.0.1:4222'] });
  const cluster = { natsUser: 'rookery', natsPassword: 'x', natsCaFile: file('ca'), natsNkeyFile: file('seed') };
  t.same(await natsOptionsOf(loadConfig({}, { cluster })), {
    urls: ['nats://127.0.0.1:4222'],
    user: 'rookery',
    password: 'x',
    nkey: 'SUA…',
    tls: { ca: 'an authority' },
  });
});

t.test('a file that cannot be read is one line with its setting and exit code 2', async (t) => {
  const missing = join(t.testdir({}), 'none');
  for (const setting of ['natsCaFile', 'natsCredsFile', 'natsNkeyFile']) {
    const config = loadConfig({}, { cluster: { [setting]: missing } });
    await t.rejects(natsOptionsOf(config), {
      exitCode: 2,
      message: new RegExp(`^cannot read cluster\\.${setting}: ENOENT[^\\n]*$`),
    });
  }
});

t.test('where no NATS is, the setting that leads there is named', async (t) => {
  // Nobody listens on the port of a multiplexer that went out of use.
  const nowhere = { urls: ['nats://127.0.0.1:1'], connectMsMax: 1 };
  await t.rejects(connectNats(nowhere, 'test', silentLog()), {
    name: 'NatsUnreachableError',
    message: /^no NATS server at nats:\/\/127\.0\.0\.1:1 within 1 ms .*: start one, or correct cluster\.natsUrls$/,
  });
});
