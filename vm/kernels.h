// SPDX-License-Identifier: GPL-2.0-only
// All about kernels: the table, fetching Debian's, and the user's own.
#pragma once

#include "vm/bzimage.h"          // IWYU pragma: export
#include "vm/kernel.h"           // IWYU pragma: export
#include "vm/kernel_config.h"    // IWYU pragma: export
#include "vm/kernel_table.h"     // IWYU pragma: export
#include "vm/own_kernel.h"       // IWYU pragma: export
#include "vm/packages/fetch.h"   // IWYU pragma: export
#include "vm/packages/kernel.h"  // IWYU pragma: export
