"""Masking: each class is planted and found; what judges read stays; any size and any bytes."""

import json
from io import BytesIO
from pathlib import Path

import complete_run
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.masking import FREE_TEXT, Masker
from harness.model.history import Blame, LogsKept, StepFailed
from harness.model.masking import Masking
from harness.settings import load_environment
from harness.store import RunDirectory

KEY = bytes(range(32))
HISTORIES = Path(__file__).parents[1] / "histories"


def masker(**settings: object) -> Masker:
    return Masker(KEY, Masking(**settings))  # type: ignore[arg-type]


def copied(content: bytes, **settings: object) -> bytes:
    target = BytesIO()
    masker(**settings).copy(BytesIO(content), target)
    return target.getvalue()


def test_nothing_is_masked_of_nothing() -> None:
    """No text, no counts but zeros: that nothing was found is said."""
    empty = masker()
    assert empty.text("") == ""
    assert empty.argv([]) == ()
    assert copied(b"") == b""
    assert empty.counts == {"secret": 0, "literal": 0, "email": 0, "address": 0}


PEM = "-----BEGIN EC PRIVATE KEY-----\n{}\nQw==\n-----END EC PRIVATE KEY-----".format(
    "MHcCAQEEI" * 7
)
HASH = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
SECRETS = [
    ("postgresql://app:hunter2@db:5432/x", "postgresql://app:[secret]@db:5432/x"),
    ("redis://:hunter2@cache/0", "redis://:[secret]@cache/0"),
    ("host=db password=hunter2 user=app", "host=db password=[secret] user=app"),
    ("password='hunter 2' x", "password='[secret]' x"),
    ("PGPASSWORD=hunter2 psql", "PGPASSWORD=[secret] psql"),
    ("AWS_SECRET_ACCESS_KEY=hun/ter+2", "AWS_SECRET_ACCESS_KEY=[secret]"),
    ("--repo1-cipher-pass=hunter2 --pg1-path=/x", "--repo1-cipher-pass=[secret] --pg1-path=/x"),
    ("curl --api-token hunter2 host", "curl --api-token [secret] host"),
    ('{"password": "hun\\"ter2", "a": 1}', '{"password": "[secret]", "a": 1}'),
    (r'{"said": "{\"token\": \"hunter2\"}"}', r'{"said": "{\"token\": \"[secret]\"}"}'),
    ("db_password: hunter2", "db_password: [secret]"),
    ("Authorization: Bearer hunter2", "Authorization: Bearer [secret]"),
    ("'authorization': 'Basic aHVudGVyMg=='", "'authorization': 'Basic [secret]'"),
    ("/x?X-Amz-Signature=hunter2&y=1", "/x?X-Amz-Signature=[secret]&y=1"),
    ("ALTER ROLE a PASSWORD 'hunter2';", "ALTER ROLE a PASSWORD '[secret]';"),
    ("requirepass hunter2", "requirepass [secret]"),
    (f"stored {HASH}.", "stored [secret]."),
    ("key AKIAIOSFODNN7EXAMPLE is unknown", "key [secret] is unknown"),
    ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "got [secret]"),
    ("glpat-abcdefghij0123456789 expired", "[secret] expired"),
    ("hooks.slack.com/services/T0/B0/x failed", "hooks.slack.com/[secret] failed"),
    (PEM, "-----BEGIN EC PRIVATE KEY-----[secret]\n-----END EC PRIVATE KEY-----"),
]


@pytest.mark.parametrize(("text", "masked"), SECRETS)
def test_each_secret_is_found(text: str, masked: str) -> None:
    """Alone, within a log, and whatever else is switched off; a masked text stays as it is."""
    strict = masker(off=("email", "address", "literal"))
    assert strict.text(text) == masked
    assert strict.counts == {"secret": 1}
    assert strict.text(masked) == masked
    assert strict.counts == {"secret": 1}
    log = f"2026-11-24 01:02:03 UTC started\n{text}\nended\n".encode()
    assert copied(log) == f"2026-11-24 01:02:03 UTC started\n{masked}\nended\n".encode()


