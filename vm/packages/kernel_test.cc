// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/kernel.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "cell/failure.h"
#include "vm/bzimage.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/test_mirror.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// What the mirrors hold is known already: no network.
TEST(KernelsNamed, RowsFirstThenPointReleases) {
  if (!fs::exists("/usr/bin/apt-cache")) GTEST_SKIP() << "no apt-cache on this machine";
  const TempDir cache(fs::temp_directory_path());
  for (const KernelRow& row : kernel_table()) {
    const fs::path folder = cache.path() / "releases" / row.id;
    make_dirs(folder);
    Words versions;
    if (row.id == "bookworm") versions = {"6.1.10-2", "6.1.9-1", "6.1.10-1"};
    if (row.id == "bullseye") versions = {"5.10.200-1"};
    write_file(folder / "stamp.json", nlohmann::json{{"versions", versions}}.dump());
  }
  const auto ids = [&](const std::string& name) {
    Words found;
    for (const KernelRow& row : kernels_named(name, cache.path())) found.push_back(row.id);
    return found;
  };
  EXPECT_EQ(ids("6.1"), Words{"bookworm"});
  EXPECT_EQ(ids("6.1.*"), (Words{"6.1.9", "6.1.10-1", "6.1.10"}));
  EXPECT_EQ(ids("6.1.10"), Words{"6.1.10"});
  EXPECT_EQ(ids("releases"), (Words{"5.10.200", "6.1.9", "6.1.10-1", "6.1.10"}));
  EXPECT_EQ(ids("all").size(), kernel_table().size());
  EXPECT_EQ(ids("7.*"), (Words{"7.2", "7.3"}));
  EXPECT_NE(usage_message([&] { ids("6.1.11"); }).find("did you mean 6.1.10"), std::string::npos);
  EXPECT_NE(usage_message([&] { ids("boookworm"); }).find("bookworm"), std::string::npos);
}

// The kernels of one artificial row.
class FetchKernel : public FakeMirror {
 protected:
  // The kernel in one package, as Debian 12 has it.
  void offer_kernel(int number, const std::string& version) {
    const std::string release = fmt::format("9.9.0-{}-cloud-amd64", number);
    offer("linux-image-" + release, version,
          {{"./boot/vmlinuz-" + release, fake_bzimage(release + " (test) " + version)},
           {"./boot/config-" + release, "CONFIG_TEST=y\n"},
           {"./usr/share/doc/copyright", "left out"},
           {"./lib/modules/" + release + "/kernel/fs/xfs.ko", fake_module({"depends="})}});
  }
  FetchedKernel fetch(const KernelRow& row, bool refresh = false) {
    told_.clear();
    return fetch_kernel(row, cache(), [&](const std::string& line) { told_ += line + "\n"; },
                        {.refresh = refresh, .etc_apt = etc()});
  }
  std::string failure_of(const KernelRow& row) {
    try {
      fetch(row);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
      return failure.what();
    }
    return "";
  }

  const KernelRow row_ = {.id = "bookworm",  // so that kernels_json() shows it
                          .suites = {"bookworm"},
                          .package = R"(linux-image-(9\.9\.0-[0-9]+-cloud-amd64))"};
  std::string told_;
};

TEST_F(FetchKernel, TakesTheNewestAndOnlyOnce) {
  offer_kernel(9, "9.9.1-1");
  offer_kernel(10, "9.9.2-1");
  offer_kernel(2, "9.9.0-1");
  offer("linux-image-9.9.0-11-cloud-amd64-dbg", "9.9.3-1", {});
  publish();
  const FetchedKernel kernel = fetch(row_);
  EXPECT_EQ(kernel.id, "bookworm");
  EXPECT_EQ(kernel.release, "9.9.0-10-cloud-amd64");
  EXPECT_EQ(kernel.package, "linux-image-9.9.0-10-cloud-amd64");
  EXPECT_EQ(kernel.version, "9.9.2-1");
  EXPECT_EQ(kernel.build, "9.9.0-10-cloud-amd64 (test) 9.9.2-1");
  EXPECT_EQ(read_file(kernel.config), "CONFIG_TEST=y\n");
  EXPECT_EQ(kernel.modules_dir.filename(), "9.9.0-10-cloud-amd64");
  EXPECT_EQ(read_file(kernel.modules_dir / "modules.dep"), "kernel/fs/xfs.ko:\n");
  EXPECT_EQ(bzimage_version(read_file(kernel.vmlinuz), "k"), kernel.build);

  fs::remove_all(mirror());  // the second time needs no mirror
  EXPECT_EQ(fetch(row_).version, "9.9.2-1");
  EXPECT_EQ(told_, "");
  const nlohmann::json rows = kernels_json(cache());
  EXPECT_EQ(rows[0]["fetched"], true);
  EXPECT_EQ(rows[0]["release"], "9.9.0-10-cloud-amd64");
  EXPECT_EQ(rows[1]["fetched"], false);
  EXPECT_TRUE(rows[1]["release"].is_null());
}

TEST_F(FetchKernel, RefreshTakesANewerOneAndKeepsTheNewest) {
  offer_kernel(1, "9.9.1-1");
  publish();
  EXPECT_EQ(fetch(row_).version, "9.9.1-1");
  EXPECT_EQ(fetch(row_, true).version, "9.9.1-1");
  EXPECT_NE(told_.find("already the newest"), std::string::npos) << told_;
  offer_kernel(2, "9.9.2-1");
  publish();
  EXPECT_EQ(fetch(row_).version, "9.9.1-1");
  EXPECT_EQ(fetch(row_, true).version, "9.9.2-1");
  EXPECT_EQ(fetch(row_).version, "9.9.2-1");

  fs::remove_all(mirror());  // old lists must not pass for an answer
  EXPECT_THROW(fetch(row_, true), Failure);
  EXPECT_EQ(fetch(row_).version, "9.9.2-1");
}

