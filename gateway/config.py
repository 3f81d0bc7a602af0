"""The configuration: one TOML file, and environment variables on top.

Every key is declared once, as a field with its type, default and help; parsing, ``allears check``, the table
in ``docs/configuration.md`` and the error messages come from it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from bot.decision import Company
from channels import base as channels
from channels.base import Secret
from gateway.redis import url as redis_url
from gateway.sinks import base as sinks
from gateway.systems import SystemSettings

T = TypeVar("T")

ENV_PREFIX = "ALLEARS_"
#: Smallest accepted installation secret, in characters.
MIN_SECRET = 32
#: What a node can do; each node does all of it where nothing is said.
ROLES = ("web", "flow", "channels", "transcribe")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ConfigError(Exception):
    """The configuration cannot be used: where, what is wrong, and what to do."""

    def __init__(self, problem: str, *, file: str = "", line: int = 0, key: str = "") -> None:
        where = ":".join(str(part) for part in (file, line) if part)
        super().__init__(f"{where + ': ' if where else ''}{key + ': ' if key else ''}{problem}")
        self.problem, self.file, self.line, self.key = problem, file, line, key


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are refused, so a typing mistake cannot be overlooked."""


class CompanySettings(_Section, frozen=True):
    name: Annotated[
        str | dict[str, str],
        Meta(description="The company's name, as customers read it; or a table with one for each language."),
    ] = "Allears"
    bot_name: Annotated[str, Meta(description="What the bot calls itself.")] = "Allears"
    default_language: Annotated[str, Meta(description="Language when the customer's cannot be told.")] = "en"
    private_contact: Annotated[
        str,
        Meta(description="Where somebody who complains in public can write in private: a link or an address."),
    ] = ""
    timezone: Annotated[str, Meta(description="IANA zone of the business hours and of times said to customers.")] = (
        "UTC"
    )
    country: Annotated[str, Meta(description="ISO 3166 code: phone numbers without a country code belong here.")] = "CN"
    hours: Annotated[
        dict[Weekday, str],
        Meta(description='Opening hours a day, for example `mon = "09:00-18:00"`. A day left out is closed.'),
    ] = msgspec.field(default_factory=lambda: dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-18:00"))
    holidays: Annotated[tuple[str, ...], Meta(description="Closed days, `2026-01-01`.")] = ()
    workdays: Annotated[tuple[str, ...], Meta(description="Open days that would be closed (make-up days).")] = ()

    def called(self, language: str = "") -> str:
        """The company's name in a language, else in its own."""
        return Company(name=self.name, default_language=self.default_language).called(language)


class DeadlineSettings(_Section, frozen=True):
    first_response: Annotated[
        dict[Literal["urgent", "normal", "low"], float],
        Meta(description="Business hours until a person's first answer, by urgency."),
    ] = msgspec.field(default_factory=lambda: {"urgent": 2.0, "normal": 8.0, "low": 16.0})
    resolve: Annotated[
        dict[Literal["urgent", "normal", "low"], float],
        Meta(description="Business hours until the case is resolved, by urgency."),
    ] = msgspec.field(default_factory=lambda: {"urgent": 16.0, "normal": 40.0, "low": 80.0})


class BotSettings(_Section, frozen=True):
    enabled: Annotated[bool, Meta(description="Whether the bot answers; without it every message goes to people.")] = (
        True
    )
    knowledge: Annotated[
        str, Meta(description="Folder of the knowledge files; empty for the sample that comes with Allears.")
    ] = ""
    rules: Annotated[
        str, Meta(description="Folder whose files replace the normalizer's data files of the same name.")
    ] = ""


class DeskSettings(_Section, frozen=True):
    lease_minutes: Annotated[
        float, Meta(gt=0, description="How long a conversation stays with an agent who does nothing.")
    ] = 30.0
    session_hours: Annotated[float, Meta(gt=0, description="How long a login lasts.")] = 12.0


class LimitSettings(_Section, frozen=True):
    body: Annotated[
        int, Meta(gt=0, description="Largest request body in bytes, where the channel sets no smaller one.")
    ] = 25 * 1024 * 1024
    file: Annotated[int, Meta(gt=0, description="Largest attachment in bytes.")] = 10 * 1024 * 1024
    files: Annotated[int, Meta(gt=0, description="Most attachments of one message.")] = 10
    uploads: Annotated[
        int,
        Meta(
            gt=0,
            description="Most bytes of files an hour from one address, by visitors of a chat window who have not logged in.",
        ),
    ] = 500 * 1024 * 1024
    text: Annotated[
        int,
        Meta(
            gt=0,
            description="Longest message text in characters; what is longer is kept as a file and cut in the view.",
        ),
    ] = 100_000
    request_seconds: Annotated[float, Meta(gt=0, description="How long a client may take to send its request.")] = 30.0


class OutboxSettings(_Section, frozen=True):
    parallel: Annotated[int, Meta(gt=0, description="How many lanes send at once.")] = 64
    ladder: Annotated[
        tuple[float, ...],
        Meta(description="Seconds to wait after each failed attempt; after the last one the row is a dead letter."),
    ] = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
    begin_by: Annotated[
        tuple[str, ...],
        Meta(
            description="Accounts (such as `email/main`) that may write first to an address of a customer's, the best first: one-time codes, and what cannot be said where it was to be said. Empty: every one that can, but `api`."
        ),
    ] = ()


class EgressSettings(_Section, frozen=True):
    allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Private networks that outgoing calls may reach, for example `10.1.2.0/24`; all others are refused."
        ),
    ] = ()

    def __post_init__(self) -> None:
        for network in self.allow:
            try:
                ip_network(network, strict=False)
            except ValueError as err:
                raise ValueError(f"`{network}` is no network; write it as 10.1.2.0/24") from err


