"""The colours of the design tokens can be read by everyone: WCAG 2.2 AA contrast of each pair that is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "ckanext/gkopen/assets/css"
TOKENS = dict(re.findall(r"--gk-([\w-]+): (#[0-9a-f]{6});", (CSS / "tokens.css").read_text("utf-8")))
TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *(("ink", ground, TEXT) for ground in ("paper", "surface", "surface-warm", "accent-tint", "good-tint",
                                           "warn-tint", "bad-tint")),
    *(("ink-soft", ground, TEXT) for ground in ("paper", "surface", "surface-warm", "accent-tint")),
    *(("accent", ground, TEXT) for ground in ("paper", "surface", "accent-tint")),
    ("on-accent", "accent", TEXT), ("on-accent-soft", "accent", TEXT), ("on-accent-soft", "accent-deep", TEXT),
    ("good", "good-tint", TEXT), ("warn", "warn-tint", TEXT), ("bad", "bad-tint", TEXT), ("bad", "surface", TEXT),
    ("line-strong", "surface", SHAPE), ("focus", "paper", SHAPE), ("focus", "surface", SHAPE),
    ("focus", "accent-deep", SHAPE),
]


def luminance(colour: str) -> float:
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast(front: str, ground: str, least: float) -> None:
    bright, dark = sorted((luminance(TOKENS[front]), luminance(TOKENS[ground])), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= least


def test_colours_are_chosen_in_one_place() -> None:
    """Outside tokens.css there are no colours but white, which print and gradients need, and shadows of the ink."""
    for file in CSS.glob("*.css"):
        if file.name != "tokens.css":
            assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", file.read_text("utf-8"))) <= {"#fff"}, file.name


def test_nothing_is_fetched_from_elsewhere() -> None:
    for file in (*CSS.glob("*.css"), *CSS.parent.glob("js/*.js")):
        assert "//" not in re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.S), file.name
