"""Bellrope from Python: copy it into the forum, or try it by hand: `python3 bellrope.py like 42 5 991 7 Bob`."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

URL = os.environ.get("BELLROPE_URL", "http://127.0.0.1:8888")
SECRET = os.environ["BELLROPE_FORUM_SECRET"]
KEY = os.environ["BELLROPE_API_KEY"]


def token(member, name):
    """Who is looking at this page. Never for somebody who is not logged in."""
    now_s = int(time.time())
    head = {"alg": "HS256", "typ": "JWT"}
    claims = {"sub": str(member), "name": name, "iat": now_s, "exp": now_s + 3600}
    signed = b".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
    return (signed + b"." + _base64url(hmac.digest(SECRET.encode(), signed, hashlib.sha256))).decode()


def like(to, topic, post, member, name):
    """To the author of a post: somebody likes it. Likes of one post fold into one item."""
    ask("POST", "/notifications", {
        "to": [str(to)],
        "kind": "like",
        "title": f"{name} likes your post",
        "url": f"/topic/{topic}#{post}",
        "actor": {"id": str(member), "name": name},
        "object": {"type": "topic", "id": str(topic)},
        "key": f"like:{post}:{member}",
        "group": f"like:{post}",
    })


def unlike(post, member):
    ask("DELETE", "/notifications/by-key/" + urllib.parse.quote(f"like:{post}:{member}", safe=""))


def visit(member, topic):
    """The member opened the topic: what is about it is read, on every device."""
    ask("POST", f"/users/{member}/read", {"object": {"type": "topic", "id": str(topic)}})


def gone(topic):
    ask("DELETE", f"/notifications?object_type=topic&object_id={topic}")


def ban(member):
    ask("POST", f"/users/{member}/sign-out", {})


def ask(method, path, body=None, tries=6):
    """Asks until Bellrope has heard. The key lets it know a repetition, so nobody hears twice. May take a minute, so a
    page is sent first, or a queue does this."""
    request = urllib.request.Request(
        f"{URL}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        },
    )
    for attempt in range(tries):
        pause_s = 2**attempt
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 409, 429):
                raise RuntimeError(f"Bellrope refuses: {error.read().decode()}") from None
            pause_s = int(error.headers.get("Retry-After") or pause_s)
        except (OSError, http.client.HTTPException):
            pass  # Nobody answered, or half, or too late.
        if attempt < tries - 1:
            time.sleep(pause_s)
    raise RuntimeError("Bellrope does not answer")


def _base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


if __name__ == "__main__":
    verbs = {verb.__name__: verb for verb in (token, like, unlike, visit, gone, ban)}
    said = verbs[sys.argv[1]](*sys.argv[2:])
    if said is not None:
        print(said)
