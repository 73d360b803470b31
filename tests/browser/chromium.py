"""A real Chromium without anything that talks to its maker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from ckanext.gkopen.embedded.places import BROWSERS

ARGUMENTS = ("--no-sandbox", "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars")
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 844}

OUTLINE = """() => {
  const shown = [...document.querySelectorAll('section[aria-labelledby], [role=region]')];
  const name = e => e.getAttribute('aria-label')
    || document.getElementById(e.getAttribute('aria-labelledby')).innerText.trim();
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(e => +e.tagName[1]);
  const names = shown.map(name);
  return [names.filter((n, i) => names.indexOf(n) !== i), levels.filter((n, i) => n > (i ? levels[i - 1] : 0) + 1)];
}"""
"""Names that two landmarks share, and headings that leave out a level."""


def program() -> str:
    """Where Chromium is. Raises RuntimeError that says what to install."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RuntimeError("Chromium is missing: on Debian, apt-get install chromium-headless-shell fonts-noto-cjk")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, name: str, password: str) -> None:
    """Through the form, as a person does."""
    page.goto(f"{url}/user/login")
    page.fill("#field-login", name)
    page.fill("#field-password", password)
    page.click("main button[type=submit]")
    page.wait_for_url(lambda address: "/user/login" not in address)
