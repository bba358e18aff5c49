// SPDX-License-Identifier: GPL-2.0-only
// One object for every kernel and file system: user space loads the programs that both have.
#include "bpf/fault.bpf.h"
#include "bpf/interruptions.bpf.h"
#include "bpf/journal.bpf.h"
#include "bpf/locks.bpf.h"
#include "bpf/phases.bpf.h"

char license_name[] SEC("license") = "GPL";
