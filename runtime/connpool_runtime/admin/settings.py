"""The options of the admin application: one frozen object, validated once."""

from __future__ import annotations

from typing import TypedDict

from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule

__all__ = ["MIN_TOKEN", "AdminOptions", "AdminSettings", "check_token"]

MIN_TOKEN = 16
"""Characters that a token has at least: shorter ones can be guessed."""


class AdminOptions(TypedDict, total=False):
    """The settings as keyword arguments of `admin_app` and `serve_admin`; see `AdminSettings`."""

    token_for_reads: bool | None
    health_without_token: bool | None
    body_limit: int | None
    body_timeout: float | None
    reads_per_second: float | None
    writes_per_second: float | None
    max_streams: int | None
    event_history: int | None
    stats_age: float | None
    counts_every: float | None


class AdminSettings(Settings):
    """What the admin application allows. Zero means zero; an option not given has its default.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    token_for_reads: bool = option(
        default=False,
        rule=Rule.switch(),
        does="whether reading needs a token from this machine, too.",
        why="False: users of this machine could look at the process anyway.",
    )
    health_without_token: bool = option(
        default=False,
        rule=Rule.switch(),
        does="whether `/health`, `/health/live` and `/health/ready` answer without a token, with "
        "the status and no reasons.",
        why="False: a probe can send a token, and others need not learn that there is a pool.",
    )
    body_limit: int = option(
        default=16_384,
        rule=Rule.whole_number(256, "bytes"),
        does="how long the body of a request may be.",
        why="16,384: the longest that is of use has some hundred.",
    )
    body_timeout: float = option(
        default=5.0,
        rule=Rule.seconds_above_zero(),
        does="how long a request may take to arrive, from its first byte to its last.",
        why="5.0: a client that takes longer only wants to hold the connection.",
    )
    reads_per_second: float = option(
        default=50.0,
        rule=Rule.amount(0.1),
        does="how many requests one address may make; four times as many at once.",
        why="50: a dozen open pages and a Prometheus need less.",
    )
    writes_per_second: float = option(
        default=5.0,
        rule=Rule.amount(0.1),
        does="how many changes one address may make; four times as many at once.",
        why="5: a hand is slower, and a script that is faster has gone wrong.",
    )
    max_streams: int = option(
        default=16,
        rule=Rule.whole_number(0, "streams"),
        does="how many readers may follow the events at a time.",
        why="16: so many people rarely look at one process.",
    )
    event_history: int = option(
        default=1024,
        rule=Rule.whole_number(16, "events"),
        does="how many events are kept, for readers that come later or are slow.",
        why="1024: some hours of a quiet process, and half a megabyte.",
    )
    stats_age: float = option(
        default=0.25,
        rule=Rule.seconds(),
        does="how old the shown numbers may be: requests within this time share one reading of the"
        " pools.",
        why="0.25: the pools are read at most four times a second, however many readers there "
        "are.",
    )
    counts_every: float = option(
        default=5.0,
        rule=Rule.seconds_above_zero(),
        does="how often a process in a run folder writes its counters there, besides each time "
        "that it sends them; what a killed worker has counted since its last write is lost.",
        why="5.0: that reads the pools, which takes milliseconds with a thousand members.",
    )


def check_token(name: str, token: str | None) -> None:
    """Refuse a token that can be guessed, or that no header can carry.

    Raises:
        ValueError: it has fewer than `MIN_TOKEN` characters, or others than visible ones of ASCII. The message
            does not hold the token.
    """
    if token is None:
        return
    visible = all("!" <= character <= "~" for character in token)
    if len(token) < MIN_TOKEN or not visible:
        raise ValueError(
            f"{name} must have at least {MIN_TOKEN} characters, visible ASCII ones and no blanks: make one with"
            ' python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
