// SPDX-License-Identifier: GPL-2.0-only
// One ext4 fast commit that did not fall back: jbd2_fc_end_commit(journal).
#include "bpf/probe.bpf.h"

FL_PROGRAMS(enter(0, 0), enter(0, 0), 0, 0);