class SpeechSettings(_Section, frozen=True):
    models: Annotated[
        str, Meta(description="Folder of the speech models, relative to this file; `allears models` fills it.")
    ] = "models"
    workers: Annotated[int, Meta(ge=0, description="Processes that hear recordings; 0 for one on each core.")] = 0
    memory_mb: Annotated[int, Meta(ge=0, description="Memory that one of them may use, in MB; 0 for no limit.")] = 0
    max_hours: Annotated[float, Meta(gt=0, description="Longest recording that is heard.")] = 6.0
    live_calls: Annotated[
        int, Meta(ge=0, description="Calls heard while they run; more are kept and heard when they are over.")
    ] = 32
    max_file: Annotated[int, Meta(gt=0, description="Largest recording that is kept, in bytes.")] = 500 * 1024 * 1024
    mirrors: Annotated[
        tuple[str, ...], Meta(description="Where `allears models pull` looks for `<name>.zip`, in this order.")
    ] = ("https://alphacephei.com/vosk/models/",)


class StoreSettings(_Section, frozen=True):
    url: Annotated[
        str,
        Meta(
            description="Where the messages are kept: empty for one SQLite file in the data folder, or "
            "`postgresql://user@host/database` (its password better in PGPASSWORD or a ~/.pgpass file)."
        ),
    ] = ""
    replica: Annotated[
        str, Meta(description="A read replica of the PostgreSQL server, for the desk's lists, searches and reports.")
    ] = ""
    connections: Annotated[
        int, Meta(ge=2, description="Most connections of this process to PostgreSQL, and to the replica.")
    ] = 10


class RetentionSettings(_Section, frozen=True):
    raw_months: Annotated[
        int,
        Meta(
            ge=0,
            description="Whole months for which the platforms' own events are kept (`allears inbox show` has them); the messages "
            "read from them stay. 0: for ever.",
        ),
    ] = 12
    trace_months: Annotated[
        int,
        Meta(
            ge=0,
            description="Whole months for which is kept why the bot decided as it did (`allears why`, the desk's reasons). 0: for ever.",
        ),
    ] = 6
    years: Annotated[
        int,
        Meta(
            ge=0,
            description="Years after a conversation's last case has ended and its last word was said, after which it is erased as by "
            "`allears erase`. 0: never.",
        ),
    ] = 0


