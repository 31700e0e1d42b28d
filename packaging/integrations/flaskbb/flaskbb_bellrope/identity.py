"""Who a member is, in Bellrope's words: the token in the page, and the actor of an item."""

import time
from urllib.parse import urljoin

import jwt
from flask import current_app, request
from flaskbb.user.models import User
from flaskbb.utils.uploads import get_avatar_url

# A page that stays open longer asks for a new one. Short enough that a stolen one is soon worthless.
TOKEN_TTL_S = 3600


def mint(user: User, secret: str) -> str:
    now_s = int(time.time())
    claims = {"sub": str(user.id), "name": user.username, "iat": now_s, "exp": now_s + TOKEN_TTL_S}
    avatar = _avatar(user)
    if avatar:
        claims["avatar"] = avatar
    return jwt.encode(claims, secret, algorithm="HS256")


def actor(user: User) -> dict[str, str]:
    return {"id": str(user.id), "name": user.username} | ({"avatar": link} if (link := _avatar(user)) else {})


def _avatar(user: User) -> str | None:
    if not user.avatar:
        return None
    link = get_avatar_url(user.avatar)
    if link.startswith(("http://", "https://")):
        return link
    # Without TRUSTED_HOSTS (or SERVER_NAME) the host is whatever the browser said it is, and a member could have a link
    # to a host of his own put into everybody's list.
    if not current_app.config["TRUSTED_HOSTS"]:
        return None
    return urljoin(request.url_root, link)
