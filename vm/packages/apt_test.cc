// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/apt.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool no_apt() { return !fs::exists("/usr/bin/apt-get"); }

// "URI SUITE COMPONENT" of each.
Words places_of(const std::vector<AptSource>& sources) {
  Words places;
  for (const AptSource& one : sources) {
    places.push_back(one.uri + " " + one.suite + " " + one.component);
  }
  return places;
}

class SystemSources : public testing::Test {
 protected:
  void SetUp() override {
    if (no_apt()) GTEST_SKIP() << "no apt-get on this machine";
    make_dirs(etc_.path() / "sources.list.d");
  }
  void write(const std::string& file, const std::string& text) const {
    write_file(etc_.path() / file, text);
  }
  TempDir etc_{fs::temp_directory_path()};
};

TEST_F(SystemSources, AreLinesWithTheirOptions) {
  write("sources.list", R"(
# deb http://commented.example/debian bookworm main
deb http://one.example/debian bookworm main contrib # why
deb-src http://one.example/debian bookworm main
  deb [arch=amd64 Signed-By=/keys/debian-archive-keyring.gpg trusted=yes check-valid-until=no] http://two.example/debian-security bookworm-security main
deb [arch=arm64] http://three.example/debian bookworm main
)");
  const auto sources = system_sources(etc_.path());
  EXPECT_EQ(places_of(sources),
            (Words{"http://one.example/debian/ bookworm main",
                   "http://one.example/debian/ bookworm contrib",
                   "http://two.example/debian-security/ bookworm-security main"}));
  ASSERT_EQ(sources.size(), 3U);
  EXPECT_EQ(sources[0].signed_by, "");
  EXPECT_EQ(sources[0].check_valid_until, "");
  EXPECT_EQ(sources[2].signed_by, "/keys/debian-archive-keyring.gpg");
  EXPECT_EQ(sources[2].check_valid_until, "no");
  EXPECT_EQ(sources[0].trusted, "");
  EXPECT_EQ(sources[2].trusted, "yes");
}

TEST_F(SystemSources, AreStanzasWithTheirFields) {
  write("sources.list.d/a.sources", R"(# a comment before all

Types: deb deb-src
# a comment between fields
URIs: http://one.example/debian http://two.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /keys/a.gpg
Check-Valid-Until: no
Trusted: yes

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main


Enabled: No
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

types: deb
uris: http://inline.example/debian
suites: trixie
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
)");
  const auto sources = system_sources(etc_.path());
  EXPECT_EQ(places_of(sources), (Words{"http://one.example/debian/ bookworm main",
                                       "http://one.example/debian/ bookworm-updates main",
                                       "http://two.example/debian/ bookworm main",
                                       "http://two.example/debian/ bookworm-updates main",
                                       "http://inline.example/debian/ trixie main"}));
  ASSERT_EQ(sources.size(), 5U);
  EXPECT_EQ(sources[0].signed_by, "/keys/a.gpg");
  EXPECT_EQ(sources[3].check_valid_until, "no");
  EXPECT_EQ(sources[4].signed_by, "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc");
  EXPECT_EQ(sources[4].check_valid_until, "");
  EXPECT_EQ(sources[3].trusted, "yes");
  EXPECT_EQ(sources[4].trusted, "");
}

TEST_F(SystemSources, AreOfBothFormsAndOfNoOtherFiles) {
  write("sources.list", "deb http://a.example/debian bookworm main\n");
  write("sources.list.d/b.list", "deb http://b.example/debian bookworm main\n");
  write("sources.list.d/c.sources",
        "Types: deb\nURIs: http://c.example/debian\nSuites: bookworm\nComponents: main\n");
  write("sources.list.d/d.list.disabled", "deb http://d.example/debian bookworm main\n");
  EXPECT_EQ(
      places_of(system_sources(etc_.path())),
      (Words{"http://a.example/debian/ bookworm main", "http://b.example/debian/ bookworm main",
             "http://c.example/debian/ bookworm main"}));
  EXPECT_TRUE(system_sources(etc_.path() / "none").empty());
}

TEST_F(SystemSources, ThatAptDoesNotUnderstandAreItsComplaint) {
  write("sources.list", "deb [broken http://three.example/debian bookworm main\n");
  try {
    system_sources(etc_.path());
    FAIL() << "apt took it";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
    EXPECT_NE(std::string(failure.what()).find("Malformed entry 1 in list file"), std::string::npos)
        << failure.what();
  }
}

AptSource source(const std::string& uri, const std::string& suite, const std::string& key = "") {
  return {.uri = uri, .suite = suite, .component = "main", .signed_by = key};
}

