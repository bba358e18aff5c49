// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/package.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <string>
#include <vector>

#include "cell/failure.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

// Bytes that do not compress, so that a cut falls inside them.
std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  unsigned state = 1;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return bytes;
}

class Package : public testing::Test {
 protected:
  int unpack(const std::string& bytes, const UnpackOptions& options = {}) {
    write_file(dir_.path() / "test.deb", bytes);
    make_dirs(out());
    const auto filter = [](const std::string& member) {
      return member.starts_with("keep/") ? member.substr(5) : std::string();
    };
    return unpack_deb(dir_.path() / "test.deb", out(), filter, options);
  }
  std::string message_of(const std::string& bytes, const UnpackOptions& options = {}) {
    try {
      unpack(bytes, options);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
      return failure.what();
    }
    return "";
  }
  [[nodiscard]] fs::path out() const { return dir_.path() / "out"; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(Package, UnpacksWhatIsWantedAndNothingElse) {
  EXPECT_EQ(unpack(deb_of({{"./keep/a/b", "content"}, {"./other", "x"}, {"./keep/empty", ""}})), 2);
  EXPECT_EQ(read_file(out() / "a" / "b"), "content");
  EXPECT_EQ(read_file(out() / "empty"), "");
  EXPECT_FALSE(fs::exists(out() / "other"));
}

TEST_F(Package, ReadsZstdToo) {
  EXPECT_EQ(unpack(deb_of({{"./keep/a", "content"}}, archive_write_add_filter_zstd)), 1);
  EXPECT_EQ(read_file(out() / "a"), "content");
}

TEST_F(Package, RefusesAPathOutOfItsTree) {
  for (const char* path : {"keep/../../evil", "../evil", "keep/a/../../../evil"}) {
    EXPECT_NE(message_of(deb_of({{path, "evil"}})).find("refused"), std::string::npos) << path;
    EXPECT_FALSE(fs::exists(dir_.path() / "evil"));
  }
}

TEST_F(Package, KeepsAnAbsolutePathInside) {
  EXPECT_EQ(unpack(deb_of({{"/keep/a", "content"}})), 1);
  EXPECT_EQ(read_file(out() / "a"), "content");
}

TEST_F(Package, DoesNotWriteThroughALinkOfThePackage) {
  const fs::path outside = dir_.path() / "outside";
  make_dirs(outside);
  EXPECT_EQ(unpack(deb_of({{"keep/dir", "", outside.string()}, {"keep/dir/evil", "evil"}})), 1);
  EXPECT_FALSE(fs::exists(outside / "evil"));
  EXPECT_EQ(read_file(out() / "dir" / "evil"), "evil");
}

TEST_F(Package, MakesExecutablesAndLinksWhereAsked) {
  const std::string bytes = deb_of({{"keep/bin/sh", "#!", "", 0755},
                                    {"keep/lib/a", "content"},
                                    {"keep/usr/lib", "", "../lib"},
                                    {"keep/here", "", "lib/a"}});
  EXPECT_EQ(unpack(bytes), 2);
  EXPECT_EQ(fs::status(out() / "bin/sh").permissions() & fs::perms::owner_exec, fs::perms::none);
  fs::remove_all(out());
  EXPECT_EQ(unpack(bytes, {.executables = true, .links = true}), 4);
  EXPECT_NE(fs::status(out() / "bin/sh").permissions() & fs::perms::owner_exec, fs::perms::none);
  EXPECT_EQ(fs::status(out() / "lib/a").permissions() & fs::perms::owner_exec, fs::perms::none);
  EXPECT_EQ(read_file(out() / "usr/lib/a"), "content");
  EXPECT_EQ(fs::read_symlink(out() / "here"), "lib/a");
}

TEST_F(Package, RefusesALinkOutOfItsTree) {
  // The last two stay inside by their words alone: `up` is the destination itself.
  for (const std::vector<Member>& members :
       {std::vector<Member>{{"keep/l", "", "/etc"}},
        {{"keep/l", "", ".."}},
        {{"keep/a/l", "", "../../x"}},
        {{"keep/a/l", "", "b/../../../x"}},
        {{"keep/a/b/up", "", "../.."}, {"keep/a/b/l", "", "up/../x"}},
        {{"keep/a/b/up", "", "../.."}, {"keep/a/b/up/l", "", "../../x"}}}) {
    EXPECT_NE(message_of(deb_of(members), {.links = true}).find("refused"), std::string::npos)
        << members.back().path;
    fs::remove_all(out());
  }
}

TEST_F(Package, NeverWritesThroughALinkEvenWhereLinksAreMade) {
  const std::string bytes = deb_of({{"keep/dir", "", "other"}, {"keep/dir/a", "1"}});
  EXPECT_NE(message_of(bytes, {.links = true}).find("twice"), std::string::npos);
  EXPECT_FALSE(fs::exists(out() / "other"));
}

TEST_F(Package, RefusesTheSameFileTwice) {
  EXPECT_NE(message_of(deb_of({{"keep/a", "1"}, {"keep/a", "2"}})).find("twice"),
            std::string::npos);
}

TEST_F(Package, SaysThatATruncatedPackageIsFetchedAnew) {
  const std::string whole = deb_of({{"keep/a", noise(200000)}, {"keep/b", noise(200000)}});
  for (const std::size_t size : {whole.size() / 2, whole.size() - 3000, std::size_t{200}}) {
    EXPECT_NE(message_of(whole.substr(0, size)).find("fetch it anew"), std::string::npos) << size;
    fs::remove_all(out());
  }
}

TEST_F(Package, RefusesGarbage) {
  EXPECT_NE(message_of(noise(5000)).find("truncated or damaged"), std::string::npos);
  EXPECT_NE(message_of("").find("truncated or damaged"), std::string::npos);
  EXPECT_NE(message_of(pack(archive_write_set_format_ar_svr4, archive_write_add_filter_none,
                            {{"data.tar.xz", "no debian-binary before it"}}))
                .find("not a Debian package"),
            std::string::npos);
  EXPECT_NE(message_of(pack(archive_write_set_format_ar_svr4, archive_write_add_filter_none,
                            {{"debian-binary", "2.0\n"}}))
                .find("no data"),
            std::string::npos);
  EXPECT_NE(message_of(pack(archive_write_set_format_ar_svr4, archive_write_add_filter_none,
                            {{"debian-binary", "2.0\n"}, {"data.tar.xz", noise(3000)}}))
                .find("truncated or damaged"),
            std::string::npos);
}

TEST_F(Package, SaysThatDataAreDamaged) {
  std::string whole = deb_of({{"keep/a", noise(200000)}});
  for (std::size_t i = 0; i < 64; ++i) whole[whole.size() / 2 + i] = 'x';
  EXPECT_NE(message_of(whole).find("truncated or damaged"), std::string::npos);
}

// A session's guest is root in its own, and may put anything into what it leaves.
TEST(Tar, MakesNeitherDevicesNorPipesNorProgramsOfAnother) {
  const TempDir dir(temp_dir());
  std::string bytes(1 << 20, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_gnutar(writer);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  const auto add = [&](const char* path, unsigned type, unsigned mode) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_rdev(entry, makedev(1, 3));
    archive_write_header(writer, entry);
    archive_entry_free(entry);
  };
  add("null", AE_IFCHR, 0666);
  add("disk", AE_IFBLK, 0666);
  add("pipe", AE_IFIFO, 0666);
  add("root", AE_IFREG, 06755);
  archive_write_close(writer);
  archive_write_free(writer);
  bytes.resize(used);
  make_dirs(dir.path() / "out");
  write_file(dir.path() / "out.tar", bytes);
  unpack_tar(dir.path() / "out.tar", dir.path() / "out");
  for (const char* none : {"null", "disk", "pipe"}) {
    EXPECT_FALSE(fs::exists(fs::symlink_status(dir.path() / "out" / none))) << none;
  }
  EXPECT_EQ(fs::status(dir.path() / "out/root").permissions(), fs::perms(0755));
}

TEST(CleanMemberPath, DropsWhatMeansNothing) {
  EXPECT_EQ(clean_member_path("./a//b/./c", "x"), "a/b/c");
  EXPECT_EQ(clean_member_path("/", "x"), "");
  EXPECT_EQ(clean_member_path("a..b/..c", "x"), "a..b/..c");
  EXPECT_THROW(clean_member_path("a/..", "x"), Failure);
}

}  // namespace
}  // namespace faultline
