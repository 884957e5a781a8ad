import t from 'tap';
import { ENDINGS, endingFor } from './close-codes.ts';
import { STREAM_CONDITIONS } from './rfc7395-framing.ts';

t.test('every ending can be sent: a legal code and a reason that fits the close frame', async (t) => {
  for (const [name, { code, reason, condition }] of Object.entries(ENDINGS)) {
    t.ok((code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999), name);
    t.ok(reason.length > 0 && Buffer.byteLength(reason) <= 123, name);
    t.ok(condition === undefined || STREAM_CONDITIONS.includes(condition), name);
  }
});

t.test('what is resumable asks the client to come back', async (t) => {
  for (const [name, { duty, resumable }] of Object.entries(ENDINGS)) {
    if (resumable) t.ok(duty === 'resume' || duty === 'backoff', name);
  }
});

t.test('every stream condition has an ending, with that condition', async (t) => {
  for (const condition of STREAM_CONDITIONS) t.equal(endingFor(condition).condition, condition);
});
