// SPDX-License-Identifier: GPL-2.0-only
#include "vm/saved_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "vm/files.h"
#include "vm/memory_copy.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 2;  // version of what lies in a state's folder; part of its key
constexpr char kDevicesFile[] = "devices";
constexpr char kMemoryFile[] = "memory";
constexpr char kAboutFile[] = "about.json";
constexpr int kRestoreTries = 2;

// A text by which one can tell whether a file is still the one that was looked at.
std::string stamp_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return "";
  return fmt::format("{}:{}:{}:{}.{:09}", info.st_dev, info.st_ino, info.st_size,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

std::string stamp_of(const Fd& devices, const Fd& memory) {
  return stamp_of(devices.get()) + " " + stamp_of(memory.get());
}

void touch(const fs::path& file) { ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0); }

// What the folder's files take of the disk.
std::uint64_t bytes_in(const fs::path& dir) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(dir, ignored)) {
    struct stat info {};
    constexpr std::uint64_t kBlock = 512;  // the unit of st_blocks, whatever the file system's is
    if (::stat(entry.path().c_str(), &info) == 0) {
      bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
    }
  }
  return bytes;
}

json hashes_of(const fs::path& devices, const Fd& memory) {
  return {{kDevicesFile, sha256_of_file(devices)}, {kMemoryFile, sha256_of_memory(memory)}};
}

