"""Tries the API's description on a real server, as everybody who may ask: an API key with every scope, and the others
with what is theirs to do. Arguments name the callers, else it is all. CONTRACT_SEED tries other cases, CONTRACT_EXAMPLES
more of them; with it everybody tries everything."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# Taken out of the environment: the program refuses names there that are no settings.
PROGRAM = os.environ.pop("BELLROPE_BIN")
SEED = os.environ.get("CONTRACT_SEED", "1")
EXAMPLES = os.environ.get("CONTRACT_EXAMPLES")
EXAMPLES_AT_LEAST = "4"
HERE = pathlib.Path(__file__).parent
PASSWORD = "correct horse"
# What is worth trying as somebody who may not do the rest: each refusal by who asks is a story of tests/it.
THEIRS = {
    "nobody": ["--include-path-regex", "^/(login|register|setup|server)$"],
    "member": ["--include-path-regex", "^/(me|logout)"],
    "forum": ["--include-path-regex", "^/inbox"],
    "admin": ["--include-path-regex", "^/(accounts|keys|tokens|me)"],
    "key": [],
}
# What shows that a caller is still who it was when its run is over.
OWN = "/api/v1/inbox/counts"
SCHEMATHESIS = [pathlib.Path(sys.executable).with_name("schemathesis")]


def bellrope(data, *arguments, said=""):
    ran = subprocess.run([PROGRAM, *arguments, "--data", data], input=said, text=True, capture_output=True)
    if ran.returncode:
        raise SystemExit(f"bellrope {' '.join(arguments)}: {ran.stderr}")
    return ran.stdout.strip()


def start(folder):
    environment = {"BELLROPE_FORUM_SECRET": "a secret that the forum and the bell share", "PATH": os.environ["PATH"]}
    arguments = ["serve", "--listen", "127.0.0.1:0", "--registration", "open", "--data", folder / "data"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    greeting = server.stdout.readline()
    found = re.search(r"http://\S+", greeting)
    if not found:
        raise SystemExit(f"it did not start: {greeting}{(folder / 'log').read_text()}")
    return server, found[0]


def status(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def callers(data):
    """Who asks, with which token, and what it is answered when it asks for its own inbox."""
    for name, role in [("root", "admin"), ("ann", "member"), ("spare", "member")]:
        bellrope(data, "user", "add", name, "--role", role, "--password-stdin", said=PASSWORD)

    def mint(member):
        return bellrope(data, "token", "mint", member, "--ttl", "12h")

    key = bellrope(data, "key", "create", "all", "--scope", "publish,presence,inbox,admin")
    kept = ["root", "ann", "spare", "42", key.split("_")[1]]
    tokens = {"member": mint("@ann"), "forum": mint("42"), "admin": mint("@root")}
    # A session is ended by its id, which stands in its token.
    for token in (tokens["member"], tokens["admin"]):
        claims = base64.urlsafe_b64decode(token.split(".")[1] + "==")
        kept.append(json.loads(claims)["jti"])
    listed = {"key": (key, 403), "nobody": ("", 401)}
    listed |= {name: (token, 200) for name, token in tokens.items()}
    return listed, kept


def attempt(name, token, url, folder, kept):
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CONTRACT_PROGRAM": PROGRAM,
        "CONTRACT_TOKEN": token,
        "CONTRACT_KEPT": ",".join(kept),
        "CONTRACT_DATA": str(folder / "data"),
    }
    arguments = ["--config-file", HERE / "schemathesis.toml", "run", f"{url}/api/openapi.json"]
    arguments += ["--seed", SEED, "--max-examples", EXAMPLES or EXAMPLES_AT_LEAST, "--no-color"]
    arguments += [] if EXAMPLES else THEIRS[name]
    began = time.monotonic()
    ran = subprocess.run(SCHEMATHESIS + arguments, env=environment, cwd=folder, text=True, capture_output=True)
    if ran.returncode:
        raise SystemExit(f"{ran.stdout}{ran.stderr}\nas {name}, with CONTRACT_SEED={SEED}")
    tried = re.search(r"(\d+) generated", ran.stdout)[1]
    print(f"   {name}: {tried} cases, {time.monotonic() - began:.0f} s", flush=True)


def main():
    print(f"   CONTRACT_SEED={SEED}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        server, url = start(folder)
        try:
            listed, kept = callers(folder / "data")
            for name in sys.argv[1:] or listed:
                token, expected = listed[name]
                attempt(name, token, url, folder, kept)
                found = status(url + OWN, token)
                if found != expected:
                    raise SystemExit(f"as {name}, afterwards: {found} instead of {expected}; the run lost its ground")
        finally:
            server.terminate()
        if server.wait(timeout=20):
            raise SystemExit(f"it ended with {server.returncode}")
        log = (folder / "log").read_text()
        if "panicked" in log:
            raise SystemExit(log[-4000:])


main()
