// Connecting, disconnecting, and looking into the configuration.
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/conf.h"
#include "libhdfs/connections.h"
#include "libhdfs/errno.h"
#include "libhdfs/instance.h"
#include "libhdfs/open_file.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it
using cairn::Config;

struct hdfsBuilder {
  std::optional<std::string> namenode;
  tPort port = 0;
  std::string user;
  bool fresh = false;
  bool out_of_memory = false;  // in a function that cannot say so
  std::map<std::string, std::string> conf;
};

namespace {

template <typename Set>
void SetText(hdfsBuilder* bld, Set set) noexcept {
  try {
    set();
  } catch (const std::bad_alloc&) {
    bld->out_of_memory = true;
  }
}

}  // namespace

hdfsBuilder* hdfsNewBuilder(void) {
  return Call("hdfsNewBuilder", static_cast<hdfsBuilder*>(nullptr),
              []() -> absl::StatusOr<hdfsBuilder*> { return new hdfsBuilder; });
}

void hdfsFreeBuilder(hdfsBuilder* bld) { delete bld; }

void hdfsBuilderSetNameNode(hdfsBuilder* bld, const char* nn) {
  if (bld != nullptr)
    SetText(bld, [&] {
      bld->namenode.reset();
      if (nn != nullptr) bld->namenode = nn;
    });
}

void hdfsBuilderSetNameNodePort(hdfsBuilder* bld, tPort port) {
  if (bld != nullptr) bld->port = port;
}

void hdfsBuilderSetUserName(hdfsBuilder* bld, const char* userName) {
  if (bld != nullptr) SetText(bld, [&] { bld->user = userName == nullptr ? "" : userName; });
}

void hdfsBuilderSetKerbTicketCachePath(hdfsBuilder*, const char*) {}

void hdfsBuilderSetForceNewInstance(hdfsBuilder* bld) {
  if (bld != nullptr) bld->fresh = true;
}

int hdfsBuilderConfSetStr(hdfsBuilder* bld, const char* key, const char* val) {
  return CallForErrno("hdfsBuilderConfSetStr", [&]() -> absl::StatusOr<int> {
    if (bld == nullptr || key == nullptr || *key == '\0') {
      return absl::InvalidArgumentError("the builder or the key is missing");
    }
    bld->conf.erase(key);
    if (val != nullptr) bld->conf[key] = val;
    return 0;
  });
}

hdfsFS hdfsBuilderConnect(hdfsBuilder* bld) {
  const std::unique_ptr<hdfsBuilder> owned(bld);
  return Call("hdfsBuilderConnect", hdfsFS{}, [&]() -> absl::StatusOr<hdfsFS> {
    if (bld == nullptr) return absl::InvalidArgumentError("the builder is NULL");
    if (bld->out_of_memory) return WithErrno(ENOMEM, "no memory for the builder's texts");
    std::vector<std::string> overrides;
    for (const auto& [key, value] : bld->conf) overrides.push_back(absl::StrCat(key, "=", value));
    ASSIGN_OR_RETURN(const Config config, LoadConf(overrides));
    ASSIGN_OR_RETURN(const std::string default_uri, config.GetString("fs.defaultFS"));
    ASSIGN_OR_RETURN(const std::string uri,
                     ClusterUri(bld->namenode.has_value() ? bld->namenode->c_str() : nullptr,
                                bld->port, default_uri));
    ASSIGN_OR_RETURN(auto fs, ConnectTo(uri, bld->user, config, bld->fresh));
    return AddInstance(std::move(fs), uri);
  });
}

namespace {

hdfsFS Connect(const char* nn, tPort port, const char* user, bool fresh) {
  hdfsBuilder* const bld = hdfsNewBuilder();
  if (bld == nullptr) return nullptr;
  hdfsBuilderSetNameNode(bld, nn);
  hdfsBuilderSetNameNodePort(bld, port);
  hdfsBuilderSetUserName(bld, user);
  if (fresh) hdfsBuilderSetForceNewInstance(bld);
  return hdfsBuilderConnect(bld);
}

// What the file's writer was told to be written is to be there, as if the program had closed it.
absl::Status CloseWrittenFiles(const Instance& instance) {
  absl::Status first;
  for (const FilePtr& file : Files().All()) {
    if (file->out == nullptr || file->instance.get() != &instance) continue;
    first.Update(file->broken ? Broken() : file->out->Close());
  }
  return first;
}

}  // namespace

hdfsFS hdfsConnect(const char* nn, tPort port) { return Connect(nn, port, nullptr, false); }

hdfsFS hdfsConnectAsUser(const char* nn, tPort port, const char* user) {
  return Connect(nn, port, user, false);
}

hdfsFS hdfsConnectNewInstance(const char* nn, tPort port) {
  return Connect(nn, port, nullptr, true);
}

hdfsFS hdfsConnectAsUserNewInstance(const char* nn, tPort port, const char* user) {
  return Connect(nn, port, user, true);
}

int hdfsDisconnect(hdfsFS fs) {
  return Call("hdfsDisconnect", -1, [&]() -> absl::StatusOr<int> {
    const std::shared_ptr<Instance> instance = Instances().Remove(fs);
    if (instance == nullptr) return WithErrno(EBADF, "not a connected hdfsFS");
    RETURN_IF_ERROR(CloseWrittenFiles(*instance));
    return 0;
  });
}

namespace {

// Nothing: no file sets it, and there is no default worth telling.
absl::StatusOr<std::optional<std::string>> ValueOf(const char* key) {
  if (key == nullptr) return absl::InvalidArgumentError("the key is NULL");
  ASSIGN_OR_RETURN(const Config config, LoadConf());
  absl::StatusOr<std::string> value = config.GetString(key);
  if (absl::IsNotFound(value.status())) return std::nullopt;
  RETURN_IF_ERROR(value.status());
  if (value->empty() && !config.IsSet(key)) return std::nullopt;
  return *std::move(value);
}

}  // namespace

int hdfsConfGetStr(const char* key, char** val) {
  return CallForErrno("hdfsConfGetStr", [&]() -> absl::StatusOr<int> {
    if (val == nullptr) return absl::InvalidArgumentError("there is no place for the value");
    *val = nullptr;
    ASSIGN_OR_RETURN(const std::optional<std::string> value, ValueOf(key));
    if (!value.has_value()) return 0;
    *val = ::strdup(value->c_str());
    if (*val == nullptr) return WithErrno(ENOMEM, "no memory for the value");
    return 0;
  });
}

int hdfsConfGetInt(const char* key, int32_t* val) {
  return CallForErrno("hdfsConfGetInt", [&]() -> absl::StatusOr<int> {
    if (val == nullptr) return absl::InvalidArgumentError("there is no place for the value");
    ASSIGN_OR_RETURN(const std::optional<std::string> value, ValueOf(key));
    if (!value.has_value()) return 0;
    const bool is_hex = absl::StartsWithIgnoreCase(*value, "0x");
    if (!(is_hex ? absl::SimpleHexAtoi(*value, val) : absl::SimpleAtoi(*value, val))) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, " = \"", *value, "\": not a number of 32 bits"));
    }
    return 0;
  });
}

void hdfsConfStrFree(char* val) { std::free(val); }
