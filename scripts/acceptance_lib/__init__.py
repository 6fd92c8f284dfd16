"""The parts of scripts/acceptance."""
