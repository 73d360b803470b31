"""Source files: one YAML file says where a department's table is fetched and how (docs/sources.md).

Reading one knows nothing of network or database. Every mistake is named with its line and key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from ckanext.gkopen.harvesters import envelopes, signers
from ckanext.gkopen.harvesters.lines import LinedYaml, SourceError, known_names

UPDATE_CYCLES = (
    "realtime", "daily", "weekly", "monthly", "quarterly", "half_yearly", "yearly", "irregular", "never",
)  # fmt: skip
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
        """The secret from the environment, without the line break that files leave at its end.

        Raises SourceError when it is missing or empty.
        """
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
        return {key: getattr(self, key) for key in KEYS}


def load_source(text: str, filename: str = "", *, platform: str | None = None) -> Source:
    """Read a source file. Raises SourceError with the line.

    `platform` (such as `http://127.0.0.1:8080`) replaces `{platform}` in `url`: the demo's files hold it
    since the simulator's port is only known when it runs.
    """
    return _Reader(filename).read(text, platform)


class _Reader(LinedYaml):
    def read(self, text: str, platform: str | None) -> Source:
        values = self.root(text, KEYS)
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
