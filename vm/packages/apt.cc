// SPDX-License-Identifier: GPL-2.0-only
#include "vm/packages/apt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "cell/failure.h"
#include "cell/words.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 14> kDebianReleases = {
    "stretch", "buster",    "bullseye",     "bookworm", "trixie",  "forky", "duke",
    "stable",  "oldstable", "oldoldstable", "unstable", "testing", "sid",   "experimental"};

enum class Role { kArchive, kSecurity };

// bookworm of bookworm-security, and of buster/updates.
std::string_view release_of(std::string_view suite) {
  return suite.substr(0, suite.find_first_of("-/"));
}

// Which of Debian's two archives serves a suite of this name; nothing if the name is not Debian's.
std::optional<Role> role_of(std::string_view suite) {
  while (suite.ends_with('/')) suite.remove_suffix(1);
  const std::string_view release = release_of(suite);
  const std::string_view rest = suite.substr(release.size());
  if (std::find(kDebianReleases.begin(), kDebianReleases.end(), release) == kDebianReleases.end()) {
    return std::nullopt;
  }
  if (rest == "-security" || rest == "/updates") return Role::kSecurity;
  constexpr std::array<std::string_view, 5> kArchiveSuites = {
      "", "-updates", "-backports", "-backports-sloppy", "-proposed-updates"};
  if (std::find(kArchiveSuites.begin(), kArchiveSuites.end(), rest) != kArchiveSuites.end()) {
    return Role::kArchive;
  }
  return std::nullopt;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string trim(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

using Stanza = std::map<std::string, std::string>;  // lower-case field name to value

// deb822: fields, continuation lines that start with a blank, stanzas parted by empty lines.
std::vector<Stanza> parse_stanzas(const std::string& text) {
  std::vector<Stanza> stanzas;
  Stanza current;
  std::string* value = nullptr;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    if (trim(line).empty()) {
      if (!current.empty()) stanzas.push_back(std::exchange(current, {}));
      value = nullptr;
    } else if (line.front() == ' ' || line.front() == '\t') {
      if (value != nullptr) *value += "\n" + line;
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      value = &current[lower(line.substr(0, colon))];
      *value = trim(line.substr(colon + 1));
    } else {
      value = nullptr;
    }
  }
  if (!current.empty()) stanzas.push_back(std::move(current));
  return stanzas;
}

std::string field(const Stanza& stanza, const std::string& name) {
  const auto found = stanza.find(name);
  return found == stanza.end() ? std::string() : found->second;
}

std::string_view without_slashes(std::string_view uri) {
  while (uri.ends_with('/')) uri.remove_suffix(1);
  return uri;
}

// How surely a source is Debian's own: other vendors use Debian's suite names too.
int likeness_to_debian(const AptSource& source) {
  int points = 0;
  if (source.signed_by.find("debian-archive") != std::string::npos) points += 2;
  const std::string_view uri = without_slashes(source.uri);
  const bool named = uri.substr(uri.find_last_of('/') + 1).starts_with("debian");
  return points + (named ? 1 : 0);
}

// The sources of one role that look most like Debian.
std::vector<AptSource> sources_for(const std::vector<AptSource>& system, Role role) {
  std::vector<AptSource> best;
  int best_points = 0;
  for (const AptSource& source : system) {
    if (role_of(source.suite) != role || source.component != "main") continue;
    const int points = likeness_to_debian(source);
    if (points > best_points) best.clear();
    if (points < best_points) continue;
    best_points = points;
    // A mirror of several suites (bookworm, bookworm-updates) is one mirror.
    const bool known = std::any_of(best.begin(), best.end(),
                                   [&](const AptSource& other) { return other.uri == source.uri; });
    if (!known) best.push_back(source);
  }
  return best;
}

// The line of apt's sources that would serve `suite`, whose archive has no mirror among `system`:
// beside this machine's mirror of the other archive, if there is one.
std::string missing_line(const std::vector<AptSource>& system, Role role,
                         const std::string& suite) {
  constexpr std::string_view kEnd = "-security";
  const bool security = role == Role::kSecurity;
  for (const AptSource& other : sources_for(system, security ? Role::kArchive : Role::kSecurity)) {
    std::string uri(without_slashes(other.uri));
    if (!uri.ends_with(security ? "/debian" : "/debian-security")) continue;
    if (security) {
      uri += kEnd;
    } else {
      uri.resize(uri.size() - kEnd.size());
    }
    // A mirror has all suites, and one of a later release would upgrade the whole machine.
    const std::string_view own = release_of(other.suite);
    const bool rolling = own == "sid" || own == "unstable" || own == "experimental";
    return fmt::format(
        "deb {}{} {} main",
        other.signed_by.starts_with('/') ? fmt::format("[signed-by={}] ", other.signed_by) : "",
        uri, rolling ? suite : fmt::format("{}{}", own, security ? kEnd : ""));
  }
  return fmt::format("deb http://MIRROR/debian{} {} main", security ? kEnd : "", suite);
}

// Settings that apply whatever the system's apt.conf.d says, which is read first and respected
// otherwise (proxies, mirrors' helpers).
constexpr std::string_view kConfiguration = R"(#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
#clear APT::Architectures;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::IndexTargets::deb::CNF;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages { "none"; };
Acquire::Retries "2";
)";

