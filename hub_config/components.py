"""The processes of a hub: which program, under which account, with which groups, and how one knows that it is ready. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hub_config.layout import Layout, account_id, unix_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub_config.settings import Service, Settings

__all__ = ["Component", "components"]

PROXY = "node_modules/configurable-http-proxy"


@dataclass(frozen=True)
class Component:
    """One process.

    Parameters
    ----------
    name : str
        Also the name of its log.
    command : tuple of str
        Program and arguments.
    account : str
        Whose uid it runs under.
    groups : tuple of str
        Accounts whose sockets it may connect to.
    ready : Path or None
        Unix socket that accepts connections once it is ready.
    umask : int
        Of the files and sockets that it makes.
    """

    name: str
    command: tuple[str, ...]
    account: str
    groups: tuple[str, ...] = ()
    ready: Path | None = None
    umask: int = 0o027
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path("/")


def components(settings: Settings, *, library: str, proxy_token: str) -> tuple[Component, ...]:
    """List the processes in the order of starting.

    Parameters
    ----------
    settings : Settings
        The centre's settings.
    library : str
        Digest of the library's copy; every process runs our code from there.
    proxy_token : str
        Secret between the hub and the proxy, new at each start.

    Returns
    -------
    tuple of Component
        Agent, gate, guard, proxy, hub, then the centre's own services.
    """
    layout = Layout(settings.paths.state, settings.first_id)
    python, source = str(settings.image.python), layout.library(library)
    public_copy, secret = str(layout.settings_copy), {"CONFIGPROXY_AUTH_TOKEN": proxy_token}
    return (
        Component("agent", (python, "-P", "-m", "hub_config.agent", public_copy, library), "root", ready=layout.agent_socket),
        Component("gate", (python, "-P", "-m", "hub_config.hub_gate", public_copy), "gate", ("hub", "broker"), layout.gate_socket),
        Component("guard", (python, "-P", "-m", "hub_config.guard", public_copy), "guard", (), layout.guard_socket),
        Component("proxy", _proxy_command(settings, layout, source), "proxy", ("hub", "guard"), layout.proxy_api, 0o007, secret),
        Component(
            "hub",
            (python, "-P", "-m", "jupyterhub", "-f", str(source / "hub_config" / "jupyterhub_config.py")),
            "hub",
            ("proxy", "guard"),
            layout.hub_socket,
            environment={**secret, "CENTRE_SETTINGS": str(layout.hub_settings_copy)},
            folder=layout.state / "hub",
        ),
        *(_service(service, settings, layout) for service in settings.services),
    )


def _proxy_command(settings: Settings, layout: Layout, source: Path) -> tuple[str, ...]:
    public = settings.public
    tls = ("--ssl-key", public.tls_key, "--ssl-cert", public.tls_certificate) if public.tls_key else ()
    return (
        *("node", str(source / "hub_config" / "proxy.mjs"), str(settings.paths.node / PROXY)),
        *("--ip", public.address, "--port", str(public.port)),
        *("--api-socket", str(layout.proxy_api)),
        *("--error-target", f"{unix_url(layout.hub_socket)}/hub/error"),
        *("--log-level", "warn"),
        *tls,
    )


def _service(service: Service, settings: Settings, layout: Layout) -> Component:
    own = layout.state if service.account == "root" else layout.state / service.account
    words = {"state": str(layout.state), "own": str(own), "python": str(settings.image.python)}
    return Component(
        f"service-{service.name}",
        tuple(word.format(**words) for word in service.command),
        service.account,
        environment={name: value.format(**words) for name, value in service.environment.items()},
        folder=own,
    )


def identity(component: Component, first_id: int) -> tuple[int, list[int]]:
    """Return a component's uid (which is its gid too) and its further groups."""
    return account_id(first_id, component.account), [account_id(first_id, name) for name in component.groups]
