"""Source files: one YAML file says where a department's table is fetched and how (docs/sources.md).

Reading one knows nothing of network or database. Every mistake is named with its line and key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from . import envelopes, signers

UPDATE_CYCLES = ("realtime", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular")
REQUEST_KEYS = ("method", "body", "page", "size", "since", "service", "first_page", "fields")
KEYS = (
    "name", "title", "domain", "organization", "transport", "url", "signer", "secret_env", "service",
    "request", "envelope", "page_size", "update_cycle", "mapping", "units", "complete", "constants",
    "catalogue", "organization_column",
)  # fmt: skip
REQUIRED = (
    "name", "title", "domain", "organization", "transport", "url", "signer", "secret_env", "service",
    "update_cycle",
)  # fmt: skip
PLATFORM = "{platform}"
MAX_BYTES = 1_000_000


class SourceError(ValueError):
    """A source file is wrong. `line` counts from 1, `key` is dotted (`signer.family`) or empty.

    Raised by `load_source` for the file's text, and by `Source.secret` when the environment lacks the secret.
    """

    def __init__(self, line: int, key: str, message: str, filename: str = ""):
        where = f"{filename or '<source>'}:{line}"
        super().__init__(f"{where}: {key}: {message}" if key else f"{where}: {message}")
        self.line = line
        self.key = key
        self.message = message
        self.filename = filename


@dataclass(frozen=True)
class Source:
    """A source file, checked. `request`, `signer` and `envelope` are plain dicts with texts as written."""

    name: str
    title: dict[str, str]
    domain: str
    organization: str
    transport: str
    url: str
    signer: dict[str, Any]
    secret_env: str
    service: str
    update_cycle: str
    request: dict[str, Any] = field(default_factory=dict)
    envelope: str | dict[str, Any] = "national"
    page_size: int = 500
    mapping: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    constants: dict[str, str] = field(default_factory=dict)
    catalogue: str | None = None
    organization_column: str | None = None
    filename: str = field(default="", compare=False)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    def secret(self, environ: Mapping[str, str]) -> str:
        """The secret from the environment. Raises SourceError when it is missing or empty."""
        value = environ.get(self.secret_env, "")
        if not value:
            raise SourceError(
                self.lines.get("secret_env", 1),
                "secret_env",
                f"环境变量 {self.secret_env} 未设置：请先设置密钥再运行 / "
                f"the environment variable {self.secret_env} is not set: export it with the platform's secret",
                self.filename,
            )
        return value

    def as_dict(self) -> dict[str, Any]:
        """What the file says, without the secret (which it never holds), ready for JSON."""
        return {key: getattr(self, key) for key in KEYS}


def load_source(text: str, filename: str = "", *, platform: str | None = None) -> Source:
    """Read a source file. Raises SourceError with the line.

    `platform` (such as `http://127.0.0.1:8080`) replaces `{platform}` in `url`: the demo's files hold it since
    the simulator's port is only known when it runs.
    """
    return _Reader(filename).read(text, platform)


class _Reader:
    """Walks the YAML tree (not the loaded values: those have no lines and turn 00123 into 83)."""

    def __init__(self, filename: str):
        self.filename = filename
        self.lines: dict[str, int] = {}

    def read(self, text: str, platform: str | None) -> Source:
        if len(text) > MAX_BYTES:
            raise self.error(1, "", "文件过大，不是来源文件 / too large for a source file")
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            problem = getattr(exc, "problem", None) or "not YAML"
            line = mark.line + 1 if mark else 1
            raise self.error(line, "", f"不是有效的 YAML：{problem} / not valid YAML: {problem}") from None
        if root is None:
            raise self.error(1, "", "文件为空 / the file is empty")
        values = self.mapping_of(root, "", KEYS)
        for key in REQUIRED:
            if key not in values:
                raise self.error(1, key, f"缺少必填项 {key} / the required key {key} is missing: add it")
        result: dict[str, Any] = {key: self.field(key, node) for key, node in values.items()}
        result["url"] = self.url(result["url"], platform)
        self.consistent(result)
        return Source(**result, filename=self.filename, lines=self.lines)

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
            case "complete":
                return self.boolean(key, node)
            case "transport":
                return self.choice(key, node, ("exchange",))
            case "update_cycle":
                return self.choice(key, node, UPDATE_CYCLES)
            case "name":
                return self.matching(key, node, r"[a-z][a-z0-9-]{1,99}", "a-z 0-9 -")
            case "domain":
                return self.matching(key, node, r"[a-z][a-z0-9_]{1,39}", "a-z 0-9 _")
            case "secret_env":
                return self.matching(key, node, r"[A-Z][A-Z0-9_]{2,99}", "A-Z 0-9 _")
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
            raise self.error(self.lines["signer"], "signer.family", f"缺少签名方式 / name one of {_or(signers.OPTIONS)}")
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
                self.lines["request.body"], "request.body", "GET 请求只能用 query / a GET call has no body: use query"
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

    def url(self, url: str, platform: str | None) -> str:
        line = self.lines["url"]
        if PLATFORM in url:
            if platform is None:
                message = f"{PLATFORM} 尚未替换为平台地址 / {PLATFORM} stands for an address: replace it"
                raise self.error(line, "url", message)
            url = url.replace(PLATFORM, platform.rstrip("/"))
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            parts, valid = urlsplit(""), False
        if not valid or re.search(r"\s", url):
            raise self.error(line, "url", "需要 http:// 或 https:// 地址 / an http:// or https:// address is needed")
        if parts.username is not None or parts.password is not None:
            message = "地址中不能有账号口令，请用 secret_env / no account in the address: use secret_env"
            raise self.error(line, "url", message)
        return url

    def consistent(self, result: dict[str, Any]) -> None:
        if "envelope" not in result:
            result["envelope"] = result["signer"]["family"]
        if not result.get("complete", True) and "since" not in result.get("request", {}):
            message = (
                "complete: false 需要 request.since（增量参数名）/ "
                "complete: false needs request.since, the name of the parameter"
            )
            raise self.error(self.lines["complete"], "complete", message)

    def mapping_of(self, node: yaml.Node, path: str, known: Any) -> dict[str, yaml.Node]:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            raise self.error(line, path, "应为“键: 值”的列表 / keys with values are expected here")
        result: dict[str, yaml.Node] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.error(line, path, "键应为文本 / a key must be a text")
            key = key_node.value
            dotted = f"{path}.{key}" if path else key
            if known is not None and key not in known:
                raise self.unknown(line, dotted, key, known)
            if key in result:
                raise self.error(line, dotted, "重复的键 / this key is given twice: remove one")
            self.lines[dotted] = line
            result[key] = child
        return result

    def texts(self, path: str, node: yaml.Node, known: Any = None) -> dict[str, str]:
        children = self.mapping_of(node, path, known)
        return {key: self.text(f"{path}.{key}", child) for key, child in children.items()}

    def text(self, key: str, node: yaml.Node) -> str:
        """The text as written: a code such as 00123 or 1.10 stays itself without quotes."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node.start_mark.line + 1, key, "应为文本 / a text is expected")
        if node.tag == "tag:yaml.org,2002:null" or not node.value.strip():
            raise self.error(node.start_mark.line + 1, key, "值为空 / the value is empty: fill it in or remove the key")
        return node.value

    def matching(self, key: str, node: yaml.Node, pattern: str, allowed: str) -> str:
        text = self.text(key, node)
        if not re.fullmatch(pattern, text):
            message = f"“{text}”只能由 {allowed} 组成且以字母开头 / {text!r} may hold only {allowed}, a letter first"
            raise self.error(node.start_mark.line + 1, key, message)
        return text

    def choice(self, key: str, node: yaml.Node, options: tuple[str, ...]) -> str:
        text = self.text(key, node)
        if text not in options:
            raise self.unknown(node.start_mark.line + 1, key, text, options)
        return text

    def integer(self, key: str, node: yaml.Node, least: int, most: int) -> int:
        text = self.text(key, node)
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            message = f"应为 {least} 到 {most} 的整数 / a whole number from {least} to {most} is expected, not {text!r}"
            raise self.error(node.start_mark.line + 1, key, message)
        return int(text)

    def boolean(self, key: str, node: yaml.Node) -> bool:
        text = self.text(key, node)
        if text not in ("true", "false"):
            message = f"应为 true 或 false / true or false is expected, not {text!r}"
            raise self.error(node.start_mark.line + 1, key, message)
        return text == "true"

    def unknown(self, line: int, key: str, given: str, options: Any) -> SourceError:
        near = difflib.get_close_matches(given, list(options), n=1)
        hint = f"是否为 {near[0]}？/ did you mean {near[0]}?" if near else f"可用 / known: {_or(options)}"
        return self.error(line, key, f"不认识 {given} / {given!r} is not known here: {hint}")

    def error(self, line: int, key: str, message: str) -> SourceError:
        return SourceError(line, key, message, self.filename)


def _or(options: Any) -> str:
    return ", ".join(options)
