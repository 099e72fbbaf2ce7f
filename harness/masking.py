"""Decides what of logs and messages nobody else may read, and what stands in its place. Pure.

A secret becomes `[secret]`. Personal data becomes a token of its class and its value, such as
`[email:5b1f09c2]`: the same value has the same token within a run, so that a log can still be
followed, and another one in every other run, as the key is of the run and is never written
(HMAC-SHA-256, RFC 2104; pseudonymisation as in GDPR, article 4 (5), with the key thrown away).

What judges read is not touched: facts keep all but their free text, and nothing that looks like a
time, an LSN, the name of a segment, an object or a server, or a loopback address, is taken for a
secret.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import IO, TypeVar

import msgspec

from harness.model.masking import Masking

Fact = TypeVar("Fact")

SECRET = "secret"  # noqa: S105 - the name of the class
FREE_TEXT = frozenset(
    {"detail", "ended_early", "error", "headline", "healed", "leaks", "note", "witness"}
)
"""Fields of facts that quote people, tools and servers; all others the harness writes alone."""

_BLOCK = 2**20
_HELD_BACK = 2**16  # of a block, so that what spans lines is not cut

_WORDS = (
    r"password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|cipher[_-]?pass|s3[_-]?key|credential|signature"
)
_CERTAIN = r"password|passwd|passphrase|api[_-]?key|access[_-]?key"
_UNQUOTED = r"""(?:[^\s"'&;,)}\]\\]|\\(?!["'n]))+"""


def _value(name: str) -> str:
    """A value, quoted or not, as the group of that name; one that is masked already is none."""
    masked = r"""(?!\\?["']?\[secret\])"""
    quoted = r"""\\"[^"\\\n]+\\"|"(?:[^"\\\n]|\\.)+"|'[^'\n]+'"""
    return rf"{masked}(?P<{name}>{quoted}|{_UNQUOTED})"


_SECRETS = (
    # A private key in PEM (RFC 7468), to its end or to where it is cut off.
    (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
        r"(?P<key>(?:(?:\s|\\n)+(?:[A-Z0-9+/=]{20,}|[A-Z0-9+/=]+(?=(?:\s|\\n)*-----END)))+)"
    ),
    # The password of a URL (RFC 3986, 3.2.1); the user stays.
    r"://[^\s:/@\[\]'\"]{0,256}:(?!\[secret\]@)(?P<url>[^\s@/'\"]{1,512})(?=@)",
    # HTTP's Authorization (RFC 9110, 11.6.2), as a header or quoted in an error.
    (
        r"authorization[\"']?\s*[:=]\s*+[\"']?+(?:(?:basic|bearer|digest|aws4-hmac-sha256)\s++)?+"
        r"(?!\[secret\])(?P<authorization>[^\n\"'\[]+)"
    ),
    r"\bbearer\s+(?P<bearer>[A-Z0-9._~+/=-]{16,})",
    # word=value, as in connection strings, environments, URLs, options and settings.
    rf"(?:{_WORDS})[\w-]{{0,40}}\\?[\"']?\s*=(?!=)\s*{_value('assigned')}",
    # "word": value, as in JSON.
    rf"(?:{_WORDS})[\w-]{{0,40}}\\?[\"']\s*:\s*{_value('member')}",
    # word: value, as in YAML. `Secret: the account may not list them` is about a kind of object.
    rf"(?:{_CERTAIN})[\w-]{{0,40}}:[ \t]+{_value('entry')}",
    # --password value; SQL's PASSWORD 'value'; Redis's requirepass value.
    rf"(?<!\S)--?[\w-]{{0,40}}(?:{_WORDS})[\w-]{{0,40}}[ \t]+(?!-){_value('option')}",
    r"\bpassword\s+'(?!\[secret\])(?P<sql>[^'\n]+)'",
    r"\b(?:requirepass|masterauth)\s+[\"']?(?!\[secret\])(?P<redis>[^\s\"']+)",
    # PostgreSQL's stored passwords (manual, 53.8: pg_authid).
    r"(?P<scram>SCRAM-SHA-256\$\d+:[A-Z0-9+/=]+\$[A-Z0-9+/=]+:[A-Z0-9+/=]+)",
    # Tokens that are known by their shape: AWS, JSON Web Token (RFC 7519), GitLab, GitHub, Slack.
    r"\b(?P<aws>(?-i:AKIA|ASIA)[A-Z0-9]{16})\b",
    r"\b(?P<jwt>(?-i:eyJ)[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",
    r"\b(?P<shape>glpat-[\w-]{20,}|gh[pousr]_[A-Z0-9]{36,}|xox[abeprs]-[\w-]{10,})",
    r"hooks\.slack\.com/(?P<hook>[\w/-]+)",
)
_SECRET = re.compile("|".join(f"(?:{one})" for one in _SECRETS), re.IGNORECASE)
_SECRET_OPTION = re.compile(rf"--?[\w-]{{0,40}}(?:{_WORDS})[\w-]{{0,40}}", re.IGNORECASE)
_QUOTES = re.compile(r"""\\?["']""")
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,9}[a-z]{2,24}"
    r"(?![\w-]|\.[\w-])",
    re.IGNORECASE,
)
"""As WHATWG's HTML has it (4.10.5.1.5), with a top-level domain: `harness@bastion` is a machine."""

