"""The test suite. A package, so that its modules can share `naive` and the data of `conftest`."""