def test_personal_data_becomes_tokens() -> None:
    """E-mail addresses, public addresses and SQL values, each by its own token, in a real log."""
    log = (
        "2026-11-24 01:02:03 UTC [12] app@orders LOG:  connection from 93.184.216.34:5123 (::1)\n"
        "2026-11-24 01:02:03 UTC [12] app@orders ERROR:  duplicate key value\n"
        "2026-11-24 01:02:03 UTC [12] app@orders DETAIL:  Key (email)=(ada@example.com) exists.\n"
        "2026-11-24 01:02:03 UTC [12] app@orders STATEMENT:  INSERT INTO people\n"
        "\tVALUES (7, 'Ada L''Ovelace', 'x')\n"
        "2026-11-24 01:02:03 UTC [12] app@orders LOG:  redo starts at 0/3000060\n"
        "mail to ada@example.com from 2606:2800:220:1:248:1893:25c8:1946\n"
    )
    one = masker()
    masked = one.text(log)
    assert copied(log.encode()).decode() == masked
    for gone in ("93.184", "ada@", "Ovelace", "2606:"):
        assert gone not in masked
    for kept in ("app@orders", ":5123 (::1)", "0/3000060", "01:02:03", "VALUES (7, '[literal:"):
        assert kept in masked
    assert one.counts == {"secret": 0, "literal": 3, "email": 1, "address": 2}
    assert one.text(masked) == masked


def test_a_value_has_one_token_in_a_run_and_another_in_the_next() -> None:
    """A log can be followed; two runs cannot be joined, and no dictionary finds the value."""
    first, second = Masker(KEY), Masker(bytes(32))
    again = first.text("ada@example.com, bob@example.com, ada@example.com").split(", ")
    assert again[0] == again[2] != again[1]
    assert second.text("ada@example.com") not in again
    assert Masker(KEY).text("ada@example.com") == again[0]


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:6379, [::1]:6379 and 0.0.0.0",
        "10.244.3.7 and 192.168.0.1 and fd00::1",
        "harness@bastion, git@host:group, 1.2.3, v1.2.3.4, pkg-1.2.3.4",
        "md5 d41d8cd98f00b204e9800998ecf8427e, SHA-256 0770f58fb095",
        "Secret: the account may not list them; the token was not renewed",
        "std::vector, core::fmt, 12:34:56, 0-5460, a@b",
        "key=orders:17 owner=app path=/var/lib password authentication failed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Loopback and private addresses, versions, digests, kinds of objects, words about secrets."""
    assert masker().text(text) == text


def test_private_addresses_are_masked_where_asked() -> None:
    """Where clients come from inside, their addresses are theirs; loopback names nobody."""
    masked = masker(private_addresses=True).text("10.244.3.7 to 127.0.0.1")
    assert masked.startswith("[address:")
    assert masked.endswith("to 127.0.0.1")


def test_an_environment_adds_and_switches_off() -> None:
    """Its own patterns by group or whole; a class that is off is left and not counted."""
    one = masker(off=("email",), patterns={"customer": r"C-\d{6}", "iban": r"IBAN (\w+)"})
    masked = one.text("C-123456 ada@example.com IBAN DE89370400440532013000")
    assert masked.startswith("[customer:")
    assert "ada@example.com" in masked
    assert "IBAN [iban:" in masked
    assert one.counts == {"secret": 0, "literal": 0, "address": 0, "customer": 1, "iban": 1}
    log = copied(b"C-123456\nnothing\n", patterns={"customer": r"C-\d{6}"})
    assert log.startswith(b"[customer:")
    assert log.endswith(b"\nnothing\n")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('off = ["secret"]', "secret"),
        ('patterns = { customer = "C-(" }', "patterns.customer"),
        ('patterns = { customer = "x*" }', "matches nothing"),
        ('patterns = { email = "x" }', "another name"),
        ('patern = { a = "x" }', "patern"),
    ],
)
def test_wrong_settings_are_refused(setting: str, said: str, tmp_path: Path) -> None:
    """Secrets cannot be switched off; a pattern that is none, or matches nothing, is told."""
    file = tmp_path / "harness.toml"
    file.write_text(f"[environments.staging.masking]\n{setting}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_environment("staging", file)


def test_command_lines_lose_their_secrets() -> None:
    """`--password X` and `--password=X`; a file of a key is no key."""
    typed = ["harness", "run", "s", "--seal-key", "seal.pem", "--db-password", "hunter2"]
    typed += ["--token=hunter2", "--participant", "ada@example.com", "--json"]
    masked = masker().argv(typed)
    assert masked[:6] == tuple(typed[:6])
    assert masked[6:] == (
        "[secret]", "--token=[secret]", "--participant", "ada@example.com", "--json",
    )  # fmt: skip


# -- What judges read -----------------------------------------------------------------------------


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in (key, *strings(one))]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []


