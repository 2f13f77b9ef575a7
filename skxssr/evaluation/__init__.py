"""Does choosing beat chance? Paired comparisons of selectors. Imports `pipeline` and below."""

__all__: list[str] = []
