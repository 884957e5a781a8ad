import t from 'tap';
import * as ws from 'ws';
import { textFrames } from './flusher.ts';

// ws exports it; its types do not say so.
const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean }) => import('node:stream').Writable;
};

/** What a WebSocket client reads out of the bytes. */
async function read(bytes: Buffer): Promise<string[]> {
  const receiver = new Receiver({ isServer: false });
  const got: string[] = [];
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) got.push(data.toString());
  });
  await new Promise<void>((resolve, reject) => {
    receiver.on('error', reject);
    receiver.write(bytes, () => resolve());
  });
  // ws hands over one message a loop turn
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  return got;
}

const cases: readonly (readonly [string, readonly string[]])[] = [
  ['one short frame', ['<a/>']],
  ['an empty frame', ['']],
  ['several frames', ['<a/>', '<b/>', 'c'.repeat(300)]],
  ['125, 126 and 127 bytes', ['x'.repeat(125), 'x'.repeat(126), 'x'.repeat(127)]],
  ['65,535 and 65,536 bytes', ['x'.repeat(65_535), 'x'.repeat(65_536)]],
  [
    'text that grows over a header size in UTF-8',
    ['é'.repeat(100), '€'.repeat(125), '😀'.repeat(63), '€'.repeat(30_000)],
  ],
  ['more than the scratch buffer', ['y'.repeat(200_000), '€'.repeat(100_000)]],
];

for (const [name, frames] of cases) {
  t.test(`a client reads ${name} as it was sent`, async (t) => {
    t.same(await read(textFrames(frames)), frames);
  });
}
