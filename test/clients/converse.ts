/** Two people, one of them with two devices, in the web client that nodes serve at `/`, in a real browser. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Test } from 'tap';
import { CHROMIUM, CHROMIUM_ARGS, ConversePage, noChromium } from './converse-page.ts';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';
import { WireClient } from './wire-client.ts';

const ARTIFACTS = fileURLToPath(new URL('../../test-artifacts/', import.meta.url));
const SAY_AGAIN_MS = 1000;
const isBurst = (text: string) => text.startsWith('burst');
const byNumber = (a: string, b: string): number => Number(a.split(' ')[1]) - Number(b.split(' ')[1]);
const password = (user: string) => `secret of ${user}`;
if (noChromium) console.error(`# ${noChromium}`);

async function story(t: Test, site: Site): Promise<void> {
  await mkdir(ARTIFACTS, { recursive: true });
  const [his, hers] = ['romeo', 'juliet'].map(site.user) as [string, string];
  const [romeoJid, julietJid] = [`${his}@localhost`, `${hers}@localhost`];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  t.teardown(() => browser.close());
  const romeo = await ConversePage.open(browser, site.hop.webUrl);
  const juliet = await ConversePage.open(browser, site.webUrl(1));
  const shows = (who: ConversePage, wanted: readonly string[]) => async () =>
    wanted.every(
      (
        (texts) => (text: string) =>
          texts.includes(text)
      )(await who.texts()),
    );

  await t.test('two people register and become contacts', async () => {
    await romeo.register(his, password(his));
    await juliet.register(hers, password(hers));
    await romeo.addContact(julietJid);
    await juliet.acceptContact();
    await romeo.sees(julietJid, 'online');
    // Converse allows him to see her, and does not ask back.
    await juliet.sees(romeoJid);
  });

  await t.test('they chat', async (t) => {
    await romeo.openChat(julietJid);
    await romeo.say('But, soft! what light through yonder window breaks?');
    await juliet.openChat(romeoJid);
    await until('his words', shows(juliet, ['But, soft! what light through yonder window breaks?']));
    await juliet.say('O Romeo, Romeo! wherefore art thou Romeo?');
    await until('her words', shows(romeo, ['O Romeo, Romeo! wherefore art thou Romeo?']));
    await romeo.say('Shall I hear more, or shall I speak at this?');
    await until('his answer', shows(juliet, ['Shall I hear more, or shall I speak at this?']));
    t.same(await romeo.texts(), await juliet.texts());
    await romeo.screenshot(`${ARTIFACTS}${his}.png`);
    await juliet.screenshot(`${ARTIFACTS}${hers}.png`);
  });

  const tablet = await ConversePage.open(browser, site.webUrl(2));
  await t.test('a second device has the history, and copies of what the first one does', async (t) => {
    await tablet.login(hers, password(hers));
    await tablet.sees(romeoJid);
    await tablet.openChat(romeoJid);
    await until('the history', async () => (await tablet.texts()).length === 3);
    t.same(await tablet.texts(), await juliet.texts());
    await juliet.say('What man art thou that thus bescreen’d in night');
    await romeo.say('By a name I know not how to tell thee who I am');
    await until('both on the tablet', async () => (await tablet.texts()).length === 5);
    await until('both on the phone', async () => (await juliet.texts()).length === 5);
    t.same((await tablet.texts()).slice().sort(), (await juliet.texts()).slice().sort());
    await tablet.close();
  });

  await t.test('a broken network is resumed, and nothing said meanwhile is lost', async (t) => {
    site.hop.cut();
    await juliet.say('My ears have not yet drunk');
    await juliet.say('a hundred words');
    site.hop.mend();
    await until('her words', shows(romeo, ['My ears have not yet drunk', 'a hundred words']), 40_000);
    await romeo.say('Neither, fair saint');
    await until('his words', shows(juliet, ['Neither, fair saint']));
    const texts = await romeo.texts();
    t.equal(new Set(texts).size, texts.length, 'nothing is doubled');
  });

  await t.test('kill -9 in a burst loses and doubles nothing acknowledged', async (t) => {
    const said = Array.from({ length: 30 }, (_, i) => `burst ${i + 1}`);
    const people = [romeo, juliet];
    const sessions = people.map(({ tap }) => tap.sessions);
    let dead: Promise<unknown> | undefined;
    for (const [i, text] of said.entries()) {
      await romeo.say(text);
      if (i === 14) dead = site.kill();
    }
    await dead;
    const ackedAtDeath = romeo.tap.acked.filter(isBurst);
    await site.start();
    await until('both to be back', () => people.every(({ tap }, i) => tap.sessions > sessions[i]!), 60_000);
    // Converse sends nothing while it is offline, nor in its first moments back: some words may never leave it.
    let saidAt = 0;
    const hears = async (): Promise<boolean> => {
      if (performance.now() - saidAt > SAY_AGAIN_MS) await romeo.say('I would have thee gone');
      else return shows(juliet, ['I would have thee gone'])();
      saidAt = performance.now();
      return false;
    };
    await until('his words', hears, 60_000);
    const archives: string[][] = [];
    for (const user of [his, hers]) {
      const wire = await WireClient.login(site.url(2), { user, password: password(user) }, 'audit');
      archives.push((await wire.archive()).map(({ body }) => body ?? '').filter(isBurst));
      wire.cut();
    }
    t.comment(`${ackedAtDeath.length} acknowledged before the kill, ${archives[0]!.length} of ${said.length} archived`);
    t.same(archives[0], archives[1], 'both archives are the same');
    const kept = new Set(archives[0]);
    t.same(
      archives[0],
      said.filter((text) => kept.has(text)),
      'each once, in the order of saying',
    );
    t.same(
      romeo.tap.acked.filter((text) => isBurst(text) && !kept.has(text)),
      [],
      'nothing acknowledged is lost',
    );
    t.ok(kept.size > 0, 'the burst got somewhere');
    const heard = new Set(juliet.tap.heard.filter(isBurst));
    t.same(
      [...heard],
      archives[1]!.filter((text) => heard.has(text)),
      'what her streams brought came in order',
    );
    // Converse sorts by time, and gives its own to what comes live, but the server's to what comes later or from the
    // archive: the last one that was live may stand behind some that were said right after it.
    const seen = (await juliet.texts()).filter(isBurst);
    t.same(seen.sort(byNumber), archives[1], 'she sees each once');
  });
  t.same([...romeo.faults, ...juliet.faults, ...tablet.faults], [], 'no script failed');
}

export const converse: readonly Scenario[] = [
  { name: 'the web client, from an account to a killed node', timeoutMs: 150_000, skip: noChromium, run: story },
];