std::vector<std::string> apt_argv(const Apt& apt, const std::string& program) {
  const std::string dir = apt.dir.string();
  return {program, "-q", "-c", dir + "/apt.conf", "-o", "Dir::State=" + dir + "/state", "-o",
          "Dir::State::status=" + dir + "/status", "-o", "Dir::Cache=" + dir + "/cache", "-o",
          "Dir::Etc::sourcelist=" + dir + "/private.sources", "-o",
          "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Etc::preferences=/dev/null", "-o",
          "Dir::Etc::preferencesparts=/dev/null",
          // Started as root, apt would become a user who may not enter the cache folder.
          "-o", "APT::Sandbox::User=root"};
}

CommandOutput run_apt(const Apt& apt, const std::string& program,
                      const std::vector<std::string>& arguments, CommandOptions options = {}) {
  std::vector<std::string> argv = apt_argv(apt, program);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  options.unset_environment.emplace_back("APT_CONFIG");
  return run_command(argv, options);
}

[[noreturn]] void throw_apt_failure(const std::string& doing, const CommandOutput& output) {
  std::string complaint = apt_complaint(output.error);
  if (complaint.empty()) complaint = fmt::format("apt ended with status {}", output.status);
  throw Failure(ExitCode::kVmFailed,
                fmt::format("{} failed: {}; check the network and this machine's apt sources, or "
                            "give a kernel of your own with --kernel",
                            doing, complaint));
}

// "libc6 (>= 2.38), gcc-12 | gcc, python3:any" -> libc6, gcc-12, python3
std::vector<std::string> names_in(const std::string& relation) {
  std::vector<std::string> names;
  std::istringstream list(relation);
  for (std::string item; std::getline(list, item, ',');) {
    std::replace(item.begin(), item.end(), '\n', ' ');  // it may go on over lines
    item = trim(item.substr(0, item.find('|')));
    item = item.substr(0, item.find_first_of(" (:"));
    if (!item.empty()) names.push_back(item);
  }
  return names;
}

// What apt does not tell about a source beside its place: the options of line `number` of a
// *.list file, or the fields of stanza `number` of a *.sources file, by lower-case names.
Stanza options_of(const fs::path& file, std::size_t number) {
  const std::string text = read_file(file, 1 << 20);
  if (file.extension() == ".sources") {
    const std::vector<Stanza> stanzas = parse_stanzas(text);
    return number <= stanzas.size() ? stanzas.at(number - 1) : Stanza();
  }
  std::istringstream lines(text);
  std::string line;
  for (std::size_t i = 0; i < number; ++i) std::getline(lines, line);
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  Stanza options;
  if (open == std::string::npos || close == std::string::npos || close < open) return options;
  for (const std::string& option : split_words(line.substr(open + 1, close - open - 1))) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos) continue;
    options[lower(option.substr(0, equals))] = option.substr(equals + 1);
  }
  return options;
}

}  // namespace

std::vector<AptSource> system_sources(const fs::path& etc_apt) {
  const TempDir scratch(temp_dir());
  const fs::path& empty = scratch.path();
  make_dirs(empty / "state" / "lists" / "partial");
  write_file(empty / "apt.conf", kConfiguration);
  const CommandOutput output = run_command(
      {"apt-get", "-q", "-c", (empty / "apt.conf").string(), "-o",
       "Dir::State=" + (empty / "state").string(), "-o", "Dir::State::status=/dev/null", "-o",
       "Dir::Cache=" + (empty / "cache").string(), "-o",
       "Dir::Etc::sourcelist=" + (etc_apt / "sources.list").string(), "-o",
       "Dir::Etc::sourceparts=" + (etc_apt / "sources.list.d").string(), "indextargets",
       // Without this option apt tells only of sources whose lists it has read already.
       "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SOURCESENTRY)",
       "Created-By: Packages", "Architecture: amd64"},
      {.unset_environment = {"APT_CONFIG"}});
  if (output.status != 0) throw_apt_failure("reading this machine's apt sources", output);
  std::vector<AptSource> sources;
  std::istringstream lines(output.out);
  for (std::string line; std::getline(lines, line);) {
    AptSource source;
    std::string entry;  // FILE:NUMBER
    std::istringstream words(line);
    words >> source.uri >> source.suite >> source.component >> std::ws;
    std::getline(words, entry);
    const std::size_t colon = entry.rfind(':');
    std::size_t number = 0;
    std::from_chars(entry.data() + std::min(entry.size(), colon + 1), entry.data() + entry.size(),
                    number);
    if (colon == std::string::npos || number == 0) continue;
    const Stanza options = options_of(entry.substr(0, colon), number);
    source.signed_by = field(options, "signed-by");
    source.check_valid_until = field(options, "check-valid-until");
    source.trusted = field(options, "trusted");
    sources.push_back(std::move(source));
  }
  return sources;
}

