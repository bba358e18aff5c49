// SPDX-License-Identifier: GPL-2.0-only
// One write fault in the file system's handler: FUNCTION(struct vm_fault *, order, ...).
#include "bpf/core_fixes.bpf.h"
#include "bpf/probe.bpf.h"

// Order 0 is the `enum page_entry_size` PE_SIZE_PTE before v6.6 and the order after it
// (1d024e7a8dab "mm: remove enum page_entry_size"). A handler with one argument has none.
static __always_inline void enter_fentry(unsigned long long* ctx) {
  const struct vm_fault* vmf = (const struct vm_fault*)ctx[0];
  if (fault_flags(vmf) & FAULT_FLAG_WRITE) enter(vmf->address, arguments > 1 ? (fl_u32)ctx[1] : 0);
}

static __always_inline void enter_kprobe(struct pt_regs* ctx) {
  const struct vm_fault* vmf = (const struct vm_fault*)PT_REGS_PARM1(ctx);
  if (fault_flags_read(vmf) & FAULT_FLAG_WRITE)
    enter(BPF_CORE_READ(vmf, address), arguments > 1 ? (fl_u32)PT_REGS_PARM2(ctx) : 0);
}

FL_PROGRAMS(enter_fentry(ctx), enter_kprobe(ctx), fexit_return(ctx), PT_REGS_RC(ctx));
