// SPDX-License-Identifier: GPL-2.0-only
// The sync inside a write fault: dax_finish_sync_fault(vmf, order, pfn).
#include "bpf/probe.bpf.h"

FL_PROGRAMS(enter(0, (fl_u32)ctx[1]), enter(0, (fl_u32)PT_REGS_PARM2(ctx)), fexit_return(ctx),
            PT_REGS_RC(ctx));