std::string private_sources(const std::vector<AptSource>& system,
                            const std::vector<std::string>& wanted_suites) {
  std::string text;
  for (const Role role : {Role::kArchive, Role::kSecurity}) {
    std::vector<std::string> suites;
    std::copy_if(wanted_suites.begin(), wanted_suites.end(), std::back_inserter(suites),
                 [&](const std::string& suite) { return role_of(suite) == role; });
    if (suites.empty()) continue;
    const std::vector<AptSource> mirrors = sources_for(system, role);
    if (mirrors.empty()) {
      throw Failure(
          ExitCode::kUsage,
          fmt::format("no Debian mirror for {} in this machine's apt sources "
                      "(/etc/apt/sources.list, sources.list.d); add `{}` to "
                      "/etc/apt/sources.list.d/debian.list, or give a kernel of your own "
                      "with --kernel",
                      fmt::join(suites, ", "), missing_line(system, role, suites.front())));
    }
    for (const AptSource& mirror : mirrors) {
      text += fmt::format("Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n", mirror.uri,
                          fmt::join(suites, " "));
      text += "Architectures: amd64\n";
      if (!mirror.check_valid_until.empty()) {
        text += fmt::format("Check-Valid-Until: {}\n", mirror.check_valid_until);
      }
      if (!mirror.trusted.empty()) text += fmt::format("Trusted: {}\n", mirror.trusted);
      if (!mirror.signed_by.empty()) text += fmt::format("Signed-By: {}\n", mirror.signed_by);
      text += '\n';
    }
  }
  return text;
}

std::vector<AptPackage> parse_packages(const std::string& text) {
  std::vector<AptPackage> packages;
  for (const Stanza& stanza : parse_stanzas(text)) {
    AptPackage package = {.name = field(stanza, "package"),
                          .version = field(stanza, "version"),
                          .sha256 = lower(field(stanza, "sha256")),
                          .depends = names_in(field(stanza, "depends"))};
    const std::string size = field(stanza, "size");
    std::from_chars(size.data(), size.data() + size.size(), package.size_bytes);
    if (package.name.empty() || package.version.empty() || package.sha256.empty()) continue;
    packages.push_back(std::move(package));
  }
  return packages;
}

std::string apt_complaint(const std::string& error_output) {
  constexpr std::size_t kLongest = 400;
  for (const std::string_view kind : {"E: ", "W: "}) {
    std::string complaint;
    std::istringstream lines(error_output);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(kind)) continue;
      if (!complaint.empty()) complaint += "; ";
      complaint += trim(line.substr(kind.size()));
    }
    if (complaint.size() > kLongest) complaint = complaint.substr(0, kLongest) + "...";
    if (!complaint.empty()) return complaint;
  }
  return "";
}

std::vector<std::string> sorted_versions(const std::vector<std::string>& versions) {
  if (versions.size() < 2) return versions;
  // One package of all these versions, which apt-cache shows the newest first.
  const TempDir scratch(temp_dir());
  std::string index;
  for (const std::string& version : versions) {
    index += fmt::format("Package: sorted\nVersion: {}\nArchitecture: amd64\n\n", version);
  }
  const fs::path packages = scratch.path() / "Packages";
  write_file(packages, index);
  write_file(scratch.path() / "apt.conf", kConfiguration);
  const std::string none = (scratch.path() / "none").string();
  const CommandOutput output = run_command(
      {"apt-cache", "-q", "-c", (scratch.path() / "apt.conf").string(), "-o", "Dir::State=" + none,
       "-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache=" + none, "-o",
       "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=/dev/null", "--with-source",
       packages.string(), "show", "sorted"},
      {.unset_environment = {"APT_CONFIG"}});
  std::vector<std::string> sorted;
  for (const Stanza& stanza : parse_stanzas(output.out)) sorted.push_back(field(stanza, "version"));
  if (output.status != 0 || sorted.empty()) throw_apt_failure("sorting versions", output);
  std::reverse(sorted.begin(), sorted.end());
  return sorted;
}

