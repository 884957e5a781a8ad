/** A group in the web client that nodes serve at `/`, with a member who is away when it is made. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Test } from 'tap';
import { CHROMIUM, CHROMIUM_ARGS, noChromium } from './converse-page.ts';
import { ConverseRoom } from './converse-room.ts';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';
import { WireClient } from './wire-client.ts';

const ARTIFACTS = fileURLToPath(new URL('../../test-artifacts/', import.meta.url));
const GROUP = 'Capulet’s orchard';
const password = (user: string) => `secret of ${user}`;

async function story(t: Test, site: Site): Promise<void> {
  await mkdir(ARTIFACTS, { recursive: true });
  const [his, hers] = ['romeo', 'juliet'].map(site.user) as [string, string];
  for (const user of [his, hers]) await WireClient.register(site.url(0), { user, password: password(user) });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  t.teardown(() => browser.close());
  const shows = (who: ConverseRoom, text: string) => async () => (await who.on.texts()).includes(text);
  const romeo = await ConverseRoom.login(browser, site.webUrl(1), his, password(his));

  await t.test('he makes a group, closes it to others, and adds her who is away', async (t) => {
    await romeo.create(site.user('orchard'), 'Romeo');
    await romeo.configure(GROUP, true);
    await romeo.invite(`${hers}@localhost`, 'It is the east');
    await until('her in the list', async () => (await romeo.occupants()).length === 2);
    await romeo.on.say('But, soft!');
    await romeo.on.say('What light through yonder window breaks?');
    await romeo.on.say('/topic Of light');
    await until('the subject', async () => (await romeo.subject()) === 'Of light');
    t.same(await romeo.on.texts(), ['But, soft!', 'What light through yonder window breaks?']);
    t.ok(await romeo.says('configuration has changed'));
    t.ok(await romeo.moderates(), 'its owner may moderate');
  });

  const juliet = await ConverseRoom.login(browser, site.hop.webUrl, hers, password(hers));
  await t.test('she logs in, is led in by her bookmark, and sees what was said', async (t) => {
    await juliet.accept();
    await until('the past', shows(juliet, 'What light through yonder window breaks?'));
    t.same(await juliet.on.texts(), await romeo.on.texts());
    await until('the subject', async () => (await juliet.subject()) === 'Of light');
    await until('him in her list', async () => (await juliet.occupants()).includes('Romeo'));
    await until('her in his list', async () => (await romeo.occupants()).includes(hers));
  });

  await t.test('they chat', async (t) => {
    await juliet.on.say('O Romeo, Romeo!');
    await until('her words', shows(romeo, 'O Romeo, Romeo!'));
    await romeo.on.say('Shall I hear more?');
    await until('his words', shows(juliet, 'Shall I hear more?'));
    t.same(await juliet.on.texts(), await romeo.on.texts());
    await romeo.on.screenshot(`${ARTIFACTS}${his}-group.png`);
    await juliet.on.screenshot(`${ARTIFACTS}${hers}-group.png`);
  });

  await t.test('he takes back what he said, and she reacts', async (t) => {
    await romeo.on.say('Alas');
    await until('his words', shows(juliet, 'Alas'));
    await juliet.react('Shall I hear more?');
    await until('her reaction', async () => (await romeo.reactions()).length === 1);
    t.same(await romeo.reactions(), await juliet.reactions());
    await romeo.retract('Alas');
    await until('it to be gone', async () => !(await shows(juliet, 'Alas')()));
    t.same(await juliet.on.texts(), await romeo.on.texts());
    const reader = await WireClient.login(site.url(0), { user: his, password: password(his) }, 'reader');
    const bodies = (
      await reader.archive(undefined, 200, undefined, `${site.user('orchard')}@conference.localhost`)
    ).map(({ body }) => body);
    reader.cut();
    t.ok(bodies.includes('Shall I hear more?'));
    t.notOk(bodies.includes('Alas'), 'it is gone from the archive of the group');
  });

  await t.test('a broken network and a page that is loaded again lead back into the group', async (t) => {
    site.hop.cut();
    await romeo.on.say('Or shall I speak at this?');
    site.hop.mend();
    await until('his words', shows(juliet, 'Or shall I speak at this?'), 40_000);
    // It resumes its stream, with what it has kept in the browser's session: Converse alone would come under a new name.
    for (let times = 1; times <= 3; times++) {
      const streams = juliet.on.tap.sessions;
      await juliet.on.page.reload();
      await juliet.openGroup(GROUP);
      t.equal(juliet.on.tap.sessions, streams + 1);
    }
    t.same(juliet.on.tap.errors, []);
    await until('all that was said', shows(juliet, 'Or shall I speak at this?'));
    await romeo.on.say('Neither, fair saint');
    await until('his words', shows(juliet, 'Neither, fair saint'), 40_000);
    await until('her in the list', async () => (await romeo.occupants()).includes(hers));
    await juliet.on.say('How cam’st thou hither?');
    await until('her words', shows(romeo, 'How cam’st thou hither?'));
    t.same(await juliet.on.texts(), await romeo.on.texts(), 'nothing is missing, doubled or out of order');
    t.same(await juliet.reactions(), await romeo.reactions());
    t.notOk(await juliet.says('no longer'), 'nobody seems to have lost anything');
    await juliet.on.screenshot(`${ARTIFACTS}${hers}-group-again.png`);
  });

  await t.test('she leaves, and has what is said meanwhile when she comes back', async (t) => {
    await juliet.leave(GROUP);
    await romeo.on.say('With love’s light wings');
    await juliet.create(site.user('orchard'), 'Juliet');
    await until('what was said', shows(juliet, 'With love’s light wings'));
    t.same(await juliet.on.texts(), await romeo.on.texts());
  });

  await t.test('he shows her the door', async (t) => {
    await romeo.on.say('/kick Juliet It is the lark');
    t.match((await juliet.farewell()) ?? '', /kicked.*It is the lark/s);
    await juliet.on.screenshot(`${ARTIFACTS}${hers}-group-kicked.png`);
    await romeo.on.screenshot(`${ARTIFACTS}${his}-group-end.png`);
  });

  await t.test('a second tab is another device, and does not end the first', async (t) => {
    const second = await juliet.on.page.context().newPage();
    const [socket] = await Promise.all([second.waitForEvent('websocket'), second.goto(site.hop.webUrl)]);
    const frames: string[] = [];
    socket.on('framereceived', ({ payload }) => frames.push(String(payload)));
    await until('its stream', async () => frames.some((frame) => frame.startsWith('<enabled')));
    const streams = juliet.on.tap.sessions;
    await juliet.on.page.reload();
    await until('the first again', async () => juliet.on.tap.sessions > streams);
    t.notOk(frames.some((frame) => frame.startsWith('<stream:error')));
    t.same(juliet.on.tap.errors, []);
  });
  t.same([...romeo.on.faults, ...juliet.on.faults], [], 'no script failed');
}

export const converseRooms: readonly Scenario[] = [
  { name: 'a group in the web client', timeoutMs: 120_000, skip: noChromium, run: story },
];
