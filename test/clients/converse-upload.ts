/** A picture sent in the web client, in a real browser: through the page's content security policy, and across origins. */
import { chromium } from 'playwright-core';
import type { Test } from 'tap';
import { CHROMIUM, CHROMIUM_ARGS, ConversePage, noChromium } from './converse-page.ts';
import type { Scenario, Site } from './site.ts';
import { until } from './until.ts';

const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const password = (user: string) => `secret of ${user}`;

async function story(t: Test, site: Site): Promise<void> {
  const [his, hers] = ['paris', 'rosaline'].map(site.user) as [string, string];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  t.teardown(() => browser.close());
  // His page is of another origin than the files are, hers of the same.
  const paris = await ConversePage.open(browser, site.hop.webUrl);
  const rosaline = await ConversePage.open(browser, site.webUrl(1));
  await paris.register(his, password(his));
  await rosaline.register(hers, password(hers));
  await paris.addContact(`${hers}@localhost`);
  await rosaline.acceptContact();
  await paris.sees(`${hers}@localhost`, 'online');
  await rosaline.sees(`${his}@localhost`);
  await paris.openChat(`${hers}@localhost`);
  await paris.sendFile({ name: 'très petit.png', mimeType: 'image/png', buffer: PICTURE });
  await rosaline.openChat(`${his}@localhost`);
  const shown = async (who: ConversePage): Promise<boolean> => (await who.pictures()).length === 1;
  await until('the picture in her window', () => shown(rosaline), 60_000);
  await until('the picture in his window', () => shown(paris), 60_000);
  const [url = ''] = await rosaline.pictures();
  t.match(url, /\/upload\/\d{5}-[a-z2-7]{26}\/tr%C3%A8s%20petit\.png$/);
  const got = await fetch(url);
  t.equal(got.headers.get('content-type'), 'image/png');
  t.ok(Buffer.from(await got.arrayBuffer()).equals(PICTURE));
  await rosaline.say('What an evil picture: https://elsewhere.invalid/x.png');
  await until('her words', async () => (await paris.texts()).some((text) => text.includes('elsewhere.invalid')));
  t.equal((await paris.pictures()).length, 1, 'nothing is fetched from elsewhere');
  t.same([...paris.faults, ...rosaline.faults], [], 'no script failed');
}

export const converseUpload: readonly Scenario[] = [
  { name: 'the web client sends a picture, and shows one', timeoutMs: 150_000, skip: noChromium, run: story },
];
