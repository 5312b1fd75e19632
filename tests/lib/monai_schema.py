"""MONAI's schema of a bundle's metadata, meta_schema_20240725.json, said anew: MONAI's own verify_metadata fetches that file.

Stricter in one thing: a number or a text instead of a description of a tensor is refused.
"""

__all__ = ["SCHEMA"]

TEXT, TABLE, TEXTS = {"type": "string"}, {"type": "object"}, {"type": "array", "items": {"type": "string"}}
_TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "type": TEXT,
        "format": TEXT,
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "dtype": TEXT,
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": TABLE,
    },
}
_SIDE = {"type": "object", "patternProperties": {"^.+$": _TENSOR}}

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "required": [
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
        *("task", "description", "authors", "copyright", "network_data_format"),
    ],
    "properties": {
        **dict.fromkeys(("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors"), TEXT),
        **dict.fromkeys(("copyright", "data_source", "data_type", "image_classes", "label_classes", "pred_classes", "intended_use"), TEXT),
        **dict.fromkeys(("changelog", "required_packages_version", "eval_metrics", "supported_apps"), TABLE),
        "references": TEXTS,
        "network_data_format": {"type": "object", "required": ["inputs", "outputs"], "properties": {"inputs": _SIDE, "outputs": _SIDE}},
    },
}
