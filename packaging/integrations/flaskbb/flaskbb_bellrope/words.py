"""What the items say, in the language each member has chosen in the forum."""

WORDS = {
    "en": {
        "reply": "{name} replied in “{topic}”",
        "mention": "{name} mentioned you in “{topic}”",
        "like": "{name} liked your post in “{topic}”",
        "message": "{name} sent you a message",
    },
    "zh": {
        "reply": "{name} 回复了“{topic}”",
        "mention": "{name} 在“{topic}”中提到了你",
        "like": "{name} 赞了你在“{topic}”中的帖子",
        "message": "{name} 给你发了私信",
    },
}

# Together with the words around them below the 200 that a title may have.
NAME_CHARS_MAX, TOPIC_CHARS_MAX = 60, 100


def title(language: str | None, kind: str, name: str, topic: str) -> str:
    """English for whoever reads a language that is not here. `language` is FlaskBB's, e.g. `zh_CN`."""
    words = WORDS.get((language or "").split("_")[0], WORDS["en"])
    return words[kind].format(name=cut(name, NAME_CHARS_MAX), topic=cut(topic, TOPIC_CHARS_MAX))


def cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + "…"
