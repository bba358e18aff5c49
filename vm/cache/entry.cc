// SPDX-License-Identifier: GPL-2.0-only
#include "vm/cache/entry.h"

#include <fmt/format.h>

#include <system_error>

namespace faultline {
namespace fs = std::filesystem;
namespace {

constexpr const char* kStamp = "stamp.json";
constexpr std::uint64_t kLargestStamp = 1 << 20;

nlohmann::json read_stamp(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_regular_file(folder / kStamp, ignored)) return nullptr;
  nlohmann::json stamp =
      nlohmann::json::parse(read_file(folder / kStamp, kLargestStamp), nullptr, false);
  return stamp.is_object() ? stamp : nlohmann::json();
}

// Puts the folder `made` where `place` is, durably; what was there goes to `scratch`.
void replace_folder(const fs::path& made, const fs::path& place, const fs::path& scratch) {
  sync_file_system(made);
  std::error_code error;
  if (fs::exists(place, error)) fs::rename(place, scratch / "old", error);
  if (!error) fs::rename(made, place, error);
  if (error) throw_io_failure("cannot write", place, error.value());
}

}  // namespace

CacheEntry::CacheEntry(fs::path cache, Key key)
    : cache_(std::move(cache)), key_(std::move(key)), folder_(cache_ / key_.kind / key_.name) {}

fs::path CacheEntry::lock_file() const {
  return cache_ / "locks" / fmt::format("{}-{}", key_.kind, key_.name);
}

fs::path CacheEntry::unfinished() const {
  return cache_ / "unfinished" / fmt::format("{}-{}", key_.kind, key_.name);
}

bool CacheEntry::is_there() const {
  std::error_code ignored;
  return fs::exists(folder_, ignored);
}

nlohmann::json CacheEntry::current_stamp() const {
  nlohmann::json stamp = read_stamp(folder_);
  if (stamp.is_null()) return nullptr;
  for (const auto& [field, value] : key_.from.items()) {
    if (!stamp.contains(field) || stamp.at(field) != value) return nullptr;
  }
  return stamp;
}

bool CacheEntry::remove_unfinished() const {
  std::error_code ignored;
  const fs::path own = unfinished();
  const bool interrupted = fs::exists(own, ignored) && !fs::is_empty(own, ignored);
  fs::remove_all(own, ignored);
  // Only of the same kind: the folder is also where commands put temporary files of other sorts.
  for (const auto& other : fs::directory_iterator(cache_ / "unfinished", ignored)) {
    if (!other.path().filename().string().starts_with(key_.kind + "-")) continue;
    const auto idle = FileLock::try_lock(cache_ / "locks" / other.path().filename());
    if (idle) fs::remove_all(other.path(), ignored);
  }
  return interrupted;
}

CacheEntry::Making CacheEntry::begin(const TempDir& scratch, bool again) {
  Making making = {.folder = scratch.path() / "made", .scratch = scratch.path(), .again = again};
  make_dirs(making.folder);
  return making;
}

void CacheEntry::publish(const Making& making, const nlohmann::json& facts) const {
  nlohmann::json stamp = key_.from;
  stamp.update(facts);
  write_file(making.folder / kStamp, stamp.dump(2) + "\n");
  make_dirs(folder_.parent_path());
  replace_folder(making.folder, folder_, making.scratch);
}

void CacheEntry::throw_vanished() const {
  throw Failure(ExitCode::kVmFailed,
                fmt::format("{} is damaged or gone right after it was made; does another program "
                            "clean this folder? Run the command again",
                            folder_.string()));
}

}  // namespace faultline
