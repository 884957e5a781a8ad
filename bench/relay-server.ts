import { type WebSocket, WebSocketServer } from 'ws';

/**
 * The floor: the least a WebSocket server in Node can do with a chat message. Receives a frame and sends it on, to the
 * one peer (`/?n=5` is paired with `/?n=4`) or to all of a group, the sender too (`/?n=5&g=2`). No parsing, no disk.
 * Runs in a process of its own, tells its port on stdout, and ends when its parent is gone (stdin ends).
 */
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  handleProtocols: () => 'xmpp',
});
const peers = new Map<number, WebSocket>();
const groups = new Map<string, Set<WebSocket>>();

server.on('connection', (socket, request) => {
  const query = new URL(request.url ?? '/', 'http://relay').searchParams;
  const group = query.get('g');
  if (group !== null) join(socket, group);
  else pair(socket, Number(query.get('n')));
});

function pair(socket: WebSocket, n: number): void {
  peers.set(n, socket);
  socket.on('message', (data: Buffer) => peers.get(n ^ 1)?.send(data, { binary: false }));
  socket.on('close', () => peers.delete(n));
}

function join(socket: WebSocket, name: string): void {
  const group = groups.get(name) ?? new Set<WebSocket>();
  groups.set(name, group.add(socket));
  socket.on('message', (data: Buffer) => {
    for (const member of group) member.send(data, { binary: false });
  });
  socket.on('close', () => group.delete(socket));
}

server.on('listening', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
