// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/crash_report.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <memory>
#include <sstream>

#include "campaign/crash_campaign.h"
#include "cell/crash_page.h"
#include "cell/words.h"
#include "harness/wire.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kColumns = 72;
constexpr std::size_t kMostLines = 8;  // of a list

std::string paragraph(const std::string& text, std::size_t first, std::size_t rest) {
  return wrapped(text, kColumns, first, rest) + "\n";
}

// NAME, and words beside it.
std::string field(const std::string& name, const std::string& text) {
  constexpr std::size_t kName = 13;
  std::string lines = paragraph(text, kName, kName);
  return lines.replace(0, name.size(), name);
}

std::string list(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < kMostLines; ++i)
    text += paragraph(items[i], 2, 4);
  if (items.size() > kMostLines) text += fmt::format("  and {} more\n", items.size() - kMostLines);
  return text;
}

std::string mount_line(const CrashReport& report, const std::string& at) {
  return fmt::format("mount -t {} -o loop {} {}", report.type, report.image, at);
}

}  // namespace

std::string crash_report_text(const CrashReport& report) {
  std::string text = paragraph(
      fmt::format("Subject: {}: after a power cut: {}", report.type, report.wrong.front()), 0, 2);
  text += "\n";
  text += field("Kernel", report.kernel);
  text += field("File system", report.made);
  text += field("Written", report.written);
  text += field("Promised", report.promise);
  text +=
      field("Power cut", fmt::format("after {} instructions of the writer; {}", report.instant,
                                     report.model == kModelPx86
                                         ? "of what was not written back and fenced a part is there"
                                         : "all that was stored is there, in program order"));
  text += report.mounts ? "\nIt mounts. What is wrong:\n" : "\nIt does not mount. What is wrong:\n";
  text += list(report.wrong);
  if (!report.says.empty()) text += "\nThe kernel says:\n" + list(report.says);
  text += fmt::format("\nThe image, as the power left it, is {}.gz ({} MiB unpacked).\n",
                      report.image, report.image_bytes >> 20U);
  text += paragraph(
      "It needs no persistent memory to show this; as root, or by the script beside it:", 0, 0);
  text +=
      fmt::format("\n  gunzip -k {}.gz; mkdir m\n  {}\n", report.image, mount_line(report, "m"));
  for (std::size_t i = 0; i < report.lost.size() && i < 2; ++i) {
    text += fmt::format("  od -A d -t x8 -j {} -N 4096 m/{} | head\n", report.lost[i].index * 4096,
                        wire::kCrashFile);
  }
  text += "  umount m\n";
  if (!report.check.empty()) text += fmt::format("  {} {}\n", report.check, report.image);
  text += "\nMade by faultline:\n\n";
  std::string command = paragraph(report.command, 2, 4);
  for (std::size_t end = command.find('\n'); end + 1 < command.size();
       end = command.find('\n', end + 3)) {
    command.insert(end, " \\");
  }
  return text + command;
}

std::string crash_report_script(const CrashReport& report) {
  std::string text = fmt::format(
      "#!/bin/sh\n"
      "# Mounts {0} as the power left it. Needs root. Exit: 0 all that was promised\n"
      "# is there; 1 it is not; 77 not known, for that is nothing that this looks at.\n"
      "set -eu\n"
      "cd \"$(dirname \"$0\")\"\n"
      "gunzip -kf {0}.gz\n"
      "m=$(mktemp -d)\n"
      "trap 'if mountpoint -q \"$m\"; then umount \"$m\"; fi; rmdir \"$m\"; rm -f {0}' EXIT\n"
      "bad=0\n"
      "wrong() {{ echo \"$*\"; bad=1; }}\n"
      "{1} || {{ echo 'it does not mount'; exit 1; }}\n",
      report.image, mount_line(report, "\"$m\""));
  if (report.size != 0) {
    text += fmt::format(
        "size=$(stat -c %s \"$m/{0}\" || echo 0)\n"
        "[ \"$size\" -ge {1} ] || wrong \"the size is $size, not {1}\"\n",
        wire::kCrashFile, report.size);
  }
  if (report.mtime != 0) {
    text += fmt::format(
        "mtime=$(stat -c %.9Y \"$m/{0}\" || echo 0)\n"
        "mtime=$(echo \"$mtime\" | tr -d .)\n"
        "[ \"$mtime\" -ge {1} ] || wrong \"mtime is $mtime ns, not {1}\"\n",
        wire::kCrashFile, report.mtime);
  }
  if (!report.lost.empty()) {
    text += fmt::format(
        "page() {{\n"
        "  got=$(dd if=\"$m/{}\" bs=4096 skip=\"$1\" count=1 status=none | sha256sum)\n"
        "  [ \"${{got%% *}}\" = \"$2\" ] || wrong \"page $1 is not what was promised\"\n"
        "}}\n",
        wire::kCrashFile);
  }
  for (std::size_t i = 0; i < report.lost.size() && i < kMostLines; ++i) {
    std::array<std::uint64_t, kCrashWordsPerPage> words{};
    fill_crash_page(words, static_cast<std::uint16_t>(report.lost[i].index),
                    static_cast<std::uint16_t>(report.lost[i].version));
    text += fmt::format(
        "page {} {}\n", report.lost[i].index,
        sha256_of({reinterpret_cast<const char*>(words.data()), words.size() * sizeof words[0]}));
  }
  text += "umount \"$m\"\n";
  if (!report.check.empty()) {
    text += fmt::format("{} {} >/dev/null 2>&1 || wrong 'the file system is damaged'\n",
                        report.check, report.image);
  }
  if (!report.elsewhere.empty()) {
    text +=
        "if [ $bad -eq 0 ]; then\n  echo 'What was lost is nothing that this script looks at:'\n";
    for (std::size_t i = 0; i < report.elsewhere.size() && i < kMostLines; ++i) {
      text += fmt::format("  echo {}\n", shell_quoted("  " + report.elsewhere[i]));
    }
    text += "  bad=77\nfi\n";
  }
  return text + "exit $bad\n";
}

void write_packed_image(const PmemImage& image, std::uint64_t bytes, const fs::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> out(gzopen(path.c_str(), "wb6"), gzclose);
  if (!out) throw_io_failure("cannot write", path, errno);
  for (std::uint64_t page = 0; page < bytes / kPmemPage; ++page) {
    const PmemImage::Bytes& content = image.page(page);
    if (gzwrite(out.get(), content.data(), kPmemPage) != static_cast<int>(kPmemPage)) {
      throw_io_failure("cannot write", path, errno);
    }
  }
  if (gzflush(out.get(), Z_FINISH) != Z_OK) throw_io_failure("cannot write", path, errno);
}

}  // namespace faultline
