"""The publisher's registered prefixes. Without one a standard is not published, and its address says why."""

from __future__ import annotations

from ckan.plugins import toolkit

SAMPLES = {"ocds": ("ocds-213czf",), "oc4ids": ("oc4ids-bu3kcz",)}
"""Prefixes of the standards' documentation: they belong to examples, never to data."""


def prefix(standard: str) -> str | None:
    """`ocds-ab12cd` without the hyphen that follows it; None where none is set or a sample is."""
    return accepted(standard, toolkit.config.get(f"ckanext.gkopen.prefix.{standard}"))


def accepted(standard: str, setting: str | None) -> str | None:
    text = (setting or "").strip().rstrip("-")
    return text if text and text not in SAMPLES[standard] else None


def missing(standard: str) -> tuple[str, str]:
    """Why nothing of a standard is published: Chinese, English."""
    option = f"ckanext.gkopen.prefix.{standard}"
    name = {"ocds": "OCDS", "oc4ids": "OC4IDS"}[standard]
    return (f"本站没有设置 {name} 标识前缀，因此不发布 {name} 数据；"
            f"请在设置 {option} 中填写已登记的前缀（不得使用标准文档的示例前缀）。",
            f"This site has no {name} prefix and publishes no {name} data: set {option} to the registered prefix"
            " (never the sample prefix of the standard's documentation).")
