"""The table of options: each stated once, and all that follows from it agrees."""

import dataclasses
from pathlib import Path

import pytest
from typer.main import get_command

from connpool_gen.cli import app
from connpool_gen.config.options import (
    METHOD_KEYS,
    OPTIONS,
    TARGET_OPTIONS,
    Kind,
    Option,
    Scope,
    seconds,
)
from connpool_gen.config.request import GenerateRequest, MethodPolicy

# What the command knows of a request beside its options.
NO_OPTIONS = {"cache_dir", "found_by", "from_manifest", "root", "search", "shared"}
each_target = pytest.mark.parametrize("option", TARGET_OPTIONS, ids=lambda option: option.field)


def test_every_field_of_a_request_is_an_option() -> None:
    """A request has a field for each option of a target, and a policy one for each setting."""
    fields = {field.name for field in dataclasses.fields(GenerateRequest)} - NO_OPTIONS
    assert fields == {option.field for option in TARGET_OPTIONS}
    settings = {field.name for field in dataclasses.fields(MethodPolicy)} - {"pattern"}
    assert settings == {option.field for option in METHOD_KEYS.values()}


def test_every_flag_is_in_the_command() -> None:
    """The command has the flags of the table and no others."""
    stated = {flag for option in OPTIONS for flag in (*option.flags, option.off_flag) if flag}
    stated |= {f"--{value}" for option in OPTIONS for value, _ in option.value_flags}
    params = get_command(app).params
    known = {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
    assert known - stated == {"--install-completion", "--show-completion"}
    assert stated - known == set()


@each_target
def test_an_option_can_be_set(option: Option) -> None:
    """Each option of a target has a key or a flag, and says what holds without it."""
    assert option.key or option.flags
    assert option.default_said or option.field == "client"


@each_target
def test_the_default_needs_no_words(option: Option) -> None:
    """A command does not repeat defaults."""
    assert option.words(option.default, Path.cwd()) == []


def test_no_option_is_stated_twice() -> None:
    """Within a scope each field stands once."""
    for scope in Scope:
        fields = [option.field for option in OPTIONS if option.scope is scope]
        assert len(fields) == len(set(fields))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30.0), ("500ms", 0.5), ("1.5s", 1.5), ("2 m", 120.0), ("1h", 3600.0)],
)
def test_a_duration_is_in_seconds(text: str, expected: float) -> None:
    """A duration is a number with or without a unit."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 day", "1e3", "0,5s", "\u0663s", "1s\n"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is None, so that the caller can name the key."""
    assert seconds(text) is None
    assert not Option(scope=Scope.RUN, field="x", kind=Kind.SECONDS, help="").fits(text)
