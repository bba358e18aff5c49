// SPDX-License-Identifier: GPL-2.0-only
#include "vm/saved_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "vm/files.h"
#include "vm/memory_copy.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Stands in for QEMU: answers --version, else ends with an error.
constexpr char kFakeQemu[] =
    "#!/bin/sh\n"
    "[ \"$1\" = --version ] && echo 'QEMU emulator version 0.1' && exit 0\n"
    "echo 'fake: cannot do that' >&2; exit 1\n";

class SavedStateTest : public testing::Test {
 protected:
  SavedStateTest() : dir_(fs::temp_directory_path(), "faultline-test-") {
    write_file(path("kernel"), "kernel");
    write_file(path("initrd"), "initrd");
    write_file(path("qemu"), kFakeQemu, 0755);
    spec_.kernel = path("kernel");
    spec_.initrd = path("initrd");
    spec_.qemu = path("qemu");
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return dir_.path() / name; }

  // As a former command left it.
  void put_state(const std::string& key, const std::string& devices = "devices",
                 const std::string& memory = "memory") const {
    const fs::path dir = path("states") / key;
    make_dirs(dir);
    write_file(dir / "devices", devices);
    write_file(dir / "memory", "memory");
    const std::string hash = sha256_of_memory(Fd(::open((dir / "memory").c_str(), O_RDONLY)));
    write_file(dir / "memory", memory);
    write_file(dir / "about.json",
               json{{"hello", "H"},
                    {"ready", "R"},
                    {"size_bytes", 5},
                    {"sha256", {{"devices", sha256_of("devices")}, {"memory", hash}}}}
                   .dump());
  }

  TempDir dir_;
  VmSpec spec_;
  std::vector<std::string> said_;
  StateCache cache_{dir_.path(), [this](const std::string& line) { said_.push_back(line); }};
  std::atomic<bool> cancel_ = false;
};

TEST_F(SavedStateTest, TheKeyDependsOnAllThatMatters) {
  const std::string key = cache_.key_of(spec_);
  EXPECT_EQ(key.size(), 64U);
  EXPECT_EQ(cache_.key_of(spec_), key);
  VmSpec other = spec_;
  other.park = true;  // a state is always of a parked guest
  EXPECT_EQ(cache_.key_of(other), key);

  fs::rename(path("kernel"), path("k,e r'nel"));
  other.kernel = path("k,e r'nel");
  EXPECT_EQ(cache_.key_of(other), key) << "a path does not matter";
  write_file(path("k,e r'nel"), "another");
  EXPECT_NE(cache_.key_of(other), key);
  write_file(path("kernel"), "kernel");
  write_file(path("initrd"), "another");
  EXPECT_NE(cache_.key_of(spec_), key);
  write_file(path("initrd"), "initrd");
  EXPECT_EQ(cache_.key_of(spec_), key);

  other = spec_;
  other.fs = "xfs";
  EXPECT_NE(cache_.key_of(other), key);
  other = spec_;
  other.pmem_mib = 1024;
  EXPECT_NE(cache_.key_of(other), key);
  write_file(path("qemu"), std::string(kFakeQemu) + "# newer\n", 0755);
  EXPECT_NE(cache_.key_of(spec_), key);
}

TEST_F(SavedStateTest, AWholeStateIsUsed) {
  put_state(cache_.key_of(spec_));
  const StateOutcome got = cache_.obtain(spec_, {}, cancel_);
  ASSERT_TRUE(got.state);
  EXPECT_FALSE(got.state->made_now);
  EXPECT_EQ(got.state->hello, "H");
  EXPECT_EQ(got.state->ready, "R");
  EXPECT_EQ(read_file(got.state->files.devices), "devices");
  EXPECT_EQ(read_file(got.state->files.memory), "memory");
  EXPECT_TRUE(said_.empty());
  // It stays usable when another command prunes it.
  fs::remove_all(path("states"));
  EXPECT_EQ(read_file(got.state->files.devices), "devices");
  EXPECT_EQ(read_file(got.state->files.memory), "memory");
}

TEST_F(SavedStateTest, ADamagedStateIsMadeAnewWithOneLine) {
  const std::string key = cache_.key_of(spec_);
  const std::vector<std::pair<std::string, std::string>> damaged = {
      {"device", "memory"},  {"Devices", "memory"}, {"", "memory"},
      {"devices", "Memory"}, {"devices", "memor"},  {"devices", ""}};
  for (const auto& [devices, memory] : damaged) {
    SCOPED_TRACE(devices + "/" + memory);
    said_.clear();
    put_state(key, devices, memory);
    StateCache cache(dir_.path(), [this](const std::string& line) { said_.push_back(line); });
    const StateOutcome got = cache.obtain(spec_, {}, cancel_);
    EXPECT_FALSE(got.state);
    EXPECT_EQ(got.outcome.verdict, Verdict::kQemuFailed);  // the fake one cannot
    ASSERT_EQ(said_.size(), 1U);
    EXPECT_NE(said_[0].find("is damaged"), std::string::npos) << said_[0];
    EXPECT_FALSE(fs::exists(path("states") / key));
    EXPECT_FALSE(fs::exists(path("states") / (key + ".new")));
  }
}

TEST_F(SavedStateTest, AStateChangedAfterItWasVerifiedIsSeen) {
  const std::string key = cache_.key_of(spec_);
  put_state(key);
  EXPECT_TRUE(cache_.obtain(spec_, {}, cancel_).state);
  put_state(key, "devices", "MEMORY");
  EXPECT_FALSE(cache_.obtain(spec_, {}, cancel_).state);
}

TEST_F(SavedStateTest, FailingToMakeOneIsNotTriedAgain) {
  EXPECT_EQ(cache_.obtain(spec_, {}, cancel_).outcome.verdict, Verdict::kQemuFailed);
  // The key stays, as the hash of the fake QEMU is known; only its doings would be seen.
  const GuestOutcome again = cache_.run_cell(spec_, "{}", {}, {}, cancel_);
  EXPECT_EQ(again.message, "QEMU failed (start): QEMU ended with status 1: fake: cannot do that");
}

TEST_F(SavedStateTest, CancelEndsTheWaitForAnother) {
  const std::string key = cache_.key_of(spec_);
  const FileLock held(path("states") / ("lock-" + key.substr(0, 1)));
  std::jthread soon([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    cancel_ = true;
  });
  EXPECT_EQ(cache_.obtain(spec_, {}, cancel_).outcome.verdict, Verdict::kCancelled);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_NE(said_[0].find("waiting"), std::string::npos);
}

}  // namespace
}  // namespace faultline
