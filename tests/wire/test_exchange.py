"""The worked exchange of docs/wire.md: its bytes are the vectors', and both lines count as it says."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from rtcore_cbor import rtcore_codecs as cbor
from rtcore_json import rtcore_codecs as json_

from rtcore.wire import ClientLine, Control, Hello, Message, ServerLine, Welcome
from rtcore.wire.control import CLIENT_CONTROLS, SERVER_CONTROLS

ROWS = json.loads((resources.files("rtcore.testing") / "vectors/exchange.json").read_text(encoding="utf-8"))
PAGE = (Path(__file__).parents[2] / "docs/wire.md").read_text(encoding="utf-8")
CODECS = {codec.name: codec for codec in [*json_(), *cbor()]}


class Conversation:
    """Both lines, with the exchange's own secrets, nonces and messages in place of random ones."""

    def __init__(self):
        self.client, self.server = ClientLine(), ServerLine(100, 2**53)
        self.window = {}

    def play(self, row, item):
        speaker = "client" if row["from"] == "client" else "server"
        if isinstance(item, Control):
            getattr(self, f"{speaker}_says_{item.name}", lambda on, fields: None)(row["on"], item.fields)
        elif speaker == "client":
            self.client_sends(row, item)
        else:
            self.server_sends(row, item)

    def client_says_hello(self, on, fields):
        hello = Hello.parse(fields)
        self.client.nonce = hello.nonce
        if hello.attach > 1:
            self.client.detach("A")
            self.server.detach("A")
        assert self.client.hello(on) == hello
        assert hello.session is None or self.server.knows(hello.secret)
        self.attached = self.server.take_hello(on, hello)

    def server_says_welcome(self, on, fields):
        welcome, attached = Welcome.parse(fields), self.attached
        self.server.secret = welcome.secret
        assert (welcome.received, welcome.attach) == (attached.received, self.server.attach)
        assert welcome.resumed == (attached.resumed and welcome.attach > 1)
        self.resumption = self.client.take_welcome(on, welcome)
        assert self.resumption is not None
        self.again = [m.type for m in attached.replay], [m.type for m in self.resumption.resend]

    def client_says_ack(self, on, fields):
        self.server.confirmed = True
        assert self.server.confirm(fields["n"])

    def server_says_ack(self, on, fields):
        assert self.client.confirm(fields["n"])

    def client_sends(self, row, message):
        if message.type not in self.again[1]:
            self.client.put(message, 1)
        if "lost" not in row:
            assert self.server.hears(row["on"])
            self.server.confirmed = True
            self.server.count(1)

    def server_sends(self, row, message):
        if message.type not in self.again[0]:
            self.server.window.push([message], 1)
        if "lost" not in row:
            assert self.client.take(row["on"])

    def counts(self):
        return {
            name: {"sent": line.window.sent, "received": line.received}
            for name, line in (("client", self.client), ("server", self.server))
        }


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_both_lines_count_as_the_exchange_says(form):
    conversation = Conversation()
    for row in ROWS:
        data = row["json"].encode() if form == "json" else bytes.fromhex(row["cbor"])
        [item] = CODECS[form].decode(data)
        assert isinstance(item, Message | Control)
        conversation.play(row, item)
        assert conversation.counts() == row["counts"], row["json"]


def test_the_page_shows_the_exchange_byte_by_byte():
    shown = re.findall(r"^[CS][ab]? *(?:→|←) *([\[{].*)$", PAGE, re.MULTILINE)
    assert shown == [row["json"] for row in ROWS]
    for hexes in re.findall(r"^    ([0-9a-f]{2}(?: [0-9a-f]{2})*)$", PAGE, re.MULTILINE):
        assert hexes.replace(" ", "") in {row["cbor"] for row in ROWS}


def test_every_control_item_has_its_heading():
    headings = set(re.findall(r"^### `(\w+)`", PAGE, re.MULTILINE))
    assert headings == {*CLIENT_CONTROLS, *SERVER_CONTROLS}


def test_every_piece_of_json_on_the_page_is_an_item():
    blocks = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        for item in CODECS["json"].decode(block.encode()):
            assert isinstance(item, Message | Control), block
