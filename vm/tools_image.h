// SPDX-License-Identifier: GPL-2.0-only
// The former place of vm/packages/tools_image.h, for those who include it by that name.
#pragma once

#include "vm/packages/tools_image.h"  // IWYU pragma: export
