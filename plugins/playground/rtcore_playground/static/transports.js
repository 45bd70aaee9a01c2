// Three ways to carry frames. A frame is text: one JSON item per line.
//
//   link.open(hello)         begin; the first frame that comes back holds `welcome`, or `close` and why
//   link.attached(creds)     the welcome was taken: {session, secret, attach}
//   link.write(item)         one control item
//   link.flush(n)            the last `n` messages of the line are new
//   link.drop()              cut it, as a broken network would; nothing more is heard from it
//
// What happens is told to `on`: on.frame(text), on.lost({code, retryAfter}).

const POST_BYTES = 65536; // of one POST; what is more goes with the next

class Link {
  dead = false;

  constructor(base, line, on) {
    Object.assign(this, { base, line, on });
  }

  attached(creds) {
    this.creds = creds;
  }

  lose(code, more) {
    if (this.dead) return;
    this.drop();
    this.on.lost({ code, ...more });
  }

  bye() {
    this.write(["bye", {}]);
  }
}

class WebSocketLink extends Link {
  open(hello) {
    const url = new URL(`${this.base}/ws`);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url, "rtcore.v1"));
    socket.onopen = () => this.write(["hello", hello]);
    socket.onmessage = ({ data }) => this.on.frame(data);
    socket.onclose = ({ code, reason }) => this.lose(reason || `closed ${code}`, { number: code });
  }

  write(item) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(item));
  }

  flush(n) {
    const { held } = this.line;
    if (n > 0) this.socket.send(held.slice(held.length - n).join("\n"));
  }

  drop() {
    if (this.dead) return;
    this.dead = true;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }
}

// What Server-Sent Events and long polling share: the way up is POST /rt/send. It carries what is not confirmed
// yet, from the first such message on, and its answer confirms it: a POST that failed is simply sent again.
class HttpLink extends Link {
  #abort = new AbortController();
  #posting = false;
  #controls = [];

  post(path, lines, { keepalive = false } = {}) {
    return fetch(`${this.base}/${path}`, {
      method: "POST",
      body: lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
      cache: "no-store",
      keepalive,
      signal: keepalive ? undefined : this.#abort.signal,
    });
  }

  // A refusal's body is the control item that says why; a proxy's is anything.
  async refused(response) {
    let fields = {};
    try {
      fields = JSON.parse(await response.text())[1] ?? {};
    } catch {}
    const retryAfter = fields.retry_after ?? Number(response.headers.get("Retry-After") ?? 0);
    const mine = fields.code === "superseded" && this.line.isMine(fields.details?.attach ?? Infinity);
    this.lose(mine ? "moved" : (fields.code ?? `HTTP ${response.status}`), { retryAfter });
  }

  write(item) {
    this.#controls.push(item);
    this.flush();
  }

  async flush() {
    if (this.#posting || this.dead || !this.creds) return;
    this.#posting = true;
    try {
      while (!this.dead && (this.line.held.length || this.#controls.length)) {
        const messages = [];
        for (let i = 0, size = 0; i < this.line.held.length && size < POST_BYTES; i++) {
          messages.push(this.line.held[i]);
          size += this.line.held[i].length;
        }
        const head = ["send", { ...this.creds, from: this.line.confirmed }];
        const response = await this.post("send", [head, ...this.#controls.splice(0), ...messages]);
        if (!response.ok) return await this.refused(response);
        this.on.frame(await response.text());
      }
    } catch {
      this.lose("unreachable");
    } finally {
      this.#posting = false;
    }
  }

  bye() {
    if (!this.creds) return;
    const head = ["send", { ...this.creds, from: this.line.confirmed }];
    this.post("send", [head, ["bye", {}]], { keepalive: true }).catch(() => {});
  }

  drop() {
    this.dead = true;
    this.#abort.abort();
  }
}

class SseLink extends HttpLink {
  async open(hello) {
    try {
      const response = await this.post("sse", [["hello", hello]]);
      if (!response.ok) return await this.refused(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) return this.lose("stream ended");
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const lines = block.split("\n").filter((line) => line.startsWith("data:"));
          if (lines.length && !this.dead) this.on.frame(lines.map((line) => line.slice(5).trimStart()).join("\n"));
        }
      }
    } catch {
      this.lose("unreachable");
    }
  }
}

class PollingLink extends HttpLink {
  // Every poll says what has arrived; an ack would say it again.
  write(item) {
    if (item[0] !== "ack") super.write(item);
  }

  async open(hello) {
    try {
      let response = await this.post("poll", [["hello", hello]]);
      while (response.ok) {
        this.on.frame(await response.text());
        if (this.dead) return;
        if (!this.creds) return this.lose("no welcome");
        response = await this.post("poll", [["poll", { ...this.creds, received: this.line.rewind() }]]);
      }
      await this.refused(response);
    } catch {
      this.lose("unreachable");
    }
  }
}

export const LINKS = { websocket: WebSocketLink, sse: SseLink, polling: PollingLink };
