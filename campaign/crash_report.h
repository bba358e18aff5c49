// SPDX-License-Identifier: GPL-2.0-only
// One loss of a crash test in a form that can be mailed: a text, the image as the power left it,
// and a script that shows it. None of them needs anything of faultline's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "campaign/power_cut.h"

namespace faultline {

struct CrashReport {
  std::string type = {};      // of the file system, as mount(8) calls it
  std::string kernel = {};    // in words
  std::string made = {};      // how the file system was made and mounted, in words
  std::string written = {};   // what was written, and how
  std::string promise = {};   // what is promised of it
  std::string model = {};     // kModelPx86 or kModelOrder
  std::string check = {};     // the file system's check, a command without its image; empty: none
  std::string command = {};   // that makes it again with faultline
  std::uint64_t instant = 0;  // instructions since the writer began
  std::string image = {};     // the name of the image's file, without .gz
  std::uint64_t image_bytes = 0;              // unpacked
  std::vector<std::string> wrong = {};        // what speaks against it; not empty
  std::vector<std::string> says = {};         // the kernel's lines when it was mounted
  bool mounts = false;                        // the kernel mounted it
  std::uint64_t size = 0;                     // of the writer's file, promised, bytes; 0: none
  std::uint64_t mtime = 0;                    // promised, ns since the epoch; 0: none
  std::vector<CrashVerdict::Page> lost = {};  // pages of that file
  std::vector<std::string> elsewhere = {};    // of `wrong`, what these do not show
};

// The loss as a text of at most 72 columns.
std::string crash_report_text(const CrashReport& report);
// The script that shows the loss. It exits with 0 if all that was promised is there, with 1 if not,
// and with 77 where what was lost is nothing that it can look at.
std::string crash_report_script(const CrashReport& report);
// Writes `bytes` of the pmem, packed by gzip: the same bytes for the same image. Failure when the
// disk is full.
void write_packed_image(const PmemImage& image, std::uint64_t bytes,
                        const std::filesystem::path& path);

}  // namespace faultline
