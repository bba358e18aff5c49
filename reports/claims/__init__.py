# SPDX-License-Identifier: GPL-2.0-only
"""What a thread of June 2017 claims, each claim decided case by case by figures of a result.

spec: what rules speak of, and limits by one threshold; view: a result as a rule sees it; cost_rules, contest_rules: the
rules; claims_table: claims and cases, a row each; judging: verdicts; commands: what measures the rest; words: in words.
"""

from .claims_table import CLAIMS, Case, Claim
from .commands import commands, groups, spec_order, where
from .contest_rules import ATTACKS, BYSTANDER, OWN_EXTENT
from .cost_rules import DIRTY, SWEEP, crossing
from .judging import asked, grid, judge, listed, overall, public, to_decide, unread
from .spec import (DEPENDS, ENOUGH_SAMPLES, FAILS, HOLDS, NOT_DECIDED, SENSITIVITY, THRESHOLD, TIMES, VERDICTS, Deciding, Limit, Measured,
                   Ruling, Spec, difference, ratio)
from .view import View, places
from .words import band_words, case_word, figure_words, media_words, nearest_words, open_words, samples_words, scope_words

UNRELATED = "unrelated"  # the workload

__all__ = ["ATTACKS", "BYSTANDER", "CLAIMS", "Case", "Claim", "DEPENDS", "DIRTY", "Deciding", "ENOUGH_SAMPLES", "FAILS",
           "HOLDS", "Limit", "Measured", "NOT_DECIDED", "OWN_EXTENT", "Ruling", "SENSITIVITY", "SWEEP", "Spec", "THRESHOLD",
           "TIMES", "UNRELATED", "VERDICTS", "View", "asked", "band_words", "case_word", "commands", "crossing",
           "difference", "figure_words", "grid", "groups", "judge", "listed", "media_words", "nearest_words", "open_words", "overall",
           "places", "public", "ratio", "samples_words", "scope_words", "spec_order", "to_decide", "unread", "where"]
