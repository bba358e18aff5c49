// SPDX-License-Identifier: GPL-2.0-only
// A folder of the cache that takes long to make: a kernel, its headers, a compiler, a disk of
// tools, a module. Here is what all of them share: one command makes it and the others wait for
// it; it is made aside and appears under its name whole; a stamp in it says what it was made from.
//
// On disk: CACHE/KIND/NAME is the entry and NAME/stamp.json its stamp, which is written last.
// CACHE/locks/KIND-NAME is held by whoever makes it, and CACHE/unfinished/KIND-NAME is where.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline {

class CacheEntry {
 public:
  struct Key {
    std::string kind = {};
    std::string name = {};  // of a folder
    // What the entry is made from, an object. An entry whose stamp has other values is made anew.
    nlohmann::json from = nlohmann::json::object();
  };

  // What make() works in.
  struct Making {
    std::filesystem::path folder = {};   // empty, and the entry once make() has returned
    std::filesystem::path scratch = {};  // on the same file system; removed afterwards
    // An earlier command was killed while it made the entry, or what it made is damaged or out of
    // date.
    bool again = false;
  };

  template <typename Value>
  struct Recipe {
    // The entry as a value; nothing where the folder does not hold all that its stamp promises. A
    // json exception counts as nothing.
    std::function<std::optional<Value>(const nlohmann::json& stamp)> load = {};
    // Fills Making::folder and returns what the stamp shall hold beside Key::from. Nothing: the
    // entry that is there is the one that is wanted, and stays (`refresh` only).
    std::function<std::optional<nlohmann::json>(const Making& making)> make = {};
    // Called once if another command makes the entry at this moment.
    std::function<void()> on_wait = {};
    // Calls make() although there is an entry.
    bool refresh = false;
  };

  template <typename Value>
  struct Obtained {
    Value value;
    bool made_now = false;
  };

  CacheEntry(std::filesystem::path cache, Key key);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  // The entry if it is there and whole. Takes no lock.
  template <typename Value>
  [[nodiscard]] std::optional<Value> find(
      const std::function<std::optional<Value>(const nlohmann::json& stamp)>& load) const {
    const nlohmann::json stamp = current_stamp();
    if (stamp.is_null()) return std::nullopt;
    try {
      return load(stamp);
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
  }

  // The entry, made if need be. What make() throws goes to the caller, and leaves the cache as it
  // was. Failure(kUsage) if the cache cannot be written, Failure(kVmFailed) if it is full.
  template <typename Value>
  Obtained<Value> obtain(const Recipe<Value>& recipe) const {
    std::optional<Value> present = find<Value>(recipe.load);
    if (present && !recipe.refresh) return {std::move(*present), false};
    const FileLock lock(lock_file(), recipe.on_wait);
    present = find<Value>(recipe.load);  // another command may have made it meanwhile
    if (present && !recipe.refresh) return {std::move(*present), false};

    const bool interrupted = remove_unfinished();
    const TempDir scratch(unfinished());
    const Making making = begin(scratch, interrupted || (!present && is_there()));
    const std::optional<nlohmann::json> facts = recipe.make(making);
    if (!facts && present) return {std::move(*present), false};
    publish(making, facts.value_or(nlohmann::json::object()));
    std::optional<Value> made = find<Value>(recipe.load);
    if (!made) throw_vanished();
    return {std::move(*made), true};
  }

 private:
  [[nodiscard]] std::filesystem::path lock_file() const;
  [[nodiscard]] std::filesystem::path unfinished() const;
  [[nodiscard]] bool is_there() const;
  // The stamp; null if there is none, it is damaged, or the entry was made from something else.
  [[nodiscard]] nlohmann::json current_stamp() const;
  // Removes what commands that were killed have left, of this entry and of any other of its kind
  // that nobody makes now. Tells whether there was something of this one. The caller holds the
  // lock.
  [[nodiscard]] bool remove_unfinished() const;
  [[nodiscard]] static Making begin(const TempDir& scratch, bool again);
  void publish(const Making& making, const nlohmann::json& facts) const;
  [[noreturn]] void throw_vanished() const;

  std::filesystem::path cache_;
  Key key_;
  std::filesystem::path folder_;
};

}  // namespace faultline
