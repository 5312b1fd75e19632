"""JupyterHub's configuration: traits assigned from the centre's settings, no logic."""

import os
from pathlib import Path

from hub_config.layout import Layout, unix_url
from hub_config.pages.texts import table
from hub_config.passwords import LocalAuthenticator
from hub_config.roles import EVERYONE, ROLES, SESSION
from hub_config.settings import load
from hub_config.spawner import SealedSpawner

c = get_config()  # noqa: F821  (JupyterHub defines it)
settings = load(Path(os.environ["CENTRE_SETTINGS"]))
layout = Layout(settings.paths.state, settings.first_id)

c.JupyterHub.bind_url = settings.public.url
c.JupyterHub.hub_bind_url = unix_url(layout.hub_socket)
c.JupyterHub.hub_connect_url = unix_url(layout.hub_socket)
c.JupyterHub.hub_socket_mode = 0o660
c.JupyterHub.db_url = f"sqlite:///{layout.state}/hub/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{layout.state}/hub/cookie_secret"
c.JupyterHub.cleanup_servers = False  # sessions outlive a restart of the hub; the agent ends them
c.JupyterHub.cleanup_proxy = False
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = unix_url(layout.proxy_api)

c.JupyterHub.authenticator_class = LocalAuthenticator if settings.login.authenticator == "local" else settings.login.authenticator
c.Authenticator.allowed_users = {user.name for user in settings.users}
c.Authenticator.update(settings.login.options)
c.LocalAuthenticator.passwords = str(layout.passwords)

c.JupyterHub.load_roles = [
    {"name": "user", "description": EVERYONE.en, "scopes": list(EVERYONE.scopes)},
    {"name": "server", "description": SESSION.en, "scopes": list(SESSION.scopes)},
    *(
        {
            "name": name,
            "description": role.en,
            "scopes": list(role.scopes),
            "users": [user.name for user in settings.users if user.role == name],
        }
        for name, role in ROLES.items()
    ),
]

c.JupyterHub.spawner_class = SealedSpawner
c.SealedSpawner.agent_socket = str(layout.agent_socket)
c.SealedSpawner.guard_socket = str(layout.guard_socket)
c.SealedSpawner.language = settings.language
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.Spawner.http_timeout = 60
c.Spawner.poll_interval = 10
c.JupyterHub.allow_named_servers = True
c.JupyterHub.default_url = "/hub/home"
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 1}  # a refusal is answered at once, a start is followed on its own page

c.JupyterHub.template_paths = [str(Path(__file__).parent / "pages")]
c.JupyterHub.template_vars = {
    "t": table(settings.language),
    "language": {"zh": "zh-CN", "en": "en"}[settings.language],
    "centre": settings.title,
    "projects": settings.projects,
    "names": {user.name: user.display or user.name for user in settings.users},
}
