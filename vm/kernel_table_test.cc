// SPDX-License-Identifier: GPL-2.0-only
#include "vm/kernel_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "cell/failure.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
using Words = std::vector<std::string>;

TEST(KernelTable, NamesAreUniqueAndPatternsAreGood) {
  std::set<std::string> names;
  for (const KernelRow& row : kernel_table()) {
    EXPECT_TRUE(names.insert(row.id).second) << row.id;
    for (const std::string& alias : row.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_EQ(release_in("no kernel", row.package), "") << row.id;
    EXPECT_FALSE(row.suites.empty()) << row.id;
  }
}

TEST(KernelTable, TheFirstIsTheDefault) { EXPECT_EQ(kernel_table().front().id, "bookworm"); }

TEST(KernelTable, PatternsTakeTheCloudFlavourOnly) {
  const auto release = [](const std::string& name, const std::string& package) {
    return release_in(package, find_kernels(name).front().package);
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

TEST(FindKernels, ByGlob) {
  const auto ids = [](const std::string& glob) {
    Words found;
    for (const KernelRow& row : find_kernels(glob)) found.push_back(row.id);
    return found;
  };
  EXPECT_EQ(ids("bookworm"), Words{"bookworm"});
  EXPECT_EQ(ids("6.1"), Words{"bookworm"});
  EXPECT_EQ(ids("5.10"), Words{"bullseye"});
  EXPECT_EQ(ids("7.*"), (Words{"7.2", "7.3"}));
  EXPECT_EQ(ids("book*"), (Words{"bookworm", "bookworm-backports"}));
  EXPECT_EQ(ids("6.12"), Words{"bookworm-backports"});
  EXPECT_EQ(ids("*").size(), kernel_table().size());
  EXPECT_NE(usage_message([&] { ids("nothing*"); }), "");
}

TEST(FindKernels, NamesWhatWasMeant) {
  const std::string message = usage_message([] { find_kernels("boookworm"); });
  EXPECT_NE(message.find("did you mean bookworm?"), std::string::npos) << message;
  const std::string far = usage_message([] { find_kernels("zzz"); });
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

}  // namespace
}  // namespace faultline
