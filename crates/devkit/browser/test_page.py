"""The sandbox's page in a real browser: make test-browser."""

import unittest
import urllib.parse

from playwright.sync_api import expect, sync_playwright

from sandbox import Stage, launch

# For everything that is waited for; a slow machine is no failure.
PATIENCE_MS = 30_000
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'&amp;\u202etfel"

# Of every text that is visible: its colour, and the first background behind it.
COLOURS = """() => {
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    let node = walker.currentNode.parentElement;
    if (text === '' || node.closest('script, style, noscript')) continue;
    const ink = getComputedStyle(node).color;
    let paper = 'rgba(0, 0, 0, 0)';
    for (; node && paper === 'rgba(0, 0, 0, 0)'; node = node.parentElement) paper = getComputedStyle(node).backgroundColor;
    seen.push([text, ink, paper]);
  }
  return seen;
}"""


def luminance(colour):
    """As WCAG 2 defines it, of `rgb(1, 2, 3)`."""
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        playwright = cls.enterClassContext(sync_playwright())
        cls.browser = launch(playwright)
        cls.addClassCleanup(cls.browser.close)
        expect.set_options(timeout=PATIENCE_MS)

    def setUp(self):
        self.stage = self.enterContext(Stage())
        self.problems = []

    def open(self, **options):
        """A page that notes every complaint, and every request beyond the sandbox."""
        options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        context = self.browser.new_context(**options)
        self.addCleanup(context.close)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        page.on("request", self.note_foreign)
        page.goto(f"{self.stage.url}/")
        return page

    def note_foreign(self, request):
        if not request.url.startswith((f"{self.stage.url}/", "data:")):
            self.problems.append(f"request of {request.url}")

    def test_events_show_without_reload_and_without_complaints(self):
        page = self.open()
        expect(page.locator("#connection")).to_have_text("This page updates by itself.")
        expect(page.locator("#summary")).to_have_text("No licenses yet")
        page.evaluate("window.loadedOnce = true")
        licenses = page.locator("[data-live=licenses] tr")

        self.stage.deliver("checkout-subscription")
        expect(page.locator("#summary")).to_have_text("1 license: 1 active")
        expect(licenses).to_have_count(1)
        expect(licenses.first).to_contain_text("ada@example.com")
        expect(page.locator("[data-live=customers] tr")).to_contain_text("ada@example.com")
        event = page.locator(".event", has_text="stripe checkout-subscription · 2026-09-01 · answered 200")
        expect(event).to_have_count(1)
        expect(page.locator("[data-live=log] tbody").first).to_contain_text("POST /v3/licenses")

        self.stage.deliver("checkout-subscription")
        expect(page.locator(".event").first).to_contain_text("no call was needed")
        self.stage.deliver("invoice-create")
        expect(licenses).to_have_count(3)

        self.stage.call("PUT", "/sandbox/clock", {"now": "2029-01-01T00:00:00Z"})
        expect(page.locator("#clock")).to_have_text("2029-01-01")
        expect(page.locator(".status.expired")).to_have_count(3)
        self.stage.deliver("subscription-paused")
        expect(page.locator(".status.suspended")).to_have_count(3)
        self.stage.deliver("subscription-deleted")
        expect(page.locator(".status.revoked")).to_have_count(3)
        expect(page.locator("#summary")).to_have_text("3 licenses: 3 revoked")
        self.assertTrue(page.evaluate("window.loadedOnce"))
        self.assertEqual(self.problems, [])

    def test_interleaved_events_show_each_group_once(self):
        page = self.open()
        expect(page.locator("#connection")).to_have_text("This page updates by itself.")
        for event in ("stripe a", "stripe b"):
            self.stage.call("POST", "/sandbox/deliveries", {"event": event})
        self.stage.call("PUT", "/sandbox/deliveries/2", {"answered": 200})
        groups = page.locator("[data-live=log] tbody")
        # Two of the events, and one of the calls that a comes to make.
        for number in range(4):
            self.stage.call("GET", f"/v3/users?call={number}")
            expect(page.locator("[data-live=log] .path", has_text=f"call={number}")).to_have_count(1)
            expect(groups).to_have_count(3)
        # Even a child too many does not stay.
        page.evaluate("() => { const group = document.querySelector('[data-live=log] tbody'); group.after(group.cloneNode(true)); }")
        self.stage.call("GET", "/v3/users?call=last")
        expect(page.locator("[data-live=log] .path", has_text="call=last")).to_have_count(1)
        expect(groups).to_have_count(3)
        self.assertEqual(self.problems, [])

    def test_place_focus_and_selection_stay(self):
        for _ in range(60):
            self.stage.license()
        page = self.open()
        row = page.locator("tr", has_text="SANDBOX-KEY-000020")
        row.scroll_into_view_if_needed()
        region = page.get_by_role("group", name="Licenses")
        region.focus()
        row.evaluate("row => getSelection().selectAllChildren(row.cells[0])")
        row.evaluate("row => { row.sameAsBefore = true; row.scrollIntoView({ block: 'center' }); }")
        before = row.bounding_box()["y"]
        self.assertGreater(page.evaluate("scrollY"), 0)

        self.stage.deliver("checkout-subscription")
        expect(page.locator("#summary")).to_have_text("61 licenses: 61 active")
        self.assertTrue(row.evaluate("row => row.sameAsBefore"))
        self.assertAlmostEqual(row.bounding_box()["y"], before, delta=1)
        self.assertEqual(page.evaluate("getSelection().toString().includes('SANDBOX-KEY-000020')"), True)
        expect(region).to_be_focused()
        self.assertEqual(self.problems, [])

    def test_light_and_dark_have_contrast(self):
        papers = set()
        for number, end in enumerate(("2020-01-01", "2030-01-01", "2030-01-01", "2030-01-01")):
            states = {"suspended": number == 2, "revoked": number == 3}
            self.stage.license(expiresAt=f"{end}T00:00:00Z", **states)
        self.stage.deliver("checkout-subscription")
        self.stage.call("GET", "/v3/nothing")
        for scheme in ("light", "dark"):
            page = self.open(color_scheme=scheme)
            expect(page.locator("#connection")).to_have_text("This page updates by itself.")
            seen = page.evaluate(COLOURS)
            self.assertGreater(len(seen), 60)
            for text, ink, paper in seen:
                with self.subTest(scheme=scheme, text=text):
                    self.assertGreaterEqual(contrast(ink, paper), 4.5)
            for word in ("active", "suspended", "revoked", "expired"):
                self.assertIn(word, [text for text, _, _ in seen])
            papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(papers), 2)
        self.assertEqual(self.problems, [])

    def test_hostile_text_is_text(self):
        name = (HOSTILE * 3)[:256]
        user = self.stage.customer(name, "ada@example.com")
        self.stage.license(userId=user)
        self.stage.call("POST", "/sandbox/deliveries", {"event": HOSTILE, "about": HOSTILE * 10})
        self.stage.call("GET", f"/v3/{urllib.parse.quote(HOSTILE * 200, safe='')}")
        for width in (1280, 390):
            page = self.open(viewport={"width": width, "height": 800})
            expect(page.locator("#connection")).to_have_text("This page updates by itself.")
            shown = page.locator("[data-live=customers] bdi").first.text_content()
            self.assertEqual(shown, name[:120] + "…")
            self.assertIsNone(page.evaluate("window.hacked ?? null"))
            self.assertEqual(page.locator("img, body script ~ script").count(), 0)
            self.assertEqual(page.evaluate("document.documentElement.scrollWidth"), width)
        # It comes in by the script, too.
        self.stage.customer(name, "bea@example.com")
        expect(page.locator("[data-live=customers] tr")).to_have_count(2)
        self.assertIsNone(page.evaluate("window.hacked ?? null"))
        self.assertEqual(self.problems, [])

    def test_a_telephone_needs_no_sideways_scrolling(self):
        for case in ("customer-created", "checkout-subscription", "invoice-create"):
            self.stage.deliver(case)
        page = self.open(viewport={"width": 390, "height": 844})
        expect(page.locator("[data-live=licenses] tr")).to_have_count(3)
        self.assertEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
        for region in page.locator(".scroll").all():
            self.assertEqual(region.evaluate("it => it.scrollWidth - it.clientWidth"), 0)
        self.assertEqual(self.problems, [])

    def test_a_browser_without_script_reloads(self):
        page = self.open(java_script_enabled=False)
        expect(page.locator("#summary")).to_have_text("No licenses yet")
        self.stage.deliver("checkout-subscription")
        expect(page.locator("#summary")).to_have_text("1 license: 1 active")
        self.assertEqual(self.problems, [])

    def test_a_stopped_sandbox_is_said(self):
        self.stage.deliver("checkout-subscription")
        page = self.open()
        expect(page.locator("#connection")).to_have_text("This page updates by itself.")
        self.stage.sandbox.stop()
        expect(page.locator("#connection")).to_contain_text("The sandbox has stopped.")
        expect(page.locator("#summary")).to_have_text("1 license: 1 active")

    def test_names_and_landmarks_are_there(self):
        page = self.open()
        for role, name in (
            ("banner", None),
            ("main", None),
            ("contentinfo", None),
            ("heading", "Cryptlex sandbox"),
            ("region", "Licenses newest first"),
            ("columnheader", "Status"),
            ("columnheader", "E-mail"),
            ("columnheader", "Call"),
        ):
            with self.subTest(role=role, name=name):
                expect(page.get_by_role(role, name=name).first).to_be_visible()
        self.assertEqual(page.get_attribute("html", "lang"), "en")
        self.assertEqual(page.locator("h1").count(), 1)


if __name__ == "__main__":
    unittest.main()