TEST(PrivateSources, PutsEachSuiteOnItsOwnMirror) {
  const std::string text =
      private_sources({source("http://m.example/debian", "bookworm", "/k.gpg"),
                       source("http://m.example/debian", "bookworm-updates"),
                       source("http://s.example/debian-security", "bookworm-security", "/k.gpg")},
                      {"bullseye", "bullseye-security"});
  EXPECT_EQ(text,
            "Types: deb\nURIs: http://m.example/debian\nSuites: bullseye\nComponents: main\n"
            "Architectures: amd64\nSigned-By: /k.gpg\n\n"
            "Types: deb\nURIs: http://s.example/debian-security\nSuites: bullseye-security\n"
            "Components: main\nArchitectures: amd64\nSigned-By: /k.gpg\n\n");
}

TEST(PrivateSources, PrefersDebianToOthersThatUseItsSuiteNames) {
  const std::string text = private_sources(
      {source("https://vendor.example/tools", "bookworm", "/keys/vendor.gpg"),
       source("http://m.example/debian", "bookworm", "/keys/debian-archive-keyring.gpg"),
       source("https://other.example/tools", "bookworm", "/keys/other.gpg"),
       source("https://pg.example/debian", "bookworm-pgdg")},
      {"trixie-backports"});
  EXPECT_NE(text.find("m.example"), std::string::npos);
  EXPECT_EQ(text.find("vendor.example"), std::string::npos);
  EXPECT_EQ(text.find("other.example"), std::string::npos);
  EXPECT_EQ(text.find("pg.example"), std::string::npos);
}

TEST(PrivateSources, TrustsWhatTheMachineTrusts) {
  AptSource own = source("http://m.example/debian", "bookworm");
  own.trusted = "yes";
  EXPECT_EQ(private_sources({own}, {"trixie"}),
            "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
            "Architectures: amd64\nTrusted: yes\n\n");
  own.trusted = "";
  EXPECT_EQ(private_sources({own}, {"trixie"}).find("Trusted"), std::string::npos);
}

// What private_sources() says where it finds no mirror.
std::string refusal(const std::vector<AptSource>& system, const Words& suites) {
  try {
    return "not refused: " + private_sources(system, suites);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    return failure.what();
  }
}

TEST(PrivateSources, SaysThatThereIsNoDebianMirror) {
  EXPECT_EQ(refusal({source("http://u.example/ubuntu", "noble")}, {"bookworm"}),
            "no Debian mirror for bookworm in this machine's apt sources (/etc/apt/sources.list, "
            "sources.list.d); add `deb http://MIRROR/debian bookworm main` to "
            "/etc/apt/sources.list.d/debian.list, or give a kernel of your own with --kernel");
  EXPECT_THROW(private_sources({source("http://m.example/debian", "bookworm")},
                               {"bookworm", "bookworm-security"}),
               Failure);
}

TEST(PrivateSources, NamesTheLineThatIsMissing) {
  const auto line = [](const std::vector<AptSource>& system, const Words& suites) {
    const std::string told = refusal(system, suites);
    const std::size_t begin = told.find('`');
    return told.substr(begin + 1, told.find('`', begin + 1) - begin - 1);
  };
  const AptSource archive = source("http://m.example/debian/", "bookworm", "/keys/debian.gpg");
  EXPECT_EQ(line({archive}, {"bookworm", "bookworm-security"}),
            "deb [signed-by=/keys/debian.gpg] http://m.example/debian-security bookworm-security "
            "main");
  // A line of another release than the machine's would upgrade all that is on it.
  EXPECT_EQ(line({archive}, {"trixie-security", "sid-security"}),
            "deb [signed-by=/keys/debian.gpg] http://m.example/debian-security bookworm-security "
            "main");
  EXPECT_EQ(line({source("http://m.example/debian", "sid")}, {"trixie-security"}),
            "deb http://m.example/debian-security trixie-security main");
  EXPECT_EQ(line({source("http://m.example/debian-security/", "trixie-security")}, {"sid"}),
            "deb http://m.example/debian trixie main");
  // Where the other archive lies is not to be told from such an address.
  EXPECT_EQ(line({source("http://m.example/pool", "bookworm")}, {"bookworm-security"}),
            "deb http://MIRROR/debian-security bookworm-security main");
}

TEST(Packages, ReadsWhatAptCacheShows) {
  const auto packages = parse_packages(R"(Package: linux-image-6.1.0-56-cloud-amd64
Version: 6.1.192-2
Size: 26738688
Description: kernel
 Package: not-a-field
 more
SHA256: ABCDEF01

Package: without-a-digest
Version: 1

Package: second
Version: 2:1.0-1
SHA256: 02
)");
  ASSERT_EQ(packages.size(), 2U);
  EXPECT_EQ(packages[0].name, "linux-image-6.1.0-56-cloud-amd64");
  EXPECT_EQ(packages[0].version, "6.1.192-2");
  EXPECT_EQ(packages[0].sha256, "abcdef01");
  EXPECT_EQ(packages[0].size_bytes, 26738688U);
  EXPECT_EQ(packages[1].size_bytes, 0U);
}

