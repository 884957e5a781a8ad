import { PassThrough } from 'node:stream';
import t from 'tap';
import { refuseUpgrade } from './refuse-upgrade.ts';

t.test('a refusal is a whole HTTP answer and ends the socket', async (t) => {
  const socket = new PassThrough();
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  refuseUpgrade(socket, 503, 'full', { 'retry-after': '5' });
  await new Promise((resolve) => socket.on('close', resolve));
  const [head, body] = Buffer.concat(received).toString().split('\r\n\r\n');
  t.equal(body, 'full\n');
  t.match(head, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  t.match(head, 'content-length: 5\r\n');
  t.match(head, 'retry-after: 5');
});
