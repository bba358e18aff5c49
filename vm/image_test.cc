// SPDX-License-Identifier: GPL-2.0-only
#include "vm/image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "cell/failure.h"
#include "vm/archive_handles.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;

// A member of an image, as read back.
struct ImageMember {
  std::string path = {};  // absolute
  char kind = '-';        // as in `ls -l`: - d l c b
  unsigned mode = 0;      // permission bits
  std::uint64_t size_bytes = 0;
  std::string target = {};  // of a link
  unsigned major = 0;       // of a device
  unsigned minor = 0;
};

char kind_of(unsigned type) {
  switch (type) {
    case AE_IFDIR:
      return 'd';
    case AE_IFLNK:
      return 'l';
    case AE_IFCHR:
      return 'c';
    case AE_IFBLK:
      return 'b';
    default:
      return '-';
  }
}

// In the image's order.
std::vector<ImageMember> list_image(const fs::path& image) {
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_cpio(reader.get());
  int status = archive_read_open_filename(reader.get(), image.c_str(), 1 << 16);
  std::vector<ImageMember> members;
  archive_entry* entry = nullptr;
  while (status == ARCHIVE_OK &&
         (status = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const char* target = archive_entry_symlink(entry);
    const char* path = archive_entry_pathname(entry);
    members.push_back({.path = std::string("/") + (path != nullptr ? path : ""),
                       .kind = kind_of(archive_entry_filetype(entry)),
                       .mode = archive_entry_perm(entry),
                       .size_bytes = static_cast<std::uint64_t>(archive_entry_size(entry)),
                       .target = target != nullptr ? target : "",
                       .major = static_cast<unsigned>(archive_entry_rdevmajor(entry)),
                       .minor = static_cast<unsigned>(archive_entry_rdevminor(entry))});
  }
  EXPECT_EQ(status, ARCHIVE_EOF) << image;
  return members;
}

class Image : public testing::Test {
 protected:
  // The same spec each time, from files made anew: other times, other order of creation.
  ImageSpec spec_in(const std::string& folder, bool reversed, time_t time) {
    const fs::path root = dir_.path() / folder;
    make_dirs(root);
    std::vector<std::string> names = {"a", "b", "c"};
    if (reversed) std::reverse(names.begin(), names.end());
    ImageSpec spec;
    for (const std::string& name : names) {
      write_file(root / name, "content of " + name, reversed ? 0600 : 0644);
      const utimbuf times = {time, time};
      ::utime((root / name).c_str(), &times);
      spec.files.push_back({.path = "/etc/" + name, .source = root / name});
    }
    spec.files.push_back({.path = "/etc/words", .content = "by value"});
    write_file(root / "m.ko", fake_module({"name=m"}));
    spec.modules = {{"m", root / "m.ko", true}, {"n", root / "m.ko", false}};
    spec.links = {{"/bin/sh", "busybox"}};
    spec.folders = {"/var/empty"};
    spec.devices = {{.path = "/dev/ttyS0", .major = 4, .minor = 64}};
    if (reversed) {
      spec.folders.insert(spec.folders.begin(), "/etc");
      std::reverse(spec.files.begin(), spec.files.end());
    }
    return spec;
  }
  std::string message_of(const ImageSpec& spec) {
    try {
      build_image(spec, out());
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), ExitCode::kUsage);
      EXPECT_FALSE(fs::exists(out()));
      return failure.what();
    }
    return "";
  }
  [[nodiscard]] fs::path out() const { return dir_.path() / "image"; }

  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(Image, HasTheSameBytesWhateverTheHost) {
  const ImageResult first = build_image(spec_in("one", false, 1000), dir_.path() / "image1");
  const mode_t old_mask = ::umask(077);
  const ImageResult second = build_image(spec_in("two", true, 2000000), dir_.path() / "image2");
  ::umask(old_mask);
  EXPECT_EQ(read_file(dir_.path() / "image1"), read_file(dir_.path() / "image2"));
  EXPECT_EQ(first.sha256, second.sha256);
  EXPECT_EQ(first.sha256, sha256_of_file(dir_.path() / "image1"));
  EXPECT_EQ(first.size_bytes, fs::file_size(dir_.path() / "image1"));
}

// newc: "070701", then inode, mode, uid, gid, links, time, size, ... as 8 hex digits each.
TEST_F(Image, FixesEveryFieldOfAHeader) {
  build_image({.files = {{.path = "/a", .content = "x", .mode = 0640}}}, out());
  const std::string bytes = read_file(out());
  const std::string expected =
      "070701"
      "00000001"  // inode: the first
      "000081a0"  // a file, 0640
      "00000000"  // uid
      "00000000"  // gid
      "00000001"  // links
      "00000000"  // time
      "00000001"  // size
      "00000000"  // device
      "00000000"
      "00000000"  // device node
      "00000000"
      "00000002"  // length of the name
      "00000000";
  EXPECT_EQ(bytes.substr(0, expected.size()), expected);
  EXPECT_EQ(bytes.size() % 4, 0U);
  EXPECT_NE(bytes.find("TRAILER!!!"), std::string::npos);
}

