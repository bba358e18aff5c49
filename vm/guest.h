// SPDX-License-Identifier: GPL-2.0-only
// All about guests: what became of one, running one, running many.
#pragma once

#include "vm/guest_pool.h"  // IWYU pragma: export
#include "vm/supervisor.h"  // IWYU pragma: export
#include "vm/verdict.h"     // IWYU pragma: export
