// Any bytes as a configuration file: parsing, substitution and every getter.
#include <cstddef>
#include <cstdint>

#include "common/config.h"

namespace {

constexpr cairn::ConfigKey kKeys[] = {
    {.name = "i", .type = cairn::ConfigType::kInt, .default_value = "1"},
    {.name = "s", .type = cairn::ConfigType::kSize, .default_value = "1"},
    {.name = "cairn.d", .type = cairn::ConfigType::kDuration, .default_value = "1"},
    {.name = "b", .type = cairn::ConfigType::kBool, .default_value = "true"},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto properties = cairn::ParseConfigXml(text, "fuzz");
  if (!properties.ok()) return 0;
  static const cairn::KnownKeys& keys = *new cairn::KnownKeys(kKeys);
  const auto strict = cairn::Config::FromProperties({*properties}, {}, keys);
  const auto config = cairn::Config::FromProperties({*properties}, {}, cairn::KnownKeys());
  if (!config.ok()) return 0;
  config->Dump().size();
  for (const auto& [key, value] : config->All()) {
    config->GetInt(key).status().IgnoreError();
    config->GetSize(key).status().IgnoreError();
    config->GetBool(key).status().IgnoreError();
    config->GetDuration(key).status().IgnoreError();
    config->GetList(key).status().IgnoreError();
  }
  return 0;
}
