// SPDX-License-Identifier: GPL-2.0-only
// One journal commit, in the thread that does it: FUNCTION(one pointer, ...).
#include "bpf/probe.bpf.h"

FL_PROGRAMS(enter(0, 0), enter(0, 0), 0, 0);
