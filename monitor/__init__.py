"""Knightwatch: reads telemetry, judges it, halts what has gone wild.

`core` decides and never does; `edge` does and never decides; `gateway` is what an
order gateway imports; `serve`, `replay` and `scenarios` are shells around one engine.
"""
