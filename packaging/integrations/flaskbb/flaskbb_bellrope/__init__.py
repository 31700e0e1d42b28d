"""Bellrope for FlaskBB: the bell in the navigation, and what it rings for.

- A page: __init__ and identity put the bell into it, with a token that says who the member is.
- A commit: changes takes it down as facts, outbox keeps them in order for its thread, news makes of each what Bellrope
  is told.
- A visit of a page goes the same way, as a fact: what the member has come to see is read.
"""

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask_babelplus import get_locale
from flask_login import current_user
from flaskbb.utils.helpers import real, render_template
from pluggy import HookimplMarker

from . import changes as changes  # listens from its import on
from . import news
from .identity import mint
from .outbox import Outbox
from .settings import Settings

impl = HookimplMarker("flaskbb")

bellrope = Blueprint(
    "bellrope",
    __name__,
    url_prefix="/bellrope",
    static_folder="static",
    template_folder="templates",
)

# The pages whose visit marks items read: what they show, and the name of its id in the address.
VISITS = {
    "forum.view_topic": ("topic", "topic_id"),
    "conversations_bp.view_conversation": ("conversation", "conversation_id"),
}


@impl
def flaskbb_load_blueprints(app: Flask):
    settings = Settings.read(app.config)
    if settings is None:
        return
    app.extensions["bellrope"] = Outbox(settings, lambda fact: news.calls(app, fact))
    app.register_blueprint(bellrope)


@impl
def flaskbb_tpl_user_nav_loggedin_before():
    return _fragment("bellrope/bell.html")


@impl
def flaskbb_tpl_scripts():
    return _fragment("bellrope/scripts.html")


@impl
def flaskbb_request_processors(app: Flask):
    app.after_request(_visited)


@bellrope.get("/token")
def token():
    """A fresh token for a page that stays open longer than the one it was made with. Nobody's token is `null`."""
    answer = jsonify(token=_token())
    answer.cache_control.no_store = True
    return answer


def _fragment(template: str) -> str:
    minted = _token()
    if minted is None:
        return ""
    settings: Settings = current_app.extensions["bellrope"].settings
    lang = str(get_locale()).replace("_", "-")
    return render_template(template, token=minted, public_url=settings.public_url, lang=lang)


def _token() -> str | None:
    """Who is logged in, in Bellrope's words: nobody for a guest, and for a member who is banned."""
    user = real(current_user)
    if "bellrope" not in current_app.extensions or not user.is_authenticated or user.is_banned:
        return None
    return mint(user, current_app.extensions["bellrope"].settings.secret)


def _visited(answer: Response) -> Response:
    kind, argument = VISITS.get(request.endpoint or "", (None, None))
    shown = request.method == "GET" and answer.status_code == 200
    if kind and shown and "bellrope" in current_app.extensions and current_user.is_authenticated:
        fact = ("visit", real(current_user).id, kind, request.view_args[argument])
        current_app.extensions["bellrope"].put_visit(fact)
    return answer
