"""Source files: one YAML file says where a department's table comes from and how (docs/sources.md).

Reading one knows nothing of network or database. Every mistake is named with its line and key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

import yaml

from ckanext.gkopen.harvesters import envelopes, signers
from ckanext.gkopen.harvesters.lines import LinedYaml, SourceError, known_names

UPDATE_CYCLES = (
    "realtime", "daily", "weekly", "monthly", "quarterly", "half_yearly", "yearly", "irregular", "never",
)  # fmt: skip
REQUEST_KEYS = ("method", "body", "page", "size", "since", "service", "first_page", "fields")
REQUIRED = ("name", "title", "domain", "organization", "transport", "update_cycle")
OPTIONAL = ("mapping", "units", "constants", "complete")
# Transport -> the keys it needs and those it knows, beside the ones that every source has.
TRANSPORTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "exchange": (
        ("url", "signer", "secret_env", "service"),
        ("request", "envelope", "encoding", "page_size", "overlap_hours", "catalogue", "organization_column",
         "organizations"),
    ),
    "database": (
        ("url", "secret_env", "table", "key"),
        ("watermark", "overlap_hours", "columns", "page_size", "organization_column", "organizations"),
    ),
    "filedrop": (("folder",), ("manifest",)),
}
KEYS = tuple(
    dict.fromkeys((*REQUIRED, *OPTIONAL, *(key for needed, known in TRANSPORTS.values() for key in needed + known)))
)
SCHEMES = {"exchange": ("http", "https"), "database": ("postgresql", "mysql")}
ENCODINGS = ("utf-8", "gb18030")
SSL_MODES = ("disable", "prefer", "require", "verify-full")
DATABASE_PAGE = 5000
LONGEST_OVERLAP = 24 * 366
PLATFORM = "{platform}"


@dataclass(frozen=True)
class Source:
    """A source file, checked. `request`, `signer` and `envelope` are plain dicts with texts as written.

    `organizations`: for which bodies, beside its own, a table of many may speak; `["all"]` for every one.
    `complete`: whether a listing is the whole table; "periods": all of the periods that occur in it, and no others.
    `overlap_hours`: how far before the last good run changes are asked for again (`complete: false`): rows are stamped
    when a business system writes them, and come to the exchange when its next batch does. At least a cycle.
    What its transport does not use keeps its default.
    """

    name: str
    title: dict[str, str]
    domain: str
    organization: str
    transport: str
    update_cycle: str
    mapping: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    complete: bool | Literal["periods"] = True
    url: str = ""
    signer: dict[str, Any] = field(default_factory=dict)
    secret_env: str = ""
    service: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    envelope: str | dict[str, Any] = "national"
    encoding: str = ""
    page_size: int = 500
    overlap_hours: int = 24
    catalogue: str | None = None
    organization_column: str | None = None
    organizations: list[str] = field(default_factory=list)
    table: str = ""
    key: list[str] = field(default_factory=list)
    watermark: str | None = None
    columns: list[str] = field(default_factory=list)
    folder: str = ""
    manifest: str = "required"
    filename: str = field(default="", compare=False)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    def secret(self, environ: Mapping[str, str]) -> str:
        """The secret from the environment, without the line break that files leave at its end.

        Raises SourceError when it is missing or empty; a source that needs none has the empty text.
        """
        if not self.secret_env:
            return ""
        value = environ.get(self.secret_env, "").strip()
        if not value:
            raise SourceError(
                self.lines.get("secret_env", 1),
                "secret_env",
                f"环境变量 {self.secret_env} 未设置：请先设置密钥再运行 / "
                f"the environment variable {self.secret_env} is not set: put the platform's secret there",
                self.filename,
            )
        return value

    def as_dict(self) -> dict[str, Any]:
        """What the file says, without the secret (which it never holds), ready for JSON."""
        needed, known = TRANSPORTS[self.transport]
        return {key: getattr(self, key) for key in (*REQUIRED, *OPTIONAL, *needed, *known)}


def load_source(text: str, filename: str = "", *, platform: str | None = None) -> Source:
    """Read a source file. Raises SourceError with the line.

    `platform` (such as `http://127.0.0.1:8080`) replaces `{platform}` in `url`: the demo's files hold it
    since the simulator's port is only known when it runs.
    """
    return _Reader(filename).read(text, platform)


class _Reader(LinedYaml):
    def read(self, text: str, platform: str | None) -> Source:
        values = self.root(text, KEYS)
        if "transport" not in values:
            raise self.missing("transport")
        transport = self.choice("transport", values["transport"], tuple(TRANSPORTS))
        needed, known = TRANSPORTS[transport]
        for key in values:
            if key not in (*REQUIRED, *OPTIONAL, *needed, *known):
                message = f"{transport} 方式不用 {key}，请删去 / {transport} does not use {key}: remove it"
                raise self.error(self.lines[key], key, message)
        for key in (*REQUIRED, *needed):
            if key not in values:
                raise self.missing(key)
        result: dict[str, Any] = {key: self.field(key, node) for key, node in values.items()}
        if "url" in result:
            result["url"] = self.url(result["url"], platform, transport)
        self.consistent(result)
        return Source(**result, filename=self.filename, lines=self.lines)

    def missing(self, key: str) -> SourceError:
        return self.error(1, key, f"缺少必填项 {key} / the required key {key} is missing: add it")

    def field(self, key: str, node: yaml.Node) -> Any:
        match key:
            case "title":
                return self.title(node)
            case "signer":
                return self.signer(node)
            case "request":
                return self.request(node)
            case "envelope":
                return self.envelope(node)
            case "mapping" | "units" | "constants":
                return self.texts(key, node)
            case "page_size":
                return self.integer(key, node, 1, 100_000)
            case "overlap_hours":
                return self.integer(key, node, 0, LONGEST_OVERLAP)
            case "complete":
                said = self.choice(key, node, ("true", "false", "periods"))
                return said if said == "periods" else said == "true"
            case "transport":
                return self.choice(key, node, tuple(TRANSPORTS))
            case "key" | "columns" | "organizations":
                return self.names(key, node)
            case "table":
                return self.table(node)
            case "folder":
                return self.folder(node)
            case "encoding":
                return self.choice(key, node, ENCODINGS)
            case "manifest":
                return self.choice(key, node, ("required", "optional"))
            case "update_cycle":
                return self.choice(key, node, UPDATE_CYCLES)
            case "name":
                return self.matching(key, node, r"[a-z][a-z0-9-]{1,99}", "a-z 0-9 -")
            case "domain":
                return self.matching(key, node, r"[a-z][a-z0-9_]{1,39}", "a-z 0-9 _")
            case "secret_env":
                # No other variable of the process may be sent to an address that a source file names.
                return self.matching(key, node, r"GKOPEN_SECRET_[A-Z0-9_]{1,86}", "GKOPEN_SECRET_ + A-Z 0-9 _")
            case _:
                return self.text(key, node)

    def title(self, node: yaml.Node) -> dict[str, str]:
        if isinstance(node, yaml.ScalarNode):
            text = self.text("title", node)
            return {"zh": text, "en": text}
        titles = self.texts("title", node, ("zh", "en"))
        if "zh" not in titles:
            raise self.error(self.lines["title"], "title.zh", "缺少中文标题 / the Chinese title is missing")
        return {"zh": titles["zh"], "en": titles.get("en", titles["zh"])}

    def signer(self, node: yaml.Node) -> dict[str, Any]:
        every = {"family", *(key for keys in signers.OPTIONS.values() for key in keys)}
        nodes = self.mapping_of(node, "signer", sorted(every))
        if "family" not in nodes:
            raise self.error(
                self.lines["signer"],
                "signer.family",
                f"缺少签名方式 / name one of {known_names(signers.OPTIONS)}",
            )
        family = self.choice("signer.family", nodes.pop("family"), tuple(signers.OPTIONS))
        known = signers.OPTIONS[family]
        result: dict[str, Any] = {"family": family}
        for key, child in nodes.items():
            dotted = f"signer.{key}"
            if key not in known:
                raise self.unknown(self.lines[dotted], dotted, key, known)
            if key == "headers":
                result[key] = self.texts(dotted, child, tuple(signers.HEADER_NAMES))
            elif key in signers.CHOICES:
                result[key] = self.choice(dotted, child, signers.CHOICES[key])
            else:
                result[key] = self.text(dotted, child)
        for key, required in known.items():
            if required and key not in result:
                message = f"{family} 签名方式需要 {key} / the family {family} needs {key}"
                raise self.error(self.lines["signer"], f"signer.{key}", message)
        return result

    def request(self, node: yaml.Node) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, child in self.mapping_of(node, "request", REQUEST_KEYS).items():
            dotted = f"request.{key}"
            match key:
                case "method":
                    result[key] = self.choice(dotted, child, ("GET", "POST"))
                case "body":
                    result[key] = self.choice(dotted, child, ("query", "form", "json"))
                case "first_page":
                    result[key] = self.integer(dotted, child, 0, 1)
                case "fields":
                    result[key] = self.texts(dotted, child)
                case _:
                    result[key] = self.text(dotted, child)
        if result.get("method", "POST") == "GET" and result.get("body", "query") != "query":
            raise self.error(
                self.lines["request.body"],
                "request.body",
                "GET 请求只能用 query / a GET call has no body: use query",
            )
        return result

    def envelope(self, node: yaml.Node) -> str | dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            return self.choice("envelope", node, tuple(envelopes.PRESETS))
        nodes = self.mapping_of(node, "envelope", ("paths",))
        if "paths" not in nodes:
            raise self.error(self.lines["envelope"], "envelope.paths", "缺少 paths / paths is missing")
        paths: dict[str, Any] = {}
        for key, child in self.mapping_of(nodes["paths"], "envelope.paths", envelopes.PATH_KEYS).items():
            dotted = f"envelope.paths.{key}"
            if key in envelopes.LIST_KEYS and isinstance(child, yaml.SequenceNode):
                paths[key] = tuple(self.text(dotted, item) for item in child.value)
            elif key in envelopes.LIST_KEYS:
                paths[key] = (self.text(dotted, child),)
            else:
                paths[key] = self.text(dotted, child)
        if "rows" not in paths or ("code" in paths) != ("ok" in paths):
            raise self.error(
                self.lines["envelope.paths"],
                "envelope.paths",
                "需要 rows；code 与 ok 要么都写要么都不写 / rows is needed, and code and ok only together",
            )
        return {"paths": paths}

    def names(self, key: str, node: yaml.Node) -> list[str]:
        """One name, or a list of them."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        names = [self.text(key, item) for item in nodes]
        if not names or len(set(names)) < len(names):
            message = "至少写一个名称，且不能重复 / name at least one, none twice"
            raise self.error(node.start_mark.line + 1, key, message)
        return names

    def table(self, node: yaml.Node) -> str:
        text = self.text("table", node)
        if not re.fullmatch(r"[^\s.\x00-\x1f]+(\.[^\s.\x00-\x1f]+)?", text):
            message = f"应为 表 或 库.表 / {text!r} is not a table or schema.table"
            raise self.error(node.start_mark.line + 1, "table", message)
        return text

    def folder(self, node: yaml.Node) -> str:
        """A path below the drop root: no absolute one, no way up, nothing hidden."""
        text = self.text("folder", node)
        if not re.fullmatch(r"[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)*", text) or any(
            part.startswith(".") for part in text.split("/")
        ):
            message = (
                "应为交换目录（ckanext.gkopen.harvest.drop_root）之下的相对路径 / "
                f"{text!r} is no path below the drop root: write it like nantong-czj/procurement"
            )
            raise self.error(node.start_mark.line + 1, "folder", message)
        return text

    def url(self, url: str, platform: str | None, transport: str) -> str:
        line = self.lines["url"]
        if PLATFORM in url:
            if platform is None:
                message = f"{PLATFORM} 尚未替换为平台地址 / {PLATFORM} stands for an address: replace it"
                raise self.error(line, "url", message)
            url = url.replace(PLATFORM, platform.rstrip("/"))
        try:
            parts = urlsplit(url)
            valid = parts.scheme in SCHEMES[transport] and bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, valid = urlsplit(""), False
        if not valid or re.search(r"\s", url):
            schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES[transport])
            raise self.error(line, "url", f"应为下列地址之一 / one of these addresses is needed: {schemes}")
        if parts.password is not None or (parts.username is not None and transport == "exchange"):
            message = "地址中不能有账号口令，请用 secret_env / no account in the address: use secret_env"
            raise self.error(line, "url", message)
        if transport == "database":
            self.database_url(parts, line)
        return url

    def database_url(self, parts: SplitResult, line: int) -> None:
        if not parts.username or not re.fullmatch(r"/[^/]+", parts.path):
            message = "应为 postgresql://账号@主机:端口/库名 / write it like postgresql://user@host:port/database"
            raise self.error(line, "url", message)
        options = parse_qsl(parts.query, keep_blank_values=True)
        if any(key != "sslmode" or value not in SSL_MODES for key, value in options) or parts.fragment:
            message = f"地址后只能带 sslmode / only sslmode may follow the address: {known_names(SSL_MODES)}"
            raise self.error(line, "url", message)

    def consistent(self, result: dict[str, Any]) -> None:
        self.consistent_bodies(result)
        match result["transport"]:
            case "exchange":
                self.consistent_exchange(result)
            case "database":
                result.setdefault("page_size", DATABASE_PAGE)
                if not result.get("complete", True) and "watermark" not in result:
                    message = "complete: false 需要 watermark（更新时间列）/ complete: false needs watermark, a column"
                    raise self.error(self.lines["complete"], "complete", message)
                missing = [key for key in result["key"] if result.get("columns") and key not in result["columns"]]
                if missing:
                    message = f"columns 中缺少主键列 {missing[0]} / columns lacks the key column {missing[0]}: add it"
                    raise self.error(self.lines["columns"], "columns", message)
            case _:
                result.setdefault("complete", False)
                if result["complete"] == "periods":
                    message = ("文件缺省只替换其中出现的各期：去掉这一行 / "
                               "a file speaks for its periods unless it is complete: leave this out")
                    raise self.error(self.lines["complete"], "complete", message)

    def consistent_bodies(self, result: dict[str, Any]) -> None:
        """Who may speak for others is said, never inferred from what the source sends."""
        given = [key for key in ("organization_column", "organizations") if key in result]
        if len(given) == 1:
            message = (
                "organization_column 与 organizations 须同时写：organizations 列出来源可代表的机构，或写 all / "
                "organization_column and organizations go together: list the bodies that the source speaks for, or all"
            )
            raise self.error(self.lines[given[0]], given[0], message)
        if "all" in result.get("organizations", ()) and len(result["organizations"]) > 1:
            message = "all 应单独写 / all stands alone: it means every body"
            raise self.error(self.lines["organizations"], "organizations", message)

    def consistent_exchange(self, result: dict[str, Any]) -> None:
        if "envelope" not in result:
            result["envelope"] = result["signer"]["family"]
        if not result.get("complete", True) and "since" not in result.get("request", {}):
            message = (
                "complete: false 需要 request.since（增量参数名）/ "
                "complete: false needs request.since, the name of the parameter"
            )
            raise self.error(self.lines["complete"], "complete", message)
