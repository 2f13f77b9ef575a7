"""A random, patient-level test set, reserved before anything is selected.

Picked images are chosen, not drawn: they must never be the test set. So the test set is drawn
first, once, whole patients at a time, and written down; selection then keeps away from it.
"""

from skxssr.holdout.draw import reserve_test_set
from skxssr.holdout.files import split_folder
from skxssr.holdout.groups import group_by_pattern
from skxssr.holdout.reserved import ReservedSet, read_test_set

__all__ = [
    "ReservedSet",
    "group_by_pattern",
    "read_test_set",
    "reserve_test_set",
    "split_folder",
]
