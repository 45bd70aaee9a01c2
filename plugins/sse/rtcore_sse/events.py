"""The event stream format (WHATWG HTML, section 9.2.6), as far as a server writes it. Pure; no I/O.

Rule: a line ends at CR, LF or CR LF, so a frame's line ends must become `data:` lines, or what follows them is lost.
"""

from __future__ import annotations

from typing import Final

#: Nothing to a client, life to a proxy.
COMMENT: Final = b": \n\n"


def event(body: bytes, *, name: str = "", id: bytes | None = None) -> bytes:
    r"""Return one frame as one event; the client sees the frame's lines joined by LF.

    Args:
        body: the frame.
        name: of the event, for those who listen to it by name.
        id: what the client remembers, and brings back as its `Last-Event-ID`.

    >>> event(b'{"type":"a"}')
    b'data: {"type":"a"}\n\n'
    >>> event(b"one\r\ntwo\rthree\n")
    b'data: one\ndata: two\ndata: three\ndata: \n\n'
    >>> event(b"x", name="gap", id=b"e1:7")
    b'id: e1:7\nevent: gap\ndata: x\n\n'
    """
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in body:
        body = body.replace(b"\n", b"\ndata: ")
    made = b"data: %b\n\n" % body
    if name:
        made = b"event: %b\n%b" % (name.encode(), made)
    return made if id is None else b"id: %b\n%b" % (id, made)


def body_of(event: bytes) -> bytes:
    r"""Return the frame of an event that `event` made.

    >>> body_of(event(b"one\ntwo"))
    b'one\ntwo'
    """
    return event.removeprefix(b"data: ").removesuffix(b"\n\n").replace(b"\ndata: ", b"\n")


def retry(seconds: float) -> bytes:
    r"""Return the advice to wait so long before a reconnect.

    >>> retry(1.5)
    b'retry: 1500\n\n'
    """
    return b"retry: %d\n\n" % round(seconds * 1000)


def padding(size: int) -> bytes:
    r"""Return a comment of exactly `size` bytes; nothing if that is less than a comment takes.

    >>> padding(6)
    b':   \n\n'
    >>> padding(2)
    b''
    """
    return b":" + b" " * (size - 3) + b"\n\n" if size >= 3 else b""


def chunk(data: bytes) -> bytes:
    r"""Return data as one chunk of a chunked body (RFC 9112, section 7.1).

    >>> chunk(b"data: x\n\n")
    b'9\r\ndata: x\n\n\r\n'
    """
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