class RedisSettings(_Section, frozen=True):
    url: Annotated[
        Secret,
        Meta(
            description="Redis that wakes the other nodes at once and shares rates with them: `redis://host:6379/0`, `rediss://…`, "
            "`redis+sentinel://host1,host2/service/0`, `redis+cluster://host1,host2`; empty where there is one process. See "
            "[redis.md](redis.md)."
        ),
    ] = Secret("")

    def __post_init__(self) -> None:
        if self.url:
            redis_url.address(self.url)


class TracingSettings(_Section, frozen=True):
    endpoint: Annotated[
        str,
        Meta(
            description="Where OpenTelemetry traces go (OTLP over HTTP), for example `http://127.0.0.1:4318/v1/traces`; empty: "
            "none are made."
        ),
    ] = ""
    token: Annotated[Secret, Meta(description="Bearer token for the endpoint, if it wants one.")] = Secret("")
    sample: Annotated[float, Meta(ge=0, le=1, description="Share of the messages that are traced.")] = 1.0


class FileSettings(_Section, frozen=True):
    bucket: Annotated[
        str,
        Meta(
            description="Bucket of an S3-compatible store where the attachments lie; empty for the data folder. See [files.md](files.md)."
        ),
    ] = ""
    endpoint: Annotated[
        str, Meta(description="Where that store is, such as `https://minio.example.com:9000`; empty for AWS.")
    ] = ""
    region: Annotated[
        str,
        Meta(
            description="Its region; empty for the one of the environment, or `us-east-1` where there is an `endpoint`."
        ),
    ] = ""
    prefix: Annotated[str, Meta(description="Folder in the bucket, such as `allears`.")] = ""
    access_key: Annotated[
        str,
        Meta(
            description="Its access key; empty for what the environment, AWS's files or the machine's role say (`AWS_ACCESS_KEY_ID` …)."
        ),
    ] = ""
    secret_key: Annotated[Secret, Meta(description="The secret of the access key.")] = Secret("")
    addressing: Annotated[
        Literal["auto", "path", "virtual"],
        Meta(
            description="Whether the bucket is in the path or in the host's name; `auto`: in the path where there is an `endpoint`."
        ),
    ] = "auto"
    encrypt: Annotated[
        bool,
        Meta(description="Seal attachments where they lie, with a key made from `secret`; on disk and in a bucket."),
    ] = False

    def __post_init__(self) -> None:
        if not self.bucket:
            for name in ("endpoint", "region", "prefix", "access_key", "secret_key"):
                if getattr(self, name):
                    raise ValueError(f"`{name}` is for a store with a `bucket`, and there is none")
        elif not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", self.bucket):
            raise ValueError(f"`{self.bucket}` is no bucket's name: 3 to 63 of a-z, 0-9, dots and hyphens")
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("`access_key` and `secret_key` go together")
        if self.endpoint and not re.fullmatch(r"https?://[^/@?#\s]+/?", self.endpoint):
            raise ValueError(f"`{self.endpoint}` is no endpoint; write https://host or https://host:port")
        if not re.fullmatch(r"([\w.-]+/)*[\w.-]*", self.prefix, re.ASCII) or ".." in self.prefix:
            raise ValueError("`prefix` has letters, digits, `.`, `-`, `_` and single slashes between them")


class NodeSettings(_Section, frozen=True):
    roles: Annotated[
        tuple[str, ...],
        Meta(
            description="What this node does: `web` (chat window, desk, API, platforms' calls), `flow` (the bot, records), `channels` "
            "(mailboxes and the like, all sending), `transcribe` (recordings). See [nodes.md](nodes.md)."
        ),
    ] = ROLES
    processes: Annotated[
        int,
        Meta(ge=1, le=256, description="Processes on this machine, on the same port; more than one needs PostgreSQL."),
    ] = 1
    watch: Annotated[
        str,
        Meta(
            description="Another address and port for `/healthz`, `/readyz` and `/metrics` alone; with several processes the second "
            "has the next port, and so on. Empty: they are on `listen`."
        ),
    ] = ""
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="After a stop signal, how long requests are still taken while `/readyz` is red already, so that a load "
            "balancer looks away first.",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        for role in self.roles:
            if role not in ROLES:
                raise ValueError(f"`{role}` is no role; there are {', '.join(ROLES)}")
        if not self.roles:
            raise ValueError("`roles` must not be empty")


