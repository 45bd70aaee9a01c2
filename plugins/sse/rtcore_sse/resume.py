"""What a plain `EventSource` remembers for us: its `Last-Event-ID` is the credential of a resume.

    <session>:<secret>:<count>    attach again; `count` messages have arrived
    stop:<number>                 the stream ended with a code that says stop: answer 204, which ends an EventSource
    (empty)                       a new session

It travels in a header, never in a URL, and the secret in it is worth nothing once a newer one was used.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from rtcore.wire.codes import Next, after_close
from rtcore.wire.hello import Hello

_ID: Final = re.compile(r"([^\s:][^\s]{0,255}):([^\s:]{1,255}):([0-9]{1,15})")
_STOP: Final = re.compile(r"stop:[0-9]{4}")
_SHOWN_MAX: Final = 256


def resume_credential(session: str, secret: str) -> bytes:
    """Return what stands before the count in the ids of one connection.

    >>> resume_credential("n1.a", "s3")
    b'n1.a:s3:'
    """
    return f"{session}:{secret}:".encode()


def id_after(number: int) -> bytes | None:
    """Return the id that a stream closed with this number leaves behind; `None`: the one that is there stays.

    >>> id_after(4203), id_after(4100), id_after(4000)
    (b'stop:4203', b'', None)
    """
    following = after_close(number)
    if following is Next.STOP:
        return b"stop:%d" % number
    return b"" if following is Next.AFRESH else None


def says_stop(last_event_id: str) -> bool:
    """Say whether the client was told not to come back.

    >>> says_stop("stop:4203"), says_stop("n1.a:s3:7")
    (True, False)
    """
    return _STOP.fullmatch(last_event_id) is not None


def hello_of(last_event_id: str) -> Hello:
    """Return the hello that the client would say if it could.

    An id that is no credential names a session that nobody has, so that `welcome` says `resumed: false` and why.

    >>> hello = hello_of("n1.a:s3:7")
    >>> hello.session, hello.received, hello.attach
    ('n1.a', 7, 0)
    >>> hello_of("").session, hello_of("what?").session
    (None, 'what?')
    """
    nonce = secrets.token_urlsafe(18)
    if not last_event_id:
        return Hello(attach=0, nonce=nonce)
    match = _ID.fullmatch(last_event_id)
    if match is None:
        return Hello(attach=0, nonce=nonce, session=last_event_id[:_SHOWN_MAX], secret="", received=0)
    session, secret, count = match.groups()
    return Hello(attach=0, nonce=nonce, session=session, secret=secret, received=int(count))
