// SPDX-License-Identifier: GPL-2.0-only
#include "vm/own_kernel.h"

#include <fmt/format.h>

#include <system_error>

#include "cell/failure.h"
#include "vm/bzimage.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

// The modules folder of `release` at or below what the user gave.
fs::path find_modules(const fs::path& given, const std::string& release) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("no modules folder {}; check --modules", given.string()));
  }
  for (const fs::path& below : {fs::path("lib/modules"), fs::path("usr/lib/modules"), fs::path()}) {
    if (fs::is_directory(given / below / release, ignored)) return given / below / release;
  }
  const bool holds_modules =
      fs::exists(given / "modules.dep", ignored) || fs::exists(given / "modules.order", ignored);
  fs::path plain = given.has_filename() ? given : given.parent_path();
  const std::string name = plain.filename().string();
  const bool named_by_release = !name.empty() && name.front() >= '0' && name.front() <= '9';
  if (holds_modules && (!named_by_release || name == release)) return plain;
  throw Failure(ExitCode::kUsage,
                fmt::format("{} holds no modules of {}, the kernel given; give the folder that "
                            "this kernel calls /lib/modules/{}",
                            given.string(), release, release));
}

}  // namespace

FetchedKernel kernel_from_path(const fs::path& bzimage, const fs::path& modules_dir) {
  const std::string build = bzimage_version_of_file(bzimage);
  const std::string release = build.substr(0, build.find(' '));
  const fs::path modules = find_modules(modules_dir, release);
  fs::path config;
  std::error_code ignored;
  for (const fs::path& candidate : {bzimage.parent_path() / ("config-" + release),
                                    modules / "config", modules / "build" / ".config"}) {
    if (config.empty() && fs::is_regular_file(candidate, ignored)) config = candidate;
  }
  return {.id = bzimage.string(),
          .release = release,
          .build = build,
          .vmlinuz = bzimage,
          .modules_dir = modules,
          .config = config};
}

}  // namespace faultline
