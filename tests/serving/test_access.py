"""Tokens, names of the service, links that expire."""

import base64
import time
from pathlib import Path

import pytest

from pai_modelscope.config.serving import ServeOptions
from pai_modelscope.errors import UserError
from pai_modelscope.serving.access import Hosts, Links, Tokens, check_bind


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    (tmp_path / "tokens").write_text("# of the team\nann 0123456789abcdef\n\nbob fedcba9876543210\n")
    return Tokens.read(tmp_path / "tokens")


def test_each_way_to_carry_a_token(tokens: Tokens) -> None:
    basic = base64.b64encode(b"anyone:fedcba9876543210").decode()
    assert tokens.client("Bearer 0123456789abcdef") == "ann"
    assert tokens.client(f"Basic {basic}") == tokens.client("fedcba9876543210") == "bob"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer no", "Basic %%%", "Basic =", "0123 4567", "é"]
)
def test_what_is_no_token(tokens: Tokens, header: str | None) -> None:
    assert tokens.client(header) is None


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "ann short\n", "ann\n", "a 0123456789abcdef\na 0123456789abcdeg\n"]
)
def test_files_without_tokens_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(UserError, match="token"):
        Tokens.read(tmp_path / "tokens")


def test_a_line_may_hold_its_client_to_bounds_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(
        "ann 0123456789abcdef jobs=80 pictures=2 pixels=4096 steps=50 priority=-1\nbob fedcba9876543210\n"
    )
    options = ServeOptions(queue_of_client=64, steps=60)
    own = Tokens.read(tmp_path / "tokens", options).own
    ann, bob = own["ann"].over(options), own["bob"].over(options)
    assert (ann.queue_of_client, ann.pictures, ann.pixels, ann.steps) == (80, 2, 4096, 50)
    assert own["ann"].priority == -1 and bob == options and ann.queue == options.queue


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("steps=61", "steps is 61, but --steps 60"),
        ("steps=0", "steps is 0; give a whole number from 1 to 1000"),
        ("jobs=many", "jobs is 'many'; give a whole number"),
        ("jobs=1e3", "jobs is '1e3'"),
        ("priority=99", "priority is 99; give a whole number from -9 to 9"),
        ("jobs=1 jobs=2", "each once"),
        ("jobs = 1", "jobs is ''"),
        ("queue=1", "jobs, pictures, pixels, steps, priority"),
        ("secretpart", "jobs=8"),
    ],
)
def test_every_bad_line_is_said_once_and_tells_no_token(tmp_path: Path, words: str, says: str) -> None:
    text = f"ann 0123456789abcdef jobs=1\nbob fedcba9876543210 {words}\ncyd tooshort\ndan 0123456789abcdef\n"
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(UserError) as error:
        Tokens.read(tmp_path / "tokens", ServeOptions(steps=60))
    assert [fault.field for fault in error.value.faults] == ["line 2", "line 3", "line 4"]
    assert says in error.value.faults[0].message and "another line has" in error.value.faults[2].message
    assert not any(part in str(error.value) for part in ("0123456789abcdef", "fedcba", "tooshort", "secretpart"))


def test_names_of_the_service() -> None:
    hosts = Hosts("127.0.0.1", ["paint.example"])
    assert all(map(hosts.knows, ("localhost:7860", "127.0.0.1", "[::1]:7860", "Paint.example:443")))
    assert not any(map(hosts.knows, (None, "", "evil.example", "localhost.evil.example", "192.168.0.3:7860")))
    assert hosts.sent_from_here(None, "localhost:7860")
    assert hosts.sent_from_here("http://localhost:7860", "localhost:7860")
    for origin in ("null", "http://evil.example", "http://localhost:3000", "http://[", "localhost:7860"):
        assert not hosts.sent_from_here(origin, "localhost:7860"), origin
    assert not hosts.knows("[") and not hosts.sent_from_here("http://evil.example", "evil.example")
    everywhere = Hosts("0.0.0.0")
    assert everywhere.knows("192.168.0.3:7860") and not everywhere.knows("evil.example")


def test_links_hold_for_their_path_and_time(tmp_path: Path) -> None:
    links = Links(tmp_path)
    values = dict(pair.split("=") for pair in links.query("/a").split("&"))
    held = values["expires"], values["signature"]
    assert links.hold("/a", *held) and Links(tmp_path).hold("/a", *held), "a restart keeps them"
    assert not links.hold("/b", *held) and not links.hold("/a", str(int(held[0]) + 1), held[1])
    old = dict(pair.split("=") for pair in links.query("/a", time.time() - 7 * 86400).split("&"))
    assert not links.hold("/a", old["expires"], old["signature"])
    assert (
        not links.hold("/a", "٣", held[1]) and not links.hold("/a", None, None) and not links.hold("/a", "9" * 99, "é")
    )
    assert (tmp_path / "links.key").stat().st_mode & 0o077 == 0


def test_others_need_tokens(tokens: Tokens) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        check_bind(host, None)
    for host in ("0.0.0.0", "::", "192.168.0.3", "paint.example"):
        check_bind(host, tokens)
        with pytest.raises(UserError, match="--token-file"):
            check_bind(host, None)
