import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { saysNoPhoto, withPhotoHash } from './xep0153-vcard-avatars.ts';

const presence = (inner: string) => parse(`<presence>${inner}</presence>`);
const x = (inner: string): string => `<x xmlns='vcard-temp:x:update'>${inner}</x>`;

t.test('a client shows no photo when it says an empty one', async (t) => {
  t.ok(saysNoPhoto(presence(x('<photo/>'))));
  for (const inner of ['', x(''), x('<photo>abc</photo>'), `<x xmlns='urn:other'><photo/></x>`])
    t.notOk(saysNoPhoto(presence(inner)), inner);
});

t.test('a hash takes the place of what stood there, and nothing else', async (t) => {
  const hash = `<x xmlns="vcard-temp:x:update"><photo>abc</photo></x>`;
  t.equal(withPhotoHash(presence(''), 'abc'), hash);
  t.equal(
    withPhotoHash(presence(`${x('')}<show>dnd</show>${x('<photo>1</photo>')}`), 'abc'),
    `<show>dnd</show>${hash}`,
  );
  t.equal(withPhotoHash(presence(x('<photo>1</photo>')), ''), hash.replace('<photo>abc</photo>', '<photo/>'));
});