Apt make_apt(const fs::path& dir, const std::vector<AptSource>& system,
             const std::vector<std::string>& wanted_suites) {
  const std::string sources = private_sources(system, wanted_suites);
  make_dirs(dir / "state" / "lists" / "partial");
  make_dirs(dir / "cache" / "archives" / "partial");
  write_file(dir / "status", "");
  write_file(dir / "apt.conf", kConfiguration);
  write_file(dir / "private.sources", sources);
  return {dir};
}

void apt_update(const Apt& apt) {
  const CommandOutput output = run_apt(apt, "apt-get", {"update"});
  if (output.status != 0) throw_apt_failure("reading Debian's package lists", output);
}

std::vector<std::string> apt_names(const Apt& apt, const std::string& prefix) {
  const CommandOutput output = run_apt(apt, "apt-cache", {"pkgnames", prefix});
  if (output.status != 0) throw_apt_failure("listing packages", output);
  return split_words(output.out);
}

std::vector<AptPackage> apt_show(const Apt& apt, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<std::string> arguments = {"show"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  // A non-zero status only says that a name has no version.
  return parse_packages(run_apt(apt, "apt-cache", arguments).out);
}

const AptPackage* find_package(const std::vector<AptPackage>& packages, const std::string& name,
                               const std::string& version) {
  const auto found = std::find_if(packages.begin(), packages.end(), [&](const AptPackage& package) {
    return package.name == name && package.version == version;
  });
  return found == packages.end() ? nullptr : &*found;
}

std::vector<std::pair<std::string, std::string>> parse_simulation(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> chosen;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 3 || words[0] != "Inst" || !words[2].starts_with('(')) continue;
    chosen.emplace_back(words[1], words[2].substr(1));
  }
  return chosen;
}

std::vector<AptPackage> apt_closure(const Apt& apt, const std::vector<std::string>& names) {
  std::vector<std::string> arguments = {"--simulate", "--no-install-recommends", "install"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  const CommandOutput output = run_apt(apt, "apt-get", arguments);
  if (output.status != 0) {
    throw_apt_failure(fmt::format("choosing packages for {}", fmt::join(names, ", ")), output);
  }
  const auto chosen = parse_simulation(output.out);
  std::vector<std::string> wanted;
  wanted.reserve(chosen.size());
  for (const auto& [name, version] : chosen) wanted.push_back(name);
  const std::vector<AptPackage> offered = apt_show(apt, wanted);
  std::vector<AptPackage> closure;
  for (const auto& [name, version] : chosen) {
    const AptPackage* package = find_package(offered, name, version);
    if (package == nullptr) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("apt chose {} {} but does not show it; run the command again", name,
                                version));
    }
    closure.push_back(*package);
  }
  return closure;
}

AptLists::AptLists(const fs::path& cache, const std::vector<std::string>& suites,
                   const fs::path& etc_apt, const std::function<void(const std::string&)>& tell)
    : lock_(cache / "locks" / fmt::format("apt-{}", fmt::join(suites, "+")),
            [&] { tell("waiting for another command that reads package lists"); }),
      apt_() {
  tell(fmt::format("reading the package lists of {}", fmt::join(suites, ", ")));
  apt_ = make_apt(cache / "apt" / fmt::format("{}", fmt::join(suites, "+")),
                  system_sources(etc_apt), suites);
  apt_update(apt_);
}

std::string download_size(const std::vector<AptPackage>& packages) {
  const std::uint64_t bytes = std::accumulate(
      packages.begin(), packages.end(), std::uint64_t{0},
      [](std::uint64_t sum, const AptPackage& package) { return sum + package.size_bytes; });
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

fs::path apt_download(const Apt& apt, const AptPackage& package, const fs::path& directory) {
  const TempDir landing(directory, "download-");
  const CommandOutput output = run_apt(
      apt, "apt-get", {"download", package.name + "=" + package.version}, {landing.path(), {}});
  if (output.status != 0) throw_apt_failure("fetching " + package.name, output);

  for (const auto& entry : fs::directory_iterator(landing.path())) {
    if (entry.path().extension() != ".deb") continue;
    if (sha256_of_file(entry.path()) != package.sha256) {
      throw Failure(ExitCode::kVmFailed,
                    fmt::format("package {} is not the one its index names (SHA256 differs); "
                                "nothing was kept, run the command again to fetch it anew",
                                package.name));
    }
    fs::path kept = directory / entry.path().filename();
    fs::rename(entry.path(), kept);
    return kept;
  }
  throw_apt_failure("fetching " + package.name, output);
}

}  // namespace faultline
