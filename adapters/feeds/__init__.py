"""
Feeds: file drops with a contract, whatever carries them.

A file is ready, claimed by one worker, copied, proven, loaded, and archived or put into quarantine with its reason.
"""

from __future__ import annotations

from .adapter import DropAdapter
from .config import FeedConfig, FeedsConfig
from .feed import Feed
from .found import Found, Taken
from .sink import FeedSink
from .source import FeedSource, FilePortion

__all__ = [
    "DropAdapter",
    "Feed",
    "FeedConfig",
    "FeedSink",
    "FeedSource",
    "FeedsConfig",
    "FilePortion",
    "Found",
    "Taken",
]
