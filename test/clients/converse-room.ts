import type { Browser } from 'playwright-core';
import { ConversePage } from './converse-page.ts';
import { until } from './until.ts';

const DIALOG = '.modal.show';
const CONFIRMATION = 'converse-confirm-modal.show';

/** Somebody in front of the web client, in groups: what they click and what they see. */
export class ConverseRoom {
  readonly on: ConversePage;

  constructor(on: ConversePage) {
    this.on = on;
  }

  static async login(browser: Browser, url: string, user: string, password: string): Promise<ConverseRoom> {
    const page = await ConversePage.open(browser, url);
    await page.login(user, password);
    return new ConverseRoom(page);
  }

  /** One of the things in the menu of a part of the page, which closes by itself when that part is drawn anew. */
  async #menu(part: string, item: string): Promise<void> {
    const chosen = this.on.page.locator(`${part} ${item}`);
    await until(`${item} to be chosen`, async () => {
      if (!(await chosen.isVisible())) await this.on.page.locator(`${part} converse-dropdown > button`).last().click();
      return chosen.click({ timeout: 1000 }).then(
        () => true,
        () => false,
      );
    });
  }

  /** A group by this name; the address is made of it. */
  async create(name: string, nick: string): Promise<void> {
    await this.#menu('converse-rooms-list', '.show-add-muc-modal');
    await this.on.page.fill(`${DIALOG} input[name=chatroom]`, name);
    await this.on.page.fill(`${DIALOG} input[name=nickname]`, nick);
    await this.on.page.click(`${DIALOG} [type=submit]`);
    await this.entered();
  }

  /** It is in the group that is shown, and may write. */
  async entered(): Promise<void> {
    await this.on.page.waitForSelector('converse-muc textarea.chat-textarea');
  }

  async configure(name: string, membersOnly: boolean): Promise<void> {
    await this.#menu('converse-muc-heading', '.configure-chatroom-button');
    await this.on.page.fill(`${DIALOG} input[name="muc#roomconfig_roomname"]`, name);
    await this.on.page.setChecked(`${DIALOG} input[name="muc#roomconfig_membersonly"]`, membersOnly);
    await this.on.page.click(`${DIALOG} [type=submit]`);
    await this.on.page.waitForSelector(`converse-muc-heading .chatbox-title__text:has-text("${name}")`);
    await this.#noDialog();
  }

  async invite(jid: string, reason: string): Promise<void> {
    await this.#menu('converse-muc-sidebar', '.open-invite-modal');
    await this.on.page.fill(`${DIALOG} input[name=invitee_jids]`, jid);
    await this.on.page.fill(`${DIALOG} textarea[name=reason]`, reason);
    await this.on.page.click(`${DIALOG} [type=submit]`);
    await this.#noDialog();
  }

  /**
   * Accepts invitations until it is in the group, into which its bookmark leads: the room invites whom it is told to add,
   * and Converse does beside that.
   */
  async accept(): Promise<void> {
    const { page } = this.on;
    await page.waitForSelector(CONFIRMATION);
    await until('the group', async () => {
      const asked = await page.evaluate<number>(
        `(() => { const all = document.querySelectorAll('${CONFIRMATION} [type=submit]'); all.forEach((b) => b.click()); return all.length; })()`,
      );
      return asked === 0 && (await page.locator('converse-muc textarea.chat-textarea').isVisible());
    });
  }

  /** Nicks in the list of participants, members who are away by their address. */
  occupants(): Promise<string[]> {
    return this.on.page.locator('converse-muc-sidebar .occupant-nick').allInnerTexts().then(trimmed);
  }

  /** The line under the group's name, undefined without one. */
  async subject(): Promise<string | undefined> {
    return trimmed(await this.on.page.locator('converse-muc-heading .chat-head__desc').allInnerTexts())[0];
  }

  /** A line of the client's own says so: who came, went, or lost a rank. */
  async says(part: string): Promise<boolean> {
    const lines = await this.on.page.locator('converse-muc .chat-info').allInnerTexts();
    return lines.some((line) => line.includes(part));
  }

  async #act(text: string, action: string): Promise<void> {
    const message = this.on.page.locator('converse-muc .chat-msg', { hasText: text });
    await message.hover();
    await message.locator('converse-message-actions converse-dropdown > button').click();
    await message.locator(action).click();
  }

  async retract(text: string): Promise<void> {
    await this.#act(text, '.chat-msg__action-retract');
    await this.on.page.click(`${CONFIRMATION} [type=submit]`);
    await this.#noDialog();
  }

  /** With the first of the reactions that are offered. */
  async react(text: string): Promise<void> {
    await this.#act(text, '.chat-msg__action-reaction');
    await this.on.page.locator('converse-reaction-picker .reaction-item').first().click();
  }

  /** Each with its count. */
  reactions(): Promise<string[]> {
    return this.on.page.locator('converse-muc .chat-msg__reaction').allInnerTexts().then(trimmed);
  }

  /** The client takes itself for a moderator, and offers the tools. */
  async moderates(): Promise<boolean> {
    return (await this.on.page.locator('converse-muc-heading .moderate-chatroom-button').count()) > 0;
  }

  /** What is shown in place of the group to who was put out of it. */
  farewell(): Promise<string | null> {
    return this.on.page.locator('converse-muc-disconnected').textContent();
  }

  async openGroup(name: string): Promise<void> {
    await this.on.page.click(`converse-rooms-list .open-room[data-room-name="${name}"]`);
    await this.entered();
  }

  groups(): Promise<string[]> {
    return this.on.page.locator('converse-rooms-list .open-room').allInnerTexts().then(trimmed);
  }

  async leave(name: string): Promise<void> {
    await this.on.page.click(`converse-rooms-list .close-room[data-room-name="${name}"]`);
    await this.on.page.click(`${CONFIRMATION} [type=submit]`);
    await until('the group to be gone', async () => !(await this.groups()).includes(name));
  }

  async #noDialog(): Promise<void> {
    await until('the dialog to be gone', async () => (await this.on.page.locator(DIALOG).count()) === 0);
  }
}

function trimmed(texts: readonly string[]): string[] {
  return texts.map((text) => text.trim());
}
