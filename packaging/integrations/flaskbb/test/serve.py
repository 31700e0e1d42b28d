"""The forum for the test: `serve.py FLASKBB.CFG` prints its address, and serves until it is stopped."""

import os
import signal
import sys

from flaskbb.app import create_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


# A stop is a clean one, as a forum's real server does it: what waits for Bellrope gets its chance.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

config = os.path.abspath(sys.argv[1])
app = create_app(config, instance_path=os.path.dirname(config))
port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
