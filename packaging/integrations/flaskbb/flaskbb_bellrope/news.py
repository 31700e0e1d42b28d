"""What Bellrope is told of each fact. Runs in the outbox's thread, and looks at the forum as it is by then: a like that
was taken back meanwhile, or a post that is gone, is told to nobody.

Every item is about a topic (or a conversation), so that one visit marks all of it read; a key says which part it is.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import Flask, url_for
from flaskbb.extensions import db
from flaskbb.forum.models import Post, Topic, forumgroups, topictracker
from flaskbb.markup import MENTION_REGEX
from flaskbb.settings import flaskbb_config
from flaskbb.user.models import Group, GroupRole, User, groups_users

from .changes import CONVERSATION, LIKE, MESSAGE
from .identity import actor
from .outbox import Call, Fact
from .words import cut, title

# Bellrope's limit on recipients of one call.
RECIPIENTS_MAX = 10_000
# Who names more members than this in one post is calling a crowd, not a member.
MENTIONS_MAX = 20
EXCERPT_CHARS_MAX = 200

# Quoting somebody is not talking to him, and a name inside of code is an example.
NOT_SAID = re.compile(r"^[ \t]*>.*$|^```[\s\S]*?^```|`[^`\n]*`", re.MULTILINE)

# Members by id, each with the language it reads.
Members = dict[int, str | None]


def calls(app: Flask, placed: tuple[str | None, Fact]) -> Iterator[Call]:
    root, fact = placed
    # A context of its own is a database session of its own, and addresses as the request would have made them.
    with app.test_request_context(base_url=root) if root else app.app_context():
        # Read to the end inside of it: what is then tried for minutes holds no connection.
        told = list(_told(fact))
    yield from told


def _told(fact: Fact) -> Iterator[Call]:
    match fact:
        case "post", post_id:
            yield from _posted(post_id)
        case "edit", post_id, old:
            yield from _edited(post_id, old)
        case "like", post_id, user_id:
            yield from _liked(post_id, user_id)
        case "unlike", post_id, user_id:
            if not _likes(post_id, user_id):
                yield _retract(f"like:{post_id}:{user_id}")
        case "message", message_id:
            yield from _messaged(message_id)
        case "post_gone", post_id:
            yield _retract(f"reply:{post_id}")
            yield _retract(f"mention:{post_id}")
        case "topic_gone", topic_id:
            yield _retract_object("topic", topic_id)
        case "conversation_gone", conversation_id:
            yield _retract_object("conversation", conversation_id)
        case "member", user_id:
            yield from _member(user_id)
        case "visit", user_id, kind, object_id:
            yield Call("POST", f"/users/{user_id}/read", {"object": {"type": kind, "id": str(object_id)}})


def _posted(post_id: int) -> Iterator[Call]:
    post = _shown(post_id)
    if post is None:
        return
    mentioned = _mentioned(post, _names(post.content))
    yield from _mention(post, mentioned)
    # Whoever is called by name needs no second item that somebody replied.
    others = {to: language for to, language in _involved(post).items() if to not in mentioned}
    yield from _publish(
        "reply",
        others,
        post.user,
        post.topic.title,
        **_place(post),
        body=_excerpt(post.content),
        key=f"reply:{post.id}",
        group=f"topic:{post.topic_id}",
    )


def _edited(post_id: int, old: str) -> Iterator[Call]:
    post = _shown(post_id)
    if post is not None:
        yield from _mention(post, _mentioned(post, _names(post.content) - _names(old)))


def _liked(post_id: int, user_id: int) -> Iterator[Call]:
    post, liker = _shown(post_id), db.session.get(User, user_id)
    if post is None or liker is None or post.user_id == user_id or not _likes(post_id, user_id):
        return
    yield from _publish(
        "like",
        _readers(post, User.id == post.user_id),
        liker,
        post.topic.title,
        **_place(post),
        key=f"like:{post_id}:{user_id}",
        group=f"like:{post_id}",
    )


def _messaged(message_id: int) -> Iterator[Call]:
    """A message is kept twice, once in each member's box: only the copy in the other's box is news."""
    message, conversation = db.metadata.tables[MESSAGE], db.metadata.tables[CONVERSATION]
    row = db.session.execute(
        sa.select(message.c.user_id, conversation.c.id, conversation.c.user_id, conversation.c.subject)
        .join(conversation, conversation.c.id == message.c.conversation_id)
        .where(message.c.id == message_id)
    ).one_or_none()
    if row is None:
        return
    from_id, conversation_id, to_id, subject = row
    sender, to = (db.session.get(User, user_id) if user_id else None for user_id in (from_id, to_id))
    if sender is None or to is None or sender is to:
        return
    yield from _publish(
        "message",
        {to.id: to.language},
        sender,
        "",
        url=url_for("conversations_bp.view_conversation", conversation_id=conversation_id),
        object={"type": "conversation", "id": str(conversation_id)},
        # The subject only: what is private stays in the forum.
        body=cut(subject or "", EXCERPT_CHARS_MAX),
        key=f"message:{message_id}",
        group=f"conversation:{conversation_id}",
    )


def _member(user_id: int) -> Iterator[Call]:
    user = db.session.get(User, user_id)
    if user is None:
        yield Call("DELETE", f"/users/{user_id}")
        yield Call("DELETE", "/notifications", params={"actor": str(user_id)})
    elif user.is_banned:
        yield Call("POST", f"/users/{user_id}/sign-out", {})


def _mention(post: Post, to: Members) -> Iterator[Call]:
    yield from _publish(
        "mention",
        to,
        post.user,
        post.topic.title,
        **_place(post),
        body=_excerpt(post.content),
        key=f"mention:{post.id}",
    )


def _publish(kind: str, to: Members, by: User, topic: str, **parts: Any) -> Iterator[Call]:
    """One call for each title, that is, for each language that the members read."""
    titles: dict[str, list[str]] = {}
    for user_id, language in list(to.items())[:RECIPIENTS_MAX]:
        said = title(language or flaskbb_config["DEFAULT_LANGUAGE"], kind, by.username, topic)
        titles.setdefault(said, []).append(str(user_id))
    for said, ids in titles.items():
        yield Call("POST", "/notifications", {"to": ids, "kind": kind, "title": said, "actor": actor(by)} | parts)


def _place(post: Post) -> dict[str, Any]:
    return {
        "url": url_for("forum.view_post", post_id=post.id),
        "object": {"type": "topic", "id": str(post.topic_id)},
    }


def _retract(key: str) -> Call:
    return Call("DELETE", f"/notifications/by-key/{quote(key, safe='')}")


def _retract_object(kind: str, object_id: int) -> Call:
    return Call("DELETE", "/notifications", params={"object_type": kind, "object_id": str(object_id)})


def _shown(post_id: int) -> Post | None:
    """The post, if members see it, and somebody wrote it who still is one."""
    post = db.session.get(Post, post_id)
    if post is None or post.topic is None or post.user is None or post.hidden or post.topic.hidden:
        return None
    return post


def _likes(post_id: int, user_id: int) -> bool:
    like = db.metadata.tables[LIKE]
    row = sa.select(like.c.post_id).where(like.c.post_id == post_id, like.c.user_id == user_id)
    return db.session.execute(row).first() is not None


def _involved(post: Post) -> Members:
    """Who began the topic, wrote in it, or tracks it."""
    wrote = sa.select(Post.user_id).where(Post.topic_id == post.topic_id, Post.hidden.is_(False))
    began = sa.select(Topic.user_id).where(Topic.id == post.topic_id)
    tracks = sa.select(topictracker.c.user_id).where(topictracker.c.topic_id == post.topic_id)
    return _readers(post, User.id.in_(sa.union(wrote, began, tracks)) & (User.id != post.user_id))


def _mentioned(post: Post, names: set[str]) -> Members:
    if not names or len(names) > MENTIONS_MAX:
        return {}
    return _readers(post, User.username.in_(names) & (User.id != post.user_id))


def _readers(post: Post, who: sa.ColumnElement[bool]) -> Members:
    """Of `who` those that may read the post's forum. FlaskBB's own rule, for many members at once: a member reads a
    forum that one of his groups may read."""
    groups = sa.select(forumgroups.c.group_id).where(forumgroups.c.forum_id == post.topic.forum_id)
    secondary = sa.select(groups_users.c.user_id).where(groups_users.c.group_id.in_(groups))
    readers = (
        sa.select(User.id, User.language)
        .where(who, sa.or_(User.primary_group_id.in_(groups), User.id.in_(secondary)))
        .where(User.primary_group.has(Group.role != GroupRole.BANNED))
        .order_by(User.id)
    )
    return {user_id: language for user_id, language in db.session.execute(readers)}


def _names(text: str) -> set[str]:
    return set(MENTION_REGEX.findall(NOT_SAID.sub("", text)))


def _excerpt(text: str) -> str:
    return cut(" ".join(NOT_SAID.sub("", text).split()), EXCERPT_CHARS_MAX)
