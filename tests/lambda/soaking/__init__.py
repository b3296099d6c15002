"""The parts of `tests/lambda/soak`."""
