"""Who may do what on the hub: role -> scopes -> one sentence. Data only; the table in SECURITY.md is made from it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVERYONE", "ROLES", "SESSION", "Role"]


@dataclass(frozen=True)
class Role:
    """A role: the scopes of JupyterHub that it holds, and what they mean in one sentence each language."""

    scopes: tuple[str, ...]
    zh: str
    en: str


_OWN_SESSIONS = ("servers!user", "access:servers!user", "delete:servers!user")

EVERYONE = Role(
    scopes=("read:users!user", "users:activity!user"),
    zh="登录并查看自己的账号。",
    en="Signs in and reads their own account.",
)

SESSION = Role(
    scopes=("users:activity!user", "access:servers!server"),
    zh="会话内的令牌：只能上报活动并核对来访者是否有权进入本会话。",
    en="The token inside a session: it reports activity and checks who may enter this very session, nothing else.",
)

ROLES: dict[str, Role] = {
    "researcher": Role(
        scopes=_OWN_SESSIONS,
        zh="打开、进入和关闭自己所在课题的会话。",
        en="Opens, enters and closes sessions of the projects they belong to.",
    ),
    "student": Role(
        scopes=_OWN_SESSIONS,
        zh="与研究者相同，仅限自己所在的教学课题。",
        en="As a researcher, in the teaching projects they belong to.",
    ),
    "staff": Role(
        scopes=("admin-ui", "list:users", "read:servers", "delete:servers"),
        zh="查看谁的会话在运行并将其关闭；不能进入会话。",
        en="Sees whose sessions run and ends them; cannot enter one.",
    ),
    "reviewer": Role(
        scopes=(),
        zh="审查出域申请；不能打开会话。",
        en="Reviews release requests; opens no session.",
    ),
}
