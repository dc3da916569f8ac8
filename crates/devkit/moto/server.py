"""AWS on a free port of loopback, one request at a time.

moto handles requests in threads, and undoes a refused transaction by putting its whole state back:
that takes away what another request wrote meanwhile. DynamoDB's transactions are serializable; with
one request at a time moto's are as well.
"""

import threading

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


def one_at_a_time(environ, start_response):
    with turn:
        return list(moto(environ, start_response))


run_simple("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
