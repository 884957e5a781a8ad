import t from 'tap';
import type { SlotUrls } from '../xmpp/xep0363-http-upload.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect } from './session-types.ts';
import { createUploadPort, type SlotSource } from './upload-port.ts';

const URLS: SlotUrls = { put: 'p', get: 'g' };
const FILE = { name: 'a.png', bytes: 1, type: undefined };

function port(slot: SlotSource['slot']) {
  const faults: unknown[] = [];
  const source: SlotSource = {
    maxBytes: 7,
    quota: { quotaBytes: 8, windowMs: 9 },
    refusal: (bytes) => (bytes > 5 ? 'full' : undefined),
    slot,
    count: () => {},
  };
  const effects: SessionEffect[] = [];
  const session = { user: 'romeo@localhost', turn: { effects } } as unknown as SessionState;
  return { port: createUploadPort(source, (error) => faults.push(error)), session, effects, faults };
}

async function workOf([effect]: readonly SessionEffect[]): Promise<() => void> {
  if (effect?.t !== 'outside') throw new Error('nothing was to be done outside');
  return effect.work();
}

t.test('a slot is made once the turn is committed, and told in a turn', async (t) => {
  const asked: unknown[] = [];
  const {
    port: uploads,
    session,
    effects,
  } = port(async (file, owner) => {
    asked.push([file, owner]);
    return URLS;
  });
  const told: unknown[] = [];
  uploads.slot(session, FILE, (urls) => told.push(urls));
  t.same(asked, [], 'not within the turn');
  const then = await workOf(effects);
  t.same(asked, [[FILE, 'romeo@localhost']]);
  t.same(told, [], 'nor outside of one');
  then();
  t.same(told, [URLS]);
  t.same(
    [uploads.maxBytes, uploads.quota, uploads.refusal(5), uploads.refusal(6)],
    [7, { quotaBytes: 8, windowMs: 9 }, undefined, 'full'],
  );
});

t.test('a source that fails is a slot that is none, and told to the node', async (t) => {
  const { port: uploads, session, effects, faults } = port(async () => Promise.reject(new Error('no keys')));
  const told: unknown[] = [];
  uploads.slot(session, FILE, (urls) => told.push(urls));
  (await workOf(effects))();
  t.same(told, [undefined]);
  t.match(faults, [{ message: 'no keys' }]);
});
