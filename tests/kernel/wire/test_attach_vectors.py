"""The scenarios of attach that every implementation runs, against both lines."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from rtcore.wire import AttachRefusedError, BadControlError, ClientLine, Hello, Message, ServerLine, Welcome

VECTORS = resources.files("rtcore.testing") / "vectors"


def scenarios(file):
    rows = json.loads((VECTORS / file).read_text(encoding="utf-8"))
    assert len({row["name"] for row in rows}) == len(rows)
    return [pytest.param(row, id=row["name"]) for row in rows]


class Client:
    """Runs the steps of attach-client.json; each returns what it expects of the step."""

    def __init__(self, limit):
        self.line = ClientLine(limit)
        self.connections = {}
        self.nonce = None

    def hello(self, on, forget=False):
        connection = self.connections.setdefault(on, object())
        hello = self.line.hello(connection, forget=forget)
        nonce = "first" if self.nonce is None else "same" if hello.nonce == self.nonce else "other"
        self.nonce = hello.nonce
        return {
            **{key: getattr(hello, key) for key in ("attach", "session", "secret", "received", "sent")},
            "nonce": nonce,
        }

    def welcome(self, on, welcome):
        try:
            resumption = self.line.take_welcome(self.connections[on], Welcome.parse(welcome))
        except BadControlError:
            return {"breach": True}
        if resumption is None:
            return {"ignored": True}
        told = resumption._asdict()
        return {**told, **{key: [m.type for m in told[key]] for key in ("resend", "unknown")}}

    def message(self, on):
        return {"news": self.line.take(self.connections[on])}

    def put(self, message):
        return {"from": self.line.put(Message(message), 1)}

    def ack(self, n):
        return {"ok": self.line.confirm(n)}

    def lost(self, on):
        return {"left": self.line.detach(self.connections[on])}

    def poll(self):
        return {"received": self.line.rewind()}

    def superseded(self, attach):
        return {"mine": self.line.is_mine(attach)}

    def look(self):
        line = self.line
        return {
            "session": line.session, "secret": line.secret, "attach": line.attach, "attached": line.attached,
            "received": line.received, "sent": line.window.sent, "confirmed": line.window.confirmed, "full": line.full,
        }  # fmt: skip


class Server:
    """Runs the steps of attach-server.json. `k1`, `k2`… stand for the secrets that the server makes."""

    def __init__(self, limit):
        self.line = ServerLine(limit, 2**53)
        self.connections = {}
        self.secrets = {}

    def hello(self, on, attach, nonce, secret, received):
        connection = self.connections.setdefault(on, object())
        hello = Hello(
            attach=attach,
            nonce=nonce,
            session="s" if secret else None,
            secret=self.real(secret),
            received=received,
        )
        if secret is not None:
            assert self.line.knows(hello.secret)
        try:
            attached = self.line.take_hello(connection, hello)
        except AttachRefusedError as refused:
            return {"refused": refused.code}
        name = self.secrets.setdefault(self.line.secret, f"k{len(self.secrets) + 1}")
        return {
            **attached._asdict(),
            "from": attached.begins,
            "replay": [m.type for m in attached.replay],
            "gives": name,
        }

    def real(self, name):
        return next((real for real, known in self.secrets.items() if known == name), name)

    def knows(self, secret):
        return {"known": self.line.knows(self.real(secret))}

    def used(self):
        self.line.confirmed = True
        return {}

    def push(self, message):
        self.line.window.push([Message(message)], 1)
        return {}

    def count(self, on, messages):
        heard = self.line.hears(self.connections[on])
        if heard:
            self.line.count(messages)
        return {"heard": heard}

    def ack(self, n):
        return {"ok": self.line.confirm(n)}

    def post(self, messages, **more):
        skip = self.line.skip(more["from"], messages)
        if skip < 0:
            return {"hole": True}
        self.line.count(messages - skip)
        return {"skip": skip}

    def poll(self, received):
        try:
            return {"again": [m.type for m in self.line.rewind(received)]}
        except AttachRefusedError as refused:
            return {"refused": refused.code}

    def lost(self, on):
        return {"left": self.line.detach(self.connections[on])}

    def look(self):
        line = self.line
        return {
            "attach": line.attach, "received": line.received, "sent": line.window.sent,
            "confirmed": line.window.confirmed,
        }  # fmt: skip


def run(side, scenario):
    player = side(scenario.get("limit", 100))
    for number, step in enumerate(scenario["steps"], 1):
        given = {key: value for key, value in step.items() if key not in {"do", "expect"}}
        seen = getattr(player, step["do"])(**given)
        wanted = step.get("expect", {})
        assert {key: seen.get(key) for key in wanted} == wanted, f"step {number}: {step}"


@pytest.mark.parametrize("scenario", scenarios("attach-client.json"))
def test_the_clients_half_of_attach(scenario):
    run(Client, scenario)


@pytest.mark.parametrize("scenario", scenarios("attach-server.json"))
def test_the_servers_half_of_attach(scenario):
    run(Server, scenario)