TEST_F(Image, ReadsBackAsPutIn) {
  build_image(spec_in("one", false, 1000), out());
  std::string listing;
  for (const ImageMember& member : list_image(out())) {
    listing += member.kind + std::string(" ") + member.path;
    if (!member.target.empty()) listing += " -> " + member.target;
    if (member.kind == 'c') {
      listing += " " + std::to_string(member.major) + ":" + std::to_string(member.minor);
    }
    listing += "\n";
  }
  EXPECT_EQ(listing,
            "d /bin\nl /bin/sh -> busybox\nd /dev\nc /dev/console 5:1\nc /dev/ttyS0 4:64\n"
            "d /etc\n- /etc/a\n- /etc/b\n- /etc/c\n- /etc/words\n"
            "d /lib\nd /lib/modules\n- /lib/modules/00-m.ko\n- /lib/modules/01-n.ko\n"
            "- /lib/modules/order\nd /mnt\nd /proc\nd /sys\nd /tmp\nd /var\nd /var/empty\n");
}

TEST_F(Image, KeepsModesAndSizes) {
  build_image({.files = {{.path = "/run/it", .content = "12345", .mode = 0755}}}, out());
  for (const ImageMember& member : list_image(out())) {
    if (member.path == "/run/it") {
      EXPECT_EQ(member.mode, 0755U);
      EXPECT_EQ(member.size_bytes, 5U);
    }
    if (member.path == "/tmp") {
      EXPECT_EQ(member.mode, 01777U);
    }
    if (member.path == "/run") {
      EXPECT_EQ(member.mode, 0755U);
    }
  }
}

TEST_F(Image, SaysWhichModulesMayFail) {
  const ImageSpec spec = spec_in("one", false, 1000);
  build_image(spec, out());
  EXPECT_NE(read_file(out()).find("00-m.ko required\n01-n.ko optional\n"), std::string::npos);
}

TEST_F(Image, RefusesTwoThingsAtOnePath) {
  EXPECT_NE(message_of({.files = {{.path = "/a", .content = "1"}, {.path = "/a", .content = "2"}}})
                .find("two different things want the path /a"),
            std::string::npos);
  EXPECT_NE(message_of({.files = {{.path = "/a", .content = "1"}, {.path = "/a/b", .content = ""}}})
                .find("no folder"),
            std::string::npos);
  EXPECT_EQ(message_of({.files = {{.path = "/a", .content = "1"}, {.path = "/a", .content = "1"}}}),
            "");
}

TEST_F(Image, RefusesAPathThatIsNone) {
  for (const char* path : {"", "/", "relative", "/folder/", "/.."}) {
    EXPECT_NE(message_of({.files = {{.path = path, .content = ""}}}), "") << path;
  }
}

TEST_F(Image, NamesASourceThatIsNotThere) {
  EXPECT_NE(message_of({.files = {{.path = "/a", .source = "/nonexistent/file"}}})
                .find("/nonexistent/file"),
            std::string::npos);
}

TEST_F(Image, IsNotLeftHalfWritten) {
  write_file(out(), "the old image");
  EXPECT_THROW(build_image({.files = {{.path = "/a", .source = "/nonexistent/file"}}}, out()),
               Failure);
  EXPECT_EQ(read_file(out()), "the old image");
}

TEST_F(Image, ReportsAFullDisk) {
  const fs::path full = full_device(dir_.path());
  if (full.empty()) GTEST_SKIP() << "cannot make a device node here";
  try {
    build_image({.files = {{.path = "/a", .content = std::string(1 << 20, 'x')}}}, full);
    FAIL() << "wrote to a full device";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
    EXPECT_NE(std::string(failure.what()).find("No space left"), std::string::npos);
  }
}

TEST_F(Image, BringsAnExecutablesLibrariesUnderEachName) {
  build_image({.executables = {{"/init", "/proc/self/exe"}}}, out());
  const std::vector<ImageMember> members = list_image(out());
  const auto has = [&](const std::string& path, char kind) {
    return std::any_of(members.begin(), members.end(), [&](const ImageMember& member) {
      return member.path == path && member.kind == kind;
    });
  };
  EXPECT_TRUE(has("/init", '-'));
  const std::vector<Library> libraries = library_closure("/proc/self/exe");
  EXPECT_GE(libraries.size(), 3U);  // libc, libstdc++, the loader
  for (const Library& library : libraries) {
    EXPECT_TRUE(has(library.file.string(), '-')) << library.file;
    if (library.name != library.file) {
      EXPECT_TRUE(has(library.name.string(), 'l')) << library.name;
      // A session has the image below another root.
      for (const ImageMember& member : members) {
        if (member.path != library.name) continue;
        EXPECT_FALSE(member.target.starts_with('/')) << member.target;
      }
    }
  }
}

TEST(LibraryClosure, HasTheLoaderAtItsOwnName) {
  const std::vector<Library> libraries = library_closure("/proc/self/exe");
  EXPECT_TRUE(std::any_of(libraries.begin(), libraries.end(), [](const Library& library) {
    return library.name == "/lib64/ld-linux-x86-64.so.2";
  }));
}

TEST(LibraryClosure, RefusesWhatIsNoExecutable) {
  EXPECT_THROW(library_closure("/etc/passwd"), Failure);
  EXPECT_THROW(library_closure("/nonexistent"), Failure);
}

TEST(LoaderList, IsParsed) {
  const auto lines = parse_loader_list(
      "\tlinux-vdso.so.1 (0x00007ffd)\n"
      "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)\n"
      "\tlibgone.so.1 => not found\n"
      "\tlibodd.so => /opt/a dir (v2)/libodd.so (0x00007f02)\n"
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007f03)\n"
      "\tstatically linked\n");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].path, "/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_EQ(lines[1].name, "libgone.so.1");
  EXPECT_EQ(lines[1].path, "");
  EXPECT_EQ(lines[2].path, "/opt/a dir (v2)/libodd.so");
  EXPECT_EQ(lines[3].path, "/lib64/ld-linux-x86-64.so.2");
}

}  // namespace
}  // namespace faultline