class Config(_Section, frozen=True):
    """``allears.toml``. ``channels`` is ``[channels.<channel>.<account>]``, ``sinks`` is ``[sinks.<name>]``,
    ``systems`` is ``[systems.<name>]``."""

    data: Annotated[str, Meta(description="Folder of the database and the attachments; relative to this file.")] = (
        "data"
    )
    listen: Annotated[str, Meta(description="Address and port of the HTTP server.")] = "127.0.0.1:8080"
    public_url: Annotated[str, Meta(description="How the outside world reaches the server; platforms sign it.")] = ""
    trust_proxy: Annotated[
        bool, Meta(description="Believe X-Forwarded-For and X-Forwarded-Proto (only behind your own proxy).")
    ] = False
    secret: Annotated[
        str, Meta(description="The installation's secret, at least 32 characters; all keys derive from it.")
    ] = ""
    watch_token: Annotated[
        Secret,
        Meta(
            description="Bearer token for `/metrics` and the details of `/readyz`, at least 32 characters; without it they are for "
            "callers on this machine."
        ),
    ] = Secret("")
    company: CompanySettings = CompanySettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    bot: BotSettings = BotSettings()
    desk: DeskSettings = DeskSettings()
    limits: LimitSettings = LimitSettings()
    outbox: OutboxSettings = OutboxSettings()
    egress: EgressSettings = EgressSettings()
    speech: SpeechSettings = SpeechSettings()
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    redis: RedisSettings = RedisSettings()
    node: NodeSettings = NodeSettings()

    files: FileSettings = FileSettings()
    tracing: TracingSettings = TracingSettings()
    channels: dict[str, dict[str, dict[str, Any]]] = {}
    sinks: dict[str, dict[str, Any]] = {}
    systems: dict[str, dict[str, Any]] = {}

    @property
    def base_url(self) -> str:
        """How customers reach us, without a slash at the end."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration with where it came from; ``folder`` is what relative paths start at."""

    config: Config
    file: str
    text: str
    folder: Path

    @property
    def data(self) -> Path:
        """The data folder as an absolute path."""
        return (self.folder / self.config.data).resolve()

    def path(self, relative: str) -> Path:
        """A path of the configuration as an absolute one."""
        return (self.folder / relative).resolve()


def load(path: Path, env: Mapping[str, str] = os.environ) -> Loaded:
    """Read, overlay and check the configuration. Raises :class:`ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise ConfigError(
            f"{err.strerror}; name another file with --config, or let `allears init` write one", file=str(path)
        ) from err
    except UnicodeDecodeError as err:
        raise ConfigError("not UTF-8; save the file as UTF-8", file=str(path)) from err
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        found = re.search(r"at line (\d+)", str(err))
        raise ConfigError(str(err), file=str(path), line=int(found[1]) if found else 0) from err
    overlay(tree, env)
    config = convert(tree, Config, file=str(path), text=text)
    loaded = Loaded(config=config, file=str(path), text=text, folder=path.resolve().parent)
    _check_secret(loaded, "secret", config.secret)
    if config.watch_token:
        _check_secret(loaded, "watch_token", config.watch_token)
    return loaded


def overlay(tree: dict[str, Any], env: Mapping[str, str]) -> None:
    """Lay ``ALLEARS_A__B=value`` over ``[a] b``. A value is read as TOML where it is TOML, else as a string."""
    for name, value in sorted(env.items()):
        if not name.startswith(ENV_PREFIX):
            continue
        *tables, key = name[len(ENV_PREFIX) :].lower().split("__")
        node = tree
        for table in tables:
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise ConfigError(f"`{table}` is not a table, so {name} cannot be set", key=name)
        node[key] = _toml_value(value)


def _toml_value(value: str) -> Any:
    try:
        return tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return value


def convert(tree: Any, type: type[T], *, file: str = "", text: str = "", prefix: str = "") -> T:
    """Turn a TOML tree into a settings struct. Raises :class:`ConfigError` with the key and its line."""
    try:
        return msgspec.convert(tree, type, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as err:
        message, _, path = str(err).partition(" - at `$")
        inner = path.rstrip("`").replace("[...]", "").lstrip(".")
        if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", message):
            inner, message = (
                ".".join(filter(None, (inner, unknown[1]))),
                "there is no such key; see docs/configuration.md",
            )
        key = ".".join(filter(None, (prefix, inner)))
        raise ConfigError(message, file=file, line=line_of(text, key), key=key) from err


def _decode(type: type, value: Any) -> Any:
    if type is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(type)


def located(err: ConfigError, file: Path) -> ConfigError:
    """The error with its file and line, where it was found out after the file had been read."""
    if err.file or not err.key:
        return err
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return err
    return ConfigError(err.problem, file=str(file), line=line_of(text, err.key), key=err.key)


def line_of(text: str, key: str) -> int:
    """The line of a dotted key in TOML text; the nearest table's when the key itself is not there, else 0."""
    wanted = [part.partition("[")[0] for part in key.split(".") if part]
    best, best_depth = 0, 0
    for number, path in _lines(text):
        depth = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, wanted)))
        if depth > best_depth and depth in (len(path), len(wanted)):
            best, best_depth = number, depth
    return best


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]+", line):
            table = [part.strip().strip('"') for part in header[1].split(".")]
            yield number, table
        elif pair := re.match(r'\s*("?[\w.-]+"?)\s*=', line):
            yield number, [*table, *pair[1].strip('"').split(".")]