def test_recorded_runs_are_as_they_were() -> None:
    """Not a string of the recorded histories and judgements is taken for something to mask."""
    seen = 0
    for file in (HISTORIES / "complete_run.json", *sorted(HISTORIES.glob("judged/*/*.json"))):
        for text in strings(json.loads(file.read_bytes())):
            assert masker(private_addresses=False).text(text) == text
            seen += 1
    assert seen > 1_000


names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
read_by_judges = st.one_of(
    st.builds("{:X}/{:X}".format, st.integers(0, 2**32), st.integers(0, 2**32)),  # LSN
    st.integers(0, 2**96).map("{:024X}".format),  # WAL segment
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.datetimes().map(lambda at: f"{at:%Y-%m-%d %H:%M:%S}.123 UTC"),
    st.datetimes().map(lambda at: f"{at:%Y%m%d-%H%M%S}F_{at:%Y%m%d-%H%M%S}I"),  # backup label
    st.binary(min_size=20, max_size=32).map(bytes.hex),
    st.builds("127.0.0.1:{}".format, st.integers(1, 65535)),
    st.builds("[::1]:{}".format, st.integers(1, 65535)),
    st.builds("archive/{}/15-1/{:016X}/{}.zst".format, names, st.integers(0, 2**64), names),
    st.builds("{}-{}".format, st.integers(0, 16383), st.integers(0, 16383)),  # slots
    st.builds("{}/{}@{}".format, names, names, names),
    st.builds("{}.{}.svc.cluster.local".format, names, names),
)


@given(st.lists(read_by_judges, max_size=6), st.sampled_from([" ", ", ", "\n", ": ", "="]))
@example(["0/3000060", "2026-11-24T01:02:03Z", "127.0.0.1:6379"], " ")
def test_what_judges_read_is_not_touched(words: list[str], between: str) -> None:
    """Times, LSNs, segments, labels, digests, loopback addresses, keys and names, in any order."""
    text = between.join(words)
    one = masker()
    assert one.text(text) == text
    assert copied(text.encode()) == text.encode()
    assert sum(one.counts.values()) == 0


def test_facts_are_masked_in_their_free_text_only() -> None:
    """An error loses its secret; ids, files and numbers are as they were."""
    fact = StepFailed(
        trial="t-1",
        subject="ada@example.com",
        step="password=hunter2",
        error="connection to postgresql://app:hunter2@db failed",
        blame=Blame.SURROUNDINGS,
    )
    masked = masker().fact(fact)
    assert masked == msgspec.structs.replace(
        fact, error="connection to postgresql://app:[secret]@db failed"
    )
    kept = LogsKept(trial="password=x", subject="s", files=("password=x",))
    assert masker().fact(kept) is kept


def test_a_recorded_history_is_the_same_after_masking() -> None:
    """All facts of a whole run."""
    facts = [entry.fact for entry in complete_run.history().entries]
    assert facts
    for fact in facts:
        assert masker().fact(fact) == fact


