"""What a client saw, in the order in which it saw it, and what must be true of that.

Whoever plays a client writes entries, each a list whose first item names its kind:

    ["said", room, epoch, offset, by, n]    a message of a room
    ["gap", reason, n, room]                 it was told that messages are missing
    ["session", node, resumed]               it was welcomed
    ["page"]                                 its page was loaded anew
    ["sent", room, n, outcome]               what it was told of a message of its own: "ok", or the code of an error
    ["asked", n, outcome, answer]            the same of a request
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Diary = Sequence[Sequence[Any]]


def read(
    diaries: Mapping[str, Diary], runs: Iterable[str], *, last: str, killed: Iterable[str] = ()
) -> list[str]:
    """Return what is wrong with a day.

    Args:
        diaries: of all clients, by name.
        runs: lines `by n`, one for each run of a handler, of all servers.
        last: the node that lives at the end, whose rooms everybody has followed to their ends.
        killed: nodes that ended without a word: what only they had in memory may be lost.
    """
    wrong: list[str] = []
    history: dict[tuple[str, str, int], tuple[str, int]] = {}
    tops: dict[tuple[str, str], int] = defaultdict(int)
    nodes: dict[str, set[str]] = defaultdict(set)
    for name, diary in diaries.items():
        node = ""
        for kind, *entry in diary:
            if kind == "session":
                node = entry[0]
            elif kind == "said":
                room, epoch, offset, by, n = entry
                if history.setdefault((room, epoch, offset), (by, n)) != (by, n):
                    wrong.append(
                        f"{name}: {room} {offset} is {by} {n}, for others {history[room, epoch, offset]}"
                    )
                tops[room, epoch] = max(tops[room, epoch], offset)
                nodes[epoch].add(node)
    ends = {key: top for key, top in tops.items() if last in nodes[key[1]]}
    for name, diary in diaries.items():
        wrong += _rooms(name, diary, ends)
        wrong += _outcomes(name, diary)
    wrong += _published(diaries, history, nodes, frozenset(killed))
    wrong += _run(diaries, runs)
    return wrong


def _rooms(name: str, diary: Diary, ends: Mapping[tuple[str, str], int]) -> list[str]:
    """Each message of a room once, in the order of the history, none missing unless that was told."""
    wrong: list[str] = []
    at: dict[str, tuple[str, int]] = {}  # where it stands in each room
    told: Counter[str | None] = Counter()
    fresh = 0
    left: dict[str, int] = {}
    for kind, *entry in diary:
        if kind == "gap":
            told[entry[2]] += entry[1] or 10**9
        elif kind == "session" and not entry[1]:
            fresh += 1
        elif kind == "page":
            at.clear()
        elif kind == "said":
            room, epoch, offset, *_ = entry
            before = at.get(room)
            if before is not None and before[0] == epoch:
                missing = offset - before[1] - 1
                if missing < 0:
                    wrong.append(f"{name}: {room} {offset} after {before[1]}: repeated, or out of order")
                elif missing > told[room] + told[None]:
                    wrong.append(
                        f"{name}: {room} {offset} after {before[1]}: {missing} are missing, nobody said so"
                    )
                else:
                    told[room] -= missing
            elif before is not None and left.get(room, -1) >= fresh:
                wrong.append(f"{name}: {room}: another epoch, and no new session was told")
            left[room] = fresh
            at[room] = (epoch, offset)
    for (room, epoch), end in ends.items():
        if room in at and at[room] != (epoch, end) and not told[room] + told[None]:
            wrong.append(f"{name}: {room}: stopped at {at[room][1]} of {end}")
    return wrong


def _outcomes(name: str, diary: Diary) -> list[str]:
    """Each message and request has exactly one outcome; an answer is right."""
    wrong: list[str] = []
    seen: Counter[tuple[Any, ...]] = Counter()
    for kind, *entry in diary:
        if kind == "sent":
            seen["sent", entry[1]] += 1
        elif kind == "asked":
            n, outcome, answer = entry
            seen["asked", n] += 1
            if outcome == "ok" and answer != n * n:
                wrong.append(f"{name}: request {n} was answered with {answer}")
    wrong += [f"{name}: {what} {n} has {count} outcomes" for (what, n), count in seen.items() if count != 1]
    return wrong


def _published(
    diaries: Mapping[str, Diary],
    history: Mapping[tuple[str, str, int], tuple[str, int]],
    nodes: Mapping[str, set[str]],
    killed: frozenset[str],
) -> list[str]:
    """What a client was told to be sent is in a history once; what has an unknown outcome at most once."""
    places: dict[tuple[str, int], list[str]] = defaultdict(list)
    for (_, epoch, _), message in history.items():
        places[message].append(epoch)
    wrong: list[str] = []
    for name, diary in diaries.items():
        node = ""
        for kind, *entry in diary:
            if kind == "session":
                node = entry[0]
            if kind != "sent":
                continue
            _, n, outcome = entry
            found = places.get((name, n), [])
            if len(found) > 1:
                wrong.append(f"{name}: message {n} is there {len(found)} times")
            elif outcome == "ok" and not found and node not in killed:
                wrong.append(f"{name}: message {n} was confirmed, and nobody has it")
    return wrong


def _run(diaries: Mapping[str, Diary], runs: Iterable[str]) -> list[str]:
    """A handler runs once for each request that is answered, and never twice."""
    times: Counter[tuple[str, int]] = Counter()
    for line in runs:
        by, _, n = line.partition(" ")
        times[by, int(n)] += 1
    wrong = [f"{by}: request {n} ran {count} times" for (by, n), count in times.items() if count > 1]
    for name, diary in diaries.items():
        for kind, *entry in diary:
            if kind == "asked" and entry[1] == "ok" and not times[name, entry[0]]:
                wrong.append(f"{name}: request {entry[0]} was answered and never ran")
    return wrong
