import { existsSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { StreamTap } from './stream-tap.ts';

export const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
/** Reason to skip, said loudly, or false. */
export const noChromium = existsSync(CHROMIUM)
  ? (false as const)
  : `NO CHROMIUM AT ${CHROMIUM}: THE WEB CLIENT WAS NOT TRIED IN A BROWSER`;

const WINDOW = { width: 800, height: 600 };

/** Somebody in front of the web client: what they click and what they see. */
export class ConversePage {
  readonly page: Page;
  /** uncaught errors of the page's scripts */
  readonly faults: string[] = [];
  /** what the server has acknowledged to this page */
  readonly tap = new StreamTap();
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => this.tap.sent(String(payload)));
      socket.on('framereceived', ({ payload }) => this.tap.received(String(payload)));
    });
  }

  /** A browser profile of its own, at the login form. */
  static async open(browser: Browser, url: string): Promise<ConversePage> {
    const context = await browser.newContext({ locale: 'en-GB', viewport: WINDOW });
    const one = new ConversePage(context, await context.newPage());
    await one.page.goto(url);
    await one.page.waitForSelector('converse-login-form input[name=password]');
    return one;
  }

  async register(user: string, password: string): Promise<void> {
    await this.page.click('text=Create an account');
    await this.page.fill('converse-registration-form input[name=username]', user);
    await this.page.fill('converse-registration-form input[name=password]', password);
    await this.page.click('converse-registration-form [type=submit]');
    await this.#loggedIn();
  }

  async login(user: string, password: string): Promise<void> {
    await this.page.fill('converse-login-form input[name=jid]', user);
    await this.page.fill('converse-login-form input[name=password]', password);
    await this.page.click('converse-login-form [type=submit]');
    await this.#loggedIn();
  }

  async #loggedIn(): Promise<void> {
    await this.page.waitForSelector('converse-user-profile .xmpp-status');
    await this.page.waitForSelector('converse-roster .open-contacts-toggle');
  }

  async addContact(jid: string): Promise<void> {
    await this.page.click('converse-roster .dropdown--contacts > button');
    await this.page.click('converse-roster .add-contact');
    await this.page.fill('converse-add-contact-modal input[name=jid]', jid);
    await this.page.click('converse-add-contact-modal [type=submit]');
  }

  async acceptContact(): Promise<void> {
    const request = this.page.locator('converse-roster li', { has: this.page.locator('.accept-xmpp-request') });
    await request.locator('converse-dropdown > button').click();
    await request.locator('.accept-xmpp-request').click();
    // The dialog that asks for a name and groups.
    await this.page.locator('.modal.show [type=submit]').click();
  }

  /** The contact is in the roster, with that presence when given. */
  async sees(jid: string, presence?: 'online' | 'offline'): Promise<void> {
    const status = presence === undefined ? '' : `[data-status=${presence}]`;
    await this.page.waitForSelector(`converse-roster li${status} [data-jid="${jid}"]`);
  }

  async openChat(jid: string): Promise<void> {
    await this.page.click(`converse-roster [data-jid="${jid}"]`);
    await this.page.waitForSelector('textarea.chat-textarea');
  }

  async say(text: string): Promise<void> {
    await this.page.fill('textarea.chat-textarea', text);
    await this.page.press('textarea.chat-textarea', 'Enter');
  }

  /** Chooses a file to send, as with the paper clip. */
  async sendFile(file: { readonly name: string; readonly mimeType: string; readonly buffer: Buffer }): Promise<void> {
    await this.page.setInputFiles('converse-chat-toolbar input.fileupload', file);
  }

  /** Addresses of the pictures that are really shown in the open chat. */
  pictures(): Promise<string[]> {
    // As source text, since the types of the browser's globals are not part of this project.
    return this.page.evaluate(
      `[...document.querySelectorAll('converse-chat-message-body img')].filter((i) => i.naturalWidth > 0).map((i) => i.src)`,
    );
  }

  /** Texts in the open chat, in the order on the screen. */
  texts(): Promise<string[]> {
    return this.page
      .locator('converse-chat-message-body.chat-msg__text')
      .allInnerTexts()
      .then((texts) => texts.map((text) => text.trim()));
  }

  async screenshot(path: string): Promise<void> {
    await this.page.screenshot({ path });
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}
