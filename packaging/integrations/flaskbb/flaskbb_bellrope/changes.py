"""What the forum has written, as facts: a word and the ids it is about.

FlaskBB's hooks tell of saved posts only, and the like plugin has none. The ORM session tells of everything, whoever
wrote it. A fact is taken down when it is flushed and goes out after the commit, or never when that is undone.
"""

import sqlalchemy as sa
from flask import current_app, has_request_context
from flaskbb.extensions import db
from flaskbb.forum.models import Post, Topic
from flaskbb.user.models import User
from sqlalchemy import event
from sqlalchemy.orm import Session

from .settings import logger

PENDING = "bellrope"

# Tables of plugins that may be there. Importing their models would make tables of a plugin that is not enabled.
LIKE, MESSAGE, CONVERSATION = "like_association", "messages", "conversations"

GROUPS = ("primary_group", "primary_group_id", "secondary_groups")


@event.listens_for(db.session, "after_flush")
def _take_down(session: Session, _context: object) -> None:
    if "bellrope" not in current_app.extensions:
        return
    try:
        session.info.setdefault(PENDING, []).extend(_facts(session))
    except Exception:
        # The forum's own write goes on, whatever is wrong here.
        logger.exception("A change was not understood; nobody is told of it.")


@event.listens_for(db.session, "after_commit")
def _hand_over(session: Session) -> None:
    for fact in session.info.pop(PENDING, ()):
        current_app.extensions["bellrope"].put(fact)


@event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(PENDING, None)


def _facts(session: Session):
    # What a command writes (an import, test data) is not news; what it takes away is gone all the same.
    if has_request_context():
        for row in session.new:
            yield from _added(row)
        for row in session.dirty:
            if isinstance(row, Post) and (old := sa.inspect(row).attrs.content.history.deleted):
                yield "edit", row.id, old[0]
    for row in session.dirty:
        yield from _changed(row)
    yield from _removed(session.deleted)


def _added(row: object):
    if isinstance(row, Post):
        yield "post", row.id
    elif _table(row) == LIKE:
        yield "like", row.post_id, row.user_id
    elif _table(row) == MESSAGE:
        yield "message", row.id


def _changed(row: object):
    if isinstance(row, Post | Topic) and row.hidden and _has_changed(row, "hidden"):
        yield "topic_gone" if isinstance(row, Topic) else "post_gone", row.id
    elif isinstance(row, User) and _has_changed(row, *GROUPS):
        yield "member", row.id


def _removed(rows: object):
    topics, members = (any(isinstance(row, kind) for row in rows) for kind in (Topic, User))
    for row in rows:
        if isinstance(row, Topic):
            yield "topic_gone", row.id
        elif isinstance(row, User):
            yield "member", row.id
        elif _table(row) == CONVERSATION:
            yield "conversation_gone", row.id
        elif isinstance(row, Post) and not topics:
            yield "post_gone", row.id
        # What goes with its topic or its member is retracted with it, in one call.
        elif _table(row) == LIKE and not topics and not members:
            yield "unlike", row.post_id, row.user_id


def _table(row: object) -> str:
    return sa.inspect(row).mapper.local_table.name


def _has_changed(row: object, *names: str) -> bool:
    attributes = sa.inspect(row).attrs
    return any(attributes[name].history.has_changes() for name in names)
