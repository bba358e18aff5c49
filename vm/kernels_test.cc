// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernels.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "harness/failure.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/packages/test_mirror.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr const char* kRelease = "9.9.0-2-cloud-amd64";

template <typename Body>
std::string usage_message(Body body) {
  try {
    body();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage) << failure.what();
    return failure.what();
  }
  return "";
}

TEST(KernelTable, NamesAreUniqueAndPatternsAreGood) {
  std::set<std::string> names;
  for (const KernelRow& row : kernel_table()) {
    EXPECT_TRUE(names.insert(row.id).second) << row.id;
    for (const std::string& alias : row.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_EQ(release_in("no kernel", row.package), "") << row.id;
    EXPECT_FALSE(row.suites.empty()) << row.id;
  }
}

TEST(KernelTable, PatternsTakeTheCloudFlavourOnly) {
  const auto release = [](const std::string& name, const std::string& package) {
    return release_in(package, find_kernel(name).package);
  };
  EXPECT_EQ(release("6.1", "linux-image-6.1.0-56-cloud-amd64"), "6.1.0-56-cloud-amd64");
  EXPECT_EQ(release("5.10", "linux-image-5.10.0-46-cloud-amd64"), "5.10.0-46-cloud-amd64");
  EXPECT_EQ(release("6.12", "linux-image-6.12.95+deb12-cloud-amd64"), "6.12.95+deb12-cloud-amd64");
  EXPECT_EQ(release("7.3", "linux-image-7.3.4+deb13-cloud-amd64"), "7.3.4+deb13-cloud-amd64");
  for (const char* other :
       {"linux-image-7.3.4+deb13-amd64", "linux-image-7.3.4+deb13-cloud-amd64-dbg",
        "linux-image-7.2.12+deb13-cloud-amd64", "linux-image-7x3.4+deb13-cloud-amd64",
        "linux-image-cloud-amd64", "xlinux-image-7.3.4+deb13-cloud-amd64"}) {
    EXPECT_EQ(release("7.3", other), "") << other;
  }
  EXPECT_THROW(release_in("x", "(unclosed"), Failure);
}

TEST(FindKernel, ByIdAndByAlias) {
  EXPECT_EQ(find_kernel("bookworm").id, "bookworm");
  EXPECT_EQ(find_kernel("6.1").id, "bookworm");
  EXPECT_EQ(find_kernel("5.10").id, "bullseye");
  EXPECT_EQ(kernel_table().front().id, "bookworm");
}

TEST(FindKernels, ByGlob) {
  const auto ids = [](const std::string& glob) {
    Words found;
    for (const KernelRow& row : find_kernels(glob)) found.push_back(row.id);
    return found;
  };
  EXPECT_EQ(ids("7.*"), (Words{"7.2", "7.3"}));
  EXPECT_EQ(ids("book*"), (Words{"bookworm", "bookworm-backports"}));
  EXPECT_EQ(ids("6.12"), Words{"bookworm-backports"});
  EXPECT_EQ(ids("*").size(), kernel_table().size());
  EXPECT_NE(usage_message([&] { ids("nothing*"); }), "");
}

TEST(FindKernel, NamesWhatWasMeant) {
  const std::string message = usage_message([] { find_kernel("boookworm"); });
  EXPECT_NE(message.find("did you mean bookworm?"), std::string::npos) << message;
  const std::string far = usage_message([] { find_kernel("zzz"); });
  EXPECT_EQ(far.find("did you mean"), std::string::npos) << far;
  EXPECT_NE(far.find("bullseye"), std::string::npos) << far;
}

TEST(PlantedName, IsANameAndItsDelay) {
  const auto parts = [](const std::string& text) {
    const PlantedName planted = planted_name(text);
    return std::pair(planted.name, planted.delay);
  };
  EXPECT_EQ(parts("bookworm+200"), std::pair(std::string("bookworm"), uint64_t{200}));
  EXPECT_EQ(parts("6.1.*+5"), std::pair(std::string("6.1.*"), uint64_t{5}));
  for (const char* none : {"bookworm", "bookworm+", "+200", "bookworm+2x", "6.12.95+deb12-cloud",
                           "bookworm+99999999999999999999"}) {
    EXPECT_EQ(parts(none), std::pair(std::string(none), uint64_t{0})) << none;
  }
}

TEST(ReleasesOf, AreCalledByTheKernelsVersion) {
  const KernelRow row = {.id = "row", .aliases = {"r"}, .package = "pattern"};
  Words ids;
  Words versions;
  for (const KernelRow& one :
       releases_of(row, {"6.12.9-3", "6.12.90-1~bpo12+1", "6.12.90-2~bpo12+1", "6.12.100-1"})) {
    ids.push_back(one.id);
    versions.push_back(one.version);
    EXPECT_EQ(one.package, "pattern");
    EXPECT_TRUE(one.aliases.empty());
  }
  EXPECT_EQ(ids, (Words{"6.12.9", "6.12.90-1", "6.12.90", "6.12.100"}));
  EXPECT_EQ(versions, (Words{"6.12.9-3", "6.12.90-1~bpo12+1", "6.12.90-2~bpo12+1", "6.12.100-1"}));
}

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

TEST(NearNames, NearestFirstAndAtMostThree) {
  EXPECT_EQ(near_names("kernel", {"kernels", "kernel2x", "kernel", "colonel", "kermel"}),
            (Words{"kernel", "kernels", "kermel"}));
  EXPECT_EQ(near_names("7.4", {"7.2", "7.3", "6.12"}), (Words{"7.2", "7.3"}));
  EXPECT_EQ(near_names("x", {"yyy", "longer"}), Words{});
  EXPECT_EQ(near_names("", {"a", "bc"}), Words{"a"});
}

TEST(BzImageVersion, IsReadThroughItsPointer) {
  EXPECT_EQ(bzimage_version(fake_bzimage("6.1.0-test (me) #1 SMP"), "k"), "6.1.0-test (me) #1 SMP");
}

TEST(BzImageVersion, RefusesWhatIsNoKernel) {
  const std::string kernel = fake_bzimage("6.1.0-test");
  std::string no_flag = kernel;
  no_flag[0x1fe] = 'x';
  std::string no_magic = kernel;
  no_magic[0x202] = 'x';
  for (const std::string& bytes :
       {std::string(), std::string("text"), std::string(5000, '\0'), no_flag, no_magic}) {
    EXPECT_NE(usage_message([&] { bzimage_version(bytes, "k"); }).find("k is no x86 kernel"),
              std::string::npos);
  }
  EXPECT_NE(usage_message([&] {
              bzimage_version(
                  "\x7f"
                  "ELF....",
                  "k");
            }).find("arch/x86/boot"),
            std::string::npos);
  std::string no_version = kernel;
  no_version[0x20f] = '\0';
  for (const std::string& bytes :
       {no_version, kernel.substr(0, 0x3203), kernel.substr(0, 0x300), fake_bzimage("")}) {
    EXPECT_NE(usage_message([&] { bzimage_version(bytes, "k"); }).find("does not say its version"),
              std::string::npos);
  }
  for (std::size_t size = 0; size < 0x212; ++size) {
    EXPECT_THROW(bzimage_version(kernel.substr(0, size), "k"), Failure) << size;
  }
}

class OwnKernel : public testing::Test {
 protected:
  void SetUp() override {
    write_file(bzimage(), fake_bzimage(std::string(kRelease) + " (me) #1"));
    make_dirs(modules() / "kernel");
    write_file(modules() / "kernel" / "xfs.ko", fake_module({"name=xfs"}));
    write_file(modules() / "modules.order", "kernel/xfs.ko\n");
  }
  [[nodiscard]] fs::path bzimage() const { return dir_.path() / "bzImage"; }
  [[nodiscard]] fs::path modules() const { return dir_.path() / "lib" / "modules" / kRelease; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(OwnKernel, TakesTheModulesFolderOrTheInstallRoot) {
  for (const fs::path& given : {modules(), modules() / "", modules().parent_path(), dir_.path()}) {
    const FetchedKernel kernel = kernel_from_path(bzimage(), given);
    EXPECT_EQ(kernel.release, kRelease);
    EXPECT_EQ(kernel.build, std::string(kRelease) + " (me) #1");
    EXPECT_EQ(kernel.modules_dir, modules()) << given;
    EXPECT_EQ(kernel.config, "");
  }
}

TEST_F(OwnKernel, TakesAModulesFolderOfAnyPlainName) {
  fs::rename(modules(), dir_.path() / "my-modules");
  EXPECT_EQ(kernel_from_path(bzimage(), dir_.path() / "my-modules").modules_dir,
            dir_.path() / "my-modules");
}

TEST_F(OwnKernel, FindsTheConfigBesideIt) {
  write_file(dir_.path() / (std::string("config-") + kRelease), "");
  EXPECT_EQ(kernel_from_path(bzimage(), modules()).config,
            dir_.path() / (std::string("config-") + kRelease));
}

TEST_F(OwnKernel, SaysWhatIsWrong) {
  const auto message = [](const fs::path& kernel, const fs::path& given) {
    return usage_message([&] { kernel_from_path(kernel, given); });
  };
  EXPECT_NE(message("/nonexistent/k", modules()).find("no such kernel file: /nonexistent/k"),
            std::string::npos);
  EXPECT_NE(message(dir_.path(), modules()).find("is no file"), std::string::npos);
  EXPECT_NE(message("/etc/passwd", modules()).find("is no x86 kernel"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/nonexistent/m").find("no modules folder"), std::string::npos);
  EXPECT_NE(message(bzimage(), "/etc").find("holds no modules of 9.9.0-2"), std::string::npos);
  fs::rename(modules(), modules().parent_path() / "8.8.0-other");
  EXPECT_NE(message(bzimage(), modules().parent_path() / "8.8.0-other")
                .find("holds no modules of 9.9.0-2"),
            std::string::npos);
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
