import t from 'tap';
import { brokenViews, type Seen, type Views } from './views.ts';

const A = 'a@localhost';
const B = 'b@localhost';

/** `a1 b1` in an archive are messages 1 of a and of b, `a1!` in what was sent is acknowledged. */
const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const jid = (word: string): string => (word.startsWith('a') ? A : B);

/** Streams are parted by `|`, a message with a delay stamp ends in `~`: `a1=1 a2=3 | a2=3~`. */
function seenOf(line: string): Seen[] {
  return line.split('|').flatMap((stream, at) =>
    words(stream).map((word) => {
      const [originId = '', id = ''] = word.replace('~', '').split('=');
      return { stream: at + 1, id: Number(id), originId, late: word.endsWith('~') };
    }),
  );
}

function views(sent: string, archiveOfA: string, archiveOfB: string, seenByB: string): Views {
  const archive = (line: string) =>
    words(line).map((originId, at) => {
      const to = jid(originId) === A ? B : A;
      return { id: String(at + 1), from: `${jid(originId)}/x`, to, originId, body: '' };
    });
  const messages = words(sent).map((word) => {
    const originId = word.replace('!', '');
    return { originId, from: jid(word), to: jid(word) === A ? B : A, acked: word.endsWith('!') };
  });
  return {
    sent: new Map([A, B].map((user) => [user, messages.filter(({ from }) => from === user)])),
    archives: new Map([
      [A, archive(archiveOfA)],
      [B, archive(archiveOfB)],
    ]),
    seen: new Map([[B, seenOf(seenByB)]]),
  };
}

const ALL = ['a1! b1! a2!', 'a1 b1 a2', 'a1 b1 a2'] as const;

for (const [title, sent, ofA, ofB, seen, faults] of [
  ['all views agree', ...ALL, 'a1=1 a2=3', []],
  ['a new stream shows again what it could not acknowledge', ...ALL, 'a1=1 a2=3 | a2=3~', []],
  ['a new stream goes on where the last one ended', ...ALL, 'a1=1 | a2=3', []],
  [
    'an archive lost an acknowledged message',
    'a1! a2!',
    'a1 a2',
    'a1',
    'a1=1',
    [/a2 was acknowledged and is lost/, /2 and 1/],
  ],
  ['an archive has a message twice', 'a1!', 'a1', 'a1 a1', 'a1=1 a1=2', [/a1 is 2 times/, /1 and 2/]],
  ['archives differ in order', 'a1! b1!', 'a1 b1', 'b1 a1', 'a1=2', [/different from 0/]],
  [
    'a message that was not acknowledged is there twice',
    'a1 a2!',
    'a1 a2 a1',
    'a1 a2 a1',
    'a1=1 a2=2 a1=3',
    [/2 times/, /2 times/, /out of order/],
  ],
  ['a stream shows a message twice', ...ALL, 'a1=1 a1=1~ a2=3', [/was shown 1 \(a1\) after 1/]],
  [
    'a stream shows messages out of order',
    ...ALL,
    'a2=3 a1=1',
    [/was shown 1 \(a1\) after 3/, /shown 3 \(a2\).* not 1 before/],
  ],
  ['a new stream shows again what it calls live', ...ALL, 'a1=1 a2=3 | a2=3', [/again on stream 2, without a delay/]],
  ['a stream skips a message and brings it later', ...ALL, 'a2=3 | a1=1~ a2=3~', [/not 1 before it/]],
  ['a message is never shown', ...ALL, 'a1=1', [/never shown 1 messages, from 3 on/]],
  ['what is shown is not in the archive', 'a1! a2', 'a1', 'a1', 'a1=1 a2=2', [/was shown a2 as 2, which is undefined/]],
  ['one archive id stands for two messages', 'a1! a2', 'a1', 'a1', 'a2=1 | a1=1~', [/was shown a2 and a1 as 1/]],
] as const) {
  t.test(`the checker: ${title}`, async (t) => {
    const found = brokenViews(views(sent, ofA, ofB, seen));
    t.equal(found.length, faults.length, found.join('; '));
    for (const [at, fault] of faults.entries()) t.match(found[at], fault);
  });
}
