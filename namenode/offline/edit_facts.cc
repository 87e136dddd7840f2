#include "namenode/offline/edit_facts.h"

#include "absl/strings/str_cat.h"

namespace cairn::namenode {

absl::StatusOr<edit::Edit> ParseEdit(TxId txid, absl::string_view data) {
  edit::Edit edit;
  if (!edit.ParseFromArray(data.data(), static_cast<int>(data.size()))) {
    return absl::DataLossError(absl::StrCat("edit ", ToInt(txid), " does not parse"));
  }
  return edit;
}

std::string KindOf(const edit::Edit& edit) {
  const auto* const field =
      edit::Edit::descriptor()->FindFieldByNumber(static_cast<int>(edit.change_case()));
  return field == nullptr ? "unknown" : field->name();
}

}  // namespace cairn::namenode
