// SPDX-License-Identifier: GPL-2.0-only
// Runs another program to its end and keeps what it said.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace faultline {

struct CommandOutput {
  int status = 0;  // its exit status, or 128 + the number of the signal that ended it
  std::string out;
  std::string error;
};

struct CommandOptions {
  std::filesystem::path directory = {};  // where it runs; empty for the folder that we are in
  std::vector<std::string> unset_environment = {};  // names of variables
};

// Runs `argv` (no shell; found through PATH) with LC_ALL=C and no input.
// Failure(kUsage) if the program cannot be started; its exit status is the caller's to judge.
CommandOutput run_command(const std::vector<std::string>& argv, const CommandOptions& options = {});

// What run_command() gives a program as its environment, and strings as execve(2) takes them, with
// nullptr behind the last; they are the strings' own bytes.
std::vector<std::string> environment_for(const CommandOptions& options);
std::vector<char*> pointers_to(std::vector<std::string>& strings);

// A program as a path: `program` itself when it has a slash, else looked up in PATH and then in
// /usr/sbin and /sbin, which are not in every user's PATH; empty when there is none.
std::filesystem::path find_program(const std::string& program);

// A word between quotes, as a POSIX shell reads it back. Pure.
std::string shell_quoted(const std::string& word);

// "mksquashfs is not installed; install package squashfs-tools (in a source tree, `make deps`
// does)". Pure.
std::string not_installed(const std::string& program, const std::string& package);

}  // namespace faultline