TEST(AptComplaint, IsOneLineOfErrorsElseWarnings) {
  EXPECT_EQ(apt_complaint("W: slow\nE: Unable to locate package x\nE: Second\n"),
            "Unable to locate package x; Second");
  EXPECT_EQ(apt_complaint("Ign: x\nW: old lists used\n"), "old lists used");
  EXPECT_EQ(apt_complaint("nothing to say\n"), "");
  EXPECT_LT(apt_complaint("E: " + std::string(5000, 'x')).size(), 500U);
}

TEST(SortedVersions, AreInDebiansOrder) {
  if (no_apt()) GTEST_SKIP() << "no apt-cache on this machine";
  const Words ascending = {"1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1",   "1.0-1+b1", "1.0-2",
                           "1.0-10",    "1.0a-1",        "1.0+x-1", "1.9-1",    "1.10-1",
                           "6.1.9-1",   "6.1.192-2",     "1:0.1-1"};
  EXPECT_EQ(sorted_versions(Words(ascending.rbegin(), ascending.rend())), ascending);
  EXPECT_EQ(sorted_versions(ascending), ascending);
  EXPECT_EQ(sorted_versions({"1.0-1", "1.00-01", "0:1.0-1"}).size(), 1U);
  EXPECT_EQ(sorted_versions({"2"}), Words{"2"});
  EXPECT_EQ(sorted_versions({}), Words{});
}

TEST(ParsePackages, DependenciesAreNames) {
  const auto packages = parse_packages(R"(Package: linux-headers-7.3.4-cloud-amd64
Version: 7.3.4-1
SHA256: 01
Depends: gcc-14-for-host, linux-base (>= 4.12~), linux-image-a (= 1) | linux-image-b,
 linux-kbuild-7.3.4, python3:any

Package: alone
Version: 1
SHA256: 02
)");
  ASSERT_EQ(packages.size(), 2U);
  EXPECT_EQ(packages[0].depends,
            (std::vector<std::string>{"gcc-14-for-host", "linux-base", "linux-image-a",
                                      "linux-kbuild-7.3.4", "python3"}));
  EXPECT_TRUE(packages[1].depends.empty());
}

TEST(ParseSimulation, KeepsNamesVersionsAndTheirOrder) {
  const auto chosen = parse_simulation(R"(Reading package lists...
The following NEW packages will be installed:
  gcc-14 libc6
Inst libc6 (2.41-12+deb13u4 Debian:13.4/stable [amd64]) []
Inst zlib1g (1:1.3.dfsg+really1.3.1-1+b1 Debian:13.4/stable [amd64])
Conf libc6 (2.41-12+deb13u4 Debian:13.4/stable [amd64])
)");
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0], (std::pair<std::string, std::string>("libc6", "2.41-12+deb13u4")));
  EXPECT_EQ(chosen[1],
            (std::pair<std::string, std::string>("zlib1g", "1:1.3.dfsg+really1.3.1-1+b1")));
}

// A repository whose index is right, but which nobody signed.
class Unsigned : public testing::Test {
 protected:
  void SetUp() override {
    if (no_apt()) GTEST_SKIP() << "no apt-get on this machine";
    const fs::path suite = dir_.path() / "debian" / "dists" / "bookworm";
    make_dirs(suite / "main" / "binary-amd64");
    write_file(suite / "main" / "binary-amd64" / "Packages", "");
    write_file(suite / "Release",
               "Origin: Debian\nSuite: bookworm\nCodename: bookworm\nComponents: main\n"
               "Architectures: amd64\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n "
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 "
               "main/binary-amd64/Packages\n");
  }
  [[nodiscard]] Apt apt(const std::string& trusted) const {
    AptSource own = source("file:" + (dir_.path() / "debian").string(), "bookworm");
    own.trusted = trusted;
    return make_apt(dir_.path() / "private", {own}, {"bookworm"});
  }
  TempDir dir_{fs::temp_directory_path()};
};

TEST_F(Unsigned, IsRefused) {
  try {
    apt_update(apt(""));
    FAIL() << "apt took unsigned package lists";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kVmFailed);
    const std::string message = failure.what();
    EXPECT_NE(message.find("not signed"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST_F(Unsigned, IsTakenWhereTheMachineTrustsIt) { EXPECT_NO_THROW(apt_update(apt("yes"))); }

}  // namespace
}  // namespace faultline
