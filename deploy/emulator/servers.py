"""The servers of `make stack`, on free ports of 127.0.0.1, and the environment of what talks to them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEVKIT = ROOT / "target" / "debug" / "devkit"
LOOPBACK = "127.0.0.1"
REGION = "eu-central-1"
START_SECONDS = 90
STOP_SECONDS = 15


def free_port():
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return listener.getsockname()[1]


def get(url, seconds=20):
    """Status and body, whatever the status. Nothing of the environment, such as a proxy, comes between."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


class Server:
    """A process with a group of its own, which also holds what it starts."""

    def __init__(self, name, arguments, environment, folder, ready):
        self.name, self.arguments, self.environment, self.ready = name, arguments, environment, ready
        self.log = folder / f"{name}.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            try:
                if get(self.ready, 5)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise RuntimeError(f"{self.name} does not answer after {START_SECONDS} seconds: {self.tail()}")

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        try:
            # What it left behind, such as functions that still run.
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]


class Servers:
    """An emulated AWS account and a Cryptlex sandbox. Both are stopped at the end, however it comes."""

    # Whether what they said outlives them.
    keep = False

    def __enter__(self):
        # SIGTERM ends with the same care as ctrl-c.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.folder = Path(tempfile.mkdtemp(prefix="payment-webhooks-stack-"))
        # What the scripts run asks the emulator alone, with keys that mean nothing anywhere else.
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), *os.environ.get("PATH", "/usr/bin:/bin").split(":")]
        self.aws_port, self.cryptlex_port = free_port(), free_port()
        self.environment = {
            "PATH": ":".join(path),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.aws_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "NO_PROXY": "*",
            "SAM_CLI_TELEMETRY": "0",
            "CURL_HOME": str(self.folder),
        }
        # For sqs this version of the AWS CLI asks AWS whatever AWS_ENDPOINT_URL says, but not whatever the option says.
        tool = self.folder / "bin" / "aws"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec {Path(sys.executable).with_name("aws")} --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
        tool.chmod(0o755)
        # The emulator signs its certificate itself.
        (self.folder / ".curlrc").write_text("insecure\n")
        localstack = {
            "PATH": self.environment["PATH"],
            "HOME": str(self.folder),
            "NO_PROXY": "*",
            "GATEWAY_LISTEN": f"{LOOPBACK}:{self.aws_port}",
            # The host in the URLs that the stack puts out. curl knows that names below localhost are this machine.
            "LOCALSTACK_HOST": f"localhost:{self.aws_port}",
            "SQS_ENDPOINT_STRATEGY": "path",
            # Else it looks where it runs, and in a container it writes to /var/lib.
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(self.folder / "localstack"),
            "TMPDIR": str(self.folder),
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "SKIP_INFRA_DOWNLOADS": "1",
        }
        host = Path(__file__).with_name("localstack_host.py")
        self.aws = Server(
            "localstack",
            [sys.executable, str(host)],
            localstack,
            self.folder,
            f"http://{LOOPBACK}:{self.aws_port}/_localstack/health",
        )
        self.cryptlex = Server(
            "cryptlex",
            [str(DEVKIT), "sandbox", "--listen", f"{LOOPBACK}:{self.cryptlex_port}"],
            {"PATH": self.environment["PATH"]},
            self.folder,
            f"{self.cryptlex_url}/sandbox/state",
        )
        try:
            self.aws.start()
            self.cryptlex.start()
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def cryptlex_url(self):
        return f"http://{LOOPBACK}:{self.cryptlex_port}"

    def __exit__(self, kind, *_):
        self.stop(keep=self.keep or kind is not None)

    def stop(self, keep=False):
        self.cryptlex.stop()
        self.aws.stop()
        if keep:
            print(f"what the servers said is in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
