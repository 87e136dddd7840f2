#include "erasure/coder.h"

#include <isa-l/erasure_code.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::erasure {
namespace {

constexpr size_t kTableBytes = 32;  // ISA-L's, of one coefficient
// ISA-L takes lengths as int; a multiple of any cache line, far from its end.
constexpr size_t kMaxPieceBytes = size_t{1} << 30;

// rs-legacy: a group is a polynomial whose lowest coefficients are the parity units, the data above
// them, that the generator (x - 1)(x - 2)(x - 4)... divides. So parity is what x^(m + i) leaves.
void AddLegacyRows(const Schema& schema, std::vector<uint8_t>& matrix) {
  const uint32_t k = schema.data_units, m = schema.parity_units;
  std::vector<uint8_t> generator = {1};  // lowest first
  uint8_t root = 1;
  for (uint32_t i = 0; i < m; ++i) {
    std::vector<uint8_t> product(generator.size() + 1);
    for (size_t j = 0; j < generator.size(); ++j) {
      product[j] ^= gf_mul(generator[j], root);
      product[j + 1] ^= generator[j];
    }
    generator = std::move(product);
    root = gf_mul(root, 2);
  }
  // x^m leaves the generator without its leading term; each further power is x times the last.
  std::vector<uint8_t> remainder(generator.begin(), generator.begin() + m);
  for (uint32_t unit = 0; unit < k; ++unit) {
    for (uint32_t row = 0; row < m; ++row) matrix[(k + row) * k + unit] = remainder[row];
    const uint8_t top = remainder.back();
    for (uint32_t row = m; row-- > 0;) {
      remainder[row] =
          static_cast<uint8_t>((row > 0 ? remainder[row - 1] : 0) ^ gf_mul(top, generator[row]));
    }
  }
}

std::vector<uint8_t> MakeMatrix(const Schema& schema) {
  const uint32_t k = schema.data_units;
  std::vector<uint8_t> matrix(size_t{schema.units()} * k);
  for (uint32_t unit = 0; unit < k; ++unit) matrix[unit * k + unit] = 1;
  switch (schema.codec) {
    case Codec::kXor:
      std::fill_n(matrix.begin() + k * k, k, uint8_t{1});
      break;
    case Codec::kReedSolomon:
      for (uint32_t row = k; row < schema.units(); ++row) {
        for (uint32_t unit = 0; unit < k; ++unit) {
          matrix[row * k + unit] = gf_inv(static_cast<unsigned char>(row ^ unit));
        }
      }
      break;
    case Codec::kReedSolomonLegacy:
      AddLegacyRows(schema, matrix);
      break;
  }
  return matrix;
}

// ISA-L writes no input, but its interface does not say so.
unsigned char* Bytes(const std::byte* bytes) {
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes));
}

