"""The settings of a pool: one frozen object, validated once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL, Balancer, check_balancer
from connpool_runtime.breaker.settings import BreakerSettings
from connpool_runtime.calls.error_judge import UnknownErrors
from connpool_runtime.calls.route import Route
from connpool_runtime.classifiers.verdict import Classifier
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.options import option
from connpool_runtime.options.validation import Rule, refused
from connpool_runtime.stats.histogram import BOUNDS

if TYPE_CHECKING:
    from connpool_runtime.breaker.outliers import OutlierRules

__all__ = ["PoolOptions", "PoolSettings"]


def _is_classifier(value: object) -> bool:
    if not isinstance(value, str):
        return callable(value)
    from connpool_runtime.classifiers.registry import known_libraries

    return value in known_libraries()


def _check_classifier(value: object) -> None:
    """Raise an error with the nearest names, if a value is a text."""
    if isinstance(value, str):
        from connpool_runtime.classifiers.registry import classifier

        classifier(value)


def _is_route(value: object) -> bool:
    try:
        Route.read(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_route(value: object) -> None:
    """Raise an error that says what is wrong with a text."""
    if isinstance(value, str):
        try:
            Route.read(value)
        except ValueError as error:
            raise ValueError(f"default_route: {error}") from None


class PoolOptions(TypedDict, total=False):
    """The settings as keyword arguments of a pool or a generated wrapper; see `PoolSettings`."""

    balancer: str | Balancer | None
    load_factor: float | None
    max_fails: int | None
    cooldown: float | None
    half_open_calls: int | None
    probe_timeout: float | None
    cooldown_factor: float | None
    cooldown_max: float | None
    cooldown_jitter: float | None
    failure_rate_threshold: float | None
    slow_call_duration: float | None
    slow_call_rate_threshold: float | None
    minimum_calls: int | None
    sliding_window_seconds: float | None
    sliding_window_calls: int | None
    metrics_only: bool | None
    max_ejection_share: float | None
    panic_threshold: float | None
    outlier_success_rate_stdev: float | None
    outlier_latency_stdev: float | None
    outlier_interval: float | None
    outlier_minimum_members: int | None
    outlier_minimum_calls: int | None
    outlier_ejection_time: float | None
    outlier_ejection_time_max: float | None
    outlier_max_ejection_share: float | None
    slow_start: float | None
    zone: str | None
    default_route: str | None
    overprovisioning_factor: float | None
    subset_size: int | None
    client_id: str | None
    unknown_errors: UnknownErrors | None
    classifier: str | Classifier | None
    max_concurrency: int | None
    max_clients: int | None
    max_waiting: int | None
    checkout_timeout: float | None
    drain_timeout: float | None
    leak_threshold: float | None
    buckets: tuple[float, ...] | None
    metrics: bool | None
    clock: Callable[[], float] | None
    random: Callable[[], float] | None


class PoolSettings(BreakerSettings):
    """All numbers and choices of a pool. Zero means zero; an option not given has its default.

    The options that are about breakers come first; `BreakerSettings` states them.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    balancer: str | Balancer = option(
        default="round_robin",
        rule=Rule.word_or_function((*BALANCERS, *BY_CALL), check_balancer),
        does="picks the member for each call: a balancer by its name, or a function"
        " `(candidates, call) -> candidate`.",
        why='"round_robin" is what people expect, and among members that are equally healthy it is'
        " as good as any.",
        reloadable=True,
    )
    load_factor: float = option(
        default=math.inf,
        rule=Rule.factor(),
        does='for "consistent_hash": how many times its fair share of the calls in flight a member'
        " may have, until others take its keys; `inf` for no bound.",
        why="`inf` keeps every key on its member, because the other members may not have its "
        "data. Where each member can serve each key, 1.25 keeps nearly all at home and no "
        "member far above the rest.",
        reloadable=True,
    )
    max_ejection_share: float = option(
        default=1.0,
        rule=Rule.share(),
        does="the share of members that may be ejected by breakers at a time, but at least one;"
        " 0 for none, 1.0 for no cap.",
        why="1.0: few members share a client's calls, and those whose server is gone are better"
        " left out, all of them; when no member is left, `panic_threshold` lets calls through.",
        reloadable=True,
    )
    panic_threshold: float = option(
        default=0.01,
        rule=Rule.share(),
        does="if a smaller share of the members than this is healthy, breakers are ignored: it is then"
        " likelier that the rest would break under the load. 0 is never: when all are ejected, calls"
        " fail at once with `AllMembersOpen`. Members opened by hand stay ejected.",
        why="0.01, only when no member is healthy: then nothing is lost by trying, and servers that were"
        " restarted in turn are found again at once instead of after their cooldowns.",
        reloadable=True,
    )
    outlier_success_rate_stdev: float = option(
        default=0.0,
        rule=Rule.amount(0.0),
        does="how many standard deviations a member's success rate may lie below the mean of all "
        "members until it is ejected as an outlier; 0 for no such rule. The difference must "
        "be at least 5 % of the calls, and too large for chance.",
        why="0: a comparison needs some members and many calls. 1.9 is the value of Envoy and gRPC.",
    )
    outlier_latency_stdev: float = option(
        default=0.0,
        rule=Rule.amount(0.0),
        does="the same for a member's typical latency above that of the members of its priority "
        "and zone; 0 for no such rule. An outlier must also be at least twice as slow as the "
        "others. With this rule, the duration of each call is recorded for its member.",
        why="0, as above. 1.9 finds one that is slow among five or more.",
    )
    outlier_interval: float = option(
        default=10.0,
        rule=Rule.seconds_above_zero(),
        does="how often the members are compared, each time by the calls since the last time.",
        why="10.0, as in Envoy and gRPC.",
    )
    outlier_minimum_members: int = option(
        default=5,
        rule=Rule.whole_number(2, "members"),
        does="how many members must have `outlier_minimum_calls` in an interval, or members are not compared.",
        why="5, as in Envoy and gRPC: of few members the worst is never far from the mean.",
    )
    outlier_minimum_calls: int = option(
        default=100,
        rule=Rule.whole_number(1, "calls"),
        does="the least number of calls in an interval for which a member is compared.",
        why="100, as in Envoy and gRPC.",
    )
    outlier_ejection_time: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="how long an outlier is ejected, multiplied by the number of its recent ejections; "
        "each interval in which it is not ejected reduces that number by one. Afterwards "
        "probes decide, as after any cooldown.",
        why="30.0, as in Envoy and gRPC.",
    )
    outlier_ejection_time_max: float = option(
        default=300.0,
        rule=Rule.seconds(),
        does="the longest time for which an outlier is ejected, unless `outlier_ejection_time` is "
        "longer.",
        why="300.0, as in Envoy and gRPC.",
    )
    outlier_max_ejection_share: float = option(
        default=0.1,
        rule=Rule.share(),
        does="the largest share of members, ejected for whatever reason, up to which outliers are "
        "ejected; one outlier always may be. `max_ejection_share` applies as well, and no "
        "member is ejected in a panic.",
        why="0.1, as in Envoy and gRPC: a member that is only worse than others is of more use than none.",
    )
    slow_start: float = option(
        default=0.0,
        rule=Rule.seconds(),
        does="how long a member that joined or came back takes to get its whole weight, from a "
        'tenth of it on, for servers that must warm up. Does not apply to "consistent_hash" '
        "and functions.",
        why="0, the whole weight at once: at low traffic a slow start only takes longer.",
        reloadable=True,
    )
    zone: str | None = option(
        default=None,
        rule=Rule.text(),
        does="where this client is; members of another zone, or of none, are called when too few of"
        " this one are healthy.",
        why="None, no preference: only its owner knows where a client runs.",
        reloadable=True,
    )
    default_route: str | None = option(
        default=None,
        rule=Rule("text", "a route", _is_route, refuse=_check_route),
        does='the roles of the members for calls of methods without a `route`: as "primary", or '
        '"any" for all members. It applies only once a member has a role.',
        why='None: "primary" in a pool whose wrapper has a method with a route, so that nothing else is read from or'
        " written to a replica by accident; elsewhere labels do not matter.",
        reloadable=True,
    )
    overprovisioning_factor: float = option(
        default=1.4,
        rule=Rule.factor(),
        does="how many times its usual load a group of members can take. While 1 in this many of"
        " the preferred group is healthy, it takes all calls; below, a share goes on to the next one.",
        why="1.4, as in Envoy: all calls stay at home until 71 % are healthy.",
        reloadable=True,
    )
    subset_size: int | None = option(
        default=None,
        rule=Rule.whole_number(1, "members"),
        does="how many of the members this client uses, the same ones each time; for large fleets,"
        " whose servers would else have a connection from every client.",
        why="None, all of them: a subset is of use in large fleets only.",
        reloadable=True,
    )
    client_id: str | None = option(
        default=None,
        rule=Rule.text(),
        does="tells this client from others, so that each has a different subset; set it to keep "
        "the same subset across restarts.",
        why="None, a new one is drawn for each pool.",
        reloadable=True,
    )
    unknown_errors: UnknownErrors = option(
        default="relative",
        rule=Rule.word(("relative", "failure", "neutral")),
        does='how an error that no classifier knows is counted: "relative" compares the members, '
        "and counts the error as a failure of a member that gives it more often than the "
        'others; "failure" counts every such error as a failure, "neutral" none.',
        why='"relative": a caller\'s mistake, or a sold-out article, must not eject healthy servers.',
        reloadable=True,
    )
    classifier: str | Classifier | None = option(
        default=None,
        rule=Rule(
            "word",
            "the name of a classifier or a function",
            _is_classifier,
            refuse=_check_classifier,
        ),
        does="judges the client's errors, before the rules for the client's library do: a function"
        " `(error) -> Verdict | None`, or the name of a classifier.",
        why="None: each error is judged by the library that its class comes from.",
        reloadable=True,
    )
    max_concurrency: int | None = option(
        default=None,
        rule=Rule.whole_number(1, "calls"),
        does="calls at a time on one member: 1 for clients that are used exclusively. With a limit"
        " each call costs a little more: it takes the pool's lock twice.",
        why="None, no limit: most clients are thread-safe or multiplexed.",
        reloadable=True,
    )
    max_clients: int | None = option(
        default=None,
        rule=Rule.whole_number(1, "clients"),
        does="clients that the factories of all endpoints may have open together.",
        why="None: no limit beside each endpoint's `max_size`.",
        reloadable=True,
    )
    max_waiting: int = option(
        default=1024,
        rule=Rule.whole_number(0, "callers"),
        does="callers who may wait for a member at a time; with 0 no caller waits.",
        why="1024, as in Envoy: a line without end would only hide that the members are overloaded.",
        reloadable=True,
    )
    checkout_timeout: float = option(
        default=5.0,
        rule=Rule.seconds(),
        does="how long a call may wait for a member, or what is left until the caller's deadline "
        "if that is less; with 0 no call waits.",
        why="5.0: most callers give up before the 30 seconds that most pools wait.",
        reloadable=True,
    )
    drain_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="how long removing a member or closing the pool waits for its calls.",
        why="30.0, as long as Kubernetes waits between asking a process to end and ending it.",
        reloadable=True,
    )
    leak_threshold: float = option(
        default=0.0,
        rule=Rule.seconds(),
        does="after how long a lease, stream, context or pinned result that keeps a client from others is reported as"
        " a leak, with the stack of the code that took it; 0 for never. Only where clients serve a limited number of calls.",
        why="0: only its owner knows how long is too long, and each lease has to look at the stack.",
    )
    buckets: tuple[float, ...] = option(
        default=BOUNDS,
        rule=Rule.ascending_seconds(),
        does="upper bounds of the latency histogram, ascending; the last bucket is added by itself.",
        why="From 100 microseconds to 10 seconds: a pooled server may answer faster than 5 ms, where"
        " most histograms begin.",
        reloadable=True,
    )
    metrics: bool = option(
        default=True,
        rule=Rule.switch(),
        does="whether calls are counted and timed by method; if not, all methods share one count.",
        why="True: without numbers it is unknown what a pool does.",
        reloadable=True,
    )
    clock: Callable[[], float] = option(
        default=time.perf_counter, rule=Rule.function(), does="monotonic seconds; for tests."
    )
    random: Callable[[], float] = option(
        default=draw,
        rule=Rule.function(),
        does="floats in [0, 1); for tests.",
        why="not `random.random`: where a program seeds that, all its processes would draw the same jitter.",
    )

    def eligibility(self) -> Eligibility:
        """Return what decides which members are candidates."""
        return Eligibility(
            zone=self.zone,
            overprovisioning_factor=self.overprovisioning_factor,
            subset_size=self.subset_size,
            client_id=repr(self.random()) if self.client_id is None else self.client_id,
            max_ejection_share=self.max_ejection_share,
            panic_threshold=self.panic_threshold,
            slow_start=self.slow_start,
        )

    @property
    def compares_members(self) -> bool:
        """Whether members are compared with each other, to find outliers."""
        return self.outlier_success_rate_stdev > 0 or self.outlier_latency_stdev > 0

    def outlier_rules(self) -> OutlierRules:
        """Return how members are compared."""
        from connpool_runtime.breaker.outliers import OutlierRules  # few pools compare

        return OutlierRules(
            success_rate_stdev=self.outlier_success_rate_stdev,
            latency_stdev=self.outlier_latency_stdev,
            interval=self.outlier_interval,
            minimum_members=self.outlier_minimum_members,
            minimum_calls=self.outlier_minimum_calls,
            ejection_time=self.outlier_ejection_time,
            ejection_time_max=self.outlier_ejection_time_max,
            max_ejection_share=self.outlier_max_ejection_share,
        )

    def check_together(self) -> None:
        """Refuse rules about outliers that can never find one."""
        BreakerSettings.check_together(self)
        # One member that differs from n - 1 equal ones is that far from the mean of all.
        farthest = math.sqrt(self.outlier_minimum_members - 1)
        for name in ("outlier_success_rate_stdev", "outlier_latency_stdev"):
            if (given := getattr(self, name)) >= farthest:
                rule = (
                    f"below {farthest:.4g}: of {self.outlier_minimum_members} members, which is"
                    " outlier_minimum_members, none can be farther from the mean"
                )
                raise refused(name, given, rule)

    def breaker_settings(self) -> BreakerSettings:
        """Return the numbers of the breakers, which are among these."""
        return self
