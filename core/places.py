"""How documents of the context are named: by scope and key, as routes and expressions can spell them."""

from __future__ import annotations

import re

SCOPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,99}\Z")
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@ +-]{0,199}\Z")
