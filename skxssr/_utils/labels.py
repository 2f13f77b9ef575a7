"""The label of pixels that have none."""

IGNORED = -(2**31)  # the lowest of 32 bits, which no file uses for a class
