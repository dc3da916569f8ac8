"""The picture of the sandbox's page for the README, after the whole demo: make pictures."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from sandbox import Process, launch

WIDTH, HEIGHT = 1280, 900
MOST_BYTES = 150_000


def main(target):
    demo = Process(["demo", "--stay"], r"page stays on (http://\S+)/")
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce")
            page.goto(f"{demo.url}/")
            expect(page.locator("#connection")).to_have_text("This page updates by itself.")
            shot = page.screenshot()
            browser.close()
    finally:
        demo.stop()
    # Flat colours: a palette shows them all, and takes a third of the room.
    palette = Image.open(io.BytesIO(shot)).convert("RGB").quantize(colors=128, dither=Image.Dither.NONE)
    palette.save(target, optimize=True)
    size = Path(target).stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{target} has {size} bytes, and should have at most {MOST_BYTES}")


if __name__ == "__main__":
    main(sys.argv[1])
