// SPDX-License-Identifier: GPL-2.0-only
// The functions of libfmt that the command calls, compiled in: every release of Debian has another
// version of that library, and a package of one release shall run on the next. The build keeps
// inline functions of this file (cli/CMakeLists.txt).
#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <locale>

template auto fmt::detail::locale_ref::get<std::locale>() const -> std::locale;
