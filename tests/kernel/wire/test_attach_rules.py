"""Every rule of attach is needed: without any one of them a schedule loses, repeats or misplaces a message.

Each class here lacks one rule. `ServerLine.is_stale` also takes a repeated hello with the number of the last one,
refuses a late poll in words of its own, and takes a session that it does not name as a new one (`Hello.anew`):
these three save a round trip or make a reason exact; the schedules show that nothing is lost without them.
"""

from __future__ import annotations

import secrets
from random import Random

import pytest

from rtcore.wire import AttachRefusedError, ClientLine, Rest, Window

from .simulator import Rules, SimClient, SimServer, SimSession, Violation, play

#: Schedules in which the loss of a rule must show. The slowest to show needs a few hundred.
ENOUGH = 5000

VARIANTS: dict[str, Rules] = {}


def without(rule: str):
    """Register a class that lacks a rule."""

    def register(cls: type) -> type:
        for kind, piece in ((ClientLine, "client_line"), (SimSession, "session"), (SimServer, "server")):
            if issubclass(cls, kind):
                VARIANTS[rule] = Rules(**{piece: cls})
                return cls
        VARIANTS[rule] = Rules(client=cls)
        return cls

    return register


# -- the server's fence and the order of hellos ------------------------------------------------------------


@without("a hello with an older attach number is refused")
class TakesStaleHellos(SimSession):
    def is_stale(self, hello):
        return False


@without("an equal attach number with another nonce is a copy's")
class TakesCopiesForRepetitions(SimSession):
    def is_stale(self, hello):
        return hello.attach < self.attach or (hello.attach == self.attach and self.confirmed)


@without("the server hears only the connection of the last hello")
class HearsEverybody(SimSession):
    def hears(self, connection):
        return True


@without("the server's fence comes before its count is read")
class FencesLate(SimSession):
    still = None

    def fence(self, connection):
        self.still = self.connection
        super().fence(connection)

    def hears(self, connection):
        if connection is self.connection:
            return True
        heard, self.still = connection is self.still, None
        return heard


@without("the loss of a connection that was left changes nothing, on the server")
class DetachesFromAny(SimSession):
    def detach(self, connection):
        self.connection = None
        return True


@without("a POST or a poll names its attach")
class IgnoresTheAttachOfRequests(SimServer):
    def find(self, fields):
        session = self.sessions.get(fields["session"])
        return super().find({**fields, "attach": session.attach if session else 0})


# -- counting in -----------------------------------------------------------------------------------------------


@without("a message is counted before it is decoded")
class CountsWhatItUnderstands(SimServer):
    def count_in(self, session, connection, message):
        if message.type != "garbled":
            super().count_in(session, connection, message)


@without("a POST's known messages are skipped")
class TakesKnownMessages(SimSession):
    def skip(self, start, messages):
        return -1 if start > self.received else 0


@without("a gap before a POST is answered")
class TakesPostsAfterAGap(SimSession):
    def skip(self, start, messages):
        return max(0, super().skip(start, messages))


# -- polls -------------------------------------------------------------------------------------------------------


@without("a poll begins where the client is")
class ForgetsAnswersThatWereLost(SimSession):
    def rewind(self, received):
        self.window.confirm(received)
        return ()


@without("a poll that lacks what left the window is refused")
class PollsAcrossAHole(SimSession):
    def rewind(self, received):
        if received < self.window.acked:
            raise AttachRefusedError("stale_poll", "late")
        self.window.confirm(received)
        return self.window.rest(received).held


@without("a newer poll ends the older one")
class AnswersTheOlderPollFirst(SimServer):
    def poll(self, fields, respond):
        session = self.sessions.get(fields["session"])
        connection = session.connection if session is not None else None
        if connection is None or connection.waiting is None or fields["attach"] != session.attach:
            super().poll(fields, respond)
            return
        older = connection.waiting
        session.confirm(fields["received"])

        def one_after_the_other(frame):
            older(frame)
            connection.waiting, connection.paused = respond, False
            self.pump(session)

        connection.waiting = one_after_the_other


@without("what was written to an older poll is not written to the newer one too")
class KeepsWhatTheOlderPollHad(SimServer):
    def end_older(self, connection):
        connection.waiting = None


@without("only the newest poll's answer counts")
class TakesAnyAnswer(SimClient):
    def is_newest(self, c, token):
        return True


@without("a poll's answer begins at its own count, not at the hello's")
class SkipsInPolls(ClientLine):
    def rewind(self):
        return self.received


