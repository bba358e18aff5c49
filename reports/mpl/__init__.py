# SPDX-License-Identifier: GPL-2.0-only
"""matplotlib as it was made, imported here first: neither the user's settings nor the user's fonts are in it, so that a
figure has the same bytes everywhere."""

import logging
import os

# Set for other programs: a backend, settings, how FreeType hints.
SET_ASIDE = ("MPLBACKEND", "MATPLOTLIBRC", "FREETYPE_PROPERTIES")


def _import():
    """matplotlib. It looks for its settings in the working folder before all others: in ours there are none."""
    for name in SET_ASIDE:
        os.environ.pop(name, None)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it says so where it can keep no cache
    here = os.open(".", os.O_PATH)
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    try:
        import matplotlib as made
        from matplotlib import font_manager
    finally:
        os.fchdir(here)
        os.close(here)
    fonts = os.path.join(made.get_data_path(), "fonts", "")
    manager = font_manager.fontManager
    manager.ttflist = [font for font in manager.ttflist if font.fname.startswith(fonts)]
    return made


matplotlib = _import()
