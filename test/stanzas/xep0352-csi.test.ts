import t from 'tap';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const CSI = 'urn:xmpp:csi:0';
const inactive = `<inactive xmlns='${CSI}'/>`;
const active = `<active xmlns='${CSI}'/>`;

const chat = (body: string): string =>
  `<message xmlns='jabber:client' to='juliet@localhost' type='chat'><body>${body}</body></message>`;

t.test('an inactive client gets messages at once, and presence with them or when it is active again', async (t) => {
  const juliet = await node.online('juliet', 'phone');
  const laptop = await node.online('juliet', 'laptop');
  const romeo = await node.online('romeo', 'orchard');
  await node.settle(juliet, laptop, romeo);
  juliet.forget();
  juliet.send(inactive);
  await juliet.sync();
  for (const show of ['away', 'dnd', 'xa']) {
    laptop.send(`<presence xmlns='jabber:client'><show>${show}</show></presence>`);
    await laptop.expect(`<show>${show}</show>`);
  }
  await node.settle(laptop);
  t.strictSame(
    juliet.pending('<presence').map(({ xml }) => xml),
    [],
    'presence waits',
  );
  romeo.send(chat('urgent'));
  await juliet.expect('urgent');
  t.equal(juliet.pending('<presence').length, 1, 'only the last of each');
  await juliet.expect('<show>xa</show>');

  laptop.send(`<presence xmlns='jabber:client'><show>chat</show></presence>`);
  await node.settle(laptop);
  juliet.send(active);
  await juliet.expect('<show>chat</show>', 'what waited, when active');
  laptop.send(`<presence xmlns='jabber:client'/>`);
  await juliet.expect((el) => el.name === 'presence' && el.attrs['from'] === laptop.jid);
  await juliet.close();
  await laptop.close();
  await romeo.close();
});

t.test('a resumed stream is active', async (t) => {
  const juliet = await node.login('juliet', 'phone');
  const id = await juliet.enable();
  await juliet.available();
  const laptop = await node.online('juliet', 'laptop');
  await juliet.expect((el) => el.attrs['from'] === laptop.jid);
  juliet.send(inactive);
  await juliet.sync();
  await juliet.cut();
  laptop.send(`<presence xmlns='jabber:client'><show>away</show></presence>`);
  await node.settle(laptop);
  const back = await node.authenticated('juliet');
  back.send(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='3'/>`);
  await back.expect('<resumed');
  await back.expect('<show>away</show>', 'what had waited');
  laptop.send(`<presence xmlns='jabber:client'><show>dnd</show></presence>`);
  await back.expect('<show>dnd</show>', 'at once');
  t.pass('both');
});

t.test('typing waits for an inactive client, the latest of each sender', async (t) => {
  const juliet = await node.online('juliet', 'tablet');
  const romeo = await node.online('romeo', 'typing');
  juliet.send(inactive);
  await juliet.sync();
  const state = (name: string): string =>
    `<message xmlns='jabber:client' to='${juliet.jid}' type='chat'><${name} xmlns='http://jabber.org/protocol/chatstates'/></message>`;
  romeo.send(state('composing'), state('paused'), state('composing'));
  await node.settle(romeo);
  t.equal(juliet.pending('chatstates').length, 0, 'nothing yet');
  juliet.send(active);
  await juliet.expect('<composing');
  await node.settle(romeo, juliet);
  t.equal(juliet.pending('chatstates').length, 0, 'one');
});
