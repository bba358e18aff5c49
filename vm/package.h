// SPDX-License-Identifier: GPL-2.0-only
// The former place of vm/packages/package.h, for those who include it by that name.
#pragma once

#include "vm/packages/package.h"  // IWYU pragma: export
