// SPDX-License-Identifier: GPL-2.0-only
// faultline-cell of a session: runs the guest's binary, which is another C library's than the tools
// around it, through that library's own loader. A program and not a script, because bpftrace -c
// takes nothing else; static, because it runs in any suite.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "harness/wire.h"

int main(int argc, char** argv) {
  const std::string image = faultline::wire::kSessionImage;
  std::vector<std::string> words = {
      image + "/lib64/ld-linux-x86-64.so.2", "--inhibit-cache", "--library-path",
      image + "/lib/x86_64-linux-gnu:" + image + "/usr/lib/x86_64-linux-gnu:" + image + "/lib",
      image + faultline::wire::kGuestBinary};
  // `faultline-cell order ...` is the binary's own verb.
  if (argc < 2 || std::string(argv[1]) != "order") words.emplace_back("cell");
  words.insert(words.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv(pointers.front(), pointers.data());
  std::fprintf(stderr, "faultline-cell: %s: %s; it runs in a faultline session alone\n",
               pointers.front(), std::strerror(errno));
  return 127;
}
