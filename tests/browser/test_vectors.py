"""The page's own counting, in the browser's own JavaScript, against the scenarios that every implementation runs."""

from __future__ import annotations

import json
from importlib import resources

VECTORS = resources.files("rtcore.testing") / "vectors"

#: Runs the steps of each scenario; returns what did not come out as expected.
RUN = """async (scenarios) => {
  const { Line } = await import("/playground/line.js");
  const wrong = [];
  for (const { name, limit, steps } of scenarios) {
    const line = new Line(limit);
    const connections = {};
    let nonce = null;
    const does = {
      hello({ on, forget }) {
        connections[on] ??= { on };
        const hello = line.hello(connections[on], { forget });
        const told = nonce === null ? "first" : hello.nonce === nonce ? "same" : "other";
        nonce = hello.nonce;
        return { session: null, secret: null, received: 0, sent: 0, ...hello, nonce: told };
      },
      welcome({ on, welcome }) {
        try {
          return line.takeWelcome(connections[on], welcome) ?? { ignored: true };
        } catch {
          return { breach: true };
        }
      },
      message: ({ on }) => ({ news: line.take(connections[on]) }),
      put: ({ message }) => ({ from: line.put(message) }),
      ack: ({ n }) => ({ ok: line.confirm(n) }),
      lost: ({ on }) => ({ left: line.detach(connections[on]) }),
      poll: () => ({ received: line.rewind() }),
      superseded: ({ attach }) => ({ mine: line.isMine(attach) }),
      look: () => ({
        session: line.session, secret: line.secret, attach: line.attach, attached: line.attached,
        received: line.received, sent: line.sent, confirmed: line.confirmed, full: line.full,
      }),
    };
    steps.forEach((step, i) => {
      const came = does[step.do](step);
      for (const [key, value] of Object.entries(step.expect ?? {})) {
        const [is, should] = [JSON.stringify(came[key]), JSON.stringify(value)];
        if (is !== should) wrong.push(`${name}: step ${i} (${step.do}): ${key}: ${is}, not ${should}`);
      }
    });
  }
  return wrong;
}"""


async def test_the_page_counts_as_the_wire_says(visit, url):
    scenarios = json.loads((VECTORS / "attach-client.json").read_text(encoding="utf-8"))
    assert len(scenarios) >= 20
    page = (await visit(url, "Ada")).page
    assert await page.evaluate(RUN, scenarios) == []
