import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { requestTo } from './request.fixture.ts';
import { matches, StaticFiles } from './static-files.ts';

const big = 'a line of script\n'.repeat(1000);

function served(t: Test, cacheBytesMax = 1_000_000) {
  const folder = t.testdir({
    public: { 'app.js': big, 'page.css': 'x{}', sub: { 'logo.png': 'png' }, 'notes.txt': 'no', 'app.js.map': 'no' },
    'secret.js': 'no',
  });
  return new StaticFiles({ folder: `${folder}/public`, cacheBytesMax, skip: (name) => name === 'page.css' });
}

t.test('only files of known types that were there at start are served', async (t) => {
  const files = served(t);
  t.same(files.names, ['app.js', 'sub/logo.png']);
  const others = [
    '../secret.js',
    'sub/../../secret.js',
    '%2e%2e/secret.js',
    '/etc/passwd',
    'page.css',
    'notes.txt',
    '',
  ];
  for (const name of others) t.equal((await files.reply(name, requestTo('/'), '')).status, 404, name);
});

t.test('a file comes packed to those who take it, and with its type', async (t) => {
  const files = served(t);
  const table: [accept: string | undefined, packed: boolean][] = [
    ['gzip, deflate, br', true],
    ['GZIP', true],
    ['gzip;q=0.5', true],
    ['gzip;q=0', false],
    ['br', false],
    [undefined, false],
  ];
  for (const [accept, packed] of table) {
    const reply = await files.reply('app.js', requestTo('/', {}, { 'accept-encoding': accept }), 'max-age=1');
    t.equal(reply.headers?.['content-encoding'], packed ? 'gzip' : undefined, `${accept}`);
    t.equal((packed ? gunzipSync(reply.body as Buffer) : reply.body).toString(), big);
    t.match(reply.headers, {
      'content-type': /^text\/javascript/,
      'cache-control': 'max-age=1',
      vary: 'Accept-Encoding',
    });
  }
  const picture = await files.reply('sub/logo.png', requestTo('/', {}, { 'accept-encoding': 'gzip' }), '');
  t.match(picture, {
    headers: { 'content-type': 'image/png', 'content-encoding': undefined },
    body: Buffer.from('png'),
  });
});

t.test('who has it already is told so', async (t) => {
  const files = served(t);
  const { headers } = await files.reply('app.js', requestTo('/'), '');
  const again = await files.reply('app.js', requestTo('/', {}, { 'if-none-match': headers?.['etag'] }), '');
  t.match(again, { status: 304, body: '' });
  t.equal((await files.reply('app.js', requestTo('/', {}, { 'if-none-match': '"other"' }), '')).status, 200);
});

t.test('entity tags are compared weakly, in a list too', async (t) => {
  const table: [header: string | undefined, same: boolean][] = [
    [undefined, false],
    ['*', true],
    ['W/"a"', true],
    ['"a"', true],
    ['"b", W/"a"', true],
    ['"b"', false],
  ];
  for (const [header, same] of table) t.equal(matches(header, 'W/"a"'), same, `${header}`);
});

t.test('the memory kept is bounded; what does not fit is served all the same', async (t) => {
  const files = served(t, 1000);
  for (let i = 0; i < 2; i++) t.equal((await files.reply('app.js', requestTo('/'), '')).status, 200);
  t.equal(files.cacheBytes, 0);
  await files.reply('sub/logo.png', requestTo('/'), '');
  t.equal(files.cacheBytes, 3);
});
