import t from 'tap';
import { brokenRoom, inboxItems, type RoomObserved } from './room-ledger.ts';

const F = 'f@localhost';
const M = 'm@localhost';
const ROOM = 'r@conference.localhost';

interface Case {
  /** `f1 m1!`: message 1 of f and of m, acknowledged with a mark */
  readonly sent: string;
  /** archive of the founder and of the member; `f1=3`: under that id. undefined: not let in */
  readonly log: string;
  readonly read: string | undefined;
  /** visits of the member, parted by `|`; the last one ends in `.` when it is over */
  readonly shown?: string;
  /** memberships of m: `+0-0` given before f's first message, known before it; `-2-3` taken; `?` at the end: not known */
  readonly changes?: string;
}

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const jid = (word: string): string => (word.startsWith('f') ? F : M);

function archive(line: string, from: number) {
  return words(line).map((word, at) => {
    const [originId = '', id = String(from + at)] = word.split('=');
    return { id, from: `${ROOM}/${originId[0]}`, to: ROOM, originId, body: '' };
  });
}

function observed({ sent, log, read, shown = '', changes = '+0-0' }: Case): RoomObserved {
  const messages = words(sent).map((word) => {
    const originId = word.replace('!', '');
    return { originId, from: jid(word), to: ROOM, acked: word.endsWith('!') };
  });
  const [first = '', ...rest] = words(read ?? '');
  const from = Number(first.split('=')[1] ?? 1);
  const visits = words(shown.replaceAll('|', ' | ').replace('.', ' .')).join(' ').split('|');
  return {
    room: ROOM,
    founder: F,
    changes: words(changes).map((word) => {
      const [, sign, after, until] = /^([+-])(\d+)-(\d+|\?)$/.exec(word) ?? [];
      return { user: M, member: sign === '+', after: Number(after), until: until === '?' ? undefined : Number(until) };
    }),
    sent: new Map([F, M].map((user) => [user, messages.filter((one) => one.from === user)])),
    archives: new Map([
      [F, archive(log, 1)],
      [M, read === undefined ? undefined : archive([first.split('=')[0], ...rest].join(' '), from)],
    ]),
    visits: new Map([
      [
        M,
        visits.map((line, at) => ({
          shown: words(line.replace('.', '')).map((word) => {
            const [originId = '', id = ''] = word.split('=');
            return { id: Number(id), originId };
          }),
          open: at === visits.length - 1 && !line.includes('.'),
        })),
      ],
    ]),
  };
}

const ALL = { sent: 'f1! m1! f2!', log: 'f1 m1 f2', read: 'f1 m1 f2' };
const LATE = { sent: 'f1! f2! f3!', log: 'f1 f2 f3', changes: '+1-2' };
const GONE = { sent: 'f1! f2! f3!', log: 'f1 f2 f3', read: undefined, changes: '+0-0 -2-2' };

for (const [title, one, faults] of [
  ['everything is there', { ...ALL, shown: 'f1=1 m1=2 f2=3' }, []],
  ['a visit begins with some of the past', { ...ALL, shown: 'f1=1 m1=2 | m1=2 f2=3' }, []],
  ['an acknowledged message is lost', { ...ALL, log: 'f1 f2', read: 'f1 f2' }, [/m1 was acknowledged and is lost/]],
  [
    'a message is doubled',
    { ...ALL, log: 'f1 m1 f2 f1', read: 'f1 m1 f2 f1' },
    [/f1 is 2 times/, /f2 of .* out of order/],
  ],
  ['a chatSeq is left out', { ...ALL, log: 'f1 m1=3 f2=4', read: undefined }, [/id 3 at/, /id 4 at/, /may not read/]],
  ['a sender is out of order', { ...ALL, log: 'f2 m1 f1', read: 'f2 m1 f1' }, [/f2 of .* is out of order/]],
  ['a message came from nowhere', { ...ALL, log: 'f1 m1 f2 f9', read: 'f1 m1 f2 f9' }, [/f9 was never said/]],
  ['members read different orders', { ...ALL, read: 'm1 f1 f2' }, [/reads 3 messages from 1 on, not 3/]],
  ['a member reads less', { ...ALL, read: 'f1 m1' }, [/reads 2 messages from 1 on, not 3/]],
  ['who was added reads from there on', { ...LATE, read: 'f2=2 f3' }, []],
  ['who was added reads from there on, the later place', { ...LATE, read: 'f3=3' }, []],
  ['who was added reads what was before', { ...LATE, read: 'f1 f2 f3' }, [/reads from 1 on, but became/]],
  ['who was added misses what was after', { ...LATE, changes: '+1-1', read: 'f3=3' }, [/reads from 3 on, but became/]],
  ['nobody knows what a change became', { ...ALL, changes: '+0-?' }, [/nobody answered/]],
  ['who was taken out reads on', { ...GONE, read: 'f1 f2 f3' }, [/is no member and reads/]],
  ['who was taken out saw what was before', { ...GONE, shown: 'f1=1 f2=2.' }, []],
  ['who was taken out is shown more', { ...GONE, shown: 'f1=1 f2=2 f3=3.' }, [/shown 3 \(f3\), and was no member/]],
  ['a device is shown a message twice', { ...ALL, shown: 'f1=1 f1=1 m1=2 f2=3' }, [/shown 1 after 1/]],
  ['a device is not shown a message', { ...ALL, shown: 'f1=1 f2=3' }, [/shown 3 after 1/]],
  ['a device is not shown the last', { ...ALL, shown: 'f1=1 m1=2' }, [/shown 2 last, of 3/]],
  ['who has left is not shown the last', { ...ALL, shown: 'f1=1 m1=2.' }, []],
  ['a device is shown one for another', { ...ALL, shown: 'f1=1 m1=2 m1=3' }, [/shown m1 as 3, which is f2/]],
] as const) {
  t.test(`the checker: ${title}`, async (t) => {
    const found = brokenRoom(observed(one));
    t.equal(found.length, faults.length, found.join('; '));
    for (const [at, fault] of faults.entries()) t.match(found[at], fault);
  });
}

t.test('how many messages were for an inbox, as far as that can be told', async (t) => {
  t.same(inboxItems(observed(ALL), M), { min: 3, max: 3 });
  t.same(inboxItems(observed({ ...LATE, read: 'f2=2 f3' }), M), { min: 2, max: 2 });
  t.same(inboxItems(observed({ ...GONE, changes: '+0-0 -1-2' }), M), { min: 1, max: 2 });
});
