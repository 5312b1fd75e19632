"""Jupyter's configuration inside a session; root-owned, as every level of it."""

import os
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir

c = get_config()  # noqa: F821  (Jupyter defines it)

c.ContentsManager.allow_hidden = False
c.ContentsManager.files_handler_class = "hub_config.session.__main__.DeniedHandler"
c.ContentsManager.files_handler_params = {}
c.ServerApp.terminals_enabled = False
c.ServerApp.jpserver_extensions = {
    "jupyterlab": True,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "notebook_shim": False,
}
c.KernelManager.transport = "ipc"
c.LabApp.app_settings_dir = str(Path(jupyter_config_dir()) / "settings" / os.environ.get("WORKBENCH_LANGUAGE", "zh"))
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
