import t from 'tap';
import { ROOM_CARD_MAX, type RoomCard, roomCard } from './xep0486-muc-avatars.ts';
import { parseChecked } from './xml.ts';

const read = (inner: string): ReturnType<typeof roomCard> =>
  roomCard(parseChecked(`<vCard xmlns='vcard-temp'>${inner}</vCard>`).el);
const hashes = (inner: string): readonly string[] | undefined => (read(inner) as RoomCard | undefined)?.hashes;
const photo = (binval: string): string => `<PHOTO><TYPE>image/png</TYPE><BINVAL>${binval}</BINVAL></PHOTO>`;

t.test('each photo has its hash, an empty vCard is none', async (t) => {
  t.equal(read(''), undefined);
  t.equal(read(' \n'), undefined);
  t.same(hashes('<FN>Orchard</FN>'), []);
  const abc = 'a9993e364706816aba3e25717850c26c9cd0d89d';
  t.same(hashes(photo('YWJj')), [abc]);
  t.same(hashes(photo('YW\n Jj') + photo('no base64!') + photo('') + photo('YQ==')), [
    abc,
    '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8',
  ]);
  t.equal(read(`<NOTE>${'x'.repeat(ROOM_CARD_MAX)}</NOTE>`), 'too large');
});
