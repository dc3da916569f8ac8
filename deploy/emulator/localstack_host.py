"""LocalStack without Docker: functions run as processes of this machine, DynamoDB is the moto inside LocalStack.

LocalStack itself runs a function in a container, and DynamoDB in a Java server that it downloads. Both are replaced here before
it starts. With a stack it deletes even what the template says is RetainExceptOnCreate. Here that is Retain, which is the same
in AWS once a stack has been made. It listens where its own variable GATEWAY_LISTEN says; servers.py sets that and the others.
"""

import os
import queue
import subprocess
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.runtime.main import main
from localstack.services.cloudformation.engine.v2.change_set_model_preproc import DeletionPolicy, PreprocResource
from localstack.services.lambda_.invocation import runtime_executor
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import SERVICE_PLUGINS, Service

LOOPBACK = "127.0.0.1"
# What the function prints before it answers arrives by another way than the answer.
LOGS_SECONDS = 0.1


class RuntimeApi(BaseHTTPRequestHandler):
    """What Lambda offers a function: the next event, and where the answer goes."""

    protocol_version = "HTTP/1.1"
    # A function asks again on the same connection; without this each small answer waits for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        if not self.path.endswith("/runtime/invocation/next"):
            return self.answer(404)
        call = self.server.calls.get()
        if call is None:
            self.close_connection = True
            return None
        return self.answer(
            200,
            call["payload"].encode(),
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": call["invoke-id"],
                "Lambda-Runtime-Invoked-Function-Arn": call["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": call["trace-id"],
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + self.server.timeout_seconds * 1000),
            },
        )

    def do_POST(self):
        body = self.body()
        if self.path.endswith("/runtime/init/error"):
            self.server.started.set_result(body)
        elif not self.server.answers.done():
            self.server.answers.set_result((body, not self.path.endswith("/response")))
        self.answer(202)

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """LocalStack logs invocations."""


class ProcessExecutor(RuntimeExecutor):
    """One instance of a function: its `bootstrap`, and a Runtime API for it alone."""

    def start(self, env_vars):
        self.api = ThreadingHTTPServer((LOOPBACK, 0), RuntimeApi)
        self.api.daemon_threads = True
        self.api.calls, self.api.answers, self.api.started = queue.Queue(), Future(), Future()
        self.api.timeout_seconds = self.function_version.config.timeout
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        task = self.function_version.config.code.get_unzipped_code_location()
        environment = {name: str(value) for name, value in env_vars.items()}
        environment["AWS_LAMBDA_RUNTIME_API"] = f"{LOOPBACK}:{self.api.server_port}"
        environment["LAMBDA_TASK_ROOT"] = str(task)
        self.lines = []
        self.process = subprocess.Popen(
            [str(task / "bootstrap")], cwd=task, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace"))
        status = self.process.wait()
        ended = f'{{"errorType":"Runtime.ExitError","errorMessage":"bootstrap ended with {status}"}}'.encode()
        if not self.api.answers.done():
            self.api.answers.set_result((ended, True))

    def stop(self):
        self.api.calls.put(None)
        self.process.kill()
        self.process.wait()
        self.api.shutdown()
        self.api.server_close()

    def invoke(self, payload):
        if self.process.poll() is not None:
            raise LambdaRuntimeException(f"bootstrap ended with {self.process.returncode}: {self.get_logs()}")
        self.api.answers = Future()
        self.api.calls.put(payload)
        try:
            body, failed = self.api.answers.result(timeout=self.api.timeout_seconds)
        except Late:
            body, failed = b'{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out"}', True
        time.sleep(LOGS_SECONDS)
        lines, self.lines = self.lines, []
        return InvocationResult(payload["invoke-id"], body, is_error=failed, logs="".join(lines))

    def get_address(self):
        return LOOPBACK

    def get_endpoint_from_executor(self):
        return LOOPBACK

    def get_runtime_endpoint(self):
        return f"http://{LOOPBACK}"

    def get_logs(self):
        return "".join(self.lines)

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()
        bootstrap = function_version.config.code.get_unzipped_code_location() / "bootstrap"
        os.chmod(bootstrap, 0o755)

    @classmethod
    def cleanup_version(cls, function_version):
        """The code is in the folder of LocalStack, which goes with it."""


def keep_after_creation():
    known = PreprocResource.__init__

    def made(self, *arguments, **named):
        if named.get("deletion_policy") == DeletionPolicy.RetainExceptOnCreate:
            named["deletion_policy"] = DeletionPolicy.Retain
        known(self, *arguments, **named)

    PreprocResource.__init__ = made


def start():
    # Before the service lambda is loaded, whose modules take the function from there.
    runtime_executor.get_runtime_executor = lambda: ProcessExecutor
    # Every operation is one of moto's.
    SERVICE_PLUGINS.add_service(Service.for_provider(DynamodbApi(), dispatch_table_factory=MotoFallbackDispatcher))
    keep_after_creation()
    main()


if __name__ == "__main__":
    start()
