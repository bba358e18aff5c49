// SPDX-License-Identifier: GPL-2.0-only
#include "vm/own_kernel.h"

#include <fmt/format.h>

#include <system_error>

#include "cell/failure.h"
#include "vm/bzimage.h"
#include "vm/files.h"
#include "vm/kernel_config.h"

namespace faultline {
namespace fs = std::filesystem;
namespace {

constexpr const char* kInName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kChecksumDigits = 8;

// The modules folder of `release` at or below what the user gave; empty for none.
fs::path find_modules(const fs::path& given, const std::string& release) {
  std::error_code ignored;
  if (given.empty()) {
    const fs::path installed = fs::path("/lib/modules") / release;
    return fs::exists(installed / "modules.builtin", ignored) ? installed : fs::path();
  }
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

// It stands in rows' names, in the names of files, and before '+' and '=' in options.
void check_name(const std::string& name) {
  if (!name.empty() && name.size() <= kLongestName && name.front() != '.' && name.front() != '-' &&
      name.find_first_not_of(kInName) == std::string::npos) {
    return;
  }
  throw Failure(ExitCode::kUsage,
                fmt::format("'{}' cannot be a kernel's name: letters, digits, '.', '_' and '-', at "
                            "most {}",
                            name, kLongestName));
}

}  // namespace

std::optional<OwnKernel> own_kernel(const std::string& text) {
  std::error_code ignored;
  const std::size_t equals = text.find('=');
  const std::size_t slash = text.find('/');
  if (equals != std::string::npos && equals < slash && !fs::exists(text, ignored)) {
    check_name(text.substr(0, equals));
    return OwnKernel{.name = text.substr(0, equals), .path = text.substr(equals + 1)};
  }
  if (slash == std::string::npos) return std::nullopt;
  return OwnKernel{.path = text};
}

std::string own_kernel_id(const fs::path& bzimage) {
  std::string id = bzimage.filename().string().substr(0, kLongestName - kChecksumDigits - 1);
  for (std::size_t at = 0; (at = id.find_first_not_of(kInName, at)) != std::string::npos;) {
    id[at] = '_';
  }
  while (id.starts_with('.') || id.starts_with('-')) id.erase(0, 1);
  return fmt::format("{}-{}", id.empty() ? "kernel" : id,
                     sha256_of_file(bzimage).substr(0, kChecksumDigits));
}

FetchedKernel kernel_from_path(const fs::path& bzimage, const fs::path& modules_dir,
                               const std::string& name) {
  const std::string build = bzimage_version_of_file(bzimage);
  const std::string release = build.substr(0, build.find(' '));
  const fs::path modules = find_modules(modules_dir, release);
  fs::path config;
  std::error_code ignored;
  for (const ConfigPlace& place : config_places(bzimage, release, modules)) {
    if (place.embedded || !fs::is_regular_file(place.file, ignored)) continue;
    config = place.file;
    break;
  }
  return {.id = name.empty() ? own_kernel_id(bzimage) : name,
          .release = release,
          .build = build,
          .vmlinuz = bzimage,
          .modules_dir = modules,
          .config = config,
          .path = bzimage.string()};
}

}  // namespace faultline
