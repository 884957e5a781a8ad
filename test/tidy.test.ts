import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { VERSION } from '../src/version.ts';

/**
 * The house rules that a machine can check, as a scan of the text. Each complaint names what to do instead. What a rule
 * lets pass is listed by name, with the reason.
 */
// From the working directory: the compiled test lies deeper than its source.
const ROOT = process.cwd();

interface Source {
  readonly path: string;
  readonly text: string;
  /** with comments blanked out, lines kept */
  readonly code: string;
  readonly lines: number;
}

function filesIn(folder: string, ends: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ends))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort();
}

function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replace(/[^\n]/g, ' ');
  return text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/[^\n]*/g, blank);
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const sources: readonly Source[] = ['src', 'test', 'bench'].flatMap((folder) =>
  filesIn(folder, '.ts').map((path) => {
    const text = read(path);
    return { path, text, code: withoutComments(text), lines: text.split('\n').length - 1 };
  }),
);
const isTest = (path: string): boolean => /\.(test|fixture)\.ts$/.test(path) || path === TEST_HELPER;
const TEST_HELPER = 'src/storage/tmpfs-for-tests.ts';
const production = sources.filter(({ path }) => path.startsWith('src/') && !isTest(path));

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

function importsOf({ code }: Source): Import[] {
  const found = code.matchAll(/\b(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g);
  return [...found].map((match) => ({
    from: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined || match[3] !== undefined,
  }));
}

/** `src/actors/chat.ts` imports `../xmpp/jid.ts` → `xmpp`; a file right under src is its own room, `.`. */
function roomOf(path: string): string {
  const [, room = '', ...rest] = path.split('/');
  return rest.length === 0 ? '.' : room;
}

function complain(t: Test, complaints: readonly string[]): void {
  t.same(complaints, []);
}

/** DESIGN: base → nothing of ours; xmpp, cluster, storage → base; and so on. Types of `interfaces` may be named too. */
const ROOMS: Readonly<Record<string, { readonly code: readonly string[]; readonly interfaces?: readonly string[] }>> = {
  base: { code: [] },
  xmpp: { code: ['base'] },
  cluster: { code: ['base'] },
  storage: { code: ['base'] },
  transport: { code: ['base', 'xmpp'] },
  actors: { code: ['base', 'xmpp', 'cluster'], interfaces: ['storage', 'transport'] },
  http: { code: ['base', 'actors'] },
};

t.test('every room imports only what it may', async (t) => {
  const complaints: string[] = [];
  for (const source of production) {
    const room = roomOf(source.path);
    const may = ROOMS[room];
    if (may === undefined) continue;
    for (const { from, typeOnly } of importsOf(source)) {
      if (!from.startsWith('.')) continue;
      const target = roomOf(join(source.path, '..', from));
      if (target === room || may.code.includes(target) || (typeOnly && may.interfaces?.includes(target))) continue;
      const allowed = [...may.code, ...(may.interfaces ?? []).map((one) => `types of ${one}`)].join(', ') || 'nothing';
      complaints.push(`${source.path}: imports ${from}; src/${room} may import ${allowed}: take it as an argument`);
    }
  }
  complain(t, complaints);
});

t.test('a package is imported where it lives', async (t) => {
  const homes: readonly [name: RegExp, home: RegExp, instead: string][] = [
    [/^nact$/, /^src\/actors\/spawn\.ts$/, 'src/actors/spawn.ts'],
    [/^ws$/, /^src\/transport\//, 'src/transport, behind ConnPort'],
    [/^@nats-io\//, /^src\/(transport|cluster-nats)\//, 'the bus of src/transport'],
    [/^@nxtedition\/rocksdb$/, /^src\/storage\//, 'the LogStore of src/storage'],
    [/^msgpackr$/, /^src\/(storage|transport)\//, 'the codec of src/storage or src/transport'],
    [/^@aws-sdk\//, /^src\/http\/file-store-s3\.ts$/, 'the FileStore of src/http'],
    [/^pino/, /^src\/base\/log\.ts$/, 'createLog of src/base/log.ts'],
    [/^prom-client$/, /^src\/base\/metrics\.ts$/, 'Metrics of src/base/metrics.ts'],
  ];
  const complaints: string[] = [];
  for (const source of production) {
    for (const { from } of importsOf(source)) {
      for (const [name, home, instead] of homes) {
        if (name.test(from) && !home.test(source.path))
          complaints.push(`${source.path}: imports ${from}; use ${instead}`);
      }
    }
  }
  complain(t, complaints);
});

const PURE =
  /^src\/(xmpp\/|cluster\/|actors\/(session-|chat-|group-|dedupe|turn|keys|messages|calls)|[a-z]+\/[a-z0-9-]*-state\.ts$)/;

/** Pure but for this, and why. */
const IMPURE: Readonly<Record<string, string>> = {
  'src/xmpp/credentials.ts node:util': 'promisify for systemPbkdf2, the one function that node.ts hands in as a Pbkdf2',
};

const BANNED_IMPORTS =
  /^(nact|ws|nats|@nats-io\/.*|@nxtedition\/rocksdb|(node:)?(fs|fs\/promises|net|tls|http|https|dns|dgram|timers|timers\/promises|worker_threads|child_process|cluster|os|process|perf_hooks|util))$/;

const BANNED_CODE: readonly [found: RegExp, instead: string][] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/, 'time as an argument (`now`)'],
  [/\bMath\.random\b|\brandomUUID\b|\brandomFill/, 'randomness as an argument (Random, newId)'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bprocess\.nextTick\b/, 'an effect that the shell runs'],
  [/\bprocess\.(env|hrtime|memoryUsage|cwd)\b/, 'an option'],
  [/\bawait\b/, 'an effect and the message that brings its result'],
];

t.test('what decides is pure: no I/O, no clock, no chance, no timers', async (t) => {
  const complaints: string[] = [];
  for (const source of production) {
    if (!PURE.test(source.path)) continue;
    for (const { from } of importsOf(source)) {
      if (BANNED_IMPORTS.test(from) && IMPURE[`${source.path} ${from}`] === undefined)
        complaints.push(`${source.path}: imports ${from}; decide here, act in the shell`);
    }
    for (const [found, instead] of BANNED_CODE) {
      const [what] = found.exec(source.code) ?? [];
      if (what !== undefined && !AWAITS.has(`${source.path} ${what}`))
        complaints.push(`${source.path}: ${what}; take ${instead}`);
    }
  }
  complain(t, complaints);
});

/** Where a promise is the interface: PBKDF2 runs on the thread pool. */
const AWAITS: ReadonlySet<string> = new Set(['src/xmpp/credentials.ts await']);

t.test('a file can be read in one go', async (t) => {
  const complaints = sources
    .filter(({ lines }) => lines > 400)
    .map(({ path, lines }) => `${path}: ${lines} lines; split it by what its parts know, 400 is the most`);
  complain(t, complaints);
});

t.test('nothing is left lying about', async (t) => {
  const rules: readonly [found: RegExp, where: RegExp, why: string][] = [
    [/\bcatch\s*(\([^)]*\))?\s*\{\s*\}/, /./, 'an empty catch; answer the error, or say in a comment why it is none'],
    [/\bconsole\./, /^src\/(?!cli\/)/, 'console; use the Log that was handed in'],
    [/\bdebugger\b/, /./, 'debugger; take it out'],
    [/\bt\.only\(|\bonly: true/, /\.test\.ts$/, 'a test that runs alone; take `only` out'],
    [/\b(enum|namespace)\s+\w+\s*\{/, /./, 'an enum or namespace; use a union of literals'],
  ];
  const complaints: string[] = [];
  for (const { path, text, code } of sources) {
    for (const [found, where, why] of rules) {
      const subject = why.startsWith('an empty catch') ? text : code;
      if (where.test(path) && found.test(subject) && path !== SELF) complaints.push(`${path}: ${why}`);
    }
    if (
      new RegExp(`\\b(${['TO', 'FIX', 'X'].map((start, i) => start + ['DO', 'ME', 'XX'][i]).join('|')})\\b`).test(text)
    )
      complaints.push(`${path}: a note to do something; do it, or open an issue`);
  }
  complain(t, complaints);
});

const SELF = 'test/tidy.test.ts';

t.test('every extension has its test beside it, and is listed in src/xmpp/index.ts', async (t) => {
  const index = read('src/xmpp/index.ts');
  const tests = new Set(filesIn('src/xmpp', '.test.ts'));
  const complaints: string[] = [];
  for (const { path, text } of production) {
    const name = /^src\/xmpp\/(xep\d{4}-[a-z0-9-]+)\.ts$/.exec(path)?.[1];
    if (name === undefined) continue;
    if (!tests.has(`src/xmpp/${name}.test.ts`)) complaints.push(`${path}: write ${name}.test.ts beside it`);
    if (!index.includes(`'./${name}.ts'`)) complaints.push(`${path}: list its module in src/xmpp/index.ts`);
    const number = name.slice(3, 7);
    if (!text.includes(`XEP-${number}`)) complaints.push(`${path}: name XEP-${number}, its title and URL in its spec`);
  }
  complain(t, complaints);
});

t.test('the version is that of package.json', async (t) => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  t.equal(VERSION, version, 'change src/version.ts and package.json together');
});

/** One word an idea (docs/glossary.md): the word, and what it is called here. */
const WORDS: readonly [other: RegExp, ours: string][] = [
  [/\bpartition(s|ed|ing)?\b/i, 'shard (for a split network: netsplit)'],
  [/\bmaster\b|\bslaves?\b/i, 'leader, follower'],
  [/\bwhite-?list|\bblack-?list/i, 'allowed, refused'],
  [/\bgrain(s)?\b|\bvirtual actor/i, 'entity'],
  [/\bwrite-ahead log\b|\bWAL\b/, 'journal (RocksDB keeps its own log)'],
  [/\bmailing ?box\b|\binbox queue\b/i, 'mailbox'],
  [/\bterm number\b|\bgeneration number\b/i, 'epoch'],
  [/\bmessage ?sequence number\b|\bmsgSeq\b/, 'chatSeq or inboxSeq'],
  [/\bwatermark offset\b|\bhigh-?water ?mark\b/i, 'commit index, or cursor'],
];

/** Words of others, or of the trade, that are right where they stand. */
const FOREIGN: readonly [path: RegExp, word: RegExp, why: string][] = [
  [/^docs\/glossary\.md$/, /partition/i, 'the glossary says what a shard is'],
  [/^src\/http\/web-client-page\.ts$/, /blacklist/i, 'the name of a setting of Converse.js'],
  [/^(src\/(xmpp|actors)|test\/(stanzas|harness)|docs)\//, /^whitelist$/, 'an access model of XEP-0060'],
  [/^(src\/storage\/|test\/|docs\/decisions\/0001)/, /WAL|write-ahead/i, "RocksDB's own log"],
  [/^bench\/peers\//, /./, 'configuration files of other servers'],
];

t.test('one idea has one word', async (t) => {
  const texts = [...sources, ...filesIn('docs', '.md').map((path) => ({ path, text: read(path) }))];
  const complaints: string[] = [];
  for (const { path, text } of texts) {
    if (path === SELF) continue;
    for (const [other, ours] of WORDS) {
      const [found] = other.exec(text) ?? [];
      if (found === undefined) continue;
      if (FOREIGN.some(([where, word]) => where.test(path) && word.test(found))) continue;
      complaints.push(`${path}: "${found}"; the word here is ${ours}`);
    }
  }
  complain(t, complaints);
});

t.test('decisions are listed, and numbered without a gap', async (t) => {
  const files = filesIn('docs/decisions', '.md').map((path) => path.slice('docs/decisions/'.length));
  const index = read('docs/decisions/README.md');
  const decisions = files.filter((name) => name !== 'README.md');
  for (const [i, name] of decisions.entries()) {
    t.ok(name.startsWith(String(i + 1).padStart(4, '0')), `${name} has number ${i + 1}`);
    t.ok(index.includes(`(${name})`), `list ${name} in docs/decisions/README.md`);
  }
});