def test_free_text_is_a_field_of_some_fact() -> None:
    """The list names fields that there are."""
    import harness.model.history as model

    fields = {
        name
        for kind in vars(model).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        for name in kind.__struct_fields__
    }
    assert fields >= FREE_TEXT


# -- Logs of any size and any bytes ---------------------------------------------------------------


@given(st.binary(max_size=300))
@example(b"\xff\xfe password=\xff\xfe \x80\n")
def test_bytes_that_are_no_text_survive(content: bytes) -> None:
    """Whatever is not masked comes through as it was, valid UTF-8 or not."""
    clean = content.replace(b"@", b"").replace(b":", b"").replace(b"=", b"").replace(b".", b"")
    assert copied(clean) == clean or b"[secret]" in copied(clean)


def test_invalid_text_around_a_secret_stays() -> None:
    """The secret goes, the bytes around it do not."""
    assert copied(b"\xff\xfe password=\xff2 \x80\r\n") == b"\xff\xfe password=[secret] \x80\r\n"


class Counting:
    """A log that is never whole in memory: says how much was asked for at once."""

    def __init__(self, line: bytes, lines: int) -> None:
        self.line, self.left, self.most = line, lines, 0

    def read(self, size: int) -> bytes:
        assert 0 < size <= 2**21
        self.most = max(self.most, size)
        count = min(self.left, max(1, size // len(self.line)))
        self.left -= count
        return self.line * count


class Sink:
    def __init__(self) -> None:
        self.written, self.longest, self.secrets = 0, 0, 0

    def write(self, content: bytes) -> int:
        self.longest = max(self.longest, len(content))
        self.written += len(content)
        self.secrets += content.count(b"[secret]")
        return len(content)


def test_a_large_log_goes_through_in_blocks() -> None:
    """40 MB, a secret in each 100 kB: all found, never more than some blocks at once."""
    line = b"x" * 99 + b"\n"
    source, sink = Counting(line * 1_000 + b"password=hunter2\n", 400), Sink()
    masker().copy(source, sink)  # type: ignore[arg-type]
    assert sink.secrets == 400
    assert sink.written == 400 * (100_000 + len(b"password=[secret]\n"))
    assert sink.longest <= 3 * 2**20


@pytest.mark.parametrize("shift", range(-120, 40, 3))
def test_what_spans_lines_is_found_where_blocks_meet(shift: int) -> None:
    """A private key and a statement of many lines, wherever the first block ends in them."""
    for planted in (PEM, "STATEMENT:  SELECT 'a1'\n\tFROM x WHERE y = 'b2'\n\tOR z = 'c3'"):
        before = b"y" * (2**20 + shift - 1) + b"\n"
        content = before + planted.encode() + b"\nafter\n"
        masked = copied(content)
        assert masked.startswith(before)
        assert masked.endswith(b"\nafter\n")
        assert not any(part in masked for part in (b"MHcC", b"'a1'", b"'b2'", b"'c3'"))


def test_a_line_without_an_end_is_bounded() -> None:
    """10 MB without a line feed: nothing is lost, and it is not held as a whole."""
    source, sink = Counting(b"z" * 1_000, 10_000), Sink()
    masker().copy(source, sink)  # type: ignore[arg-type]
    assert sink.written == 10_000_000
    assert sink.longest <= 3 * 2**20


def test_logs_are_kept_masked(tmp_path: Path) -> None:
    """The one way by which logs come into a run directory."""
    from datetime import UTC, datetime

    place = tmp_path / "place"
    place.mkdir()
    (place / "tool.log").write_bytes(b"connecting with password=hunter2\n")
    run = RunDirectory.create(tmp_path, "suite", "env", datetime(2026, 1, 1, tzinfo=UTC), masker())
    kept = run.keep_logs("t-1", "orders", [place / "tool.log"], place)
    assert (run.path / kept[0]).read_bytes() == b"connecting with password=[secret]\n"
    assert run.masker.counts["secret"] == 1
