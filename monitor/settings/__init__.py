"""One TOML file becomes one immutable `Config`, or every problem in it at once.

`sections` (what may be written) and `families` (what each detector adds) -> `load`
(the file, validated whole) -> `config`; `problems` and `words` say what is wrong,
`render` writes a configuration with every default explained.
"""

from monitor.settings.config import Config, DetectorConfig
from monitor.settings.load import default_file, load, load_roads, load_text
from monitor.settings.problems import ConfigError, Problem

__all__ = [
    "Config",
    "ConfigError",
    "DetectorConfig",
    "Problem",
    "default_file",
    "load",
    "load_roads",
    "load_text",
]
