"""The cases of the engine benchmark for airspeed velocity, one file."""