def _check_secret(loaded: Loaded, key: str, secret: str) -> None:
    if len(secret) < MIN_SECRET:
        raise ConfigError(
            f"needs at least {MIN_SECRET} characters; `allears init` makes one, or set {ENV_PREFIX}{key.upper()}",
            file=loaded.file,
            line=line_of(loaded.text, key),
            key=key,
        )


def channel_settings(loaded: Loaded) -> Iterator[tuple[str, str, msgspec.Struct]]:
    """(channel, account, settings) of every configured channel account. Raises :class:`ConfigError`."""
    known = channels.names()
    for name, accounts in loaded.config.channels.items():
        if name not in known:
            raise ConfigError(
                f"there is no channel `{name}`; there are {', '.join(known)}",
                file=loaded.file,
                line=line_of(loaded.text, f"channels.{name}"),
                key=f"channels.{name}",
            )
        for account, tree in accounts.items():
            key = f"channels.{name}.{account}"
            settings = convert(tree, _channel(loaded, name).settings, file=loaded.file, text=loaded.text, prefix=key)
            yield name, account, settings


def _channel(loaded: Loaded, name: str) -> type[channels.Channel]:
    try:
        return channels.load(name)
    except channels.MissingExtra as err:
        key = f"channels.{name}"
        raise ConfigError(str(err), file=loaded.file, line=line_of(loaded.text, key), key=key) from err


def sink_settings(loaded: Loaded) -> Iterator[tuple[str, str, msgspec.Struct]]:
    """(name, kind, settings) of every configured sink. Raises :class:`ConfigError`."""
    for name, tree in loaded.config.sinks.items():
        key = f"sinks.{name}"
        kind = tree.get("kind", "")
        if kind not in sinks.names():
            problem = f"`kind` must be one of {', '.join(sinks.names())}, not `{kind}`"
            raise ConfigError(problem, file=loaded.file, line=line_of(loaded.text, key), key=key)
        rest = {name: value for name, value in tree.items() if name != "kind"}
        yield (
            name,
            kind,
            convert(rest, sinks.load(kind).settings, file=loaded.file, text=loaded.text, prefix=key),
        )


def system_settings(loaded: Loaded) -> Iterator[tuple[str, SystemSettings]]:
    """(name, settings) of the company's own systems. Raises :class:`ConfigError`."""
    for name, tree in loaded.config.systems.items():
        yield name, convert(tree, SystemSettings, file=loaded.file, text=loaded.text, prefix=f"systems.{name}")
