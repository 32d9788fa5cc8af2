"""Measurements: `control_plane` and `model_server` measure and write to `results`, `report` makes a page of it."""
