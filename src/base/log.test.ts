import { Writable } from 'node:stream';
import t from 'tap';
import { createLog, type LogOptions, silentLog } from './log.ts';

function recorded(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLog({ level: 'info', format: 'json', ...options }, destination);
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

t.test('a JSON line has level, time, message and fields; children add ids', async (t) => {
  const { log, records } = recorded();
  log.child({ streamId: 's1' }).warn({ user: 'alice@localhost' }, 'stream detached');
  const [line] = records();
  t.match(line, { level: 'warn', streamId: 's1', user: 'alice@localhost', msg: 'stream detached' });
  t.match(line?.['time'], /^\d{4}-\d\d-\d\dT/);
  t.notOk('pid' in line! || 'hostname' in line!);
});

t.test('lines below the level are not written', async (t) => {
  const { log, lines } = recorded({ level: 'warn' });
  log.info('no');
  log.error('yes');
  t.equal(lines.length, 1);
});

t.test('secrets and what people write never appear, at the top, one below, and in a child', async (t) => {
  const { log, lines } = recorded();
  const fields = { password: 'hunter2', body: 'hunter2', login: { storedKey: 'hunter2', user: 'alice' }, kept: 1 };
  log.info(fields, 'login');
  log.child({ token: 'hunter2' }).info('child');
  t.notMatch(lines.join(''), 'hunter2');
  t.match(lines[0], '"kept":1');
  t.match(lines[0], '"user":"alice"');
  t.equal(fields.password, 'hunter2', 'the caller keeps its object');
});

t.test('an error is logged with its stack and code', async (t) => {
  const { log, records } = recorded();
  log.error({ err: Object.assign(new Error('disk'), { code: 'EIO' }) }, 'append failed');
  t.match(records()[0], { err: { message: 'disk', code: 'EIO', stack: /log\.test/ } });
});

t.test('pretty lines are for people', async (t) => {
  const { log, lines } = recorded({ format: 'pretty' });
  log.info({ port: 5280 }, 'listening');
  while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.match(lines.join(''), /INFO: listening/);
  t.throws(() => JSON.parse(lines[0]!));
});

t.test('a silent log takes everything', async () => {
  silentLog().fatal('nothing');
});
