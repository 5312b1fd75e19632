"""Looking at volumes: slices rendered here to 8 bits with a watermark; a browser gets pictures, never voxels.

The widget is :class:`imaging.viewer.widget.Viewer`; it alone needs anywidget.
"""

from imaging.viewer.exhibits import Exhibit
from imaging.viewer.planes import Plane, View, planes_of, view_of
from imaging.viewer.rendering import MaskStyle, Picture, render_slice
from imaging.viewer.sheet import contact_sheet
from imaging.viewer.windows import PRESETS, Window, presets_of

__all__ = [
    "PRESETS",
    "Exhibit",
    "MaskStyle",
    "Picture",
    "Plane",
    "View",
    "Window",
    "contact_sheet",
    "planes_of",
    "presets_of",
    "render_slice",
    "view_of",
]
