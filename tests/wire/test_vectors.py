"""The test vectors against the codecs and compressors of this tree: what other languages check, too."""

from __future__ import annotations

import json
import struct
from importlib import resources

import pytest
from rtcore_brotli.compressor import BrotliCompressor
from rtcore_cbor import rtcore_codecs as cbor
from rtcore_deflate.compressor import DeflateCompressor
from rtcore_json import rtcore_codecs as json_

from rtcore.testing.values import same
from rtcore.wire import Control, Message, Undecodable, WireError, unpack

VECTORS = resources.files("rtcore.testing") / "vectors"
CODECS = {codec.name: codec for codec in [*json_(), *cbor()]}
COMPRESSORS = {"brotli": BrotliCompressor(), "deflate": DeflateCompressor()}
MAX_SIZE = 1_048_576


def load(file):
    return json.loads((VECTORS / file).read_text(encoding="utf-8"))


ITEMS = {row["name"]: row for row in load("items.json")}


def wire(row, form):
    return row[form].encode() if form == "json" else bytes.fromhex(row[form])


def in_each_form(file):
    return [
        pytest.param(row, form, id=f"{form}: {row['name']}")
        for row in load(file)
        for form in ("json", "cbor")
        if form in row
    ]


def fields_of(item):
    """Return a message or control item as the vectors write it."""
    if isinstance(item, Control):
        return {"control": [item.name, dict(item.fields)]}
    assert isinstance(item, Message), item
    names = (
        "type",
        "id",
        "re",
        "room",
        "priority",
        "sender",
        "offset",
        "epoch",
        "covers",
        "timestamp",
        "version",
        "trace",
    )
    given = {name: getattr(item, name) for name in names}
    given["payload"] = item.payload
    if item.covers is not None:
        given["covers"] = [list(one) for one in item.covers]
    defaults = {"priority": "normal", "version": 0}
    return {"message": {name: value for name, value in given.items() if value != defaults.get(name)}}


def expected(row):
    if "control" in row:
        return {"control": row["control"]}
    return {
        "message": {
            name: value for name, value in row["message"].items() if name != "payload" or value is not None
        }
    }


@pytest.mark.parametrize(("row", "form"), in_each_form("items.json"))
def test_an_item_means_the_same_in_each_form(row, form):
    [item] = CODECS[form].decode(wire(row, form))
    assert fields_of(item) == expected(row)


@pytest.mark.parametrize(("row", "form"), in_each_form("items.json"))
def test_what_is_encoded_is_what_the_vectors_say(row, form):
    if "control" in row:
        name, fields = row["control"]
        made = CODECS[form].encode_control(name, fields)
    else:
        fields = dict(row["message"])
        made = CODECS[form].encode(Message(fields.pop("type"), fields.pop("payload", None), **fields))
    [item] = CODECS[form].decode(made)
    assert fields_of(item) == expected(row)
    if form == "json":
        assert json.loads(made) == json.loads(row["json"])


def meant(value):
    """Return what `means` of a row of values.json means."""
    if isinstance(value, list):
        return [meant(one) for one in value]
    if not isinstance(value, dict):
        return value
    [(kind, said)] = value.items()
    if kind == "map":
        return {key: meant(one) for key, one in said}
    return {
        "whole": int,
        "bytes": bytes.fromhex,
        "float": lambda digits: struct.unpack(">d", bytes.fromhex(digits))[0],
    }[kind](said)


@pytest.mark.parametrize(("row", "form"), in_each_form("values.json"))
def test_a_value_means_the_same_in_each_form(row, form):
    codec, value, raw = CODECS[form], meant(row["means"]), wire(row, form)
    assert same(codec.decode_payload(raw), value)
    relayed = codec.encode(Message("a", raw=raw, raw_codec=codec))
    [came] = codec.decode(relayed)
    assert same(came.payload, value)
    for other in CODECS.values():
        [arrived] = other.decode(other.encode(came))
        assert same(arrived.payload, value)
    if "reads" not in row:
        assert codec.encode_payload(value) == raw


@pytest.mark.parametrize(("row", "form"), in_each_form("frames.json"))
def test_a_frame_is_cut_into_its_items(row, form):
    items = CODECS[form].decode(wire(row, form))
    assert [fields_of(item) for item in items] == [expected(ITEMS[name]) for name in row["items"]]


@pytest.mark.parametrize(("row", "form"), in_each_form("bad.json"))
def test_what_is_bad_is_called_so(row, form):
    if row["becomes"] == "undecodable":
        [item] = CODECS[form].decode(wire(row, form))
        assert isinstance(item, Undecodable)
    else:
        with pytest.raises(WireError):
            CODECS[form].decode(wire(row, form))


@pytest.mark.parametrize(
    "row", [row for row in load("bad.json") if "hex" in row], ids=lambda row: row["name"]
)
@pytest.mark.parametrize("form", CODECS)
def test_what_is_bad_in_any_codec_is_called_so(row, form):
    with pytest.raises(WireError) as caught:
        unpack(bytes.fromhex(row["hex"]), CODECS[form], None, max_size=MAX_SIZE)
    assert caught.value.code == row["becomes"]


@pytest.mark.parametrize("row", load("compressed.json"), ids=lambda row: row["name"])
def test_compressed_frames(row):
    frame, compressor = bytes.fromhex(row["hex"]), COMPRESSORS[row["compressor"]]
    max_size = row.get("max_size", MAX_SIZE)
    if "json" in row:
        items = unpack(frame, CODECS["json"], compressor, max_size=max_size)
        assert [fields_of(item) for item in items] == [
            {"message": json.loads(line)} for line in row["json"].splitlines()
        ]
    else:
        with pytest.raises(WireError) as caught:
            unpack(frame, CODECS["json"], compressor, max_size=max_size)
        assert caught.value.code == row["becomes"]


@pytest.mark.parametrize("file", ["items.json", "frames.json", "bad.json", "compressed.json"])
def test_names_are_unique(file):
    names = [row["name"] for row in load(file)]
    assert len(set(names)) == len(names)
