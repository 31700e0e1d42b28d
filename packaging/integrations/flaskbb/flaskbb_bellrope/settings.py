"""The four settings of `flaskbb.cfg`, or of the environment with `FLASKBB_` before their names."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# Below FlaskBB's own logger, so that it goes where the forum's log goes.
logger = logging.getLogger("flaskbb.bellrope")

# Bellrope refuses a shorter one (RFC 7518, 3.2: at least as long as the hash).
SECRET_BYTES_MIN = 32


@dataclass(frozen=True)
class Settings:
    url: str
    public_url: str
    secret: str = field(repr=False)
    api_key: str = field(repr=False)

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self | None:
        """None, and a line in the log, when one is missing: the forum then runs as it did without the plugin."""
        url, secret, api_key = (
            str(config.get(name) or "").strip()
            for name in ("BELLROPE_URL", "BELLROPE_FORUM_SECRET", "BELLROPE_API_KEY")
        )
        if not (url and secret and api_key):
            logger.warning(
                "The bell stays silent: set BELLROPE_URL, BELLROPE_FORUM_SECRET and BELLROPE_API_KEY in flaskbb.cfg."
            )
            return None
        if len(secret.encode()) < SECRET_BYTES_MIN:
            logger.warning("The bell stays silent: BELLROPE_FORUM_SECRET is shorter than %d bytes.", SECRET_BYTES_MIN)
            return None
        public_url = str(config.get("BELLROPE_PUBLIC_URL") or url).strip()
        return cls(url.rstrip("/"), public_url.rstrip("/"), secret, api_key)
