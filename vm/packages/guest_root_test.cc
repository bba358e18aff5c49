// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/guest_root.h"

#include <gtest/gtest.h>

#include <string>

#include "cell/failure.h"
#include "vm/command.h"
#include "vm/files.h"
#include "vm/image.h"
#include "vm/packages/test_mirror.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

TEST(GuestPlace, ProgramsAndLibrariesInUsr) {
  EXPECT_EQ(guest_place_of("sbin/mke2fs"), "usr/sbin/mke2fs");
  EXPECT_EQ(guest_place_of("usr/sbin/mkfs.xfs"), "usr/sbin/mkfs.xfs");
  EXPECT_EQ(guest_place_of("lib/x86_64-linux-gnu/libc.so.6"), "usr/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_EQ(guest_place_of("usr/lib/x86_64-linux-gnu/libz.so.1.2.13"),
            "usr/lib/x86_64-linux-gnu/libz.so.1.2.13");
  EXPECT_EQ(guest_place_of("usr/lib/x86_64-linux-gnu/gconv/UTF-7.so"), "");
  EXPECT_EQ(guest_place_of("usr/share/doc/libc6/copyright"), "");
  EXPECT_EQ(guest_place_of("etc/mke2fs.conf"), "");
  EXPECT_EQ(guest_place_of("lib64/ld-linux-x86-64.so.2"), "");
}

// The tool is this machine's `true`, with this machine's C library.
class FetchGuestRoot : public FakeMirror {
 protected:
  void offer_all(const std::string& left_out = "") {
    std::vector<Member> libc;
    for (const Library& library : library_closure("/bin/true")) {
      libc.push_back({"lib/x86_64-linux-gnu/" + library.name.filename().string(),
                      read_file(library.source), "", 0755});
    }
    for (const char* name : {"e2fsprogs", "libblkid1", "libc6", "libcom-err2", "libext2fs2",
                             "libfmt9", "libgcc-s1", "libinih1", "libbenchmark1debian",
                             "libstdc++6", "liburcu8", "libuuid1", "xfsprogs", "zlib1g"}) {
      std::vector<Member> members = {{std::string("usr/share/doc/") + name + "/copyright", "x"}};
      if (name == std::string("libc6")) members = libc;
      if (name == std::string("e2fsprogs")) {
        members = {{"sbin/mke2fs", read_file("/bin/true"), "", 0755},
                   {"sbin/mkfs.ext4", "", "mke2fs"}};
      }
      if (name != left_out) offer(name, "1", members);
    }
    publish();
  }
  GuestRoot fetch() { return fetch_guest_root(cache(), {}, {.etc_apt = etc()}); }
};

TEST_F(FetchGuestRoot, RunsByItsOwnLoaderAndIsKept) {
  offer_all();
  const GuestRoot guest = fetch();
  EXPECT_EQ(guest.root, cache() / "guest/bookworm");
  EXPECT_EQ(guest.packages.at("e2fsprogs").at(0), "1");
  const fs::path tool = tool_of(guest, "mkfs.ext4");
  EXPECT_EQ(run_command(command_in(guest, tool)).status, 0);
  EXPECT_THROW(tool_of(guest, "mkfs.nova"), Failure);
  EXPECT_FALSE(fs::exists(guest.root / "usr/share"));

  // In the guest each library has the place that it has in the root.
  for (const Library& library : library_closure(tool, guest.root)) {
    EXPECT_EQ(library.file.parent_path(), "/usr/lib/x86_64-linux-gnu") << library.name;
    EXPECT_TRUE(library.source.string().starts_with(fs::canonical(guest.root).string()))
        << library.source;
  }

  fs::remove_all(mirror());  // the second time needs no mirror
  EXPECT_EQ(fetch().root, guest.root);
}

TEST_F(FetchGuestRoot, NamesThePackageThatNoMirrorHas) {
  offer_all("xfsprogs");
  try {
    fetch();
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("xfsprogs of bookworm"), std::string::npos)
        << failure.what();
  }
}

TEST_F(FetchGuestRoot, ALibraryOfThisMachineIsNoLibraryOfTheGuest) {
  offer_all();
  const GuestRoot guest = fetch();
  // This test's own program needs libstdc++, which the offered root does not have.
  try {
    library_closure("/proc/self/exe", guest.root);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("not among the guest's libraries"),
              std::string::npos)
        << failure.what();
  }
}

}  // namespace
}  // namespace faultline
