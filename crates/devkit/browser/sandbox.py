"""The sandbox and the Stripe function as processes, and the Chromium that is installed."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEVKIT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "devkit"
TOKEN = "sandbox-token"
PRODUCT = "11111111-1111-4111-8111-000000000001"
NAMES = ("chromium", "chromium-browser", "google-chrome")
# It runs as root in containers, shows pages of loopback only, and calls nobody by itself.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


def chromium():
    """The path of the browser."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        wanted = named or ", ".join(NAMES)
        raise SystemExit(
            f"No Chromium is installed ({wanted}). Debian and Ubuntu: apt-get install chromium. Elsewhere: CHROMIUM=/path/to/chrome"
        )
    return found


def launch(playwright):
    """A browser without anybody's profile: Playwright gives it a new, empty one."""
    return playwright.chromium.launch(executable_path=chromium(), args=FLAGS)


class Process:
    """A program that says where it listens."""

    def __init__(self, arguments, announcement, **variables):
        self.process = subprocess.Popen(
            [DEVKIT, *arguments], env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.url = None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if found := re.search(announcement, line):
                self.url = found[1]
                break
        if self.url is None:
            raise SystemExit(f"devkit {' '.join(arguments)} did not start:\n{''.join(lines)}")
        # Whoever writes into a full pipe waits.
        self.reader = threading.Thread(target=self.process.stdout.read)
        self.reader.start()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Stage(contextlib.ExitStack):
    """A sandbox, and the Stripe function that calls it."""

    def __init__(self):
        super().__init__()
        self.sandbox = Process(["sandbox", "--listen", "127.0.0.1:0"], r"browser: (http://\S+)/")
        self.callback(self.sandbox.stop)
        self.url = self.sandbox.url
        self.function = Process(
            ["function", "stripe"],
            r"listening on (http://127\.0\.0\.1:\d+)",
            PORT="0",
            STRIPE_WEBHOOK_SECRET="whsec_demo_not_a_secret",
            CRYPTLEX_ACCESS_TOKEN=TOKEN,
            CRYPTLEX_WEB_API_BASE_URL=self.url,
            CRYPTLEX_PRODUCT_ID=PRODUCT,
            CRYPTLEX_MAPPINGS_QUANTITY="total_licenses",
        )
        self.callback(self.function.stop)

    def deliver(self, case):
        """Sends an event of `events/stripe`, and waits for the answer."""
        to = ["--url", f"{self.function.url}/v2", "--sandbox", self.url]
        subprocess.run([DEVKIT, "send", "stripe", case, *to], check=True, stdout=subprocess.DEVNULL)

    def call(self, method, path, body=None):
        """Calls the sandbox, also in vain."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return json.loads(error.read() or "null")

    def customer(self, name, email):
        body = {"firstName": name, "email": email, "password": "12345678", "role": "user"}
        return self.call("POST", "/v3/users", body)["id"]

    def license(self, **fields):
        return self.call("POST", "/v3/licenses", {"productId": PRODUCT, **fields})["id"]
