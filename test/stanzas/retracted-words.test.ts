import t from 'tap';
import { packedWords, wordHash } from '../../src/base/words.ts';
import { textIn } from '../../src/storage/rocks-text.fixture.ts';
import { bucketOf, SPAN, SpanWords } from '../../src/xmpp/fulltext-rows.ts';
import { chatHash } from '../../src/xmpp/fulltext-scan.ts';
import type { Client } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { administer, create, groupchat, roomJid } from '../harness/rooms.ts';

/** Hashes of what is taken back (XEP-0424, XEP-0425) leave the disk: inboxes, rows of the index, and the journal. */
const node = await startTestNode(t);
const room = roomJid('orchard');
const NS = 'urn:xmpp:message-retract:1';

const chat = (id: string, inner: string): string =>
  `<message xmlns='jabber:client' to='juliet@localhost' type='chat' id='${id}'>${inner}</message>`;
const retraction = (id: string): string => `<retract xmlns='${NS}' id='${id}'/>`;
const body = (words: string): string => `<body>${words}</body>`;

/** How a row begins in which one message has this word and nothing else is: with where in it words end. */
function beginOf(word: string): string {
  const words = new SpanWords();
  words.add(0, packedWords(word, 1));
  const row = words.rows().get(bucketOf(wordHash(word))) as Uint8Array;
  return Buffer.from(row.subarray(0, -2)).toString('latin1');
}

/** Pairs of words whose rows have no other word in them: so a row can be told in the bytes of a database. */
const pairs = ((): (readonly [string, string])[] => {
  const used = new Set<number | string>(['filler', ...'orchard'].map((word) => bucketOf(wordHash(word))));
  for (const id of ['juliet@localhost/romeo@localhost', room]) used.add(bucketOf(chatHash(id)));
  const words: string[] = [];
  for (let i = 0; words.length < 12; i += 1) {
    const bucket = bucketOf(wordHash(`word${i}`));
    const begin = beginOf(`word${i}`);
    if (used.has(bucket) || used.has(begin)) continue;
    used.add(bucket).add(begin);
    words.push(`word${i}`);
  }
  return Array.from({ length: 6 }, (_, i) => [words[2 * i] as string, words[2 * i + 1] as string]);
})();
const [direct, inRoom, moderated, atOnce, stays, staysInRoom] = pairs.map((pair) => pair.join(' ')) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

/** How often pointers have both words, and how often a row begins as one of the first word alone. */
function occurrences(text: string, words: string): { pointers: number; rows: number } {
  const count = (part: string): number => text.split(part).length - 1;
  return { pointers: count(packedWords(words, 10)), rows: count(beginOf(words.split(' ')[0] as string)) };
}

async function fill(romeo: Client, count: number): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    romeo.send(...Array.from({ length: 100 }, (_, at) => chat(`filler-${i + at}`, body('filler'))));
    await romeo.sync();
  }
}

t.test('nothing of the words is in a value of the closed database', async (t) => {
  await node.users('juliet');
  const romeo = await node.online('romeo', 'orchard');
  await create(romeo, room, 'Romeo');
  await administer(romeo, room, `<item affiliation='member' jid='juliet@localhost'/>`);
  romeo.send(
    chat('direct', body(direct)),
    groupchat(room, inRoom, 'in-room'),
    groupchat(room, moderated),
    chat('stays', body(stays)),
    groupchat(room, staysInRoom),
  );
  await romeo.sync();
  // So that both have rows, whatever their lag.
  await fill(romeo, 2 * SPAN + 100);
  await node.settle(romeo);
  await node.restart();
  const again = await node.login('romeo', 'again');
  again.send(
    `<presence xmlns='jabber:client' to='${room}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>`,
  );
  await again.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);

  again.send(
    chat('r1', retraction('direct')),
    `<message xmlns='jabber:client' to='${room}' type='groupchat' id='r2'>${retraction('in-room')}</message>`,
    chat('at-once', body(atOnce)),
    chat('r3', retraction('at-once')),
  );
  const moderation = `<moderate xmlns='urn:xmpp:message-moderate:1' id='2'><retract xmlns='${NS}'/></moderate>`;
  t.equal((await again.iq('set', moderation, room)).attrs['type'], 'result');
  await node.settle(again);
  await node.node.close();
  const text = await textIn(node.folder);
  for (const words of [stays, staysInRoom])
    t.match(occurrences(text, words), { pointers: words === stays ? 2 : 3, rows: 2 }, `${words} of both users`);
  for (const words of [direct, inRoom, moderated, atOnce])
    t.same(occurrences(text, words), { pointers: 0, rows: 0 }, words);
});
