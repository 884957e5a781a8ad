import t from 'tap';
import { occupantId } from './xep0421-occupant-id.ts';

t.test('an occupant id is the same in a room, another in another, and tells nobody', async (t) => {
  const id = occupantId('salt', 'hag@shakespeare.lit');
  t.equal(occupantId('salt', 'hag@shakespeare.lit'), id);
  t.not(occupantId('other', 'hag@shakespeare.lit'), id);
  t.not(occupantId('salt', 'crone@shakespeare.lit'), id);
  t.notMatch(id, 'hag');
  t.ok(id.length >= 32);
});
