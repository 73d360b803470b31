"""YAML whose every mistake can be named with its line and key.

The tree is walked, not the loaded values: those have no lines, and turn the code 00123 into the number 83.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import yaml

MAX_CHARACTERS = 1_000_000


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


class LinedYaml:
    """Reads nodes; `lines` collects the line of every dotted key. All raise SourceError."""

    def __init__(self, filename: str):
        self.filename = filename
        self.lines: dict[str, int] = {}

    def root(self, text: str, known: Iterable[str]) -> dict[str, yaml.Node]:
        """The nodes of the file's top level."""
        if len(text) > MAX_CHARACTERS:
            raise self.error(1, "", "文件过大，不是来源文件 / too large for a source file")
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            problem = getattr(exc, "problem", None) or "not YAML"
            line = mark.line + 1 if mark else 1
            raise self.error(line, "", f"不是有效的 YAML / not valid YAML: {problem}") from None
        if root is None:
            raise self.error(1, "", "文件为空 / the file is empty")
        return self.mapping_of(root, "", known)

    def mapping_of(self, node: yaml.Node, path: str, known: Iterable[str] | None) -> dict[str, yaml.Node]:
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

    def texts(self, path: str, node: yaml.Node, known: Iterable[str] | None = None) -> dict[str, str]:
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
            message = f"只能由 {allowed} 组成且以字母开头 / {text!r} may hold only {allowed}, a letter first"
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
            message = f"应为 {least}–{most} 的整数 / a whole number from {least} to {most} is expected"
            raise self.error(node.start_mark.line + 1, key, message)
        return int(text)

    def boolean(self, key: str, node: yaml.Node) -> bool:
        text = self.text(key, node)
        if text not in ("true", "false"):
            message = f"应为 true 或 false / true or false is expected, not {text!r}"
            raise self.error(node.start_mark.line + 1, key, message)
        return text == "true"

    def unknown(self, line: int, key: str, given: str, options: Iterable[str]) -> SourceError:
        near = difflib.get_close_matches(given, list(options), n=1)
        hint = f"是否为 {near[0]}？/ did you mean {near[0]}?" if near else f"可用 / known: {known_names(options)}"
        return self.error(line, key, f"不认识 {given} / {given!r} is not known here: {hint}")

    def error(self, line: int, key: str, message: str) -> SourceError:
        return SourceError(line, key, message, self.filename)


def known_names(options: Iterable[str]) -> str:
    return ", ".join(options)
