"""The bot: suggestions → requests to merge, on GitHub, on GitLab, or as branches of any git remote.

>>> repository, host = connect(Path("."), "origin", "auto", "", Path("out/requests"))
>>> publish(repository, host, read_claims(Path("out")), Plan(limit=3))
"""

from rulegen.forge.claim import Claims, read_claims
from rulegen.forge.host import Host
from rulegen.forge.publish import Plan, Published, publish
from rulegen.forge.remote import connect

__all__ = ["Claims", "Host", "Plan", "Published", "connect", "publish", "read_claims"]
