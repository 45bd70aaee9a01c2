/** A server of sessions, as small as it can be and as strict: what is confirmed it forgets, and what it hears it remembers. */

import type { Peer, SimSocket } from "./browser.js";
import type { Fields } from "./fake.js";

/** One session. */
interface Session {
  id: string;
  nonce: unknown;
  secrets: string[];
  attach: number;
  socket: SimSocket | undefined;
  /** Messages in, ever; those out that are not confirmed, and how many are. */
  received: number;
  held: string[];
  confirmed: number;
  rooms: Set<string>;
}

/** The server. */
export class Sessions implements Peer {
  readonly sessions = new Map<string, Session>();
  /** Everything that was published, in its order. */
  readonly published: { room: string; payload: unknown }[] = [];
  readonly tokens: unknown[] = [];
  readonly asked: Fields[] = [];
  byes = 0;
  hellos = 0;
  /** Says no to every hello. */
  refusal: Fields | undefined;
  private readonly of = new Map<SimSocket, Session>();
  private number = 0;

  opened(): void {}

  closed(socket: SimSocket): void {
    const session = this.of.get(socket);
    this.of.delete(socket);
    if (session?.socket === socket) session.socket = undefined;
  }

  said(socket: SimSocket, frame: string): void {
    for (const line of frame.split("\n")) {
      const item = JSON.parse(line);
      if (Array.isArray(item) && item[0] === "hello") this.hello(socket, item[1]);
      else {
        const session = this.of.get(socket);
        if (!session || session.socket !== socket) return;
        if (Array.isArray(item)) this.control(session, item[0], item[1]);
        else this.message(session, item);
      }
    }
  }

  /** Cut every connection. */
  cut(): void {
    for (const { socket } of [...this.sessions.values()]) socket?.cut();
  }

  /** Forget every session that has no connection. */
  expire(): void {
    for (const session of [...this.sessions.values()]) if (!session.socket) this.sessions.delete(session.id);
  }

  /** Send something to all members of a room, or to all sessions. */
  publish(room: string | undefined, payload: unknown, type = "news"): void {
    const map = JSON.stringify({ type, payload, room });
    for (const session of this.sessions.values()) {
      if (room === undefined || session.rooms.has(room)) this.send(session, map);
    }
  }

  /** End the session of everybody, as a kick does. */
  kick(): void {
    for (const session of [...this.sessions.values()]) {
      this.sessions.delete(session.id);
      session.socket?.say(JSON.stringify(["close", { code: "kicked", number: 4201, reason: "out" }]));
      session.socket?.end(4201, "kicked");
    }
  }

  private hello(socket: SimSocket, fields: Fields): void {
    this.hellos++;
    this.tokens.push(fields.token);
    if (this.refusal) {
      socket.say(JSON.stringify(["close", this.refusal]));
      return socket.end(this.refusal.number as number, this.refusal.code as string);
    }
    const isFirst = fields.session === undefined;
    const known = isFirst
      ? [...this.sessions.values()].find(({ nonce }) => nonce === fields.nonce)
      : this.sessions.get(fields.session as string);
    const isGood = isFirst || known?.secrets.includes(fields.secret as string);
    if (known && isGood && (fields.attach as number) <= known.attach) {
      socket.say(JSON.stringify(["close", { code: "stale_attach", number: 4010 }]));
      return socket.end(4010, "stale_attach");
    }
    const session: Session =
      known && isGood
        ? known
        : {
            id: `s${++this.number}`,
            nonce: fields.nonce,
            secrets: [],
            attach: 0,
            socket: undefined,
            received: 0,
            held: [],
            confirmed: 0,
            rooms: new Set(),
          };
    this.sessions.set(session.id, session);
    const old = session.socket;
    session.socket = socket;
    session.attach = fields.attach as number;
    this.of.set(socket, session);
    if (old) {
      old.say(JSON.stringify(["close", { code: "superseded", number: 4200, attach: session.attach }]));
      old.end(4200, "superseded");
    }
    let reason = fields.session !== undefined && session !== known ? "expired" : undefined;
    if (session === known && fields.received === null) {
      reason = "reset";
      Object.assign(session, { received: 0, held: [], confirmed: 0 });
    } else this.confirm(session, Number(fields.received ?? 0));
    session.secrets = [...session.secrets.slice(-1), `secret-${session.id}-${session.attach}`];
    const welcome = {
      session: session.id,
      secret: session.secrets.at(-1),
      attach: session.attach,
      nonce: fields.nonce,
      resumed: session === known && !isFirst && !reason,
      reason,
      received: session.received,
      from: session.confirmed,
      rooms: session === known,
      limits: { window: 100 },
      heartbeat: { interval: 3600, timeout: 3600 },
      ttl: 60,
    };
    socket.say([JSON.stringify(["welcome", welcome]), ...session.held].join("\n"));
  }

  private confirm(session: Session, received: number): void {
    const gone = Math.max(0, received - session.confirmed);
    session.held.splice(0, gone);
    session.confirmed += gone;
  }

  private control(session: Session, name: string, fields: Fields): void {
    // Whoever speaks has the newest secret.
    session.secrets = session.secrets.slice(-1);
    if (name === "ack") this.confirm(session, fields.n as number);
    else if (name === "ping") session.socket?.say(JSON.stringify(["pong", fields]));
    else if (name === "cancel") this.asked.push({ cancel: fields.id });
    else if (name === "bye") {
      this.byes++;
      this.sessions.delete(session.id);
    }
  }

  private message(session: Session, { type, id, room, payload }: Fields): void {
    session.secrets = session.secrets.slice(-1);
    session.received++;
    session.socket?.say(JSON.stringify(["ack", { n: session.received }]));
    const reply = (answer: unknown) => this.send(session, JSON.stringify({ type: "reply", re: id, payload: answer }));
    const { room: name } = (payload ?? {}) as Fields;
    this.asked.push({ type, id, room, payload });
    if (type === "room:join") {
      session.rooms.add(name as string);
      reply({ room: name, members: 1 });
    } else if (type === "room:leave") reply({ room: name, left: session.rooms.delete(name as string) });
    else if (type === "echo") reply(payload);
    else if (type === "refuse") {
      this.send(session, JSON.stringify({ type: "error", payload: { code: "refused", n: session.received } }));
    } else if (room !== undefined) {
      this.published.push({ room: room as string, payload });
      this.publish(room as string, payload, type as string);
    }
  }

  private send(session: Session, map: string): void {
    session.held.push(map);
    session.socket?.say(map);
  }
}