void Multiply(const std::vector<uint8_t>& tables, std::span<const std::byte* const> in,
              std::span<std::byte* const> out, size_t bytes) {
  unsigned char* from[kMaxUnits];
  unsigned char* to[kMaxUnits];
  for (size_t done = 0; done < bytes;) {
    const size_t piece = std::min(bytes - done, kMaxPieceBytes);
    for (size_t i = 0; i < in.size(); ++i) from[i] = Bytes(in[i] + done);
    for (size_t i = 0; i < out.size(); ++i) to[i] = Bytes(out[i] + done);
    ec_encode_data(static_cast<int>(piece), static_cast<int>(in.size()),
                   static_cast<int>(out.size()), const_cast<uint8_t*>(tables.data()), from, to);
    done += piece;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Coder>> Coder::Create(const Schema& schema) {
  RETURN_IF_ERROR(CheckSchema(schema));
  return std::unique_ptr<Coder>(new Coder(schema));
}

Coder::Coder(const Schema& schema)
    : schema_(schema),
      matrix_(MakeMatrix(schema)),
      encode_tables_(size_t{schema.parity_units} * schema.data_units * kTableBytes) {
  ec_init_tables(static_cast<int>(schema_.data_units), static_cast<int>(schema_.parity_units),
                 const_cast<uint8_t*>(Row(schema_.data_units).data()), encode_tables_.data());
}

std::span<const uint8_t> Coder::Row(uint32_t unit) const {
  return std::span(matrix_).subspan(size_t{unit} * schema_.data_units);
}

void Coder::Encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
                   size_t bytes) const {
  CHECK(data.size() == schema_.data_units && parity.size() == schema_.parity_units);
  Multiply(encode_tables_, data, parity, bytes);
}

absl::Status Coder::Rebuild(std::span<const std::byte* const> units,
                            std::span<const uint32_t> wanted, std::span<std::byte* const> out,
                            size_t bytes) const {
  CHECK(units.size() == schema_.units() && wanted.size() == out.size());
  if (wanted.empty()) return absl::OkStatus();
  uint32_t there = 0;
  for (size_t unit = 0; unit < units.size(); ++unit) {
    if (units[unit] != nullptr) there |= 1u << unit;
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, PlanFor(there, wanted));
  const std::byte* sources[kMaxUnits];
  for (size_t i = 0; i < plan->sources.size(); ++i) sources[i] = units[plan->sources[i]];
  Multiply(plan->tables, std::span(sources, plan->sources.size()), out, bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Coder::Plan>> Coder::PlanFor(
    uint32_t there, std::span<const uint32_t> wanted) const {
  uint32_t want = 0;
  for (const uint32_t unit : wanted) {
    if (unit >= schema_.units()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unit ", unit, " of a group of ", schema_.units()));
    }
    if ((there & (1u << unit)) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("unit ", unit, " is wanted, and is there"));
    }
    want |= 1u << unit;
  }
  // Only wanted units in order are remembered: another order is another table.
  const bool kept = std::is_sorted(wanted.begin(), wanted.end(), std::less_equal<>());
  const uint32_t key = there | want << kMaxUnits;
  if (kept) {
    MutexLock lock(mu_);
    if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, MakePlan(there, wanted));
  if (kept) {
    MutexLock lock(mu_);
    if (plans_.size() >= kMaxPlans) plans_.clear();
    plans_[key] = plan;
  }
  return plan;
}

absl::StatusOr<std::shared_ptr<const Coder::Plan>> Coder::MakePlan(
    uint32_t there, std::span<const uint32_t> wanted) const {
  const uint32_t k = schema_.data_units;
  auto plan = std::make_shared<Plan>();
  std::vector<uint8_t> rows;  // of the sources, k x k
  for (uint32_t unit = 0; unit < schema_.units() && plan->sources.size() < k; ++unit) {
    if ((there & (1u << unit)) == 0) continue;
    plan->sources.push_back(unit);
    const auto row = Row(unit).first(k);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  if (plan->sources.size() < k) {
    return absl::DataLossError(absl::StrCat(plan->sources.size(), " units of a group are there, ",
                                            "and ", k, " are needed"));
  }
  std::vector<uint8_t> inverse(rows.size());  // data from the sources
  if (gf_invert_matrix(rows.data(), inverse.data(), static_cast<int>(k)) != 0) {
    return absl::InternalError("a code whose rows depend on each other");
  }
  std::vector<uint8_t> wanted_rows(wanted.size() * k);  // wanted units from the sources
  for (size_t i = 0; i < wanted.size(); ++i) {
    for (uint32_t column = 0; column < k; ++column) {
      uint8_t sum = 0;
      for (uint32_t data = 0; data < k; ++data) {
        sum ^= gf_mul(Row(wanted[i])[data], inverse[data * k + column]);
      }
      wanted_rows[i * k + column] = sum;
    }
  }
  plan->tables.resize(wanted_rows.size() * kTableBytes);
  ec_init_tables(static_cast<int>(k), static_cast<int>(wanted.size()), wanted_rows.data(),
                 plan->tables.data());
  return plan;
}

}  // namespace cairn::erasure