// A folder that is removed unless keep() was called.
class Unfinished {
 public:
  explicit Unfinished(fs::path dir) : dir_(std::move(dir)) {
    clear();
    make_dirs(dir_);
  }
  ~Unfinished() {
    if (!kept_) clear();
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void keep() { kept_ = true; }

 private:
  void clear() const {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  fs::path dir_;
  bool kept_ = false;
};

}  // namespace

// Held by whoever opens, makes or drops the states of a key. There are 16 lock files and they are
// never removed: a lock file that goes away would be two locks for a moment.
struct StateCache::Lock {
  // Waits for another holder until cancelled; `held` says whether it was got.
  Lock(const fs::path& states, const std::string& key, const std::atomic<bool>* cancel,
       const std::function<void()>& on_wait = {}) {
    make_dirs(states);
    const fs::path file = states / fmt::format("lock-{}", key.substr(0, 1));
    fd = Fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) throw_io_failure("cannot lock", file, errno);
    bool told = false;
    while (!(held = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0)) {
      if (cancel == nullptr || cancel->load()) return;
      if (!std::exchange(told, true) && on_wait) on_wait();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  Fd fd;
  bool held = false;
};

StateCache::StateCache(const fs::path& cache, std::function<void(const std::string&)> log,
                       std::uint64_t limit_bytes)
    : states_(cache / "states"), log_(std::move(log)), limit_bytes_(limit_bytes) {}

void StateCache::say(const std::string& line) const {
  if (log_) log_(line);
}

fs::path StateCache::folder(const std::string& key) const { return states_ / key; }

std::string StateCache::file_hash(const fs::path& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_io_failure("cannot read", file, errno);
  const std::string stamp = file.string() + "|" + stamp_of(fd.get());
  {
    const std::scoped_lock held(mutex_);
    if (const auto known = hashes_.find(stamp); known != hashes_.end()) return known->second;
  }
  std::string hash = sha256_of_file(file);
  const std::scoped_lock held(mutex_);
  return hashes_.emplace(stamp, std::move(hash)).first->second;
}

std::string StateCache::qemu_identity(const std::string& program) {
  const fs::path binary = find_program(program);
  if (binary.empty()) return "";
  const std::string hash = file_hash(binary);
  {
    const std::scoped_lock held(mutex_);
    if (const auto known = qemus_.find(hash); known != qemus_.end()) return known->second;
  }
  const CommandOutput version = run_command({binary.string(), "--version"});
  std::string identity = version.out.substr(0, version.out.find('\n')) + " " + hash;
  const std::scoped_lock held(mutex_);
  return qemus_.emplace(hash, std::move(identity)).first->second;
}

std::string StateCache::key_of(const VmSpec& spec) {
  VmSpec parked = spec;
  parked.park = true;
  const json parts = {
      {"format", kFormat},
      {"qemu", qemu_identity(spec.qemu)},
      {"arguments", portable_arguments(parked)},
      {"kernel", file_hash(spec.kernel)},
      {"initrd", file_hash(spec.initrd)},
      {"wire", {wire::kResultPort, wire::kParkPort, wire::kPark, wire::kCellFile, wire::kCellSize}},
  };
  return sha256_of(parts.dump());
}

// The caller holds the key's lock.
std::optional<SavedState> StateCache::open(const std::string& key) {
  const fs::path dir = folder(key);
  std::error_code ignored;
  if (!fs::exists(dir, ignored)) return std::nullopt;
  std::string why;
  SavedState state;
  try {
    const json about = json::parse(read_file(dir / kAboutFile));
    state.key = key;
    state.hello = about.at("hello").get<std::string>();
    state.ready = about.at("ready").get<std::string>();
    state.size_bytes = about.at("size_bytes").get<std::uint64_t>();
    auto devices = std::make_shared<Fd>(::open((dir / kDevicesFile).c_str(), O_RDONLY | O_CLOEXEC));
    auto memory = std::make_shared<Fd>(::open((dir / kMemoryFile).c_str(), O_RDWR | O_CLOEXEC));
    if (!*devices || !*memory) {
      why = "a file of it is gone";
    } else {
      const std::string stamp = stamp_of(*devices, *memory);
      bool known = false;
      {
        const std::scoped_lock held(mutex_);
        known = verified_.contains(key) && verified_[key] == stamp;
      }
      if (!known && hashes_of(dir / kDevicesFile, *memory) != about.at("sha256")) {
        why = "its checksum is wrong";
      } else {
        const std::scoped_lock held(mutex_);
        verified_[key] = stamp;
      }
    }
    state.files = {.devices = path_of(*devices), .memory = path_of(*memory)};
    state.held = {std::move(devices), std::move(memory)};
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (why.empty()) {
    touch(dir / kAboutFile);
    return state;
  }
  say(fmt::format("saved state {} is damaged ({}); making it anew", key.substr(0, 12), why));
  fs::remove_all(dir, ignored);
  return std::nullopt;
}

StateOutcome StateCache::make(const VmSpec& spec, const std::string& key,
                              const Deadlines& deadlines, const std::atomic<bool>& cancel) {
  const fs::path unfinished = states_ / (key + ".new");
  Unfinished guard(unfinished);
  json about = {{"hello", ""}, {"ready", ""}};
  GuestJob job;
  job.spec = spec;
  job.mode = GuestMode::kBootAndPark;
  job.state = {.devices = unfinished / kDevicesFile, .memory = unfinished / kMemoryFile};
  job.deadlines = deadlines;
  StateOutcome made;
  made.outcome = run_guest(
      job,
      [&](const wire::Frame& frame) {
        if (frame.type == wire::kHello || frame.type == wire::kReady) {
          about[frame.type] = frame.payload;
        }
      },
      cancel);
  if (!made.outcome.ok()) return made;

  about["size_bytes"] = bytes_in(unfinished);
  const Fd devices(::open(job.state.devices.c_str(), O_RDONLY | O_CLOEXEC));
  const Fd memory(::open(job.state.memory.c_str(), O_RDONLY | O_CLOEXEC));
  about["sha256"] = hashes_of(job.state.devices, memory);
  about["arguments"] = portable_arguments(spec);
  write_file(unfinished / kAboutFile, about.dump(2) + "\n");
  std::error_code error;
  fs::rename(unfinished, folder(key), error);
  if (error) throw_io_failure("cannot write", folder(key), error.value());
  guard.keep();
  {
    const std::scoped_lock held(mutex_);
    verified_[key] = stamp_of(devices, memory);
  }
  made.state = open(key);
  if (made.state) made.state->made_now = true;
  return made;
}

StateOutcome StateCache::obtain(const VmSpec& spec, const Deadlines& deadlines,
                                const std::atomic<bool>& cancel) {
  const std::string key = key_of(spec);
  const Lock lock(states_, key, &cancel, [&] {
    say(fmt::format("waiting for another guest that makes saved state {}", key.substr(0, 12)));
  });
  StateOutcome result;
  if (!lock.held) {
    result.outcome = judge({.mode = GuestMode::kBootAndPark, .cancelled = true});
    return result;
  }
  if (auto state = open(key)) {
    result.state = std::move(state);
    return result;
  }
  {
    const std::scoped_lock held(mutex_);
    if (const auto failed = failures_.find(key); failed != failures_.end()) {
      result.outcome = failed->second;
      return result;
    }
  }
  result = make(spec, key, deadlines, cancel);
  if (result.state) {
    prune(key);
  } else if (result.outcome.verdict != Verdict::kCancelled) {
    const std::scoped_lock held(mutex_);
    failures_.emplace(key, result.outcome);
  }
  return result;
}

void StateCache::forget(const std::string& key) {
  const std::atomic<bool> never = false;
  const Lock lock(states_, key, &never);
  std::error_code ignored;
  fs::remove_all(folder(key), ignored);
}

// Drops what was left by commands that were killed, and states that have not been used for longest.
// `keep` is the key whose lock the caller holds.
void StateCache::prune(const std::string& keep) {
  struct Entry {
    std::string name;
    fs::file_time_type used;
    std::uint64_t bytes;
  };
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  std::error_code ignored;
  for (const auto& item : fs::directory_iterator(states_, ignored)) {
    if (!item.is_directory(ignored)) continue;
    Entry entry{item.path().filename().string(), {}, bytes_in(item.path())};
    // A half-made state counts as older than all others.
    if (item.path().extension() != ".new") {
      const auto used = fs::last_write_time(item.path() / kAboutFile, ignored);
      if (!ignored) entry.used = used;
    }
    total += entry.bytes;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    const bool half_made = fs::path(entry.name).extension() == ".new";
    if (entry.name == keep || (!half_made && total <= limit_bytes_)) continue;
    // The state may be in another command's hands, so it goes only if its lock is free now.
    std::optional<Lock> lock;
    if (entry.name.substr(0, 1) != keep.substr(0, 1)) {
      lock.emplace(states_, entry.name, nullptr);
      if (!lock->held) continue;
    }
    fs::remove_all(states_ / entry.name, ignored);
    total -= std::min(total, entry.bytes);
  }
}

GuestOutcome StateCache::run_cell(const VmSpec& spec, const std::string& cell,
                                  const Deadlines& deadlines, const FrameCallback& on_frame,
                                  const std::atomic<bool>& cancel, const LifeExtras& extras) {
  GuestJob job;
  job.spec = spec;
  job.spec.qemu_parameters.insert(job.spec.qemu_parameters.end(), extras.qemu_parameters.begin(),
                                  extras.qemu_parameters.end());
  job.symbols = extras.symbols;
  job.cell = cell;
  job.deadlines = deadlines;
  while (accel_info(spec.accel).saves_state) {
    std::string key;
    {
      if (find_program(spec.qemu).empty()) break;  // the boot below fails with a message about it
      key = key_of(spec);
      const std::scoped_lock held(mutex_);
      if (unusable_[key] >= kRestoreTries) break;
    }
    StateOutcome obtained = obtain(spec, deadlines, cancel);
    if (!obtained.state) {
      if (obtained.outcome.verdict != Verdict::kSaveFailed) return obtained.outcome;
      const std::scoped_lock held(mutex_);
      if (std::exchange(unusable_[key], kRestoreTries) < kRestoreTries) {
        say(obtained.outcome.message + "; every cell boots a guest of its own");
      }
      break;
    }
    job.mode = GuestMode::kRestore;
    job.state = obtained.state->files;
    bool told = false;
    const auto tell_head = [&] {
      if (std::exchange(told, true) || !on_frame) return;
      on_frame({std::string(wire::kHello), obtained.state->hello});
      on_frame({std::string(wire::kReady), obtained.state->ready});
    };
    GuestOutcome outcome = run_guest(
        job,
        [&](const wire::Frame& frame) {
          tell_head();
          if (on_frame) on_frame(frame);
        },
        cancel);
    if (outcome.verdict != Verdict::kStateUnusable) {
      tell_head();  // also if the guest has said nothing
      return outcome;
    }
    int times = 0;
    {
      const std::scoped_lock held(mutex_);
      times = ++unusable_[key];
    }
    say(outcome.message +
        (times < kRestoreTries ? "; making it anew" : "; every cell boots a guest of its own"));
    forget(key);
  }
  job.mode = GuestMode::kBootAndRun;
  job.state = {};
  return run_guest(job, on_frame, cancel);
}

}  // namespace faultline
