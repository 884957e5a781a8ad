import { join, resolve } from 'node:path';
import type { Peer } from './peer.ts';

/** This server as `npm start` runs it, load limits lifted, durability and archive always on. Needs `npm run build`. */
export const rookery: Peer = {
  name: 'rookery',
  needs: resolve('dist/src/cli/rookery.js'),
  prepare(folder, port) {
    return {
      command: process.execPath,
      args: [
        '--max-semi-space-size=64',
        '--no-parallel-scavenge',
        '--no-concurrent-marking',
        '--initial-heap-size=600',
        this.needs,
        'start',
      ],
      env: {
        ROOKERY_DATA_DIR: join(folder, 'data'),
        ROOKERY_PORT: String(port),
        ROOKERY_DOMAIN: 'localhost',
        ROOKERY_PROFILE: 'bench',
      },
      url: `ws://127.0.0.1:${port}/xmpp-websocket`,
      domain: 'localhost',
    };
  },
};