_ADDRESS = re.compile(
    r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)"
    r"|(?<![\w:.])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:.])"
    r"|(?<![\w:.])(?:[0-9a-f]{1,4}:){0,6}:(?::?[0-9a-f]{1,4}){1,6}(?![\w:.])",
    re.IGNORECASE,
)

# PostgreSQL's log (manual, 20.8): what clients sent, over as many lines as begin with a tab.
_SQL = re.compile(
    r"(?:(?:STATEMENT|QUERY|CONTEXT):  "
    r"|LOG:  (?:duration: [\d.]{1,20} ms  )?(?:statement|(?:parse|bind|execute) [^\n:]{1,80}):"
    r"|DETAIL:  (?:[Pp]arameters: |Key \(|Failing row contains |Process \d{1,10}: ))"
    r"[^\n]*(?:\n\t[^\n]*)*"
)
_SQL_VALUE = re.compile(
    r"'(?P<quoted>(?:[^']|'')+)'"
    r"|(?<=\)=\()(?P<key>[^\n]*?)(?=\)(?: |$))"
    r"|(?<=Failing row contains \()(?P<row>[^\n]*)(?=\))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What a line has that may hold something of a class: looked for first, as that is quick."""

    words: tuple[bytes, ...] = ()
    """In lower case."""

    shape: re.Pattern[bytes] | None = None

    def found(self, block: bytes) -> Iterator[int]:
        """Where there is one."""
        lower = block.lower()
        for word in self.words:
            at = lower.find(word)
            while at >= 0:
                yield at
                at = lower.find(word, lower.find(b"\n", at) + 1 or len(lower))
        if self.shape is not None:
            yield from (match.start() for match in self.shape.finditer(block))


_SIGNS = {
    SECRET: _Signs(
        words=(
            *(b"password", b"passwd", b"passphrase", b"secret", b"token", b"api-key", b"api_key"),
            *(b"apikey", b"access-key", b"access_key", b"accesskey", b"private-key"),
            *(b"private_key", b"privatekey", b"private key-----", b"cipher-pass", b"cipher_pass"),
            *(b"cipherpass", b"s3-key", b"s3_key", b"s3key", b"credential", b"signature"),
            *(b"authorization", b"bearer ", b"requirepass", b"masterauth", b"scram-sha-256$"),
            *(b"akia", b"asia", b"eyj", b"glpat-", b"xox", b"hooks.slack.com/"),
        ),
        shape=re.compile(rb"://[^\s/@]{1,768}@|gh[pousr]_"),
    ),
    "email": _Signs(shape=re.compile(rb"@[A-Za-z0-9-]{1,63}\.")),
    "address": _Signs(shape=re.compile(rb"\.\d{1,3}\.\d|::|(?::[0-9A-Fa-f]{1,4}){7}")),
    "literal": _Signs(
        words=(b"statement:  ", b"query:  ", b"context:  ", b"detail:  "),
        shape=re.compile(rb"LOG:  (?:statement|duration|parse|bind|execute)"),
    ),
}


class Masker:
    """Masks what one run says, and counts it. Safe from several threads."""

    def __init__(self, key: bytes, masking: Masking | None = None) -> None:
        """`key`: 32 random bytes of this run, which are kept nowhere else."""
        self._key = key
        self._masking = masking or Masking()
        self._own = [(name, re.compile(one)) for name, one in self._masking.patterns.items()]
        built_in = {
            SECRET: self.secrets,
            "literal": self._statements,
            "email": self._emails,
            "address": self._addresses,
        }
        self._built_in = {
            name: mask for name, mask in built_in.items() if name not in self._masking.off
        }
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Class -> how often something of it was masked, of those that are on; 0 is said too."""
        classes = (*self._built_in, *(name for name, _ in self._own))
        with self._lock:
            return {name: self._counts[name] for name in classes}

    def text(self, text: str) -> str:
        """The text without what is not for others; masked text stays as it is."""
        for mask in self._built_in.values():
            text = mask(text)
        return self._own_patterns(text)

    def secrets(self, text: str) -> str:
        """The text without secrets, all else as it is."""
        return _SECRET.sub(self._secret, text)

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line without secrets, each word in its place."""
        masked = [self.secrets(word) for word in argv]
        for at, (option, value) in enumerate(pairwise(argv), start=1):
            if _SECRET_OPTION.fullmatch(option) and not value.startswith("-"):
                self._count(SECRET)
                masked[at] = f"[{SECRET}]"
        return tuple(masked)

    def fact(self, fact: Fact) -> Fact:
        """A fact whose free text is masked; fields that judges compare are as they were."""
        return self._struct(fact)

    def copy(self, source: IO[bytes], target: IO[bytes]) -> None:
        """Masks a log of any size, a block after the other; bytes that are no UTF-8 stay."""
        held = b""
        while block := source.read(_BLOCK):
            held += block
            cut = _cut(held)
            target.write(self._block(held[:cut]))
            held = held[cut:]
        target.write(self._block(held))

    def _block(self, block: bytes) -> bytes:
        """Whole lines of a log; only those with a sign of a class are looked at for it."""
        for name, mask in self._built_in.items():
            pieces, done = [], 0
            for begin, end in _spans(block, sorted(_SIGNS[name].found(block))):
                pieces += [block[done:begin], _masked(block[begin:end], mask)]
                done = end
            block = b"".join((*pieces, block[done:]))
        return _masked(block, self._own_patterns) if self._own else block

    # -- Classes ------------------------------------------------------------------------------

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _token(self, name: str, value: str) -> str:
        self._count(name)
        digest = hmac.new(
            self._key, f"{name}\0{value}".encode("utf-8", "surrogateescape"), hashlib.sha256
        )
        return f"[{name}:{digest.hexdigest()[:8]}]"

    def _secret(self, found: re.Match[str]) -> str:
        group = found.lastgroup
        if group is None:
            raise AssertionError("each alternative names what it masks")
        self._count(SECRET)
        whole, value, begin = found[0], found[group], found.start()
        opened = _QUOTES.match(value)
        quote = opened[0] if opened is not None and value.endswith(opened[0]) else ""
        before, after = whole[: found.start(group) - begin], whole[found.end(group) - begin :]
        return f"{before}{quote}[{SECRET}]{quote}{after}"

    def _statements(self, text: str) -> str:
        return _SQL.sub(lambda found: _SQL_VALUE.sub(self._literal, found[0]), text)

    def _literal(self, found: re.Match[str]) -> str:
        group = found.lastgroup or "quoted"
        if not found[group] or found[group].startswith(("[literal:", f"[{SECRET}]")):
            return found[0]
        token = self._token("literal", found[group])
        return f"'{token}'" if group == "quoted" else token

    def _emails(self, text: str) -> str:
        return _EMAIL.sub(lambda found: self._token("email", found[0]), text)

    def _addresses(self, text: str) -> str:
        return _ADDRESS.sub(self._address, text)

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        kept = address.is_loopback or address.is_unspecified or address.is_multicast
        if kept or not (address.is_global or self._masking.private_addresses):
            return found[0]
        return self._token("address", address.compressed)

    def _own_patterns(self, text: str) -> str:
        for name, pattern in self._own:
            text = pattern.sub(partial(self._own_token, name), text)
        return text

    def _own_token(self, name: str, found: re.Match[str]) -> str:
        group = 1 if found.re.groups and found[1] is not None else 0
        if not found[group]:
            return found[0]
        whole, begin = found[0], found.start()
        before, after = whole[: found.start(group) - begin], whole[found.end(group) - begin :]
        return f"{before}{self._token(name, found[group])}{after}"

    # -- Facts --------------------------------------------------------------------------------

    def _struct(self, value: Fact) -> Fact:
        if not isinstance(value, msgspec.Struct):
            return value
        changed = {
            name: masked
            for name in value.__struct_fields__
            if (masked := self._field(name, getattr(value, name))) != getattr(value, name)
        }
        return msgspec.structs.replace(value, **changed) if changed else value

    def _field(self, name: str, value: object) -> object:
        if isinstance(value, str):
            return self.text(value) if name in FREE_TEXT else value
        if isinstance(value, msgspec.Struct):
            return self._struct(value)
        if isinstance(value, tuple) and value:
            return tuple(self._field(name, one) for one in value)
        if isinstance(value, Mapping) and value:
            return {key: self._field(name, one) for key, one in value.items()}
        return value


def _masked(content: bytes, mask: Callable[[str], str]) -> bytes:
    """Bytes that are no UTF-8 stay as they are."""
    text = content.decode("utf-8", "surrogateescape")
    return mask(text).encode("utf-8", "surrogateescape")


def _spans(block: bytes, signs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The lines around signs, with those that go on from them, each once."""
    done = 0
    for sign in signs:
        if sign < done:
            continue
        begin = max(done, block.rfind(b"\n", 0, sign) + 1)
        end = block.find(b"\n", sign) + 1 or len(block)
        key = block.find(b"-----BEGIN ", begin, end)
        if key >= 0:
            last = block.find(b"-----END ", key, key + _HELD_BACK)
            end = block.find(b"\n", last if last >= 0 else end) + 1 or len(block)
        while block[end : end + 1] == b"\t":
            end = block.find(b"\n", end) + 1 or len(block)
        yield begin, end
        done = end


def _cut(held: bytes) -> int:
    """Where a block ends that may be masked by itself: before a line that may go on, or before a
    private key that has not ended. A line longer than a block is cut at a blank, or anywhere.
    """
    least = max(len(held) - _HELD_BACK, 0)
    key = held.rfind(b"-----BEGIN ", least)
    end = key if key >= 0 and held.find(b"-----END ", key) < 0 else len(held)
    while (line := held.rfind(b"\n", least, end)) >= 0:
        if held[line + 1 : line + 2] not in {b"", b"\t"}:
            return line + 1
        end = line
    if len(held) <= _BLOCK:
        return 0
    return held.rfind(b"\n") + 1 or held.rfind(b" ", least) + 1 or least
