"""Words that people read on the hub's pages and in the guard's refusals: key -> Chinese, English."""

from __future__ import annotations

__all__ = ["TEXTS", "table", "text"]

TEXTS: dict[str, tuple[str, str]] = {
    "sign_in": ("登录", "Sign in"),
    "sign_out": ("退出", "Sign out"),
    "user_name": ("用户名", "User name"),
    "password": ("密码", "Password"),
    "sign_in_failed": (
        "用户名或密码不正确；连续输错后需等待片刻再试。",
        "Wrong user name or password; after several failures wait a moment.",
    ),
    "sign_in_with": ("使用以下方式登录：", "Sign in with "),
    "my_projects": ("我的课题", "My projects"),
    "home": ("首页", "Home"),
    "admin": ("会话管理", "Sessions"),
    "no_projects": ("您还不属于任何课题。请联系数据中心。", "You belong to no project yet. Please ask the data centre."),
    "project": ("课题", "Project"),
    "state": ("状态", "State"),
    "action": ("操作", "Action"),
    "running": ("运行中", "running"),
    "not_running": ("未运行", "not running"),
    "starting": ("正在启动", "starting"),
    "start": ("打开会话", "Open a session"),
    "enter": ("进入会话", "Enter"),
    "stop": ("结束会话", "End"),
    "sealed_note": (
        "会话与网络隔离，数据只读。结果只能通过出域申请带出；浏览器的流量有限额并留有记录。",
        "No network, read-only data. Results leave by a release request only; browser traffic is limited and recorded.",
    ),
    "session_starting": ("会话正在启动", "The session is starting"),
    "session_starting_note": ("就绪后会自动进入，通常需要几秒钟。", "You will be taken there when it is ready, usually within seconds."),
    "session_stopping": ("会话正在结束", "The session is ending"),
    "session_not_running": ("会话没有运行", "The session is not running"),
    "session_failed": ("会话启动失败", "The session did not start"),
    "event_log": ("过程记录", "Event log"),
    "error": ("出错了", "Something is wrong"),
    "error_403": ("没有权限", "Not allowed"),
    "error_404": ("没有这个页面", "No such page"),
    "error_500": ("服务器内部错误", "Internal error"),
    "error_503": ("暂时无法访问", "Not available now"),
    "back_home": ("返回首页", "Back to the home page"),
    "step_sandbox": ("正在建立隔离环境…", "Building the sandbox…"),
    "step_server": ("正在启动分析服务…", "Starting the analysis server…"),
    "step_guard": ("正在接通出口守卫…", "Connecting the guard…"),
    "no_project": ("请从首页选择课题打开会话。", "Please open a session from a project on the home page."),
    "not_a_member": ("您不是课题 {project} 的成员，不能打开它的会话。", "You are not a member of project {project}."),
    "path_refused": (
        "出口守卫：此处不能导出或访问。结果请提交出域申请。",
        "Guard: nothing can be exported or reached here. Please make a release request.",
    ),
    "too_large": ("出口守卫：内容过大，不能在浏览器中打开。", "Guard: too large to open in the browser."),
    "output_too_large": (
        "出口守卫：这一个输出过大，没有显示。请减少输出（例如先汇总再显示），然后重新运行。",
        "Guard: this one output is too large and is not shown. Please print less (a summary first) and run the cell again.",
    ),
    "budget_spent": (
        "出口守卫：本会话每小时的显示流量已用完，请稍后再试或减少输出。",
        "Guard: this session's hourly display budget is spent. Please wait, or print less.",
    ),
    "not_found": ("没有这个文件。", "No such file."),
    "session_unreachable": ("会话没有响应，可能正在启动或已经结束。", "The session does not answer; it may be starting or have ended."),
}


def text(language: str, key: str) -> str:
    """Return the words of a key in a language (``zh`` or ``en``)."""
    return TEXTS[key][0 if language == "zh" else 1]


def table(language: str) -> dict[str, str]:
    """Return all words in a language, for the page templates."""
    return {key: text(language, key) for key in TEXTS}
