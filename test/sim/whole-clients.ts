import type { Client } from './core-client.ts';
import type { Stay } from './room-device.ts';
import type { RoomAtFirst, Whole } from './whole-world.ts';

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
  #askAt = 0;

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
    if (profile.rooms.length > 0 && client.online) this.#roam();
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
    const here = [...this.#client.rooms.here.values()];
    const stay = here.length === 0 ? undefined : here[random.int(here.length)];
    const oid = `${this.#client.user}/${this.#client.resource}-${this.#said}-${LONG}`;
    if (stay !== undefined && random.int(2) === 0) return this.#sayInRoom(stay, oid);
    const group = mine[random.int(mine.length)];
    const to = group !== undefined && random.int(3) > 0 ? group.id : (users[random.int(users.length)] as string);
    if (random.int(8) === 0) this.#client.type(to);
    else if (profile.takesBackEvery > 0 && this.#said % profile.takesBackEvery === 0) this.#takeBack(oid);
    else this.#client.say(to, oid);
  }

  /** One of what it said last to people or groups. */
  #takeBack(oid: string): void {
    const said = this.#client.sent.filter(({ inRoom }) => inRoom === undefined).slice(-3);
    const one = said[this.#whole.world.random.int(said.length)];
    if (one !== undefined) this.#client.takeBack(one.to, oid, one.oid);
  }

  #sayInRoom({ room }: Stay, oid: string): void {
    const { world, clients } = this.#whole;
    const other = clients[world.random.int(clients.length)]?.rooms.here.get(room)?.nick;
    if (world.random.int(5) > 0 || other === undefined) this.#client.sayInRoom(room, oid);
    else this.#client.sayInRoom(room, `${oid}${PRIVATE}`, other);
  }

  /** Enters rooms, leaves them, takes other nicks, makes people members; in the end only asks whether it is still in. */
  #roam(): void {
    const { world, rooms, users } = this.#whole;
    const { random, queue, healed } = world;
    const client = this.#client;
    const { id, owner } = rooms[random.int(rooms.length)] as RoomAtFirst;
    if (healed) {
      if (queue.now < this.#askAt) return;
      this.#askAt = queue.now + ASK_MS;
      for (const room of rooms) client.askRoom(room.id);
      return;
    }
    if (random.int(ROAM_EVERY) > 0 || client.rooms.isEntering(id)) return;
    if (client.user === owner && random.int(2) === 0) {
      const user = users[1 + random.int(Math.min(users.length - 1, 8))] as string;
      if (user === owner) return;
      const how = random.int(3);
      if (how < 2) client.affiliate(id, user, 'none');
      if (how > 0) client.affiliate(id, user, 'member');
      return;
    }
    if (!client.rooms.here.has(id)) return client.enter(id);
    const dice = random.int(6);
    if (dice === 0) client.leave(id);
    else if (dice === 1) client.rename(id);
    else if (dice === 2) client.askRoom(id);
  }
}

/** How often a device does something about a room, in turns. */
const ROAM_EVERY = 3;
/** Ms between two questions of a device whether it is still in a room. */
const ASK_MS = 700;
const PRIVATE = '-private';

/** A message that a room handed to the chat of two. */
export function isPrivate(oid: string): boolean {
  return oid.endsWith(PRIVATE);
}

/** Ids this long say who it is even without an origin-id (dedupe.ts). */
const LONG = 'message';
