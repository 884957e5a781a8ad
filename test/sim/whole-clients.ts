import type { Client } from './core-client.ts';
import type { Whole } from './whole-world.ts';

/** Ms between two turns of a client, at most: what a turn of a socket and its reader take. */
const TURN_MS = 8;
/** Frames that pass in one direction in a turn, at most. */
const FRAMES_MAX = 8;
/** Ms after which a client takes a login for lost. */
const LOGIN_MS = 400;

/** Lets every device talk, read, lose its socket and come back, on the world's queue, until the world is quiet. */
export function driveClients(whole: Whole): void {
  for (const client of whole.clients) new Driver(whole, client).go();
}

class Driver {
  readonly #whole: Whole;
  readonly #client: Client;
  #said = 0;
  #sayAt: number;
  #triedAt = 0;

  constructor(whole: Whole, client: Client) {
    this.#whole = whole;
    this.#client = client;
    this.#sayAt = whole.world.queue.now + whole.world.random.float() * whole.profile.talkMs;
  }

  go(): void {
    const { queue, random } = this.#whole.world;
    queue.after(0.5 + random.float() * TURN_MS, () => {
      if (this.#whole.world.quiet) return;
      this.#turn();
      this.go();
    });
  }

  #turn(): void {
    const { world, profile } = this.#whole;
    const { random, queue, healed } = world;
    const client = this.#client;
    if (client.socket === undefined) {
      if (healed || random.int(4) === 0) {
        this.#triedAt = queue.now;
        client.connect();
      }
    } else if (!client.online && queue.now - this.#triedAt > LOGIN_MS) client.giveUp();
    for (let n = random.int(FRAMES_MAX); n >= 0; n--) client.step(true);
    for (let n = random.int(FRAMES_MAX); n >= 0; n--) client.step(false);
    if (healed || random.int(4) === 0) client.notice();
    if (random.int(8) === 0) client.sync();
    if (healed) return;
    if (random.float() < profile.cuts) client.cut();
    if (queue.now >= this.#sayAt && client.online && this.#said < profile.sayMax) this.#say();
  }

  #say(): void {
    const { world, users, groups, profile } = this.#whole;
    const { random, queue } = world;
    this.#said += 1;
    this.#sayAt = queue.now + random.float() * 2 * profile.talkMs;
    const mine = groups.filter(({ members }) => members.includes(this.#client.user));
    const group = mine[random.int(mine.length)];
    const to = group !== undefined && random.int(3) > 0 ? group.id : (users[random.int(users.length)] as string);
    if (random.int(8) === 0) this.#client.type(to);
    else this.#client.say(to, `${this.#client.user}/${this.#client.resource}-${this.#said}-${LONG}`);
  }
}

/** Ids this long say who it is even without an origin-id (dedupe.ts). */
const LONG = 'message';
