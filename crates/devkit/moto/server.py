"""AWS on a free port of loopback, one request at a time, until standard input ends.

moto handles requests in threads, and undoes a refused transaction by putting its whole state back:
that takes away what another request wrote meanwhile. DynamoDB's transactions are serializable; with
one request at a time moto's are as well. That state is kept by region: who wants a state of their own
makes up a region, and copying it costs little.
"""

import os
import sys
import threading

os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


def one_at_a_time(environ, start_response):
    with turn:
        return list(moto(environ, start_response))


def end_with_whoever_started_this():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_whoever_started_this, daemon=True).start()
run_simple("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
