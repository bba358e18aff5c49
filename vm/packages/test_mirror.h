// SPDX-License-Identifier: GPL-2.0-only
// A signed Debian mirror on disk, for tests of what is fetched.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "vm/command.h"
#include "vm/files.h"
#include "vm/test_support.h"

namespace faultline {

class FakeMirror : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"/usr/bin/apt-get", "/usr/bin/gpg", "/usr/bin/gpg-agent"}) {
      if (!std::filesystem::exists(tool)) GTEST_SKIP() << "no " << tool << " on this machine";
    }
    make_dirs(dir_.path() / "gpg");
    std::filesystem::permissions(dir_.path() / "gpg", std::filesystem::perms::owner_all);
    gpg({"--passphrase", "", "--quick-generate-key", "test@faultline.example", "ed25519", "sign"});
    gpg({"--output", key().string(), "--export", "test@faultline.example"});
    make_dirs(etc() / "sources.list.d");
    write_file(etc() / "sources.list.d" / "debian.sources",
               fmt::format("Types: deb\nURIs: file:{}\nSuites: bookworm\nComponents: main\n"
                           "Signed-By: {}\n",
                           mirror().string(), key().string()));
  }
  void TearDown() override {
    if (std::filesystem::exists(dir_.path() / "gpg")) {
      run_command({"gpgconf", "--homedir", home(), "--kill", "all"});
    }
  }

  // Adds a package to the mirror's next index.
  void offer(const std::string& name, const std::string& version,
             const std::vector<Member>& members, const std::vector<std::string>& depends = {}) {
    const std::string deb = deb_of(members);
    const std::string file = fmt::format("pool/{}_{}_amd64.deb", name, version);
    make_dirs(mirror() / "pool");
    write_file(mirror() / file, deb);
    index_ += fmt::format(
        "Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: none\nFilename: {}\n"
        "Size: {}\nSHA256: {}\nDescription: test\n",
        name, version, file, deb.size(), sha256_of(deb));
    if (!depends.empty()) index_ += fmt::format("Depends: {}\n", fmt::join(depends, ", "));
    index_ += "\n";
  }
  void publish() {
    const std::filesystem::path suite = mirror() / "dists" / "bookworm";
    make_dirs(suite / "main" / "binary-amd64");
    write_file(suite / "main" / "binary-amd64" / "Packages", index_);
    // apt takes a Release no older than the one it has: the time must not go back.
    const std::string date = run_command({"date", "-u", "-R"}).out;
    write_file(suite / "Release",
               fmt::format("Origin: Debian\nSuite: bookworm\nCodename: bookworm\n"
                           "Components: main\nArchitectures: amd64\nDate: {}SHA256:\n {} {} "
                           "main/binary-amd64/Packages\n",
                           date, sha256_of(index_), index_.size()));
    std::filesystem::remove(suite / "InRelease");
    gpg({"--output", (suite / "InRelease").string(), "--clearsign", (suite / "Release").string()});
  }
  void gpg(const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {"gpg", "--batch", "--quiet", "--homedir", home()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const CommandOutput output = run_command(argv);
    ASSERT_EQ(output.status, 0) << output.error;
  }
  [[nodiscard]] std::string home() const { return (dir_.path() / "gpg").string(); }
  [[nodiscard]] std::filesystem::path key() const { return dir_.path() / "debian-archive.gpg"; }
  [[nodiscard]] std::filesystem::path mirror() const { return dir_.path() / "debian"; }
  [[nodiscard]] std::filesystem::path etc() const { return dir_.path() / "etc"; }
  [[nodiscard]] std::filesystem::path cache() const { return dir_.path() / "cache"; }

  TempDir dir_{std::filesystem::temp_directory_path()};
  std::string index_;
};

}  // namespace faultline
