import t from 'tap';
import { brokenPromises, type Observed } from './ledger.ts';

const A = 'a@localhost';
const B = 'b@localhost';

/** `a1 b1` in an archive are messages 1 of a and of b; `a1!` in what was sent is acknowledged. */
function observed(sent: string, archiveOfA: string, archiveOfB: string, shownToB = ''): Observed {
  const words = (line: string) => line.split(' ').filter((word) => word !== '');
  const jid = (word: string) => (word.startsWith('a') ? A : B);
  const archive = (line: string) =>
    words(line).map((word, at) => {
      const [originId = '', id = String(at + 1)] = word.split('=');
      const from = `${jid(originId)}/x`;
      return { id, from, to: jid(originId) === A ? B : A, originId, body: '' };
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
    shown: new Map([[B, new Map(words(shownToB).map((word) => word.split('=').reverse() as [string, string]))]]),
  };
}

for (const [title, sent, ofA, ofB, shown, faults] of [
  ['everything is there', 'a1! b1! a2', 'a1 b1 a2', 'a1 b1 a2', 'a1=1 a2=3', 0],
  ['what was not acknowledged may be missing', 'a1! a2 a3!', 'a1 a3', 'a1 a3', '', 0],
  ['an acknowledged message is lost', 'a1! a2!', 'a1', 'a1', '', 2],
  ['an acknowledged message is lost to the receiver', 'a1! a2!', 'a1 a2', 'a1', '', 2],
  ['a message is doubled', 'a1! b1!', 'a1 a1 b1', 'a1 a1 b1', '', 2],
  ['an unacknowledged message is doubled for one', 'a1', 'a1 a1', 'a1', '', 2],
  ['the archives differ in order', 'a1! b1!', 'a1 b1', 'b1 a1', '', 1],
  ["a sender's messages are out of order", 'a1! a2!', 'a2 a1', 'a2 a1', '', 1],
  ['an archive id is missing', 'a1! a2!', 'a1 a2=3', 'a1 a2', '', 1],
  ['a message came from nowhere', 'a1!', 'a1 a9', 'a1 a9', '', 3],
  ['something shown is not archived', 'a1! a2', 'a1', 'a1', 'a1=1 a2=2', 1],
  ['an id was given out twice', 'a1! a2 a3!', 'a1 a3', 'a1 a3', 'a2=2', 1],
] as const) {
  t.test(`the checker: ${title}`, async (t) => {
    const found = brokenPromises(observed(sent, ofA, ofB, shown));
    t.equal(found.length, faults, found.join('; '));
  });
}

/** `a1 b2=4 +` in the archive of a: `+` is an invitation; a's inbox has had `least` to `most` messages of groups. */
for (const [title, archive, least, most, invitations, faults] of [
  ['ids of groups are left out', 'a1 a2=3', 1, 1, 0, []],
  ['as many as may be', 'a1 a2=3', 0, 2, 0, []],
  ["an invitation is no one's message", 'a1 + a2', 0, 0, 1, []],
  ["a group's message is lost", 'a1 a2=3', 2, 3, 0, [/1 ids are not in the archive, groups' messages are 2 to 3/]],
  ["a group's message is there twice", 'a1 a2=5', 1, 2, 0, [/3 ids are not/]],
  ['an invitation is there twice', 'a1 + + a2', 0, 0, 1, [/2 invitations, not 1/]],
  ['an invitation is lost', 'a1 a2', 0, 0, 1, [/0 invitations, not 1/]],
  ['an id is there twice', 'a1=2 a2=2', 0, 9, 0, [/archive id 2 at place 2, behind 2/]],
] as const) {
  t.test(`the checker, with groups: ${title}`, async (t) => {
    const plain = observed('a1! a2!', 'a1 a2', 'a1 a2');
    const words = archive.split(' ');
    const ids = words.map((word, at) => word.split('=')[1] ?? String(at + 1));
    const ofA = words.map((word, at) => ({
      id: ids[at]!,
      from: word === '+' ? 'r@conference.localhost' : `${A}/x`,
      to: word === '+' ? A : B,
      originId: word === '+' ? undefined : word.split('=')[0],
      body: '',
    }));
    const archives = new Map([...plain.archives, [A, ofA] as const]);
    const groups = new Map([[A, { items: { min: least, max: most }, invitations }]]);
    const found = brokenPromises({ ...plain, archives, groups });
    t.equal(found.length, faults.length, found.join('; '));
    for (const [at, fault] of faults.entries()) t.match(found[at], fault);
  });
}
