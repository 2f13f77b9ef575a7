"""What annotation tools read: one file a tool. No library of theirs is needed to write it."""

from skxssr.report.exports.coco import write_coco
from skxssr.report.exports.cvat import write_cvat
from skxssr.report.exports.folders import write_masks_layout, write_monai_label
from skxssr.report.exports.items import Item, ordered_name
from skxssr.report.exports.label_studio import write_label_studio

__all__ = [
    "Item",
    "ordered_name",
    "write_coco",
    "write_cvat",
    "write_label_studio",
    "write_masks_layout",
    "write_monai_label",
]