TEST_F(FetchKernel, APointReleaseIsTheVersionAskedForAndHasAFolderOfItsOwn) {
  offer_kernel(1, "9.9.1-1");
  offer_kernel(2, "9.9.2-1");
  publish();
  KernelRow row = row_;
  row.id = "9.9.1";
  row.version = "9.9.1-1";
  EXPECT_EQ(fetch(row).version, "9.9.1-1");
  EXPECT_EQ(fetch(row_).version, "9.9.2-1");
  EXPECT_EQ(fetch(row).version, "9.9.1-1");
  row.version = "9.9.3-1";
  EXPECT_NE(failure_of(row).find("9.9.3-1"), std::string::npos);
}

TEST_F(FetchKernel, GathersTheFilesFromThePartsAndSkipsWhatHasNone) {
  KernelRow row = row_;
  row.parts = {"linux-base-", "linux-binary-", "linux-modules-"};
  const std::string release = "9.9.0-1-cloud-amd64";
  const std::string tree = "./usr/lib/modules/" + release;
  offer("linux-image-" + release, "9.9.1-1", {});
  offer(
      "linux-base-" + release, "9.9.1-1",
      {{tree + "/config", "CONFIG_TEST=y\n"}, {tree + "/modules.builtin", "kernel/fs/ext4.ko\n"}});
  offer("linux-binary-" + release, "9.9.1-1", {{tree + "/vmlinuz", fake_bzimage(release)}});
  offer("linux-modules-" + release, "9.9.1-1",
        {{tree + "/kernel/fs/xfs.ko", fake_module({"depends="})}});
  offer("linux-image-9.9.0-2-cloud-amd64", "9.9.2-1", {});  // newer, without its parts
  publish();
  const FetchedKernel kernel = fetch(row);
  EXPECT_EQ(kernel.release, release);
  EXPECT_TRUE(fs::exists(kernel.modules_dir / "modules.builtin"));
  EXPECT_TRUE(fs::exists(kernel.modules_dir / "kernel" / "fs" / "xfs.ko"));
}

TEST_F(FetchKernel, SaysThatThereIsNone) {
  publish();
  EXPECT_NE(failure_of(row_).find("offers no complete"), std::string::npos);
}

TEST_F(FetchKernel, LeavesNothingOfAPackageThatIsNotTheIndexs) {
  offer_kernel(1, "9.9.1-1");
  publish();
  const fs::path deb = mirror() / "pool" / "linux-image-9.9.0-1-cloud-amd64_9.9.1-1_amd64.deb";
  const std::string whole = read_file(deb);
  write_file(deb, whole.substr(0, whole.size() / 2));
  EXPECT_NE(failure_of(row_), "");
  EXPECT_FALSE(fs::exists(cache() / "kernels" / "bookworm"));
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished" / "kernels-bookworm"));

  write_file(deb, whole);
  EXPECT_EQ(fetch(row_).version, "9.9.1-1");
}

TEST_F(FetchKernel, LeavesNothingOfAPackageThatIsDamaged) {
  const std::string release = "9.9.0-1-cloud-amd64";
  offer("linux-image-" + release, "9.9.1-1", {{"./boot/config-" + release, "no kernel in it"}});
  publish();
  EXPECT_NE(failure_of(row_).find("holds no vmlinuz"), std::string::npos);
  EXPECT_FALSE(fs::exists(cache() / "kernels" / "bookworm"));
}

TEST_F(FetchKernel, FetchesAnewAfterAnInterruptOrDamageAndSaysSo) {
  offer_kernel(1, "9.9.1-1");
  publish();
  make_dirs(cache() / "unfinished" / "kernels-bookworm" / "tmp-killed" / "kernel");
  const FetchedKernel kernel = fetch(row_);
  EXPECT_NE(told_.find("interrupted or damaged; fetching it again"), std::string::npos) << told_;
  EXPECT_TRUE(fs::is_empty(cache() / "unfinished" / "kernels-bookworm"));

  for (const fs::path& damage : {kernel.vmlinuz, kernel.config, kernel.modules_dir / "modules.dep",
                                 kernel.vmlinuz.parent_path() / "stamp.json"}) {
    fs::remove(damage);
    EXPECT_FALSE(kernels_json(cache())[0]["fetched"]) << damage;
    fetch(row_);
    EXPECT_NE(told_.find("fetching it again"), std::string::npos) << damage;
    EXPECT_TRUE(fs::exists(damage)) << damage;
  }
  fs::resize_file(kernel.vmlinuz, 100);
  fetch(row_);
  EXPECT_NE(told_.find("fetching it again"), std::string::npos);
  write_file(kernel.vmlinuz.parent_path() / "stamp.json", "{\"release\": 3}");
  fetch(row_);
  EXPECT_NE(told_.find("fetching it again"), std::string::npos);
}

TEST_F(FetchKernel, WithoutADebianMirrorIsAUsageError) {
  fs::remove_all(etc());
  EXPECT_NE(usage_message([&] { fetch(row_); }).find("no Debian mirror"), std::string::npos);
}

TEST_F(FetchKernel, RefusesAnotherSigner) {
  offer_kernel(1, "9.9.1-1");
  publish();
  // The same mirror, but the machine trusts another key.
  gpg({"--passphrase", "", "--quick-generate-key", "other@faultline.example", "ed25519", "sign"});
  fs::remove(key());
  gpg({"--output", key().string(), "--export", "other@faultline.example"});
  EXPECT_NE(failure_of(row_), "");
  EXPECT_FALSE(fs::exists(cache() / "kernels" / "bookworm"));
}

}  // namespace
}  // namespace faultline
