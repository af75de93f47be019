"""Does, never decides: one file per outside thing; no file here imports another."""