# -- the window --------------------------------------------------------------------------------------------------


class SilentWindow(Window):
    def rest(self, count):
        return Rest(0, super().rest(count).held)


@without("what left the window is called lost")
class HidesOverflow(SimSession):
    def __init__(self, id, limit, nonce):
        super().__init__(id, limit, nonce)
        self.window = SilentWindow(limit, 2**53)


class AnxiousWindow(Window):
    overflowed = property(lambda self: True)


@without("what the client has confirmed is not called lost")
class CallsConfirmedMessagesLost(SimSession):
    def __init__(self, id, limit, nonce):
        super().__init__(id, limit, nonce)
        self.window = AnxiousWindow(limit, 2**53)


@without("the client's window never overflows")
class SendsIntoAFullWindow(ClientLine):
    full = property(lambda self: False)


# -- secrets and nonces --------------------------------------------------------------------------------------------


@without("the secret rotates")
class KeepsItsSecret(SimSession):
    def rotate(self):
        self.secret = self.secret or secrets.token_urlsafe(18)
        self.confirmed = False


@without("the previous secret is good until the new one is used")
class ForgetsThePreviousSecret(SimSession):
    def knows(self, secret):
        return secret == self.secret


@without("the previous secret is good only until the new one is used")
class KeepsThePreviousSecret(SimSession):
    def knows(self, secret):
        return secret in {self.secret, self._previous}


@without("a secret that a hello shows has arrived")
class LearnsNothingFromHello(SimSession):
    def see(self, hello):
        if self.confirmed:
            self._restarted = None


@without("a repeated hello gets the same secret")
class RotatesForEachRepetition(SimSession):
    def take_hello(self, connection, hello):
        again = hello.attach == self.attach
        attached = super().take_hello(connection, hello)
        if again:
            self.rotate()
        return attached


@without("a nonce stands for the session that it made until the welcome is used")
class OpensASessionPerHello(SimServer):
    def _find_or_open(self, client, hello, reason):
        self.by_nonce.clear()
        return super()._find_or_open(client, hello, reason)


# -- counts that begin again -----------------------------------------------------------------------------------------


@without("a reset resets both counts")
class ResetsInName(SimSession):
    def restart(self, reason):
        self._restarted = reason


@without("a reset holds for every hello of before, until the client knows of it")
class ForgetsItsReset(SimSession):
    def take_hello(self, connection, hello):
        self._restarted = None
        return super().take_hello(connection, hello)


@without("a client that forgot says so until it is welcome")
class ForgetsThatItForgot(ClientLine):
    def hello(self, connection, **more):
        self._forget = False
        return super().hello(connection, **more)


# -- the client ----------------------------------------------------------------------------------------------------


@without("only the welcome to the last hello is taken")
class TakesAnyWelcome(ClientLine):
    def expects(self, connection, welcome):
        return True


@without("after a welcome the client hears only its connection")
class ListensToEverybody(ClientLine):
    def hears(self, connection):
        return self.connection is not None


@without("the client skips what came twice")
class SkipsNothing(ClientLine):
    def _begin_at(self, begins):
        return 0


@without("the client sends again what the server has not received")
class SendsNothingAgain(ClientLine):
    def take_welcome(self, connection, welcome):
        resumption = super().take_welcome(connection, welcome)
        if resumption is not None:
            self.window.confirm(self.window.sent)
            return resumption._replace(resend=())
        return None


@without("the loss of a connection that was left changes nothing, on the client")
class LosesAnyConnection(ClientLine):
    def detach(self, connection):
        self.connection = self._asked = None
        return True


@without("unknown outcomes are told")
class HidesUnknownOutcomes(ClientLine):
    def _begin_anew(self, welcome, *, fresh):
        return super()._begin_anew(welcome, fresh=fresh)._replace(unknown=())


@without("`superseded` by a copy is the end")
class FightsForItsSession(ClientLine):
    def is_mine(self, attach):
        return True


@without("`superseded` by one's own hello is not the end")
class GivesWayToItself(ClientLine):
    def is_mine(self, attach):
        return False


@pytest.mark.parametrize("rule", VARIANTS)
def test_without_this_rule_the_promise_breaks(rule):
    for seed in range(ENOUGH):
        try:
            play(Random(seed), VARIANTS[rule])
        except Violation:
            return
    pytest.fail(f"{ENOUGH} schedules went well without it: {rule}")
